"""An event loop whose clock is moved by its timers: when nothing is ready to run, it jumps to the next one.

Nothing sleeps, and an hour of the operator's life passes in milliseconds, in the same order each time.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

START_SECONDS = 1000.0
T = TypeVar("T")


class _Jump(selectors.DefaultSelector):
    """Moves the clock instead of waiting for sockets, of which there are none."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            self.loop.catch_up()
            return ready
        if timeout is None:
            raise RuntimeError("everything waits, and no timer will ever wake it")
        self.loop.seconds += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """`asyncio.sleep(60)` returns at once, and `loop.time()` is 60 seconds later."""

    def __init__(self) -> None:
        self.seconds = START_SECONDS
        jump = _Jump()
        jump.loop = self
        super().__init__(jump)

    def time(self) -> float:
        return self.seconds

    def catch_up(self) -> None:
        """To the next timer, where asyncio runs it a rounding error early: a clock that stands still never gets there.

        With real clocks the time is over by the time that somebody looks again.
        """
        timers = self._scheduled  # type: ignore[attr-defined]  # asyncio's own, by time
        if timers and 0 < timers[0]._when - self.seconds < self._clock_resolution:  # type: ignore[attr-defined]
            self.seconds = timers[0]._when


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """The coroutine's result, on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)
