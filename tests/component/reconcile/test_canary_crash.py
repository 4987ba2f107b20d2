"""The operator is killed before and after each write of a whole canary, under requests, and started again.

Whatever the point: a good candidate is promoted and a bad one taken back, no step is taken twice, the weight moves one
way, and no request is lost.
"""

import asyncio
import os
import random
from dataclasses import dataclass
from typing import Any

import pytest
from tests.component.reconcile.test_canary import TWO, canary, phase, size, weight
from tests.component.reconcile.zero import WITH_GATEWAYS, stage
from tests.fakes import virtual_time
from tests.fakes.world import World, config_map

from serinus_operator.cluster.port import Manifest

SHORT: dict[str, Any] = {
    "steps": [{"weight": 5, "pauseSeconds": 3}, {"weight": 25, "pauseSeconds": 3}, {"weight": 50, "pauseSeconds": 3}],
    "analysis": {"lowTrafficWaitSeconds": 0},
    "bakeSeconds": 5,
}
STRICT: dict[str, Any] = {
    "steps": [{"weight": 50, "pauseSeconds": 20}],
    "analysis": {"minRequests": 10, "metrics": [{"name": "errors", "type": "ErrorRatePermille", "max": 100}]},
}
PER_SECOND = 4.0
SCALING: dict[str, Any] = {
    "maxReplicas": 8,
    "stableWindowSeconds": 6,
    "targetUtilizationPercent": 100,
    "metrics": [{"type": "Concurrency", "target": 1}],
}
BUSY_SECONDS = 0.6
"""So two or three requests are under way at once, and a pod bears one."""
SECOND = "iris-736c8b5f"
"""The name of a revision follows from spec and digest."""


@dataclass(frozen=True)
class Ending:
    """What a run came to."""

    seen: list[tuple[str, int]]
    """Phases and weights, in their order."""
    children: list[str]
    calls: int
    lost: list[str]


async def play(kill: tuple[int, str] | None = None, *, bad: bool = False, scaled: bool = False) -> Ending:
    """From the first revision to the second, with an operator that is killed at this write of the rollout.

    `bad`: the second answers most requests with an error, and is taken back. `scaled`: sizes follow the demand.
    """

    def made(**spec: Any) -> Manifest:
        found = canary(rollout=STRICT if bad else SHORT, **spec)
        if scaled:
            del found["spec"]["replicas"]
            found["spec"]["scaling"] = SCALING
        return found

    async with stage() as (world, plane):
        world.apply(config_map("iris-model-2", b"model two"))
        world.apply(made())
        first = await world.ready()
        plane.seconds = {first: BUSY_SECONDS, SECOND: BUSY_SECONDS} if scaled else {}
        await world.until(lambda: plane.leads_to("iris") == {"pod"})
        plane.errors[SECOND] = 0.8 if bad else 0.0
        seen, sent = noted(world), list[asyncio.Future[bool]]()

        async def ask() -> None:
            while True:
                sent.append(asyncio.ensure_future(plane.request()))
                await asyncio.sleep(1 / PER_SECOND)

        asking = asyncio.ensure_future(ask())
        if scaled:
            await world.until(lambda: size(world, first) >= 3)
            await world.advance(10)
        world.requests = 0
        world.apply(made(model=TWO))
        if kill:
            await world.restart_killed(kill, WITH_GATEWAYS)
        await world.until(
            lambda: world.says("Stalled", "True", "RolledBack") if bad else world.status()["stableRevision"] == SECOND,
            within=300,
        )
        await world.until(lambda: world.deployments() == [world.entry()] == [first if bad else SECOND], within=300)
        await world.until(lambda: f"Service {SECOND if bad else first}" not in world.children())
        await world.until(lambda: plane.leads_to("iris") == {"pod"} and (bad or world.is_ready()))
        calls = world.requests
        asking.cancel()
        await asyncio.gather(*sent, asking, return_exceptions=True)
        return Ending(seen, world.children(), calls, plane.lost)


def noted(world: World) -> list[tuple[str, int]]:
    """The phases and weights that the status goes through from now on."""
    seen: list[tuple[str, int]] = []

    def note(_: str, manifest: Manifest) -> None:
        here = phase(world), weight(world)
        if manifest["kind"] == "ModelDeployment" and seen[-1:] != [here]:
            seen.append(here)

    world.cluster.watchers.append(note)
    return seen


@pytest.mark.parametrize("scaled", [False, True], ids=["of a fixed size", "sized by demand"])
@pytest.mark.parametrize("bad", [False, True])
def test_rollout_goes_its_way_once(bad: bool, scaled: bool) -> None:
    ending = virtual_time.run(play(bad=bad, scaled=scaled))
    assert way(ending) == (BACK if bad else WAY)
    assert not ending.lost


WAY = [
    ("Stable", 0),
    ("Stepping", 0),
    ("Stepping", 5),
    ("Stepping", 25),
    ("Stepping", 50),
    ("Promoting", 50),
    ("Promoting", 100),
    ("Baking", 100),
    ("Baking", 0),
    ("Stable", 0),
]


def way(ending: Ending) -> list[tuple[str, int]]:
    """Its phases and weights. A weight that is taken back falls as far as stable's pods can carry the rest already."""
    back = [weight for phase, weight in ending.seen if phase == "Aborting"]
    assert back == sorted(back, reverse=True)
    return [(phase, weight) for phase, weight in ending.seen if phase != "Aborting" or weight in (0, *back[:1])]


BACK = [("Stable", 0), ("Stepping", 0), ("Stepping", 50), ("Aborting", 50), ("Aborting", 0), ("Aborted", 0)]


@pytest.mark.parametrize("scaled", [False, True], ids=["of a fixed size", "sized by demand"])
@pytest.mark.parametrize("bad", [False, True])
def test_killed_at_any_write_ends_the_same(bad: bool, scaled: bool, subtests: pytest.Subtests) -> None:
    """`CRASHES=1000` tries every point, `CRASH_SEED` others than those of this run."""
    seed, most = int(os.environ.get("CRASH_SEED", "6")), int(os.environ.get("CRASHES", "8"))
    golden = virtual_time.run(play(bad=bad, scaled=scaled))
    assert golden.calls > 20
    points = [(number, when) for number in range(1, golden.calls + 1) for when in ("before", "after")]
    for number, when in sorted(random.Random(seed).sample(points, min(most, len(points)))):
        with subtests.test(f"{when} request {number}: CRASH_SEED={seed} CRASHES={most}"):
            ending = virtual_time.run(play((number, when), bad=bad, scaled=scaled))
            assert way(ending) == way(golden)
            assert ending.children == golden.children
            assert not ending.lost


def test_slice_that_was_to_be_removed_when_the_operator_was_killed_goes_later() -> None:
    golden = virtual_time.run(play())
    for number in range(golden.calls - 6, golden.calls - 2):
        assert virtual_time.run(play((number, "after"))).children == golden.children


def test_restart_before_the_gateways_were_seen_holds_nothing() -> None:
    """Number 12 is the write of the first step: a process that has not looked for gateways yet finds none."""
    for number in (11, 12, 13):
        assert virtual_time.run(play((number, "after"))).seen == WAY
