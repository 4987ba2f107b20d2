"""A keyed work queue: what level-triggered reconciling needs, and no more.

One worker at a time per key; a key that is added while it is being worked on runs once more afterwards; several adds
become one. Failures back off per key (0.2 s doubling to 15 s, ± 25 %, reset by a success). News of an object bring a
key forward all the same (`add`); whoever looks every second or two does not (`nudge`). `main.py` runs the workers,
`handlers.py` adds keys, the loops that look nudge them; nobody else holds one.
"""

import asyncio
import heapq
import itertools
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

FIRST_BACKOFF_SECONDS = 0.2
LAST_BACKOFF_SECONDS = 15.0


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Which ModelDeployment."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class RetryLater(Exception):  # noqa: N818  # a request to the queue, not an error
    """Raised by the work to ask for its back-off; `seconds` is a floor that the other side asked for."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__(seconds)
        self.seconds = seconds


Work = Callable[[Key], Awaitable[float | None]]
"""Does the work of one key; returns after how many seconds to look again, or None for the next resync."""


class WorkQueue:
    """Keys to be worked on, some now, some later. Times are those of the running event loop (seconds)."""

    def __init__(self, work: Work, *, workers: int) -> None:
        self._work = work
        self._workers = workers
        self._ready: dict[Key, float] = {}  # insertion order is the queue; the value is when it was added
        self._later: list[tuple[float, int, Key]] = []
        self._due: dict[Key, float] = {}
        self._active: dict[Key, float] = {}  # the value is when its pass began
        self._again: set[Key] = set()
        self._nudged: set[Key] = set()  # while they were worked on
        self._failures: dict[Key, int] = {}
        self._changed = asyncio.Event()
        self._order = itertools.count()

    def add(self, key: Key) -> None:
        """Work on `key` as soon as possible."""
        if key in self._active:
            self._again.add(key)
            return
        self._due.pop(key, None)
        self._ready.setdefault(key, asyncio.get_running_loop().time())
        self._changed.set()

    def nudge(self, key: Key) -> None:
        """Work on `key` as soon as possible, unless it has failed and waits for its next try: that is near enough."""
        if key in self._active:
            self._nudged.add(key)
        elif key not in self._failures:
            self.add(key)

    def add_after(self, key: Key, seconds: float) -> None:
        """Work on `key` in so many seconds, or earlier when something else asks for it."""
        due = asyncio.get_running_loop().time() + seconds
        if key in self._ready or self._due.get(key, due + 1) <= due:
            return
        self._due[key] = due
        heapq.heappush(self._later, (due, next(self._order), key))
        self._changed.set()

    @property
    def depth(self) -> int:
        """Keys waiting to be worked on now."""
        return len(self._ready)

    def oldest_seconds(self) -> float:
        """How long the oldest waiting key has waited; 0 with none."""
        if not self._ready:
            return 0.0
        return asyncio.get_running_loop().time() - next(iter(self._ready.values()))

    def longest_seconds(self) -> float:
        """How long the oldest key has waited, or the longest pass has lasted: what tells that the loop is stuck."""
        begun = min(self._active.values(), default=None)
        lasted = 0.0 if begun is None else asyncio.get_running_loop().time() - begun
        return max(lasted, self.oldest_seconds())

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._workers):
                group.create_task(self._worker(), name=f"worker-{number}")

    async def _worker(self) -> None:
        while True:
            key = await self._next()
            self._active[key] = asyncio.get_running_loop().time()
            try:
                delay = await self._work(key)
            except RetryLater as retry:
                failures = self._failures[key] = self._failures.get(key, 0) + 1
                delay = max(retry.seconds, backoff_seconds(failures))
            else:
                self._failures.pop(key, None)
            finally:
                del self._active[key]
            nudged = key in self._nudged and key not in self._failures
            if key in self._again or nudged:
                self.add(key)
            elif delay is not None:
                self.add_after(key, delay)
            self._again.discard(key)
            self._nudged.discard(key)

    async def _next(self) -> Key:
        loop = asyncio.get_running_loop()
        while True:
            self._promote(loop.time())
            if self._ready:
                key = next(iter(self._ready))
                del self._ready[key]
                return key
            self._changed.clear()
            delay = self._later[0][0] - loop.time() if self._later else None
            try:
                async with asyncio.timeout(delay):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _promote(self, now: float) -> None:
        """Move the keys whose time has come to the ready ones."""
        while self._later and self._later[0][0] <= now:
            due, _, key = heapq.heappop(self._later)
            if self._due.get(key) != due:
                continue  # replaced by an earlier time, or worked on meanwhile
            del self._due[key]
            if key in self._active:
                self._again.add(key)
            else:
                self._ready.setdefault(key, now)


def backoff_seconds(failures: int) -> float:
    """Delay before the next try: min(15, 0.2 · 2^(failures-1)), ± 25 %. The third failure waits 0.6 to 1.0 s."""
    seconds: float = min(LAST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** min(failures - 1, 16))
    return seconds * random.uniform(0.75, 1.25)  # noqa: S311  # jitter, not a secret
