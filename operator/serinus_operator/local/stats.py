"""What the entry port has seen lately: requests per second and the 95th percentile of their time. Pure.

`Entry` adds each answered request and asks for the table; the clock is handed in.
"""

import math
from collections import deque
from dataclasses import dataclass

WINDOW_SECONDS = 10.0
SAMPLES = 4096
"""At most so many requests are kept for the percentile."""


@dataclass(frozen=True, slots=True)
class Stats:
    """One model's traffic over the last ten seconds."""

    requests_per_second: float
    p95_milliseconds: float | None
    """None without a request in that time."""


class Window:
    """The requests of the last ten seconds: counted by tenths of a second, their times kept up to a bound."""

    def __init__(self) -> None:
        self._counts: deque[tuple[float, int]] = deque()
        self._times: deque[tuple[float, float]] = deque(maxlen=SAMPLES)

    def add(self, now: float, seconds: float) -> None:
        """A request was answered at `now` and took so long."""
        tenth = math.floor(now * 10) / 10
        if self._counts and self._counts[-1][0] == tenth:
            self._counts[-1] = (tenth, self._counts[-1][1] + 1)
        else:
            self._counts.append((tenth, 1))
        self._times.append((now, seconds))
        self._forget(now)

    def stats(self, now: float) -> Stats:
        """Requests / 10 s, and the time that 95 of 100 requests did not exceed (nearest rank).

        20 requests of 1 … 20 ms: 2.0 per second, 19 ms.
        """
        self._forget(now)
        times = sorted(seconds for _, seconds in self._times)
        p95 = times[math.ceil(0.95 * len(times)) - 1] * 1000 if times else None
        return Stats(sum(count for _, count in self._counts) / WINDOW_SECONDS, p95)

    def _forget(self, now: float) -> None:
        while self._counts and self._counts[0][0] < now - WINDOW_SECONDS:
            self._counts.popleft()
        while self._times and self._times[0][0] < now - WINDOW_SECONDS:
            self._times.popleft()
