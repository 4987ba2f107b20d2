"""What has come to each model lately, from what Envoy counts: requests per second, and the 95th percentile. Pure.

The clock and the counts are handed in, once a second.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

WINDOW_SECONDS = 10.0

Key = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class Stats:
    """One model's traffic over the last ten seconds."""

    requests_per_second: float
    p95_milliseconds: float | None
    """None without a request in Envoy's last few seconds."""


class Rates:
    """The counts of the last ten seconds."""

    def __init__(self) -> None:
        self._counts: dict[Key, deque[tuple[float, int]]] = {}
        self._late: Mapping[Key, float] = {}

    def add(self, now: float, arrivals: Mapping[Key, int], late: Mapping[Key, float]) -> None:
        """What has come to each model so far. A model that is seen for the first time began at 0; so did one whose
        count has gone back, because Envoy was started again."""
        for key in self._counts.keys() - arrivals.keys():
            del self._counts[key]
        for key, count in arrivals.items():
            counts = self._counts.setdefault(key, deque([(now, 0)]))
            if count < counts[-1][1]:
                counts.clear()
                counts.append((now, 0))
            counts.append((now, count))
            while counts[1][0] <= now - WINDOW_SECONDS:
                counts.popleft()
        self._late = late

    def stats(self, key: Key) -> Stats:
        """Requests / 10 s: of 20 that have come in the last ten seconds, 2.0 per second."""
        counts = self._counts.get(key)
        come = counts[-1][1] - counts[0][1] if counts else 0
        return Stats(come / WINDOW_SECONDS, self._late.get(key))
