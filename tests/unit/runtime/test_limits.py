"""Places in flight and the queue."""

import asyncio

import pytest

from serinus_runtime.errors import Overloaded, Unavailable
from serinus_runtime.limits import Gate


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_places_are_given_until_there_are_none_then_the_queue_then_429() -> None:
    gate = Gate(concurrency=2, queue=1)
    await gate.enter(1)
    await gate.enter(1)
    waiting = asyncio.create_task(gate.enter(60))
    await asyncio.sleep(0)
    assert (gate.in_flight, gate.queued, gate.rejected) == (2, 1, 0)
    with pytest.raises(Overloaded, match="2 requests are in flight and 1 wait; try again later") as caught:
        await gate.enter(60)
    assert caught.value.status == 429
    assert caught.value.headers == ((b"retry-after", b"1"),)
    with pytest.raises(Overloaded):
        gate.check_room()
    assert gate.rejected == 2
    gate.leave()
    await waiting
    assert (gate.in_flight, gate.queued) == (2, 0)
    gate.check_room()


async def test_who_waits_longest_comes_first() -> None:
    gate = Gate(concurrency=1, queue=3)
    await gate.enter(1)
    order: list[int] = []

    async def wait(number: int) -> None:
        await gate.enter(60)
        order.append(number)
        gate.leave()

    tasks = [asyncio.create_task(wait(number)) for number in range(3)]
    await asyncio.sleep(0)
    gate.leave()
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2]
    assert (gate.in_flight, gate.queued) == (0, 0)


async def test_a_wait_that_is_too_long_ends_with_503_and_leaves_no_trace() -> None:
    gate = Gate(concurrency=1, queue=1)
    await gate.enter(1)
    with pytest.raises(Unavailable, match="waited too long for its turn"):
        await gate.enter(0.001)
    assert (gate.in_flight, gate.queued) == (1, 0)
    gate.leave()
    assert gate.in_flight == 0


async def test_a_place_that_comes_as_the_waiter_leaves_is_not_lost() -> None:
    gate = Gate(concurrency=1, queue=2)
    await gate.enter(1)
    leaving = asyncio.create_task(gate.enter(60))
    staying = asyncio.create_task(gate.enter(60))
    await asyncio.sleep(0)
    gate.leave()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await asyncio.wait_for(staying, 5)
    assert (gate.in_flight, gate.queued) == (1, 0)


async def test_a_waiter_that_left_is_passed_over() -> None:
    gate = Gate(concurrency=1, queue=2)
    await gate.enter(1)
    leaving = asyncio.create_task(gate.enter(60))
    staying = asyncio.create_task(gate.enter(60))
    await asyncio.sleep(0)
    leaving.cancel()
    gate.leave()
    await asyncio.wait_for(staying, 5)
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert (gate.in_flight, gate.queued) == (1, 0)


async def test_busy_seconds_are_requests_in_flight_times_time() -> None:
    clock = Clock()
    gate = Gate(concurrency=2, queue=0, clock=clock)
    await gate.enter(1)
    clock.now = 1.0
    await gate.enter(1)
    clock.now = 3.0
    assert gate.busy_seconds() == 5.0
    gate.leave()
    clock.now = 4.0
    gate.leave()
    clock.now = 100.0
    assert gate.busy_seconds() == 6.0
