"""No room for two revisions: stable's pods go first, gateways hold what comes meanwhile, and the way back is kept."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.component.reconcile import test_canary
from tests.component.reconcile.test_canary import TWO, phase
from tests.component.reconcile.zero import WITH_GATEWAYS, stage
from tests.fakes import virtual_time
from tests.fakes.kubelet import crashing, running
from tests.fakes.plane import Plane
from tests.fakes.world import World, config_map, model

from serinus_operator.cluster.port import DEPLOYMENT, Manifest

PER_SECOND = 4.0
DEADLINE = 30


def recreated(**spec: Any) -> Manifest:
    runtime = {"startupDeadlineSeconds": DEADLINE, **spec.pop("runtime", {})}
    return model(rollout={"strategy": "Recreate"}, runtime=runtime, **spec)


def no_room(world: World) -> None:
    """A pod starts only when no other revision has one."""
    before = world.kubelet.serving

    def serving(revision: str, number: int) -> Any:
        others = [name for name in world.deployments() if name != revision and ready(world, name)]
        return running(ready=False) if others and not ready(world, revision) else before(revision, number)

    world.kubelet.serving = serving


def ready(world: World, revision: str) -> int:
    deployment = world.object(DEPLOYMENT, revision)
    return int((deployment or {}).get("status", {}).get("readyReplicas") or 0)


@asynccontextmanager
async def served(*, gateways: int = 2) -> AsyncIterator[tuple[World, Plane, str]]:
    """A model with one revision, under requests of which none may be lost."""
    async with stage(gateways=gateways) as (world, plane):
        plane.patience = 600.0
        world.apply(config_map("iris-model-2", b"model two"))
        world.apply(recreated())
        first = await world.ready()
        await world.until(lambda: plane.leads_to("iris") == {"pod"})
        no_room(world)
        sent: list[asyncio.Future[bool]] = []

        async def ask() -> None:
            while True:
                sent.append(asyncio.ensure_future(plane.request()))
                await asyncio.sleep(1 / PER_SECOND)

        asking = asyncio.ensure_future(ask())
        try:
            yield world, plane, first
        finally:
            asking.cancel()
            await asyncio.gather(*sent, asking, return_exceptions=True)
        assert not plane.lost, plane.lost[:5]


async def test_candidate_starts_in_the_place_of_stable() -> None:
    async with served() as (world, plane, first):
        both: list[str] = []

        def note(_: str, manifest: Manifest) -> None:
            sizes = [d["spec"]["replicas"] for d in world.cluster.of(DEPLOYMENT)]
            both.extend(["two"] if sum(1 for size in sizes if size) > 1 and phase(world) == "Baking" else [])

        world.cluster.watchers.append(note)
        world.apply(recreated(model=TWO))
        await world.until(lambda: phase(world) == "Promoting", within=60)
        await world.until(lambda: world.deployments() == [world.status()["candidateRevision"]])
        assert world.status()["stableRevision"] == first
        await world.until(lambda: world.status()["stableRevision"] != first, within=60)
        second = await world.ready(within=60)
        await world.until(lambda: plane.leads_to("iris") == {"pod"}, within=60)
        assert world.deployments() == [second] == [world.entry()]
        assert not both, "the old one is not started again"


async def test_stable_keeps_its_pods_until_the_gateways_hold_the_requests() -> None:
    async with served() as (world, plane, first):
        for name in ("gateway-0", "gateway-1"):
            plane.remove_gateway(name)
        world.apply(recreated(model=TWO))
        await world.until(lambda: phase(world) == "Provisioning", within=60)
        await world.advance(60)
        assert phase(world) == "Provisioning"
        assert "until the gateways hold the requests" in world.condition("Ready")["message"]
        assert ready(world, first) == 2
        plane.add_gateway("gateway-2", "10.9.0.3")
        await world.until(lambda: world.status()["stableRevision"] != first, within=100)
        await world.ready(within=60)


@pytest.mark.parametrize(
    ("what", "reason"),
    [(running(ready=False), "CandidateNotReady"), (crashing(), "CrashLoop")],
    ids=["never ready", "its program ends"],
)
async def test_candidate_that_does_not_start_gives_its_place_back(what: Any, reason: str) -> None:
    async with served() as (world, plane, first):
        before = world.kubelet.serving
        world.kubelet.serving = lambda revision, number: what if revision != first else before(revision, number)
        world.apply(recreated(model=TWO))
        await world.until(lambda: phase(world) == "Promoting", within=60)
        await world.until(lambda: world.says("Stalled", "True", "RolledBack"), within=2 * DEADLINE)
        assert world.says("RolloutHealthy", "False", reason)
        await world.until(lambda: world.deployments() == [first] and ready(world, first) == 2, within=60)
        await world.until(lambda: plane.leads_to("iris") == {"pod"}, within=60)
        assert world.entry() == first
        tries = len(world.preflights())
        await world.advance(60)
        assert (phase(world), len(world.preflights())) == ("Aborted", tries)


async def test_abort_brings_stable_back() -> None:
    async with served() as (world, plane, first):
        world.kubelet.serving = lambda revision, number: running(ready=revision == first)
        world.apply(recreated(model=TWO))
        await world.until(lambda: phase(world) == "Promoting", within=60)
        await world.until(lambda: first not in world.deployments())
        world.annotate(abort="1")
        await world.until(lambda: world.deployments() == [first] and ready(world, first) == 2, within=60)
        await world.until(lambda: plane.leads_to("iris") == {"pod"}, within=60)


async def test_yesterdays_revision_starts_in_the_place_of_stable_too() -> None:
    async with served() as (world, plane, first):
        world.apply(recreated(model=TWO))
        await world.until(lambda: world.status()["stableRevision"] != first, within=100)
        await world.ready(within=60)
        world.apply(recreated())
        await world.until(lambda: world.status()["stableRevision"] == first, within=100)
        await world.ready(within=60)
        await world.until(lambda: plane.leads_to("iris") == {"pod"}, within=60)


async def test_strategy_that_is_edited_in_mid_step_ends_the_steps() -> None:
    async with test_canary.served() as (world, _, first, _):
        world.apply(test_canary.canary(model=TWO))
        await world.until(lambda: test_canary.weight(world) == 25, within=200)
        world.apply(model(model=TWO, rollout={"strategy": "Recreate"}))
        await world.until(
            lambda: world.status()["stableRevision"] != first, within=500
        )  # its default wait for little traffic is 300 s
        await world.ready(within=120)


async def test_without_any_gateway_it_goes_on_and_what_comes_meanwhile_is_lost() -> None:
    async with World() as world:
        world.apply(config_map("iris-model", b"model one"))
        world.apply(config_map("iris-model-2", b"model two"))
        world.start()
        world.apply(recreated())
        first = await world.ready()
        no_room(world)
        world.apply(recreated(model=TWO))
        await world.until(lambda: world.says("Available", "False", "NoReadyReplicas"), within=60)
        await world.until(lambda: world.status()["stableRevision"] != first, within=60)
        await world.ready(within=60)


async def play(kill: tuple[int, str] | None, *, bad: bool) -> tuple[list[str], list[str], int]:
    """From one revision to the other, or back; the children in the end, what is kept, and the number of writes."""
    async with served() as (world, plane, first):
        if bad:
            before = world.kubelet.serving
            world.kubelet.serving = lambda revision, number: (
                crashing() if revision != first else before(revision, number)
            )
        world.requests = 0
        world.apply(recreated(model=TWO))
        if kill:
            await world.restart_killed(kill, WITH_GATEWAYS)
        await world.until(
            lambda: world.says("Stalled", "True", "RolledBack") if bad else world.status()["stableRevision"] != first,
            within=200,
        )
        await world.until(lambda: world.deployments() == [world.entry()] and ready(world, str(world.entry())) == 2)
        await world.until(lambda: plane.leads_to("iris") == {"pod"} and (bad or world.is_ready()), within=60)
        assert (world.entry() == first) is bad
        await world.advance(10)
        return world.children(), world.deployments(), world.requests


@pytest.mark.parametrize("bad", [False, True])
def test_killed_at_any_write_ends_the_same(bad: bool, subtests: pytest.Subtests) -> None:
    """`CRASHES=1000` tries every point, `CRASH_SEED` others than those of this run."""
    seed, most = int(os.environ.get("CRASH_SEED", "6")), int(os.environ.get("CRASHES", "8"))
    children, deployments, calls = virtual_time.run(play(None, bad=bad))
    points = [(number, when) for number in range(1, calls + 1) for when in ("before", "after")]
    for number, when in sorted(random.Random(seed).sample(points, min(most, len(points)))):
        with subtests.test(f"{when} request {number}: CRASH_SEED={seed} CRASHES={most}"):
            ending = virtual_time.run(play((number, when), bad=bad))
            assert ending[:2] == (children, deployments)
