"""A candidate for which there is no room: held, told, given up at its deadline, and gone on with once there is."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from tests.component.reconcile.test_canary import TWO, canary, phase, served, weight
from tests.component.reconcile.zero import WITH_GATEWAYS
from tests.fakes.kubelet import Status, unschedulable
from tests.fakes.world import World

SPECS: dict[str, dict[str, Any]] = {
    "at its second step": {"steps": [{"weight": 50, "pauseSeconds": 20}, {"weight": 90, "pauseSeconds": 20}]},
    "while it is promoted": {"steps": [{"weight": 50, "pauseSeconds": 20}]},
}
"""One of two pods is enough for half of the requests, and for no more."""


@dataclass(frozen=True)
class Scene:
    """A rollout that is held because one pod of the candidate finds a node, and no second one."""

    world: World
    first: str
    seen: list[tuple[str, int]]
    """Phases and weights of the status."""
    before: Callable[[str, int], Status]

    def starts(self, revision: str, number: int) -> Status:
        return self.before(revision, number) if revision == self.first or not number else unschedulable()

    def make_room(self) -> None:
        self.world.kubelet.serving = self.before
        self.world.kubelet.sync()


@asynccontextmanager
async def held(where: str, deadline: int = 3600) -> AsyncIterator[Scene]:
    async with served() as (world, _, first, seen):
        scene = Scene(world, first, seen, world.kubelet.serving)
        world.kubelet.serving = scene.starts
        world.apply(canary(model=TWO, rollout={**SPECS[where], "analysis": {"holdDeadlineSeconds": deadline}}))
        await world.until(lambda: phase(world) == "Held", within=200)
        yield scene


@pytest.mark.parametrize("where", SPECS)
async def test_rollout_without_room_is_held_and_goes_on_when_there_is(where: str) -> None:
    async with held(where) as scene:
        world, first = scene.world, scene.first
        assert world.status()["rollout"]["held"]["reason"] == "TooFewPods"
        assert weight(world) == 50
        assert world.says("RolloutHealthy", "False", "Held")
        assert "is there room" in world.condition("RolloutHealthy")["message"]
        await world.advance(300)
        assert (phase(world), weight(world), world.status()["stableRevision"]) == ("Held", 50, first)
        scene.make_room()
        assert await world.ready(within=200) != first
        assert [p for p, _ in scene.seen].count("Held") == 1


@pytest.mark.parametrize("where", SPECS)
async def test_rollout_that_never_gets_room_is_taken_back_at_the_deadline_of_holds(where: str) -> None:
    async with held(where, deadline=120) as scene:
        world, first = scene.world, scene.first
        await world.until(lambda: phase(world) == "Aborted", within=200)
        assert world.status()["stableRevision"] == first
        assert max(w for _, w in scene.seen) == 50
        told = world.status()["rejected"][0]
        assert told["reason"] == "Aborted"
        assert "held for 120 s: TooFewPods" in told["message"]
        await world.until(lambda: world.deployments() == [first])


@pytest.mark.parametrize("where", SPECS)
async def test_operator_that_starts_again_and_again_does_not_put_the_deadline_off(where: str) -> None:
    async with held(where, deadline=180) as scene:
        world = scene.world
        for _ in range(3):
            await world.advance(40)
            await world.restart(WITH_GATEWAYS)
        await world.until(lambda: phase(world) == "Aborted", within=200)
        assert [p for p, _ in scene.seen].count("Held") == 1
        assert "held for 180 s: TooFewPods" in world.status()["rejected"][0]["message"]
