"""From start to exit of a serving pod: `serinus-runtime serve`.

Both ports listen first, answering "not ready"; then the model is fetched, loaded and warmed up in a thread; then
traffic; after SIGTERM the drain. Called by `main.py`.

    SIGTERM ─ ready turns 503, each answer says `Connection: close`, new connections are still taken
      │        drain_seconds: until every endpoint list has forgotten this pod (a second signal ends the wait)
      ├─ the listener closes, idle connections end, requests that have begun to arrive are answered
      │        at most request_timeout_seconds (a third signal ends the wait)
      └─ exit 0
"""

import asyncio
import contextlib
import logging
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from serinus_api.conditions import Reason
from serinus_api.runtime import EXIT_OK, RuntimeConfig
from serinus_runtime.app import Application, guarded
from serinus_runtime.bento import BentoFront
from serinus_runtime.connection import ConnectionRules
from serinus_runtime.errors import ModelRefused
from serinus_runtime.limits import Gate
from serinus_runtime.logs import fields
from serinus_runtime.metrics import Metrics
from serinus_runtime.model_store import fetch
from serinus_runtime.private import PrivatePort
from serinus_runtime.progress import Progress
from serinus_runtime.server import Port, listen
from serinus_runtime.shadow import Shadow
from serinus_runtime.source_watch import watch_source

if TYPE_CHECKING:
    from serinus_runtime.plane import Plane

log = logging.getLogger(__name__)


class Pod:
    """One serving process. Made inside its event loop."""

    def __init__(self, config: RuntimeConfig, progress: Progress) -> None:
        limits = config.limits
        self._config = config
        self._progress = progress
        self._gate = Gate(limits.max_concurrency, limits.max_queue)
        self._bento = BentoFront(config)
        shadow = Shadow(config)
        self._metrics = Metrics(config.model_version, self._gate, self._cpu_seconds, shadow=shadow)
        self._app = Application(config, self._gate, self._metrics, self._bento, shadow)
        self._signals = [asyncio.Event() for _ in range(3)]
        rules = ConnectionRules.of(config)
        self._public = Port(guarded(self._app, config.model_version), listen(config.host, config.http_port), rules)
        private = PrivatePort(self._metrics, shadow, config.model_version)
        self._private = Port(private, listen(config.host, config.metrics_port), rules)

    def _cpu_seconds(self) -> float | None:
        """The pod's processor time; the process's own where the control group is shared or does not tell."""
        used = self._progress.group.cpu_seconds() if self._config.own_group else None
        return time.process_time() if used is None else used

    async def run(self) -> int:
        """Serve until a signal or a refusal; the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        public = asyncio.create_task(self._public.run_port())
        private = asyncio.create_task(self._private.run_port())
        await asyncio.gather(self._public.listening.wait(), self._private.listening.wait())
        log.info("Listening", extra=fields(http_port=self._public.number, metrics_port=self._private.number))
        try:
            code = await self._serve_model()
        except ModelRefused as refusal:
            self._progress.refused(refusal)
            log.info("Refused model", extra=fields(reason=refusal.reason.value, why=refusal.message))
            code = refusal.exit_code
        else:
            await self._drain(public)
        self._public.end()
        self._private.end()
        await asyncio.wait({public, private}, timeout=1)
        return code

    async def _serve_model(self) -> int:
        """Load, open for traffic, and wait for the first signal."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="loading")  # not joined: a signal need not wait for it
        loading = asyncio.get_running_loop().run_in_executor(thread, self._fetch_and_load)
        stop = asyncio.ensure_future(self._signals[0].wait())
        ends: set[asyncio.Future[Any]] = {loading, stop}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not loading.done():
            return EXIT_OK
        plane = loading.result()
        self._metrics.digest = plane.model.digest
        self._app.plane = plane
        log.info("Ready", extra=fields(revision=self._config.model_version))
        watch = asyncio.create_task(watch_source(self._config, plane.model.facts, self._metrics.tell_source))
        await stop
        watch.cancel()
        return EXIT_OK

    def _fetch_and_load(self) -> "Plane":
        """In a thread of its own, so that the ports answer meanwhile."""
        try:
            model = fetch(self._config, self._progress.enter)
        except ModelRefused as refusal:
            if refusal.reason is not Reason.DIGEST_MISMATCH:
                raise
            msg = f"the source is no longer what this revision serves: {refusal.message}"
            raise ModelRefused(Reason.SOURCE_CHANGED, msg) from refusal
        self._progress.note(digest=model.digest, size_bytes=model.size)
        from serinus_runtime.plane import load_plane

        cpus = self._config.threads or self._progress.group.cpus()
        plane = load_plane(self._config, model, self._gate, cpus, self._progress.enter)
        self._progress.passed()
        return plane

    async def _drain(self, public: asyncio.Task[None]) -> None:
        """Let every request that reaches this pod be answered, then stop taking any."""
        limits = self._config.limits
        self._app.draining = True
        self._public.drain()
        log.info("Draining", extra=fields(seconds=self._config.drain_seconds, in_flight=self._gate.in_flight))
        if self._app.plane is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._signals[1].wait(), self._config.drain_seconds)
        self._public.should_exit = True
        third = asyncio.ensure_future(self._signals[2].wait())
        ends: set[asyncio.Future[Any]] = {public, third}
        await asyncio.wait(ends, timeout=limits.request_timeout_seconds + 1, return_when=asyncio.FIRST_COMPLETED)
        third.cancel()
        await self._bento.close()
        log.info("Stopped", extra=fields(unanswered=0 if public.done() else self._gate.in_flight))

    def _on_signal(self) -> None:
        """The n-th signal sets the n-th event."""
        for event in self._signals:
            if not event.is_set():
                event.set()
                return
