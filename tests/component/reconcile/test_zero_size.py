"""The size of models that may sleep: what is held is demand, each change is explained, and nothing flaps."""

from itertools import pairwise

import pytest
from tests.component.reconcile.zero import WINDOW_SECONDS, asleep, awake, replicas, sleepy, stage, state
from tests.fakes.world import NAMESPACE

from serinus_api import names
from serinus_operator.cluster.port import AUTOSCALER, Manifest


async def test_hundred_requests_that_gateways_hold_behind_one_pod_grow_the_model() -> None:
    """None of them reaches a pod, whose own gauge says nothing at all: the gateways' word alone is the demand."""
    async with stage() as (world, plane):
        world.apply(sleepy(maxReplicas=30))
        await world.ready()
        await asleep(world)
        for gateway in plane.gateways.values():
            gateway.held["iris"] = gateway.in_flight["iris"] = 50
        plane.scale(world.status()["stableRevision"], 1)
        took = await world.until(lambda: replicas(world) == 25, within=30)
        assert took <= 10
        assert "25: concurrency 100 over target 4" in world.status()["scaling"]["message"]
        assert state(world) == ("Waking", "Proxied"), "as long as they are held"
        await world.advance(20)
        assert replicas(world) == 25
        for gateway in plane.gateways.values():
            gateway.held["iris"] = gateway.in_flight["iris"] = 0
        await awake(world)
        await world.until(lambda: replicas(world) == 1, within=60)


async def test_size_of_a_model_that_may_sleep_is_explained_down_to_its_last_pod() -> None:
    async with stage() as (world, plane):
        world.apply(sleepy())
        revision = await world.ready()
        await world.until(lambda: bool(world.kubelet.pods(revision)))
        (pod,) = world.kubelet.pods(revision)
        plane.working[pod["metadata"]["name"]] = 6
        await world.until(lambda: replicas(world) == 2)
        plane.working.clear()
        await world.until(lambda: replicas(world) == 1)
        assert state(world)[0] == "Awake"
        told = world.status()["scaling"]
        assert told["message"].startswith("2 → 1: concurrency ")
        assert told["message"].endswith(" over target 4 in the last 6 s")
        await world.advance(1)
        events = {e["reason"]: e["message"] for e in world.cluster.objects.values() if e["kind"] == "Event"}
        assert events["ScaledDown"] == told["message"]


async def test_model_that_an_autoscaler_sizes_sleeps_and_wakes_like_any_other() -> None:
    """The autoscaler writes between one pod and the most; at none it says that it is disabled, which is no trouble."""
    async with stage() as (world, plane):
        manifest = sleepy(engine="HPA", metrics=[{"type": "CPUUtilization", "target": 80}])
        manifest["spec"]["runtime"]["resources"] = {"requests": {"cpu": "500m"}}
        world.apply(manifest)
        revision = await world.ready()
        plane.scale(revision, 3)  # by the autoscaler
        await world.advance(10)
        assert replicas(world) == 3
        await asleep(world)
        disabled = {"type": "ScalingActive", "status": "False", "message": "the replica count of the target is zero"}
        world.cluster.edit(AUTOSCALER, NAMESPACE, "iris", lambda live: live.update(status={"conditions": [disabled]}))
        await world.advance(60)
        assert state(world) == ("Asleep", "Proxied")
        assert world.condition("ScalingActive")["status"] == "True"
        assert await plane.request()
        await awake(world)
        assert (replicas(world), plane.lost) == (1, [])


@pytest.mark.parametrize("grace", [0, 3])
@pytest.mark.parametrize("offset", [-1.0, -0.2, 0.0, 0.2, 1.0])
async def test_load_whose_period_is_the_idle_window_moves_the_model_at_most_once_in_each(
    grace: int, offset: float
) -> None:
    """Two falls asleep, or two wakes, never lie closer together than a window; nor do two changes of size one way."""
    async with stage() as (world, plane):
        moves: list[tuple[str, float]] = []

        def look(_: str, manifest: Manifest) -> None:
            if manifest["kind"] == names.KIND and (not moves or moves[-1][0] != state(world)[0]):
                moves.append((state(world)[0], world.now().monotonic))

        world.apply(sleepy(scaleToZero={"gracePeriodSeconds": grace}))
        await world.ready()
        await world.advance(1)
        world.cluster.watchers.append(look)
        for _ in range(20):
            assert await plane.request()
            await world.advance(WINDOW_SECONDS + offset)
        for kind in ("Asleep", "Waking"):
            times = [at for word, at in moves if word == kind]
            assert all(later - earlier >= WINDOW_SECONDS for earlier, later in pairwise(times)), moves
        assert not plane.lost
