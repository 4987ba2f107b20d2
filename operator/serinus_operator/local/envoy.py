"""Envoy as a process of an instance: started, waited for, started again when it ends. I/O; knows nothing of models."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from serinus_operator.local.launch import bound_log, launch
from serinus_operator.local.program import Program

START_SECONDS = 30.0
LOOK_SECONDS = 0.02
AGAIN_SECONDS = (0.05, 2.0)
"""The first pause before it is started again, and the longest."""
END_SECONDS = 5.0
TAIL_LINES = 5

log = logging.getLogger(__name__)


class EnvoyFailed(Exception):  # noqa: N818  # named by what happened
    """Envoy does not serve; the message says why, and what to do."""


class Envoy:
    """One Envoy; `ready` asks it whether it listens."""

    def __init__(self, program: Program, log_file: Path, ready: Callable[[], Awaitable[bool]]) -> None:
        self.up = False
        """Whether it runs and has listened."""
        self._program = program
        self._log = log_file
        self._ready = ready
        self._process: asyncio.subprocess.Process | None = None
        self._over = False

    @property
    def pid(self) -> int | None:
        """Of the present process."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Until it listens. Raises EnvoyFailed."""
        try:
            self._process = await launch(self._program, self._log, None)
        except OSError as error:
            raise EnvoyFailed(f"Envoy cannot be started: {error}") from error
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await self._ready():
                    if self._process.returncode is not None:
                        raise EnvoyFailed(f"Envoy ended with {self._process.returncode}: {self._last_words()}")
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError as error:
            words = f"Envoy does not listen after {START_SECONDS:.0f} s: {self._last_words()}"
            raise EnvoyFailed(words) from error
        self.up = True

    async def keep(self) -> None:
        """Start it again whenever it ends, until cancelled."""
        pause, longest = AGAIN_SECONDS
        while True:
            assert self._process is not None
            code = await self._process.wait()
            self.up = False
            if self._over:
                await asyncio.Event().wait()
            log.warning("Envoy ended, starting it again", extra={"code": code})
            try:
                await self.start()
                pause = AGAIN_SECONDS[0]
            except EnvoyFailed as error:
                log.error("Envoy does not serve", extra={"why": str(error)})
                await self._end()
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)
            bound_log(self._log)

    async def stop(self) -> None:
        """End it, for good."""
        self._over, self.up = True, False
        await self._end()

    async def _end(self) -> None:
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), END_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _last_words(self) -> str:
        try:
            lines = self._log.read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        return " | ".join(lines[-TAIL_LINES:]) or f"it has said nothing; see {self._log}"
