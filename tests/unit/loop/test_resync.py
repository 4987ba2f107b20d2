"""Lists once a minute: what the watches missed is found, and every key is looked at."""

import asyncio
import itertools
from typing import Any

from tests.fakes.cluster import FakeCluster
from tests.fakes.world import config_map, model

from serinus_operator.cache import Cache
from serinus_operator.cluster.errors import Denied, Unavailable
from serinus_operator.cluster.port import MODEL_DEPLOYMENT, POD, Kind
from serinus_operator.queue import Key, WorkQueue
from serinus_operator.resync import Resync


class Loop:
    """A resync and a queue over a fake cluster."""

    def __init__(self, seconds: float = 60.0) -> None:
        self.cluster = FakeCluster()
        self.seen: list[tuple[Key, float]] = []
        self.cache = Cache()
        self.queue = WorkQueue(self._work, workers=4)
        self.resync = Resync(self.cluster, self.cache, self.queue, seconds)

    async def _work(self, key: Key) -> None:
        self.seen.append((key, asyncio.get_running_loop().time()))

    async def __aenter__(self) -> "Loop":
        loop = asyncio.get_running_loop()
        self.tasks = [loop.create_task(self.resync.run()), loop.create_task(self.queue.run())]
        return self

    async def __aexit__(self, *_: Any) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def test_every_key_is_looked_at_in_every_period() -> None:
    async with Loop() as loop:
        for number in range(5):
            loop.cluster.put(model(f"m{number}"))
        await asyncio.sleep(601)
        for number in range(5):
            times = [at for key, at in loop.seen if key.name == f"m{number}"]
            gaps = [b - a for a, b in itertools.pairwise(times)]
            assert 8 <= len(times) <= 13
            assert max(gaps) <= 60 * 1.2 + 12


async def test_keys_are_spread_over_a_fifth_of_the_period() -> None:
    async with Loop() as loop:
        for number in range(50):
            loop.cluster.put(model(f"m{number}"))
        begun = asyncio.get_running_loop().time()
        await asyncio.sleep(20)
        delays = [at - begun for _, at in loop.seen]
        assert len(delays) == 50
        assert max(delays) <= 12.1
        assert max(delays) - min(delays) > 6


async def test_workers_may_start_when_all_lists_are_complete() -> None:
    loop = Loop()
    fault = loop.cluster.fail(Unavailable("down"), verb="list", kind="NetworkPolicy")
    async with loop:
        await asyncio.sleep(30)
        assert not loop.resync.primed.is_set()
        assert fault.struck > 10, "tried every second until the first time"
        fault.lift()
        await asyncio.sleep(2)
        assert loop.resync.primed.is_set()


async def test_failed_list_is_tried_again_before_the_period_ends() -> None:
    async with Loop() as loop:
        await asyncio.sleep(1)
        fault = loop.cluster.fail(Unavailable("down"), verb="list")
        await asyncio.sleep(120)
        fault.lift()
        loop.cluster.put(model())
        await asyncio.sleep(30)
        assert loop.seen


async def test_ghost_of_a_missed_deletion_is_dropped() -> None:
    async with Loop() as loop:
        made = loop.cluster.put(model())
        await asyncio.sleep(1)
        loop.cluster.remove(MODEL_DEPLOYMENT, "ml", "iris")
        assert list(loop.cache.keys(MODEL_DEPLOYMENT)) == [Key("ml", "iris")]
        await asyncio.sleep(80)
        assert list(loop.cache.keys(MODEL_DEPLOYMENT)) == []
        assert made


async def test_objects_that_are_not_ours_are_not_listed() -> None:
    async with Loop() as loop:
        loop.cluster.put({**config_map("x", b"x"), "kind": "Service", "spec": {"ports": []}})
        await asyncio.sleep(1)
        assert not loop.cache._objects


async def test_watch_that_is_denied_is_noted_and_told_when_it_is_regained() -> None:
    """The first check comes after the first list, and the second within a quarter of the period."""
    loop = Loop()
    allowed: dict[str, bool] = {"pods": False}
    regained: list[float] = []

    async def check_watch(kind: Kind) -> None:
        if not allowed.get(kind.resource, True):
            raise Denied("watch", kind.resource)
        if kind is MODEL_DEPLOYMENT:
            raise Unavailable("says nothing of a right")

    loop.resync.check_watch = check_watch
    loop.resync.on_watch_regained = lambda: regained.append(asyncio.get_running_loop().time())
    async with loop:
        loop.cluster.put(model())
        await asyncio.sleep(20)
        assert list(loop.cache.denied) == [("watch", POD)]
        assert "may not watch pods" in str(loop.cache.denied["watch", POD])
        assert loop.seen, "the keys are looked at, so that every model tells it"
        assert regained == []
        allowed["pods"] = True
        await asyncio.sleep(16)
        assert len(regained) == 1
        assert not loop.cache.denied
        await asyncio.sleep(200)
        assert len(regained) == 1
