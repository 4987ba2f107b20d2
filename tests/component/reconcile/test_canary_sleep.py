"""A new version of a model that sleeps, and of one that nobody asks while the version is tried."""

from collections.abc import Callable
from typing import Any

from tests.component.reconcile.test_canary import TWO, phase, size
from tests.component.reconcile.test_canary_scaled import SECOND, scaled
from tests.component.reconcile.zero import asleep, stage, state
from tests.fakes.kubelet import refused
from tests.fakes.world import World, config_map

from serinus_api.conditions import Reason
from serinus_operator.cluster.port import Manifest

SLEEPY: dict[str, Any] = {"minReplicas": 0, "stableWindowSeconds": 6, "scaleToZero": {"gracePeriodSeconds": 3}}


async def never(world: World, what: Callable[[], bool]) -> list[str]:
    """Notes each change at which something is so that never should be."""
    found: list[str] = []
    world.cluster.watchers.append(lambda _, manifest: found.append(world.describe()) if what() else None)
    return found


async def test_model_that_nobody_asks_does_not_sleep_before_its_rollout_is_over() -> None:
    async with stage() as (world, plane):
        world.apply(config_map("iris-model-2", b"model two"))
        world.apply(scaled(scaling=SLEEPY))
        first = await world.ready()
        await world.until(lambda: plane.leads_to("iris") == {"pod"})
        world.apply(scaled(scaling=SLEEPY, model=TWO))
        await world.until(lambda: phase(world) == "Stepping", within=60)
        slept = await never(world, lambda: phase(world) != "Stable" and state(world)[0] == "Asleep")
        await world.until(lambda: world.status()["stableRevision"] == SECOND, within=400)
        await asleep(world, within=200)
        assert not slept
        assert world.deployments() == [SECOND]
        assert first not in world.deployments()
        assert world.is_ready()
        assert await plane.request()
        assert not plane.lost


MORE = {**SLEEPY, "activation": {"initialReplicas": 3}}
"""A request gives it three pods; a trial is none."""


async def test_sleeping_model_tries_a_new_version_with_one_pod_and_sleeps_again() -> None:
    async with stage() as (world, plane):
        world.apply(config_map("iris-model-2", b"model two"))
        world.apply(scaled(scaling=MORE))
        first = await world.ready()
        await asleep(world)
        most: dict[str, int] = {}
        phases: list[str] = []

        def note(_: str, manifest: Manifest) -> None:
            for name in (first, SECOND):
                most[name] = max(most.get(name, 0), len(world.kubelet.pods(name)))
            phases.append(phase(world))

        world.cluster.watchers.append(note)
        world.apply(scaled(scaling=MORE, model=TWO))
        await world.until(lambda: world.status()["stableRevision"] == SECOND, within=60)
        await asleep(world, within=120)
        assert most == {first: 0, SECOND: 1}
        assert set(phases) == {"Stable"}, "no step was taken"
        assert len(world.preflights()) == 2, "one for each"
        assert world.is_ready()
        assert await plane.request()


async def test_request_for_a_sleeping_model_in_the_middle_of_a_trial_is_answered() -> None:
    async with stage() as (world, plane):
        world.apply(config_map("iris-model-2", b"model two"))
        world.apply(scaled(scaling=SLEEPY))
        await world.ready()
        await asleep(world)
        plane.load_seconds = 2.0
        world.apply(scaled(scaling=SLEEPY, model=TWO))
        await world.until(lambda: bool(world.kubelet.pods(SECOND)), within=60)
        assert await plane.request()
        await world.until(lambda: world.status()["stableRevision"] == SECOND, within=400)
        await asleep(world, within=200)
        assert world.deployments() == [SECOND]
        assert not plane.lost


async def test_bad_version_for_a_sleeping_model_leaves_it_asleep() -> None:
    async with stage() as (world, plane):
        world.apply(config_map("iris-model-2", b"model two"))
        world.kubelet.models[b"model two"] = refused(Reason.LOAD_FAILED, "no such operator")
        world.apply(scaled(scaling=SLEEPY))
        first = await world.ready()
        await asleep(world)
        world.apply(scaled(scaling=SLEEPY, model=TWO))
        await world.until(lambda: world.says("Ready", "False", "LoadFailed"), within=60)
        assert (state(world)[0], size(world, first), world.deployments()) == ("Asleep", 0, [first])
        assert await plane.request()
