"""The operator is killed before and after each write of a canary that an HTTPRoute splits, and started again.

As with our own gateways (`test_canary_crash.py`): a good candidate is promoted and a bad one taken back, no step is
taken twice, the weight moves one way, and no request from outside or from inside is lost.
"""

import asyncio
import os
import random

import pytest
from tests.component.reconcile.routed import attached, in_steps
from tests.component.reconcile.test_canary import TWO
from tests.component.reconcile.test_canary_crash import BACK, PER_SECOND, SECOND, SHORT, STRICT, WAY, Ending, noted
from tests.fakes import virtual_time
from tests.fakes.outside import weights


async def play(kill: tuple[int, str] | None = None, *, bad: bool = False) -> Ending:
    """From the first revision to the second, with an operator that is killed at this write of the rollout.

    `bad`: the second answers most requests with an error, and is taken back.
    """
    rollout = STRICT if bad else SHORT
    async with attached() as (world, plane, outside):
        world.apply(in_steps(rollout=rollout))
        first = await world.ready()
        await world.until(lambda: "iris" in outside.rules and plane.leads_to("iris") == {"pod"})
        plane.errors[SECOND] = 0.8 if bad else 0.0
        seen, sent = noted(world), list[asyncio.Future[bool]]()

        async def ask() -> None:
            while True:
                sent.extend(map(asyncio.ensure_future, (outside.request(), plane.request())))
                await asyncio.sleep(1 / PER_SECOND)

        asking = asyncio.ensure_future(ask())
        world.requests = 0
        world.apply(in_steps(rollout=rollout, model=TWO))
        if kill:
            await world.restart_killed(kill)
        await world.until(
            lambda: world.says("Stalled", "True", "RolledBack") if bad else world.status()["stableRevision"] == SECOND,
            within=300,
        )
        await world.until(lambda: world.deployments() == [world.entry()] == [first if bad else SECOND], within=300)
        gone = f"ConfigMap {SECOND}" if bad else f"Service {first}"  # what goes last
        await world.until(lambda: gone not in world.children())
        await world.until(lambda: weights(world) == {"iris": 100} and (bad or world.is_ready()))
        calls = world.requests
        asking.cancel()
        await asyncio.gather(*sent, asking, return_exceptions=True)
        return Ending(seen, world.children(), calls, plane.lost)


@pytest.mark.parametrize("bad", [False, True])
def test_routed_rollout_goes_its_way_once(bad: bool) -> None:
    ending = virtual_time.run(play(bad=bad))
    assert ending.seen == (BACK if bad else WAY)
    assert not ending.lost


@pytest.mark.parametrize("bad", [False, True])
def test_killed_at_any_write_of_a_routed_rollout_ends_the_same(bad: bool, subtests: pytest.Subtests) -> None:
    """`CRASHES=1000` tries every point, `CRASH_SEED` others than those of this run."""
    seed, most = int(os.environ.get("CRASH_SEED", "6")), int(os.environ.get("CRASHES", "6"))
    golden = virtual_time.run(play(bad=bad))
    assert golden.calls > 20
    points = [(number, when) for number in range(1, golden.calls + 1) for when in ("before", "after")]
    for number, when in sorted(random.Random(seed).sample(points, min(most, len(points)))):
        with subtests.test(f"{when} request {number}: CRASH_SEED={seed} CRASHES={most}"):
            ending = virtual_time.run(play((number, when), bad=bad))
            assert ending.seen == golden.seen
            assert ending.children == golden.children
            assert not ending.lost
