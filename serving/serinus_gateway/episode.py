"""One cold start, split into its phases. Pure.

wake      from the first request that found no pod, until the API server had the new size
schedule  until a pod had an address
load      until it answered
"""

from collections.abc import Callable

PHASES = ("wake", "schedule", "load")


class Episode:
    """Tells each phase once, in order; a phase that was never seen to begin took no time."""

    def __init__(self, began: float, tell: Callable[[str, float], None]) -> None:
        self._last = began
        self._next = 0
        self._tell = tell

    def reached(self, phase: str, now: float) -> None:
        """The phase is over; those before it are, too."""
        wanted = PHASES.index(phase)
        while self._next <= wanted:
            self._tell(PHASES[self._next], now - self._last)
            self._last = now
            self._next += 1
