"""The operator is killed before and after each request that could change something, and started again.

Whatever the point: the same objects and the same status in the end, every child made, changed and removed exactly once,
and traffic never led to a revision that does not answer (`tests/fakes/invariants.py`).
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from tests.fakes import virtual_time
from tests.fakes.kubelet import refused
from tests.fakes.world import SETTINGS, World, config_map, model

from serinus_api import names
from serinus_api.conditions import Reason
from serinus_operator.cluster.port import POD, Manifest

TWO = {"uri": "configmap://iris-model-2/model.onnx"}
ASKED = {"golden": {"configMapRef": {"name": "golden"}}, "maxMemory": "1Gi"}
BAD = {"uri": "configmap://bad/model.onnx"}
VOLATILE = {
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "lastTransitionTime",
    "createdAt",
    "at",
    "since",
    "sinceSeconds",
}


@dataclass(frozen=True)
class Story:
    """What a user does, and how one sees that it is over. `before` comes first, undisturbed."""

    before: tuple[Manifest, ...]
    act: Manifest
    over: Callable[[World], bool]


def serves_alone(world: World) -> bool:
    return world.is_ready() and world.deployments() == [world.entry()]


def asked_to_refresh() -> Manifest:
    manifest = model()
    manifest["metadata"]["annotations"] = {names.ANNOTATION_REFRESH: "1"}
    return manifest


def is_refreshed(world: World) -> bool:
    return serves_alone(world) and world.status()["actions"].get("refresh") == "1"


STORIES = {
    "create": Story((), model(), serves_alone),
    "update": Story((model(),), model(model=TWO), serves_alone),
    "reject": Story(
        (model(),),
        model(model=BAD),
        lambda world: (
            world.says("Stalled", "True", "RolledBack")
            and not world.cluster.of(POD, **{names.LABEL_ROLE: names.ROLE_PREFLIGHT})
        ),
    ),
    "update, asked for golden requests": Story((model(),), model(model=TWO, validation=ASKED), serves_alone),
    "refresh": Story((model(), config_map("iris-model", b"model two")), asked_to_refresh(), is_refreshed),
    "return to yesterday's model": Story((model(), model(model=TWO)), model(), serves_alone),
}


def picture(world: World) -> dict[str, Any]:
    """All objects without what differs from run to run."""
    owners = {m["metadata"]["uid"]: f"{m['kind']}/{m['metadata']['name']}" for m in world.cluster.objects.values()}

    def plain(value: Any, field: str = "") -> Any:
        if field == "ownerReferences":
            return [owners.get(owner["uid"].removesuffix("-rs")) for owner in value]
        if isinstance(value, dict):
            return {k: plain(v, k) for k, v in value.items() if k not in VOLATILE}
        return [plain(item) for item in value] if isinstance(value, list) else value

    kept = ((a, m) for a, m in world.cluster.objects.items() if a[0] not in ("Event", "Lease"))
    return {"/".join(address): plain(manifest) for address, manifest in sorted(kept)}


@dataclass(frozen=True)
class Ending:
    """What is left of a run."""

    objects: dict[str, Any]
    steps: Counter[str]
    phases: list[str]
    calls: int
    broken: list[str]


async def prepare(story: Story) -> dict[str, Any]:
    async with new_world() as world:
        for name, data in (("iris-model", b"model one"), ("iris-model-2", b"model two"), ("bad", b"bad")):
            world.apply(config_map(name, data))
        world.apply(config_map("golden", b"{}", "first.json"))
        world.start()
        for manifest in story.before:
            world.apply(manifest)
            await world.until(lambda: serves_alone(world))
        await world.advance(5)
        return world.cluster.snapshot()


def new_world() -> World:
    world = World()
    world.kubelet.models[b"bad"] = refused(Reason.LOAD_FAILED, "bad")
    return world


async def play(story: Story, snapshot: dict[str, Any], *kills: tuple[int, str]) -> Ending:
    """The story with an operator that is killed at these requests."""
    async with new_world() as world:
        world.cluster.restore(snapshot)
        world.start()
        await world.advance(2)
        assert world.requests == 0
        world.apply(story.act)
        for kill in kills:
            world.kill_at = kill
            await asyncio.wait_for(world.killed.wait(), 120)
            world.killed.clear()
            await world.restart()
        world.kill_at = None
        await world.until(lambda: story.over(world), within=120)
        await world.advance(20)
        steps = Counter(str(c) for c in world.changes() if c.verb not in ("status", "event"))
        return Ending(picture(world), steps, phases(world), world.requests, world.invariants.broken)


def phases(world: World) -> list[str]:
    """The phases that the status went through."""
    found = [""]
    for call in world.changes():
        if call.verb == "status" and call.body:
            status = call.body["status"]
            phase = (status.get("resolution") or {}).get("phase") or f"stable {status.get('stableRevision')}"
            found += [phase] if phase != found[-1] else []
    return found


@pytest.mark.parametrize("name", STORIES)
def test_killed_at_every_request_ends_the_same(name: str, subtests: pytest.Subtests) -> None:
    story = STORIES[name]
    snapshot = virtual_time.run(prepare(story))
    golden = virtual_time.run(play(story, snapshot))
    assert golden.calls > 5
    assert not golden.broken
    for number in range(1, golden.calls + 1):
        for when in ("before", "after"):
            with subtests.test(f"{when} request {number}"):
                ending = virtual_time.run(play(story, snapshot, (number, when)))
                assert ending.objects == golden.objects
                assert ending.steps == golden.steps
                assert ending.phases == golden.phases
                assert not ending.broken


@pytest.mark.parametrize("name", STORIES)
def test_killed_again_and_again_ends_the_same(name: str) -> None:
    """Killed after every single request, so that no process ever makes two."""
    story = STORIES[name]
    snapshot = virtual_time.run(prepare(story))
    golden = virtual_time.run(play(story, snapshot))
    kills = [(number, "after") for number in range(1, golden.steps.total() + 1)]
    ending = virtual_time.run(play(story, snapshot, *kills))
    assert ending.objects == golden.objects
    assert ending.steps == golden.steps
    assert not ending.broken


def test_killed_operator_is_replaced_by_another_replica() -> None:
    """Another pod has to wait for the Lease to run out, and ends the story the same."""

    async def story() -> tuple[Ending, float]:
        async with new_world() as world:
            world.cluster.restore(snapshot)
            world.start()
            await world.advance(2)
            world.apply(STORIES["update"].act)
            world.kill_at = (8, "after")
            await world.until(world.killed.is_set)
            world.kill_at = None
            await world.process.kill()
            world.start(replace(SETTINGS, identity="another-pod"))
            took = await world.until(lambda: serves_alone(world), within=120)
            await world.advance(20)
            steps = Counter(str(c) for c in world.changes() if c.verb not in ("status", "event"))
            return Ending(picture(world), steps, phases(world), 0, world.invariants.broken), took

    snapshot = virtual_time.run(prepare(STORIES["update"]))
    golden = virtual_time.run(play(STORIES["update"], snapshot))
    ending, took = virtual_time.run(story())
    assert ending.objects == golden.objects
    assert ending.steps == golden.steps
    assert 10 < took < 40
