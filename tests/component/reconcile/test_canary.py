"""A candidate in steps, on a cluster in memory: promoted when it is as good, taken back when it is not."""

import asyncio
from collections.abc import AsyncIterator
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
async def served(*, per_second: float = 20.0) -> AsyncIterator[tuple[World, Plane, str, list[tuple[str, int]]]]:
    """A model with one revision, under requests; the phases and weights that the status goes through."""
    async with stage() as (world, plane):
        world.apply(config_map("iris-model-2", b"model two"))
        world.apply(canary())
        first = await world.ready()
        seen: list[tuple[str, int]] = []

        def note(_: str, manifest: Manifest) -> None:
            here = phase(world), weight(world)
            if manifest["kind"] == "ModelDeployment" and here != (seen[-1] if seen else None):
                seen.append(here)

        async def ask() -> None:
            while True:
                sent.append(asyncio.ensure_future(plane.request()))
                await asyncio.sleep(1 / per_second)

        sent: list[asyncio.Future[bool]] = []
        world.cluster.watchers.append(note)
        asking = asyncio.ensure_future(ask())
        try:
            yield world, plane, first, seen
        finally:
            asking.cancel()
            await asyncio.gather(*sent, asking, return_exceptions=True)
        assert not plane.lost, plane.lost[:5]


async def test_good_candidate_takes_over_in_steps() -> None:
    async with served() as (world, _, first, seen):
        world.apply(canary(model=TWO))
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
