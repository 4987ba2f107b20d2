"""Candidates that break under requests, and people who change their mind: stable is back, with the reason told."""

import copy
from collections.abc import Callable

import pytest
from tests.component.reconcile.test_canary import ROLLOUT, TWO, canary, phase, served, size, weight
from tests.fakes.kubelet import Status, crashing, running
from tests.fakes.world import World, config_map

THREE = {"uri": "configmap://iris-model-3/model.onnx"}


def killed_for_memory() -> Status:
    """The program of a serving pod was killed for its memory."""
    status = copy.deepcopy(crashing())
    status["containerStatuses"][0]["lastState"]["terminated"] = {"exitCode": 137, "reason": "OOMKilled"}
    return status


def become(world: World, what: Status, *revisions: str) -> None:
    """All pods of these revisions are like this from now on."""
    before: Callable[[str, int], Status] = world.kubelet.serving
    world.kubelet.serving = lambda revision, number: what if revision in revisions else before(revision, number)


FAULTS = [
    pytest.param(crashing(), "CrashLoop", 5, id="its program ends"),
    pytest.param(killed_for_memory(), "OutOfMemory", 5, id="it needs more than its memory"),
    pytest.param(running(ready=False), "CandidateNotReady", 40, id="it does not answer any more"),
]


@pytest.mark.parametrize(("what", "reason", "within"), FAULTS)
async def test_candidate_that_breaks_in_a_step_is_taken_back_at_once(what: Status, reason: str, within: float) -> None:
    async with served() as (world, plane, first, seen):
        world.apply(canary(model=TWO))
        await world.until(lambda: weight(world) == 25, within=200)
        second = world.status()["candidateRevision"]
        become(world, what, second)
        await world.until(lambda: "Aborting" in {p for p, _ in seen}, within=within)
        await world.until(lambda: world.says("Stalled", "True", "RolledBack"), within=60)
        assert world.says("RolloutHealthy", "False", reason)
        assert f"{second} was taken back: {reason}: pod {second}" in world.status()["rejected"][0]["message"]
        assert world.status()["rejected"][0]["reason"] == reason
        await world.until(lambda: world.deployments() == [first])
        assert size(world, first) == 2
        assert max(w for _, w in seen) == 25
        tries = len(world.preflights())
        await world.advance(120)
        assert (phase(world), len(world.preflights())) == ("Aborted", tries)
        plane.lost.clear()  # what was under way in the pods that died is theirs


async def test_candidate_that_crashes_together_with_stable_is_not_blamed() -> None:
    async with served() as (world, plane, first, _):
        world.apply(canary(model=TWO))
        await world.until(lambda: weight(world) == 25, within=200)
        become(world, crashing(), first, world.status()["candidateRevision"])
        await world.until(lambda: phase(world) == "Held")
        await world.advance(60)
        assert phase(world) == "Held"
        become(world, running(), first, world.status()["candidateRevision"])
        await world.until(lambda: world.status()["stableRevision"] != first, within=400)
        plane.lost.clear()  # nobody could have answered meanwhile


async def test_candidate_whose_pods_come_back_in_time_goes_on() -> None:
    async with served() as (world, plane, first, _):
        world.apply(canary(model=TWO))
        await world.until(lambda: weight(world) == 25, within=200)
        second = world.status()["candidateRevision"]
        become(world, running(ready=False), second)
        await world.until(lambda: phase(world) == "Held")
        become(world, running(), second)
        await world.until(lambda: world.status()["stableRevision"] == second, within=400)
        assert second != first
        plane.lost.clear()  # what was under way when the pods stopped to answer


async def test_promoted_revision_that_crashes_in_the_bake_gives_way_to_the_one_that_was_kept() -> None:
    async with served() as (world, plane, first, _):
        world.apply(canary(model=TWO, rollout={"bakeSeconds": 300, "steps": [{"weight": 50, "pauseSeconds": 5}]}))
        await world.until(lambda: phase(world) == "Baking", within=200)
        await world.until(lambda: world.entry() != first)
        become(world, crashing(), str(world.entry()))
        await world.until(lambda: world.says("Stalled", "True", "RolledBack"), within=60)
        assert world.entry() == world.status()["stableRevision"] == first
        assert world.status()["rejected"][0]["reason"] == "CrashLoop"
        plane.lost.clear()  # what came until the entry led back


@pytest.mark.parametrize("where", ["Preflight", "Provisioning"])
async def test_abort_works_before_there_are_steps(where: str) -> None:
    async with served() as (world, _, first, _):
        if where == "Preflight":
            world.kubelet.preflight = running(ready=False)
        before = world.kubelet.serving
        world.kubelet.serving = lambda revision, number: (
            before(revision, number) if revision == first else running(ready=False)
        )
        world.apply(canary(model=TWO))
        await world.until(lambda: (world.status().get("resolution") or {}).get("phase") == where, within=60)
        world.annotate(abort="1")
        await world.until(lambda: world.says("Stalled", "True", "RolledBack"), within=3)
        assert world.status()["rejected"][0]["reason"] == "Aborted"
        assert world.status()["actions"]["abort"] == "1"
        await world.until(lambda: world.deployments() == [first])
        world.kubelet.serving, world.kubelet.preflight = before, None
        world.annotate(retry="1")
        await world.until(lambda: world.status()["stableRevision"] != first, within=400)


async def test_abort_that_was_asked_before_does_not_stop_the_next_rollout() -> None:
    async with served() as (world, _, first, _):
        manifest = canary(model=TWO)
        manifest["metadata"]["annotations"] = {"serinus.dev/abort": "in the same breath"}
        world.apply(manifest)
        await world.until(lambda: world.status()["stableRevision"] != first, within=400)
        assert world.status()["actions"]["abort"] == "in the same breath"
        assert "rejected" not in world.status() or not world.status()["rejected"]


@pytest.mark.parametrize("share", [5, 25, 50])
async def test_return_to_the_stable_spec_at_each_step(share: int) -> None:
    async with served() as (world, _, first, seen):
        world.apply(canary(model=TWO))
        await world.until(lambda: weight(world) == share, within=200)
        tries = len(world.preflights())
        world.apply(canary())
        await world.until(lambda: phase(world) == "Superseding", within=3)
        assert await world.ready(within=60) == first
        await world.until(lambda: world.deployments() == [first])
        assert (size(world, first), len(world.preflights())) == (2, tries)
        assert max(w for _, w in seen) == share


@pytest.mark.parametrize("place", ["5", "50", "Baking"])
async def test_third_revision_takes_the_place_of_the_second(place: str) -> None:
    async with served() as (world, _, first, _):
        rollout = {**ROLLOUT, "bakeSeconds": 3000}
        world.apply(config_map("iris-model-3", b"model three"))
        world.apply(canary(model=TWO, rollout=rollout))
        await world.until(lambda: place in (str(weight(world)), phase(world)), within=300)
        second = world.status().get("candidateRevision") or world.status()["stableRevision"]
        world.apply(canary(model=THREE, rollout=rollout))
        stable = second if place == "Baking" else first
        await world.until(lambda: world.deployments() == [stable], within=60)
        assert world.status()["stableRevision"] == world.entry() == stable
        await world.until(lambda: weight(world) == 5, within=120)
        assert world.status()["candidateRevision"] not in (first, second)
        assert world.status()["stableRevision"] == stable


async def test_each_candidate_counts_its_own_rollouts() -> None:
    async with served() as (world, _, _, _):

        def tried() -> int:
            return int(world.status()["rollout"]["attempt"])

        world.apply(canary(model=TWO))
        for number in (1, 2):
            await world.until(lambda: phase(world) == "Stepping", within=200)
            assert tried() == number
            world.annotate(abort=f"{number}")
            await world.until(lambda: phase(world) == "Aborted", within=60)
            world.annotate(retry=f"{number}")
        await world.until(lambda: phase(world) == "Stepping", within=200)
        world.annotate(abort="3")
        await world.until(lambda: phase(world) == "Aborted", within=60)
        world.apply(config_map("iris-model-3", b"model three"))
        world.apply(canary(model=THREE))
        await world.until(lambda: phase(world) == "Stepping", within=200)
        assert tried() == 1
