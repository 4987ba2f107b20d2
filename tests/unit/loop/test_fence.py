"""Only one of two operators may write at any instant, whatever happens to their requests and to their processes."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.fakes.cluster import FakeCluster
from tests.fakes.virtual_time import run

from serinus_operator.cluster.errors import FenceLost, Unavailable
from serinus_operator.cluster.port import LEASE, Precondition
from serinus_operator.fence import DURATION_SECONDS, TERM_SECONDS, Fence, FencedCluster

WRITE_SECONDS = 4.0
"""The adapter's limit for a write (cluster/kubernetes.py)."""


@dataclass(frozen=True)
class Leg:
    """What becomes of one request: seconds until the server acts, and until its answer is seen, if ever."""

    there: float = 0.01
    back: float = 0.01
    lost: bool = False
    arrives: bool = True


class Line:
    """The way from one operator to the API server."""

    def __init__(self, cluster: FakeCluster, legs: Iterator[Leg] | None = None) -> None:
        self.cluster = cluster
        self.legs = legs or itertools.repeat(Leg())
        self.cut = False
        self.writes = 0

    def __getattr__(self, verb: str) -> Callable[..., Awaitable[Any]]:
        async def request(*args: Any) -> Any:
            if self.cut:
                raise Unavailable("connection refused")
            leg = next(self.legs)
            await asyncio.sleep(leg.there)
            if not leg.arrives:
                raise Unavailable("time-out")
            self.writes += verb != "get"
            answer = await getattr(self.cluster, verb)(*args)
            await asyncio.sleep(leg.back)
            if leg.lost:
                raise Unavailable("the answer was lost")
            return answer

        return request


def fence(line: Line, pod: str, start: str = "1") -> Fence:
    return Fence(line, namespace="serinus-system", name="lease", pod=pod, start=start)


def lease(cluster: FakeCluster) -> dict[str, Any]:
    return cluster.objects[LEASE.kind, "serinus-system", "lease"]["spec"]


async def stop(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not within 100 s")


legs = st.builds(
    Leg,
    there=st.sampled_from([0.01, 0.5, 3.0, 9.0]),
    back=st.sampled_from([0.01, 0.5, 3.0, 9.0, 14.0, 40.0]),
    lost=st.booleans(),
    arrives=st.booleans(),
)
"""A long way back is also how a process looks that is paused (SIGSTOP) while it waits."""
quick = Leg()


@settings(max_examples=40, deadline=None)
@given(mine=st.lists(legs, max_size=25), theirs=st.lists(legs, max_size=25), start=st.floats(0, 20))
@example(mine=[quick] * 8 + [Leg(arrives=False)] * 12, theirs=[Leg(there=9.0)], start=1.0)
def test_two_never_hold_it_at_the_same_instant(mine: list[Leg], theirs: list[Leg], start: float) -> None:
    async def story() -> None:
        cluster = FakeCluster()
        one = fence(Line(cluster, itertools.chain(mine, itertools.repeat(quick))), "pod-1")
        two = fence(Line(cluster, itertools.chain(theirs, itertools.repeat(quick))), "pod-2")
        loop = asyncio.get_running_loop()
        first = loop.create_task(one.run())
        await asyncio.sleep(start)
        second = loop.create_task(two.run())
        for _ in range(400):
            assert not (one.held() and two.held())
            await asyncio.sleep(0.5)
        await stop(first, second)

    run(story())


@pytest.mark.parametrize("late", [0.0, 1.0, 2.0, 2.9])
@pytest.mark.parametrize("arrival", [5.0, 8.0, 9.5])
def test_renewal_that_is_seen_late_is_not_taken_for_an_old_one(late: float, arrival: float) -> None:
    """The other replica asks, the holder renews, and only then the question reaches the server."""

    async def story() -> None:
        cluster = FakeCluster()
        line = Line(cluster)
        holder = fence(line, "pod-1")
        waiter = fence(Line(cluster, itertools.chain([Leg(there=arrival)], itertools.repeat(quick))), "pod-2")
        loop = asyncio.get_running_loop()
        first = loop.create_task(holder.run())
        await asyncio.sleep(late)
        second = loop.create_task(waiter.run())
        await asyncio.sleep(arrival - 0.1)
        line.cut = True
        for _ in range(400):
            assert not (holder.held() and waiter.held())
            await asyncio.sleep(0.1)
        assert waiter.held()
        await stop(first, second)

    run(story())


def test_writes_stop_before_another_may_begin() -> None:
    async def story() -> None:
        cluster = FakeCluster()
        line = Line(cluster)
        mine = fence(line, "pod-1")
        fenced = FencedCluster(line, mine)
        task = asyncio.get_running_loop().create_task(mine.run())
        await asyncio.sleep(5)
        mine.check()
        line.cut = True
        await asyncio.sleep(TERM_SECONDS + 0.1)
        line.cut = False
        task.cancel()
        before = line.writes
        anything, now = {"kind": "Service", "metadata": {}}, Precondition("u", "1")
        for write in (
            fenced.create(anything),
            fenced.apply(anything, now),
            fenced.replace(anything, now),
            fenced.apply_status(anything, now),
            fenced.record_event(anything),
            fenced.scale(LEASE, "n", "x", 1, now),
            fenced.delete(LEASE, "n", "x", now),
        ):
            with pytest.raises(FenceLost, match="another replica"):
                await write
        assert line.writes == before
        assert await fenced.get(LEASE, "serinus-system", "lease")
        assert await fenced.list(LEASE, None, {})
        await stop(task)

    run(story())
    assert TERM_SECONDS + WRITE_SECONDS < DURATION_SECONDS, "no write outlives the term that it was allowed in"


def test_another_replica_takes_over_after_the_lease_has_run_out() -> None:
    async def story() -> None:
        cluster = FakeCluster()
        line = Line(cluster)
        one, two = fence(line, "pod-1"), fence(Line(cluster), "pod-2")
        acquired: list[float] = []
        loop = asyncio.get_running_loop()
        two.on_acquired = lambda: acquired.append(loop.time())
        tasks = [loop.create_task(one.run()), loop.create_task(two.run())]
        await asyncio.sleep(60)
        assert one.held()
        assert not acquired
        line.cut = True
        cut = loop.time()
        await asyncio.sleep(30)
        assert two.held()
        assert DURATION_SECONDS - 4 < acquired[0] - cut < DURATION_SECONDS + 8
        assert lease(cluster)["holderIdentity"] == "pod-2/1"
        assert lease(cluster)["leaseTransitions"] == 1
        line.cut = False
        await asyncio.sleep(30)
        assert not one.held()
        assert len(acquired) == 1
        await stop(*tasks)

    run(story())


def test_restarted_container_of_the_same_pod_resumes_at_once() -> None:
    async def story() -> float:
        cluster = FakeCluster()
        loop = asyncio.get_running_loop()
        line = Line(cluster)
        task = loop.create_task(fence(line, "pod-1").run())
        await asyncio.sleep(5)
        line.cut = True  # killed: it cannot give the lease back
        await stop(task)
        again = fence(Line(cluster), "pod-1", start="2")
        task = loop.create_task(again.run())
        begun = loop.time()
        await until(again.held)
        await stop(task)
        return loop.time() - begun

    assert run(story()) < 0.2


def test_released_lease_is_taken_at_the_next_look() -> None:
    async def story() -> float:
        cluster = FakeCluster()
        loop = asyncio.get_running_loop()
        one, two = fence(Line(cluster), "pod-1"), fence(Line(cluster), "pod-2")
        first = loop.create_task(one.run())
        await asyncio.sleep(1)
        second = loop.create_task(two.run())
        await asyncio.sleep(20)
        await stop(first)
        assert not one.held()
        assert lease(cluster)["holderIdentity"] == ""
        begun = loop.time()
        await until(two.held)
        await stop(second)
        return loop.time() - begun

    assert run(story()) < 4


def test_fence_that_was_lost_is_not_given_back() -> None:
    async def story() -> None:
        cluster = FakeCluster()
        loop = asyncio.get_running_loop()
        line = Line(cluster)
        first = loop.create_task(fence(line, "pod-1").run())
        await asyncio.sleep(1)
        second = loop.create_task(fence(Line(cluster), "pod-2").run())
        line.cut = True
        await asyncio.sleep(40)
        line.cut = False
        await stop(first)
        assert lease(cluster)["holderIdentity"] == "pod-2/1"
        await stop(second)

    run(story())


def test_holder_that_finds_another_name_in_the_lease_stops_at_once() -> None:
    """Somebody deleted the Lease, and another replica made a new one."""

    async def story() -> None:
        cluster = FakeCluster()
        loop = asyncio.get_running_loop()
        mine = fence(Line(cluster), "pod-1")
        task = loop.create_task(mine.run())
        await asyncio.sleep(5)
        cluster.edit(LEASE, "serinus-system", "lease", lambda live: live["spec"].update(holderIdentity="pod-2/1"))
        await asyncio.sleep(4)
        assert not mine.held()
        await stop(task)

    run(story())


def test_lease_without_a_holder_is_free() -> None:
    async def story() -> None:
        cluster = FakeCluster()
        meta = {"namespace": "serinus-system", "name": "lease"}
        cluster.put({"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": meta, "spec": {}})
        mine = fence(Line(cluster), "pod-1")
        task = asyncio.get_running_loop().create_task(mine.run())
        await asyncio.sleep(1)
        assert mine.held()
        await stop(task)

    run(story())


def test_keys_are_looked_at_again_each_time_the_fence_is_acquired() -> None:
    async def story() -> int:
        cluster = FakeCluster()
        line = Line(cluster)
        mine = fence(line, "pod-1")
        acquired = 0

        def count() -> None:
            nonlocal acquired
            acquired += 1

        mine.on_acquired = count
        task = asyncio.get_running_loop().create_task(mine.run())
        await asyncio.sleep(60)
        assert acquired == 1
        line.cut = True
        await asyncio.sleep(30)
        line.cut = False
        await asyncio.sleep(30)
        await stop(task)
        return acquired

    assert run(story()) == 2


def test_time_of_acquiring_stays_while_the_holder_is_the_same() -> None:
    async def story() -> None:
        cluster = FakeCluster()
        loop = asyncio.get_running_loop()
        one, two = fence(Line(cluster), "pod-1"), fence(Line(cluster), "pod-2")
        first = loop.create_task(one.run())
        await until(one.held)
        taken = lease(cluster)
        await asyncio.sleep(10)
        renewed = lease(cluster)
        assert renewed["renewTime"] > taken["renewTime"]
        assert renewed["acquireTime"] == taken["acquireTime"]
        await stop(first)
        assert lease(cluster)["acquireTime"] == taken["acquireTime"], "nobody has acquired it by a release"
        second = loop.create_task(two.run())
        await until(two.held)
        assert lease(cluster)["acquireTime"] > taken["acquireTime"]
        await stop(second)

    run(story())
