"""How many more requests each pod may be given now. Pure: the time is handed in.

The agent sees a request begin, not end; so it counts from what the pods tell of themselves. With c = places of the pod,
g = gateways in use, and s = requests that were sent there but had not arrived when it was read:

    left = ceil(max(0, c - in flight - queued - s) / g), and one less for each request given out since

    c 8, 3 in flight, 1 queued, none under way, 2 gateways: ceil(4 / 2) = 2
    c 1, nothing in flight, 2 gateways: 1 each; should both give theirs, the pod's own queue takes the second
"""

import math
from collections import deque

from serinus_api.runtime import LoadReport

FRESH_SECONDS = 1.0
"""What was read longer ago says nothing: the pod may be gone."""
ARRIVAL_SECONDS = 1.0
"""A request that has not arrived by then never will: its client has left."""


class Places:
    """What is known of one pod's places."""

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._left = 0
        self._read_at = -math.inf
        self._arrived: int | None = None
        self._sent: deque[float] = deque()

    def read(self, report: LoadReport, now: float, gateways: int) -> None:
        """Take what the pod tells."""
        arrived = sum(report.arrivals.values())
        new = 0 if self._arrived is None else arrived - self._arrived
        for _ in range(min(max(new, 0), len(self._sent))):
            self._sent.popleft()
        while self._sent and self._sent[0] < now - ARRIVAL_SECONDS:
            self._sent.popleft()
        free = self._concurrency - report.in_flight - report.queued - len(self._sent)
        self._arrived = arrived
        self._left = math.ceil(max(0, free) / gateways)
        self._read_at = now

    def guess(self, now: float, gateways: int) -> None:
        """The pod answers, but tells no load (it is not of our runtime): its own limit has to do."""
        self._left = math.ceil(self._concurrency / gateways)
        self._read_at = now

    def known(self, now: float) -> bool:
        """Whether the pod has answered lately."""
        return now - self._read_at <= FRESH_SECONDS

    def left(self, now: float) -> int:
        """Requests that may be sent now."""
        return self._left if self.known(now) else 0

    def take(self, now: float) -> None:
        """A request is sent."""
        self._left -= 1
        self._sent.append(now)

    def give_back(self) -> None:
        """The request that was sent last was not sent after all."""
        self._left += 1
        if self._sent:
            self._sent.pop()
