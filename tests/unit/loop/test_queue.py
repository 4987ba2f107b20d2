"""The keyed work queue, on a virtual clock."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus_operator.queue import (
    FIRST_BACKOFF_SECONDS,
    LAST_BACKOFF_SECONDS,
    Key,
    RetryLater,
    WorkQueue,
    backoff_seconds,
)

A, B, C = (Key("ml", name) for name in "abc")


def now() -> float:
    return asyncio.get_running_loop().time()


class Work:
    """Records when each key was worked on; `results` says how each pass ends."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.began: list[tuple[Key, float]] = []
        self.active: set[Key] = set()
        self.most = 0
        self.results: list[float | Exception | None] = []

    async def __call__(self, key: Key) -> float | None:
        assert key not in self.active, "two workers on one key"
        self.active.add(key)
        self.most = max(self.most, len(self.active))
        self.began.append((key, now()))
        await asyncio.sleep(self.seconds)
        self.active.discard(key)
        result = self.results.pop(0) if self.results else None
        if isinstance(result, Exception):
            raise result
        return result

    def keys(self) -> list[Key]:
        return [key for key, _ in self.began]

    def gaps(self) -> list[float]:
        times = [at for _, at in self.began]
        return [later - earlier for earlier, later in itertools.pairwise(times)]


@contextlib.asynccontextmanager
async def running(work: Callable[[Key], Awaitable[float | None]], workers: int = 4) -> AsyncIterator[WorkQueue]:
    queue = WorkQueue(work, workers=workers)
    task = asyncio.get_running_loop().create_task(queue.run())
    yield queue
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_key_is_worked_on_at_once_and_once() -> None:
    work = Work()
    async with running(work) as queue:
        begun = now()
        for _ in range(5):
            queue.add(A)
        assert queue.depth == 1
        await asyncio.sleep(100)
    assert work.began == [(A, begun)]


async def test_keys_are_worked_on_in_the_order_in_which_they_came() -> None:
    work = Work(seconds=1)
    async with running(work, workers=1) as queue:
        for key in (B, A, C, B):
            queue.add(key)
        await asyncio.sleep(10)
    assert work.keys() == [B, A, C]


async def test_one_worker_per_key_and_many_keys_at_a_time() -> None:
    work = Work(seconds=1)
    async with running(work, workers=2) as queue:
        for key in (A, B, C):
            queue.add(key)
        await asyncio.sleep(0.5)
        queue.add(A)
        await asyncio.sleep(10)
    assert work.most == 2
    assert work.keys() == [A, B, A, C] or work.keys() == [A, B, C, A]


async def test_key_added_while_it_is_worked_on_runs_once_more() -> None:
    work = Work(seconds=1)
    async with running(work) as queue:
        queue.add(A)
        await asyncio.sleep(0.5)
        for _ in range(3):
            queue.add(A)
        assert queue.depth == 0
        await asyncio.sleep(10)
    assert work.keys() == [A, A]
    assert work.gaps() == [pytest.approx(1.0)]


async def test_work_is_done_again_when_it_asks_for_it() -> None:
    work = Work()
    work.results = [15.0, 0.0, None]
    async with running(work) as queue:
        queue.add(A)
        await asyncio.sleep(300)
    assert work.gaps() == [pytest.approx(15.0), pytest.approx(0.0)]


async def test_earlier_time_wins_and_a_later_one_is_dropped() -> None:
    work = Work()
    async with running(work) as queue:
        begun = now()
        queue.add_after(A, 50)
        queue.add_after(A, 10)
        queue.add_after(A, 30)
        await asyncio.sleep(200)
    assert work.began == [(A, pytest.approx(begun + 10))]


async def test_key_added_now_cancels_what_was_planned() -> None:
    work = Work()
    async with running(work) as queue:
        queue.add_after(A, 50)
        queue.add(A)
        await asyncio.sleep(200)
    assert len(work.began) == 1


async def test_planned_time_that_comes_while_the_key_is_worked_on_is_kept() -> None:
    work = Work(seconds=5)
    async with running(work) as queue:
        queue.add(A)
        await asyncio.sleep(1)
        queue.add_after(A, 2)
        await asyncio.sleep(60)
    assert work.gaps() == [pytest.approx(5.0)]


async def test_failures_back_off_and_success_forgets_them() -> None:
    work = Work()
    work.results = [RetryLater() for _ in range(12)]
    async with running(work) as queue:
        queue.add(A)
        await asyncio.sleep(600)
        expected = [min(LAST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2**n) for n in range(12)]
        assert len(work.gaps()) == 12
        for gap, nominal in zip(work.gaps(), expected, strict=True):
            assert 0.75 * nominal <= gap <= 1.25 * nominal + 1e-6
        work.began.clear()
        work.results = [RetryLater()]
        queue.add(A)
        await asyncio.sleep(60)
        assert work.gaps()[0] <= 1.25 * FIRST_BACKOFF_SECONDS


async def test_wait_that_the_server_asks_for_is_a_floor() -> None:
    work = Work()
    work.results = [RetryLater(30.0)]
    async with running(work) as queue:
        queue.add(A)
        await asyncio.sleep(200)
    assert work.gaps() == [pytest.approx(30.0)]


async def test_failing_key_does_not_hold_up_others() -> None:
    work = Work()
    work.results = [RetryLater(100.0)]
    async with running(work, workers=1) as queue:
        queue.add(A)
        queue.add(B)
        await asyncio.sleep(50)
    assert work.keys() == [A, B]


async def test_news_of_a_failing_key_bring_it_forward() -> None:
    work = Work()
    work.results = [RetryLater(100.0)]
    async with running(work) as queue:
        queue.add(A)
        await asyncio.sleep(1)
        queue.add(A)
        await asyncio.sleep(200)
    assert work.gaps() == [pytest.approx(1.0)]


async def test_nudge_is_as_good_as_an_add_for_a_key_that_is_well() -> None:
    work = Work(seconds=1)
    async with running(work) as queue:
        queue.nudge(A)
        await asyncio.sleep(0.5)
        for _ in range(3):
            queue.nudge(A)  # while it is worked on: once more afterwards
        await asyncio.sleep(10)
        queue.add_after(A, 50)
        queue.nudge(A)
        await asyncio.sleep(200)
    assert work.gaps() == [pytest.approx(1.0), pytest.approx(9.5)]


async def test_nudges_do_not_shorten_the_back_off() -> None:
    """The collector nudges every two seconds, the look at the gateways every one: an outage must not be hammered."""
    work = Work(seconds=0.3)
    work.results = [RetryLater() for _ in range(9)]
    async with running(work) as queue:
        queue.add(A)
        for _ in range(900):
            await asyncio.sleep(0.1)
            queue.nudge(A)
            if len(work.began) == 10:
                break
    waits = [gap - 0.3 for gap in work.gaps()]
    assert len(waits) == 9
    for failures, wait in enumerate(waits, start=1):
        nominal = min(LAST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** (failures - 1))
        assert 0.75 * nominal - 1e-6 <= wait <= 1.25 * nominal + 1e-6, failures


async def test_nudges_count_again_once_a_pass_has_succeeded() -> None:
    work = Work()
    work.results = [RetryLater(30.0)]
    async with running(work) as queue:
        queue.add(A)
        await asyncio.sleep(31)
        queue.nudge(A)
        await asyncio.sleep(1)
    assert work.gaps() == [pytest.approx(30.0), pytest.approx(1.0)]


async def test_oldest_key_that_waits_is_known() -> None:
    work = Work(seconds=1000)
    async with running(work, workers=1) as queue:
        assert queue.oldest_seconds() == 0.0
        queue.add(A)
        await asyncio.sleep(1)
        queue.add(B)
        await asyncio.sleep(20)
        queue.add(C)
        await asyncio.sleep(5)
        assert queue.oldest_seconds() == pytest.approx(25.0)
        assert queue.depth == 2


async def test_pass_that_hangs_is_known_although_nothing_waits() -> None:
    work = Work(seconds=1000)
    async with running(work) as queue:
        assert queue.longest_seconds() == 0.0
        queue.add(A)
        await asyncio.sleep(300)
        assert queue.oldest_seconds() == 0.0
        assert queue.longest_seconds() == pytest.approx(300.0)
        await asyncio.sleep(800)
        assert queue.longest_seconds() == 0.0


async def test_error_that_is_no_retry_ends_the_queue() -> None:
    """Guard lets none through; were one to come, the process shall end rather than go deaf."""
    work = Work()
    work.results = [ZeroDivisionError()]
    queue = WorkQueue(work, workers=2)
    queue.add(A)
    with pytest.raises(ExceptionGroup):
        await queue.run()


@given(failures=st.integers(1, 10_000))
def test_backoff_is_bounded(failures: int) -> None:
    assert 0.75 * FIRST_BACKOFF_SECONDS <= backoff_seconds(failures) <= 1.25 * LAST_BACKOFF_SECONDS


def test_backoff_of_the_third_failure_as_documented() -> None:
    assert all(0.6 <= backoff_seconds(3) <= 1.0 for _ in range(100))


def test_key_reads_as_namespace_and_name() -> None:
    assert str(A) == "ml/a"
