"""How much this pod does at once: places in flight, and a bounded queue before them.

Used by `app.py` and `dispatch.py`, on the event loop only.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from serinus_runtime.errors import Overloaded, Unavailable

Clock: TypeAlias = Callable[[], float]


class Gate:
    """`concurrency` places in flight, and `queue` requests that wait for one, first come first served."""

    def __init__(self, concurrency: int, queue: int, clock: Clock = time.monotonic) -> None:
        self._concurrency = concurrency
        self._queue = queue
        self._clock = clock
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._busy = 0.0
        self._since = clock()
        self.in_flight = 0
        self.rejected = 0

    @property
    def queued(self) -> int:
        """Requests that wait for a place."""
        return len(self._waiting)

    def check_room(self) -> None:
        """Refuse before a body is read what could not even queue.

        Raises:
            Overloaded: places and queue are full.

        """
        if self.in_flight >= self._concurrency and len(self._waiting) >= self._queue:
            self.rejected += 1
            raise Overloaded(f"{self._concurrency} requests are in flight and {self._queue} wait; try again later")

    @property
    def has_place(self) -> bool:
        """Whether a request could run now, without waiting."""
        return self.in_flight < self._concurrency

    def add_busy(self, seconds: float) -> None:
        """Account for a request that came and went while the event loop could do nothing else."""
        self._busy += seconds

    async def enter(self, timeout: float) -> None:
        """Take a place, waiting for one at most `timeout` seconds; `leave` gives it back.

        Raises:
            Overloaded: places and queue are full.
            Unavailable: no place became free in time.

        """
        if self.in_flight < self._concurrency:
            self._count(+1)
            return
        self.check_room()
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout(timeout):
                await place
        except (TimeoutError, asyncio.CancelledError) as error:
            if place.done() and not place.cancelled():
                self.leave()  # the place came in the same instant
            elif place in self._waiting:
                self._waiting.remove(place)
            if isinstance(error, TimeoutError):
                raise Unavailable("the request waited too long for its turn") from error
            raise

    def leave(self) -> None:
        """Give a place back; who has waited longest gets it."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._count(-1)

    def busy_seconds(self) -> float:
        """The integral of requests in flight over time: two requests of one second each are 2.0, at once or not."""
        self._count(0)
        return self._busy

    def _count(self, change: int) -> None:
        now = self._clock()
        self._busy += self.in_flight * (now - self._since)
        self._since = now
        self.in_flight += change
