"""A candidate in steps, on a cluster in memory: promoted when it is as good, taken back when it is not."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from tests.component.reconcile.zero import stage
from tests.fakes.plane import Plane
from tests.fakes.world import World, config_map, model

from serinus_operator.cluster.port import DEPLOYMENT, Manifest

TWO = {"uri": "configmap://iris-model-2/model.onnx"}
ROLLOUT: dict[str, Any] = {
    "strategy": "Canary",
    "steps": [
        {"weight": 5, "pauseSeconds": 20},
        {"weight": 25, "pauseSeconds": 20},
        {"weight": 50, "pauseSeconds": 20},
    ],
    "analysis": {
        "minRequests": 20,
        "lowTrafficWaitSeconds": 20,
        "metrics": [{"name": "errors", "type": "ErrorRatePermille", "max": 100}],
    },
    "bakeSeconds": 20,
}


def canary(replicas: int = 2, **spec: Any) -> Manifest:
    """A model that is rolled out in steps."""
    return model(replicas=replicas, rollout={**ROLLOUT, **spec.pop("rollout", {})}, **spec)


def phase(world: World) -> str:
    return str((world.status().get("rollout") or {}).get("phase", "Stable"))


def weight(world: World) -> int:
    return int((world.status().get("rollout") or {}).get("requestedWeight") or 0)


def size(world: World, revision: str) -> int:
    deployment = world.object(DEPLOYMENT, revision)
    return int(deployment["spec"]["replicas"]) if deployment else 0


@asynccontextmanager
async def under_requests(
    world: World, request: Callable[[], Coroutine[Any, Any, bool]], per_second: float = 20.0
) -> AsyncIterator[list[tuple[str, int]]]:
    """Requests all the while; the phases and weights that the status goes through meanwhile."""
    seen: list[tuple[str, int]] = []

    def note(_: str, manifest: Manifest) -> None:
        here = phase(world), weight(world)
        if manifest["kind"] == "ModelDeployment" and here != (seen[-1] if seen else None):
            seen.append(here)

    async def ask() -> None:
        while True:
            sent.append(asyncio.ensure_future(request()))
            await asyncio.sleep(1 / per_second)

    sent: list[asyncio.Future[bool]] = []
    world.cluster.watchers.append(note)
    asking = asyncio.ensure_future(ask())
    try:
        yield seen
    finally:
        asking.cancel()
        await asyncio.gather(*sent, asking, return_exceptions=True)


@asynccontextmanager
async def served(*, per_second: float = 20.0) -> AsyncIterator[tuple[World, Plane, str, list[tuple[str, int]]]]:
    """A model with one revision, under requests; none of them is lost."""
    async with stage() as (world, plane):
        world.apply(config_map("iris-model-2", b"model two"))
        world.apply(canary())
        first = await world.ready()
        await world.until(lambda: plane.leads_to("iris") == {"pod"})
        async with under_requests(world, plane.request, per_second) as seen:
            yield world, plane, first, seen
        assert not plane.lost, plane.lost[:5]


async def test_good_candidate_takes_over_in_steps() -> None:
    async with served() as (world, _, first, seen):
        world.apply(canary(model=TWO))
        await world.until(lambda: world.status()["summary"]["weight"] == "75/25%", within=200)
        await world.until(lambda: world.status()["rollout"]["weightVerified"] == "True")
        await world.until(lambda: phase(world) == "Baking", within=300)
        second = world.status()["stableRevision"]
        assert second != first
        await world.until(lambda: size(world, first) == size(world, second) == 2)  # the way back is kept warm
        assert await world.ready(within=120) == second
        await world.until(lambda: world.deployments() == [second])
        weights = [w for _, w in seen]
        assert [w for w in dict.fromkeys(weights) if w] == [5, 25, 50, 100]
        assert world.entry() == second
        assert world.status()["scaling"]["traffic"] == "Direct"


async def test_bad_candidate_is_taken_back_and_is_not_tried_again() -> None:
    async with served() as (world, plane, first, seen):
        before = set(world.deployments())
        world.apply(canary(model=TWO))
        await world.until(lambda: len(world.deployments()) == 2, within=60)
        (second,) = set(world.deployments()) - before
        plane.errors[second] = 0.5
        await world.until(lambda: world.says("Stalled", "True", "RolledBack"), within=300)
        assert max(w for _, w in seen) == 5
        assert world.status()["stableRevision"] == world.entry() == first
        assert world.says("RolloutHealthy", "False", "AnalysisFailed")
        await world.until(lambda: world.deployments() == [first])
        await world.until(lambda: world.status()["scaling"]["traffic"] == "Direct")
        tries = len(world.preflights())
        await world.advance(120)
        assert (phase(world), len(world.preflights())) == ("Aborted", tries)
        world.apply(canary())
        assert await world.ready() == first
        assert phase(world) == "Stable", "nothing is taken back any more"


async def test_rollout_is_held_at_nothing_while_no_gateway_is_ready_and_goes_on_by_itself() -> None:
    async with served() as (world, plane, first, _):
        world.apply(canary(model=TWO))
        await world.until(lambda: weight(world) == 25, within=200)
        for name in ("gateway-0", "gateway-1"):
            plane.remove_gateway(name)
        await world.until(lambda: phase(world) == "Held", within=5)
        assert world.status()["rollout"]["held"]["reason"] == "GatewayUnavailable"
        assert world.says("RolloutHealthy", "False", "Held")
        await world.until(lambda: weight(world) == 0 and world.status()["scaling"]["traffic"] == "Direct", within=5)
        assert world.entry() == first
        await world.until(lambda: plane.leads_to("iris") == {"pod"}, within=1)
        plane.lost.clear()  # what came in these seconds died with the gateways
        plane.add_gateway("gateway-2", "10.9.0.3")
        await world.until(lambda: world.status()["stableRevision"] != first, within=300)


async def test_third_revision_waits_until_nothing_arrives_at_the_second() -> None:
    async with served() as (world, _, first, _):
        world.apply(config_map("iris-model-3", b"model three"))
        world.apply(canary(model=TWO))
        await world.until(lambda: weight(world) == 25, within=200)
        second = world.status()["candidateRevision"]
        world.apply(canary(model={"uri": "configmap://iris-model-3/model.onnx"}))
        await world.until(lambda: phase(world) == "Superseding")
        await world.until(lambda: world.deployments() == [first], within=60)
        third = await world.ready(within=400)
        assert third not in (first, second)


async def test_return_to_the_stable_one_in_the_middle_of_a_step() -> None:
    async with served() as (world, _, first, _):
        world.apply(canary(model=TWO))
        await world.until(lambda: weight(world) == 50, within=200)
        world.apply(canary())
        assert await world.ready(within=60) == first
        await world.until(lambda: world.deployments() == [first])
        assert size(world, first) == 2


async def test_promote_passes_a_manual_step_and_abort_takes_the_candidate_back_once() -> None:
    manual = {"steps": [{"weight": 10, "manual": True, "pauseSeconds": 5}, {"weight": 40, "manual": True}]}
    async with served() as (world, _, first, _):
        world.apply(canary(rollout=manual))
        await world.ready()
        world.apply(canary(model=TWO, rollout=manual))
        await world.until(lambda: weight(world) == 10, within=60)
        await world.advance(90)
        assert weight(world) == 10
        world.annotate(promote="1")
        await world.until(lambda: weight(world) == 40)
        world.annotate(abort="1")
        await world.until(lambda: world.says("RolloutHealthy", "False", "Aborted"), within=60)
        assert world.status()["actions"] == {"promote": "1", "abort": "1"}
        world.annotate(retry="1")
        await world.until(lambda: weight(world) == 10, within=60)
        assert world.status()["stableRevision"] == first


async def test_bake_that_fails_returns_to_the_revision_that_was_kept() -> None:
    longer = {"bakeSeconds": 300, "steps": [{"weight": 50, "pauseSeconds": 5}]}
    async with served() as (world, _, first, _):
        world.apply(canary(model=TWO, rollout=longer))
        await world.until(lambda: phase(world) == "Baking", within=200)
        await world.until(lambda: world.entry() != first)
        world.annotate(abort="1")
        await world.until(lambda: world.says("Stalled", "True", "RolledBack"), within=60)
        assert world.entry() == world.status()["stableRevision"] == first


async def test_blue_and_green_have_no_steps_but_a_bake() -> None:
    async with served() as (world, _, first, seen):
        spec = {"strategy": "BlueGreen", "bakeSeconds": 20}
        world.apply(model(model=TWO, rollout=spec))
        second = await world.ready(within=120)
        assert second != first
        assert {w for _, w in seen} == {0}
        assert "Baking" in {p for p, _ in seen}


async def test_gateways_that_do_not_answer_through_the_service_hold_the_rollout_before_any_weight_counts() -> None:
    async with stage() as (world, plane):
        world.apply(config_map("iris-model-2", b"model two"))
        world.apply(canary())
        first = await world.ready()
        for gateway in plane.gateways.values():
            gateway.answers = False
        world.apply(canary(model=TWO))
        await world.until(lambda: phase(world) == "Held", within=200)
        assert world.status()["rollout"]["held"]["reason"] == "GatewayUnavailable"
        assert world.entry() == first
        for gateway in plane.gateways.values():
            gateway.answers = True
        await world.until(lambda: world.status()["stableRevision"] != first, within=400)
