"""The BentoML service inside our process, started by the first request that wants it.

`app.py` hands over every path that is not `/v2`. BentoML costs half a second and tens of megabytes to import, so a pod
that is only asked in the Open Inference Protocol never pays them, and a cold start never waits for them.
"""

import asyncio
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serinus_api.runtime import RuntimeConfig
from serinus_runtime.lifespan import Lifespan
from serinus_runtime.server import App, Message, Scope, Send

if TYPE_CHECKING:
    from serinus_runtime.plane import Plane

log = logging.getLogger(__name__)


class BentoFront:
    """Starts BentoML's application once, and asks it."""

    def __init__(self, config: RuntimeConfig) -> None:
        self._config = config
        self._starting: asyncio.Task[Lifespan] | None = None

    async def answer(self, scope: Scope, body: bytes, send: Send, plane: "Plane") -> None:
        """Let BentoML answer one request whose body has been received."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start(plane))
        lifespan = await asyncio.shield(self._starting)
        messages = [{"type": "http.request", "body": body, "more_body": False}]
        done = asyncio.Event()

        async def receive() -> Message:
            if messages:
                return messages.pop()
            await done.wait()
            return {"type": "http.disconnect"}

        try:
            await lifespan.app(scope, receive, send)
        finally:
            done.set()

    async def close(self) -> None:
        """End BentoML's application, if it was started."""
        if self._starting is None:
            return
        await asyncio.wait({self._starting})
        if self._starting.exception() is None:
            await self._starting.result().stop()
            log.info("Stopped BentoML")

    async def _start(self, plane: "Plane") -> Lifespan:
        app = await asyncio.to_thread(_bento_app, plane, self._config)
        lifespan = Lifespan(app)
        await lifespan.start()
        log.info("Started BentoML")
        return lifespan


def _bento_app(plane: "Plane", config: RuntimeConfig) -> App:
    """BentoML's ASGI application over the model that is loaded already; imports BentoML."""
    home = Path(config.work_mount) / "bentoml"
    home.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("BENTOML_HOME", str(home))
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "true")
    from bentoml._internal.context import server_context

    from serinus_runtime import service

    service.share(plane.session, config)
    model: Any = service.Model
    server_context.service_type = "entry_service"
    server_context.service_name = server_context.bento_name = model.name
    server_context.worker_index = 1
    app: App = model.to_asgi(is_main=True)
    return app
