"""The lifespan protocol of ASGI, from the server's side; used by `bento.py` for an application that starts late."""

import asyncio

from serinus_runtime.server import App, Message

_STOP_SECONDS = 5


class LifespanFailed(Exception):  # noqa: N818 - says what happened
    """The application would not start."""


class Lifespan:
    """Starts and stops one ASGI application, in one task, as the protocol asks."""

    def __init__(self, app: App) -> None:
        self.app = app
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Run the application's start-up.

        Raises:
            LifespanFailed: it says that it failed, or ends.

        """
        self._task = asyncio.create_task(self._run())
        answer = await self._ask("lifespan.startup")
        if answer["type"] != "lifespan.startup.complete":
            raise LifespanFailed(str(answer.get("message", "")))

    async def stop(self) -> None:
        """Run the application's shutdown. What goes wrong there is its own affair: the process ends anyway."""
        if self._task is not None:
            await self._ask("lifespan.shutdown")
            await asyncio.wait({self._task}, timeout=_STOP_SECONDS)

    async def _run(self) -> None:
        scope: Message = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        try:
            await self.app(scope, self._to_app.get, self._from_app.put)
        finally:
            self._from_app.put_nowait({"type": "lifespan.ended"})

    async def _ask(self, what: str) -> Message:
        await self._to_app.put({"type": what})
        return await self._from_app.get()
