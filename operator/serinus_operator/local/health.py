"""Is a container up, ready, alive? Its probes, on and on, as a kubelet runs them. Used by `pod.py`."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from serinus_operator.local.addresses import Place
from serinus_operator.local.probes import Probe, passes, probe_of

STARTUP_POLL_SECONDS = 0.05


class Health:
    """Probes one container at its place; `tell` hears whether it is ready, each time that it was asked."""

    def __init__(self, container: Mapping[str, Any], place: Place, tell: Callable[[bool], None]) -> None:
        self._startup = probe_of(container, "startupProbe")
        self._ready = probe_of(container, "readinessProbe")
        self._live = probe_of(container, "livenessProbe")
        self._place = place
        self._tell = tell

    async def watch(self) -> None:
        """Returns when the container is to be restarted: not up in time, or not alive."""
        if self._startup and not await self._comes_up(self._startup):
            return
        self._tell(self._ready is None or await self._passes(self._ready))
        watches = [asyncio.ensure_future(self._alive(self._live))] if self._live else []
        watches += [asyncio.ensure_future(self._readiness(self._ready))] if self._ready else []
        try:
            if watches:
                await asyncio.wait(watches, return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.Event().wait()
        finally:
            for watch in watches:
                watch.cancel()

    async def _comes_up(self, probe: Probe) -> bool:
        """Ask often, so that nothing waits for a period; within the probe's patience."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(probe.patience_seconds):
                while not await self._passes(probe):  # noqa: ASYNC110  # another process is asked
                    await asyncio.sleep(STARTUP_POLL_SECONDS)
                return True
        return False

    async def _readiness(self, probe: Probe) -> None:
        failures, ready = 0, True
        while True:
            await asyncio.sleep(probe.period_seconds)
            failures = 0 if await self._passes(probe) else failures + 1
            ready = failures == 0 or (ready and failures < probe.failures)
            self._tell(ready)

    async def _alive(self, probe: Probe) -> None:
        """Returns when it has failed too often."""
        failures = 0
        while failures < probe.failures:
            await asyncio.sleep(probe.period_seconds)
            failures = 0 if await self._passes(probe) else failures + 1

    async def _passes(self, probe: Probe) -> bool:
        return await passes(probe, self._place.host, self._place.http_port)
