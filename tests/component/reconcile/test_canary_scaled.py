"""A candidate in steps of a model whose size follows the demand: each side has its own, and has it in time."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.component.reconcile.test_canary import ROLLOUT, TWO, phase, size, weight
from tests.component.reconcile.zero import WITH_GATEWAYS, stage
from tests.fakes.kubelet import digest_of
from tests.fakes.plane import Plane
from tests.fakes.world import World, config_map, model

from serinus_api import names
from serinus_api.v1alpha1 import ModelDeploymentSpec, spec_hash
from serinus_operator.cluster.port import POD, Manifest
from serinus_operator.main import outcomes

SCALING: dict[str, Any] = {
    "maxReplicas": 20,
    "stableWindowSeconds": 10,
    "targetUtilizationPercent": 100,
    "metrics": [{"type": "Concurrency", "target": 1}],
}
REQUESTS = {"resources": {"requests": {"cpu": "500m"}}}
HPA: dict[str, Any] = {"engine": "HPA", "metrics": [{"type": "CPUUtilization", "target": 80}]}
HALF: dict[str, Any] = {"steps": [{"weight": 50, "pauseSeconds": 600}]}
PER_SECOND = 18.0
SECONDS = 0.2
"""So 3.6 requests are under way at once, and a pod bears one."""


def scaled(*, scaling: dict[str, Any] | None = None, rollout: dict[str, Any] | None = None, **spec: Any) -> Manifest:
    """A model that is rolled out in steps, and sized by demand."""
    sized = {**SCALING, **(scaling or {})}
    found = model(rollout={**ROLLOUT, **(rollout or {})}, scaling=sized, runtime=REQUESTS, **spec)
    del found["spec"]["replicas"]
    return found


SECOND = names.revision_name(
    "iris", spec_hash(ModelDeploymentSpec.model_validate(scaled(model=TWO)["spec"])), digest_of(b"model two")
)


@dataclass(frozen=True)
class Moment:
    """What the status and the pods say at one write of the status."""

    phase: str
    weight: int
    whole: int
    """Pods for all of the demand, by stable's cost."""
    stable: int
    """Ready pods of the first revision."""
    candidate: int
    """Ready pods of the second."""


@dataclass
class Scene:
    """A model with one revision, under requests."""

    world: World
    plane: Plane
    first: str
    moments: list[Moment] = field(default_factory=list)
    largest: dict[str, int] = field(default_factory=dict)
    """By revision, the most pods that its Deployment asked for."""
    match: bool = False
    """Whether the requests bear the headers that are asked."""

    def note(self, _: str, manifest: Manifest) -> None:
        for name in (self.first, SECOND):
            self.largest[name] = max(self.largest.get(name, 0), size(self.world, name))
        if manifest["kind"] != "ModelDeployment":
            return
        ready = [len(self.plane._ready(name)) for name in (self.first, SECOND)]
        whole = self.world.status().get("scaling", {}).get("desiredReplicas", 0)
        here = Moment(phase(self.world), weight(self.world), whole, *ready)
        if here != (self.moments[-1] if self.moments else None):
            self.moments.append(here)

    def changes(self) -> list[tuple[Moment, Moment]]:
        """The moments before and after each change of the weight."""
        return [(a, b) for a, b in zip(self.moments, self.moments[1:], strict=False) if a.weight != b.weight]

    def side(self, name: str) -> Manifest:
        sides = self.world.status()["scaling"].get("sides", ())
        return next(side for side in sides if side["name"] == name)


@asynccontextmanager
async def busy(first: Manifest | None = None, *, pods: int = 4, per_second: float = PER_SECOND) -> AsyncIterator[Scene]:
    """The scene, once so many pods are ready for these requests. In the end none is lost."""
    async with stage() as (world, plane):
        plane.load_seconds = 1.0
        world.apply(config_map("iris-model-2", b"model two"))
        world.apply(first or scaled())
        await world.until(lambda: bool(world.status().get("stableRevision")))
        scene = Scene(world, plane, await world.ready())
        plane.seconds = {scene.first: SECONDS, SECOND: SECONDS}
        await world.until(lambda: plane.leads_to("iris") == {"pod"})
        world.cluster.watchers.append(scene.note)
        sent: list[asyncio.Future[bool]] = []

        async def ask() -> None:
            while True:
                sent.append(asyncio.ensure_future(plane.request(match=scene.match)))
                await asyncio.sleep(1 / per_second)

        asking = asyncio.ensure_future(ask())
        try:
            await world.until(lambda: len(plane._ready(scene.first)) >= pods, within=60)
            yield scene
        finally:
            asking.cancel()
            await asyncio.gather(*sent, asking, return_exceptions=True)
        assert not plane.lost, plane.lost[:5]


@asynccontextmanager
async def halved() -> AsyncIterator[Scene]:
    """The scene where the candidate has got half of the requests, and stays there."""
    async with busy(scaled(rollout=HALF)) as scene:
        scene.world.apply(scaled(model=TWO, rollout=HALF))
        await scene.world.until(lambda: weight(scene.world) == 50, within=120)
        yield scene


async def test_each_weight_comes_after_the_pods_for_it() -> None:
    async with busy() as scene:
        world = scene.world
        world.apply(scaled(model=TWO))
        await world.until(lambda: weight(world) == 50, within=300)
        assert {side["name"] for side in world.status()["scaling"]["sides"]} == {scene.first, SECOND}
        assert scene.side(SECOND)["reason"] in ("Share", "Concurrency")
        await world.until(lambda: phase(world) == "Baking", within=300)
        await world.until(lambda: len(scene.plane._ready(scene.first)) >= 4)  # the way back is kept warm
        assert await world.ready(within=120) == SECOND
        await world.until(lambda: world.deployments() == [SECOND])
        ups = [(a, b) for a, b in scene.changes() if b.weight > a.weight]
        assert [b.weight for _, b in ups] == [5, 25, 50, 100]
        for _, after in ups:
            assert 100 * after.candidate >= after.weight * (after.whole - 1), after
        for moment in scene.moments:
            enough = (100 - moment.weight) * (moment.whole - 1) / 100
            assert moment.phase not in ("Stepping", "Held") or moment.stable >= enough, moment
        assert "sides" not in world.status()["scaling"]
        assert world.says("ScalingActive", "True", "MetricsAvailable")
        assert size(world, SECOND) in (4, 5, 6)


async def test_slow_candidate_grows_and_stable_does_not() -> None:
    slow = {"steps": [{"weight": 50, "pauseSeconds": 600}]}
    async with busy(scaled(rollout=slow)) as scene:
        world, plane = scene.world, scene.plane
        plane.seconds[SECOND] = 4 * SECONDS
        world.apply(scaled(model=TWO, rollout=slow))
        await world.until(lambda: weight(world) == 50, within=120)
        scene.largest.clear()
        await world.until(lambda: size(world, SECOND) >= 8, within=60)  # half the requests, each four times as long
        await world.advance(30)
        assert scene.largest[scene.first] <= 6
        assert scene.side(SECOND)["message"].startswith(tuple("123456789"))
        assert world.status()["scaling"]["desiredReplicas"] <= 6, "what stable would need for all of it"
        assert world.process is not None
        ((_, outcome),) = outcomes(world.process.reconciler.memories)
        assert outcome.desired == world.status()["scaling"]["desiredReplicas"]


async def test_hot_candidate_scales_alone_while_stable_is_idle() -> None:
    """All requests bear the asked headers from the first step on."""
    matched = {"steps": [{"weight": 5, "pauseSeconds": 600}], "match": {"headers": [{"name": "x-try", "value": "1"}]}}
    async with busy(scaled(rollout=matched)) as scene:
        world = scene.world
        world.apply(scaled(model=TWO, rollout=matched))
        await world.until(lambda: weight(world) == 5, within=120)
        scene.match = True
        scene.plane.seconds[SECOND] = 2 * SECONDS
        await world.until(lambda: size(world, SECOND) >= 8, within=60)
        await world.until(lambda: size(world, scene.first) == 1, within=90)
        scene.largest.clear()
        await world.advance(30)
        assert scene.largest[scene.first] == 1
        world.annotate(abort="1")
        await world.until(lambda: weight(world) == 0, within=60)
        assert len(scene.plane._ready(scene.first)) >= world.status()["scaling"]["desiredReplicas"]


async def test_stable_is_at_full_size_before_it_gets_everything_back() -> None:
    half = {"steps": [{"weight": 50, "pauseSeconds": 60}]}
    async with busy(scaled(rollout=half)) as scene:
        world = scene.world
        world.apply(scaled(model=TWO, rollout=half))
        await world.until(lambda: weight(world) == 50, within=120)
        await world.until(lambda: size(world, scene.first) <= 3, within=60)
        assert scene.side(scene.first)["desiredReplicas"] <= 3
        world.annotate(abort="1")
        took = await world.until(lambda: phase(world) == "Aborted", within=60)
        assert took < 30
        downs = [(a, b) for a, b in scene.changes() if b.weight < a.weight]
        for before, after in downs:
            assert before.stable >= (100 - after.weight) * (before.whole - 1) / 100, (before, after)
        assert world.status()["stableRevision"] == scene.first
        await world.until(lambda: world.deployments() == [scene.first])


async def test_way_back_does_not_wait_for_room_that_the_candidate_has_itself() -> None:
    half = {"steps": [{"weight": 50, "pauseSeconds": 60}]}
    async with busy(scaled(rollout=half)) as scene:
        world = scene.world
        world.apply(scaled(model=TWO, rollout=half))
        await world.until(lambda: weight(world) == 50, within=120)
        await world.until(lambda: size(world, scene.first) == len(scene.plane._ready(scene.first)) == 2, within=60)
        full = "exceeded quota: pods=5"
        world.kubelet.refusal = lambda name: full if name == scene.first and size(world, SECOND) else None
        world.annotate(abort="1")
        await world.until(lambda: world.deployments() == [scene.first], within=60)
        assert world.status()["stableRevision"] == scene.first
        await world.until(lambda: len(scene.plane._ready(scene.first)) >= 4)


async def test_a_rise_in_mid_step_reaches_both() -> None:
    async with halved() as scene:
        world, plane = scene.world, scene.plane
        plane.seconds = {scene.first: 4 * SECONDS, SECOND: 4 * SECONDS}
        await world.until(lambda: min(size(world, scene.first), size(world, SECOND)) >= 8, within=60)
        assert max(scene.largest.values()) <= SCALING["maxReplicas"]


async def test_blue_and_green_have_their_full_size_before_the_flip() -> None:
    spec = {"strategy": "BlueGreen", "steps": []}
    async with busy(scaled(rollout=spec)) as scene:
        world, entered = scene.world, list[int]()

        def note(_: str, manifest: Manifest) -> None:
            if manifest["kind"] == "Service" and world.entry() == SECOND and not entered:
                entered.append(len(scene.plane._ready(SECOND)))

        world.cluster.watchers.append(note)
        world.apply(scaled(model=TWO, rollout=spec))
        assert await world.ready(within=200) == SECOND
        assert entered[0] >= 4
        assert {moment.weight for moment in scene.moments} == {0}


async def test_restart_in_mid_step_shrinks_neither_side_and_moves_no_weight_back() -> None:
    async with halved() as scene:
        world = scene.world
        await world.advance(40)
        before = {name: size(world, name) for name in (scene.first, SECOND)}
        whole = world.status()["scaling"]["desiredReplicas"]
        smallest = dict(before)

        def note(_: str, manifest: Manifest) -> None:
            for name in smallest:
                smallest[name] = min(smallest[name], size(world, name))

        world.cluster.watchers.append(note)
        scene.moments.clear()
        await world.restart(WITH_GATEWAYS)
        await world.advance(9)
        assert smallest == before
        assert {moment.weight for moment in scene.moments} == {50}
        assert world.status()["scaling"]["desiredReplicas"] >= whole


async def test_pods_that_do_not_tell_their_load_hold_the_sizes_and_not_the_way_back() -> None:
    async with halved() as scene:
        world, plane = scene.world, scene.plane
        await world.until(lambda: size(world, scene.first) <= 3, within=60)
        plane.doubt = True
        await world.until(lambda: world.says("ScalingActive", "False", "MetricsUnavailable"), within=60)
        world.annotate(abort="1")
        await world.until(lambda: phase(world) == "Aborted", within=60)
        assert len(plane._ready(scene.first)) >= 4


async def test_field_that_is_not_supported_in_mid_step_shrinks_nothing() -> None:
    async with halved() as scene:
        world = scene.world
        await world.advance(30)
        before = {name: size(world, name) for name in (scene.first, SECOND)}
        world.apply(scaled(model=TWO, rollout=HALF, scaling=HPA))
        await world.advance(60)
        assert {name: size(world, name) for name in before} == before
        assert weight(world) == 50
        assert "HorizontalPodAutoscaler" not in {name.split()[0] for name in world.children()}
        world.apply(scaled(model=TWO, rollout=HALF))
        world.annotate(promote="full/1")
        assert await world.ready(within=200) == SECOND


async def test_engine_that_cannot_is_refused_with_what_would_do() -> None:
    async with stage() as (world, _):
        world.apply(scaled(scaling=HPA))
        await world.until(lambda: world.says("Ready", "False", "NotSupported"))
        told = world.condition("Ready")["message"]
        assert "spec.rollout together with spec.scaling.engine: HPA (engine: Builtin can)" in told


@pytest.mark.parametrize("number", range(int(os.environ.get("CHANCES", "4"))))
async def test_whatever_changes_in_mid_rollout_pods_come_before_their_requests(number: int) -> None:
    """`CHANCES=100 CHANCE_SEED=7` tries a hundred others; the seed is in the message."""
    seed = f"{os.environ.get('CHANCE_SEED', '1')}/{number}"
    chances = random.Random(seed)
    asked = {"bakeSeconds": 60, "steps": [{"weight": weight, "pauseSeconds": 30} for weight in (10, 40, 80)]}
    async with busy(scaled(rollout=asked)) as scene:
        world, plane = scene.world, scene.plane
        scene.largest.clear()
        world.apply(scaled(model=TWO, rollout=asked))
        await world.until(lambda: phase(world) == "Stepping", within=60)
        for _ in range(12):
            match chances.choice(("slower", "slower", "restart", "silent", "kill")):
                case "slower":
                    plane.seconds[chances.choice((scene.first, SECOND))] = chances.choice((0.05, 0.2, 0.6, 1.2))
                case "restart":
                    await world.restart(WITH_GATEWAYS)
                case "silent":
                    plane.doubt = not plane.doubt
                case "kill":
                    (pod, *_) = [*world.kubelet.pods(chances.choice((scene.first, SECOND))), None]
                    if pod:
                        world.cluster.remove(POD, pod["metadata"]["namespace"], pod["metadata"]["name"])
            await world.advance(chances.uniform(0.5, 12))
        plane.doubt, plane.seconds = False, {scene.first: SECONDS, SECOND: SECONDS}
        world.annotate(promote=f"full/{seed}")
        assert await world.ready(within=400) == SECOND, f"seed {seed}\n{world.describe()}"
        assert max(scene.largest.values()) <= SCALING["maxReplicas"], seed
        for before, after in scene.changes():
            if after.weight > before.weight:
                assert max(before.candidate, after.candidate) > 0, (
                    seed,
                    before,
                    after,
                )  # one may just have been killed
            elif after.phase == "Aborting":
                assert max(before.stable, after.stable) > 0, (seed, before, after)
