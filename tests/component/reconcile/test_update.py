"""A new model takes over from one that serves, or does not."""

from dataclasses import replace

import pytest
from tests.fakes.kubelet import Status, crashing, refused, running, unschedulable, waiting
from tests.fakes.world import NAMESPACE, SETTINGS, World, config_map, model

from serinus_api import names
from serinus_api.conditions import Reason
from serinus_operator.cluster.port import CONFIG_MAP, CONTROLLER_REVISION, DEPLOYMENT, MODEL_DEPLOYMENT, POD, SERVICE

TWO = {"uri": "configmap://iris-model-2/model.onnx"}
THREE = {"uri": "configmap://iris-model-3/model.onnx"}


@pytest.fixture
async def stable(world: World) -> str:
    """A model that serves; its revision. Two more models wait in ConfigMaps."""
    world.apply(config_map("iris-model-2", b"model two"))
    world.apply(config_map("iris-model-3", b"model three"))
    world.apply(model())
    return await world.ready()


def position(world: World, verb: str, kind: str, name: str) -> int:
    """Where in the log the operator did this, last."""
    found = [
        n for n, c in enumerate(world.cluster.calls) if (c.verb, c.kind, c.name) == (verb, kind, name) and c.changed
    ]
    assert found, f"{verb} {kind} {name} did not happen"
    return found[-1]


async def test_new_model_is_promoted_when_all_its_pods_are_ready(world: World, stable: str) -> None:
    world.kubelet.serving = lambda revision, number: running(ready=revision == stable or number == 0)
    world.apply(model(model=TWO))
    await world.until(lambda: len(world.deployments()) == 2)
    await world.advance(60)
    candidate = world.status()["candidateRevision"]
    assert world.entry() == stable
    assert world.status()["stableRevision"] == stable
    assert world.says("Available", "True", "Serving")
    world.kubelet.serving = lambda revision, number: running()
    world.kubelet.sync()
    assert await world.ready() == candidate != stable
    assert world.entry() == candidate


async def test_old_one_is_removed_only_after_the_flip(world: World, stable: str) -> None:
    world.apply(model(model=TWO))
    revision = await world.ready()
    await world.until(lambda: world.deployments() == [revision])
    flip = position(world, "apply", "Service", "iris")
    assert flip < position(world, "delete", "Deployment", stable)
    assert flip < position(world, "delete", "Service", stable)


async def test_promotion_restarts_no_pod(world: World, stable: str) -> None:
    world.apply(model(model=TWO))
    await world.until(lambda: bool(world.status().get("candidateRevision")))
    candidate = world.status()["candidateRevision"]
    await world.until(lambda: len(world.kubelet.pods(candidate)) == 2)
    before = {p["metadata"]["uid"] for p in world.kubelet.pods(candidate)}
    await world.ready()
    await world.advance(60)
    assert {p["metadata"]["uid"] for p in world.kubelet.pods(candidate)} == before


async def test_history_keeps_the_old_revision_without_pods(world: World, stable: str) -> None:
    world.apply(model(model=TWO))
    revision = await world.ready()
    assert [(r["name"], r["state"]) for r in world.status()["revisions"]] == [(revision, "Stable"), (stable, "Retired")]
    assert world.object(CONTROLLER_REVISION, stable)
    assert world.object(CONFIG_MAP, stable)
    await world.until(lambda: not world.kubelet.pods(stable))


async def test_history_is_bounded_by_its_limit(world: World, stable: str) -> None:
    for number in range(4):
        world.apply(config_map(f"m{number}", b"%d" % number))
        world.apply(model(model={"uri": f"configmap://m{number}/model.onnx"}, rollout={"revisionHistoryLimit": 2}))
        await world.ready()
    await world.advance(5)
    assert len(world.cluster.of(CONTROLLER_REVISION)) == 3
    assert [r["state"] for r in world.status()["revisions"]] == ["Stable", "Retired", "Retired"]


async def test_revert_while_the_candidate_starts_restarts_nothing(world: World, stable: str) -> None:
    pods = {p["metadata"]["uid"] for p in world.kubelet.pods(stable)}
    world.kubelet.serving = lambda revision, number: running(ready=revision == stable)
    world.apply(model(model=TWO))
    await world.until(lambda: len(world.deployments()) == 2)
    world.apply(model())
    assert await world.ready() == stable
    await world.until(lambda: world.deployments() == [stable])
    assert {p["metadata"]["uid"] for p in world.kubelet.pods(stable)} == pods
    assert world.entry() == stable
    assert "candidateRevision" not in world.status()


async def test_revert_while_the_preflight_runs_removes_its_pod(world: World, stable: str) -> None:
    world.kubelet.preflight = running(ready=False)
    world.apply(model(model=TWO))
    await world.until(lambda: len(world.preflights()) == 2)
    world.apply(model())
    assert await world.ready() == stable
    await world.until(
        lambda: all(p["metadata"]["labels"][names.LABEL_ROLE] == "serving" for p in world.cluster.of(POD))
    )


async def test_return_to_yesterdays_model_needs_no_preflight(world: World, stable: str) -> None:
    world.apply(model(model=TWO))
    await world.ready()
    await world.until(lambda: len(world.deployments()) == 1)
    tried = world.preflights()
    world.apply(model())
    assert await world.ready() == stable
    assert world.preflights() == tried
    assert world.entry() == stable


async def test_return_works_although_the_config_map_is_gone(world: World, stable: str) -> None:
    """A pin says which bytes are meant, and the revision has kept them."""
    digest = world.status()["revisions"][0]["model"]["digest"]
    pinned = {"uri": "configmap://iris-model/model.onnx", "digest": digest}
    world.apply(model(model=pinned))
    first = await world.ready()
    world.apply(model(model=TWO))
    await world.ready()
    world.cluster.remove(CONFIG_MAP, NAMESPACE, "iris-model")
    world.apply(model(model=pinned))
    assert await world.ready() == first


async def test_third_model_replaces_a_candidate_that_starts(world: World, stable: str) -> None:
    world.kubelet.serving = lambda revision, number: running(ready=revision == stable)
    world.apply(model(model=TWO))
    await world.until(lambda: len(world.deployments()) == 2)
    second = world.status()["candidateRevision"]
    world.apply(model(model=THREE))
    await world.until(lambda: world.status().get("candidateRevision") not in (None, second))
    await world.until(lambda: second not in world.deployments())
    assert world.entry() == stable
    world.kubelet.serving = lambda revision, number: running()
    world.kubelet.sync()
    assert await world.ready() not in (stable, second)
    assert [r["name"] for r in world.status()["revisions"]] == [world.entry(), stable]


async def test_edit_while_the_first_revision_starts_leaves_what_answers_alone(world: World) -> None:
    """One of two pods answers; the next model must not take its traffic away before it can answer itself."""
    world.apply(config_map("iris-model-2", b"model two"))
    world.kubelet.serving = lambda revision, number: running(ready=number == 0)
    world.apply(model())
    await world.until(lambda: any(p.get("status", {}).get("phase") == "Running" for p in world.cluster.of(POD)))
    await world.advance(5)
    first = world.entry()
    assert world.object(SERVICE, "iris")
    world.kubelet.serving = lambda revision, number: running(ready=revision == first and number == 0)
    world.apply(model(model=TWO))
    await world.until(lambda: len(world.deployments()) == 2)
    await world.advance(30)
    assert world.entry() == first
    assert world.object(CONTROLLER_REVISION, first), "its pods need the copy of the model that goes with the record"
    assert world.object(CONFIG_MAP, first)
    world.kubelet.serving = lambda revision, number: running()
    world.kubelet.sync()
    assert await world.ready() != first
    await world.until(lambda: first not in world.deployments())


async def test_refused_model_leaves_the_stable_one_serving(world: World, stable: str) -> None:
    world.kubelet.models[b"model two"] = refused(Reason.LOAD_FAILED, "Protobuf parsing failed")
    world.apply(model(model=TWO))
    await world.until(lambda: world.says("Stalled", "True", "RolledBack"))
    assert world.says("Available", "True", "Serving")
    assert world.says("Ready", "False", "LoadFailed")
    assert world.says("ModelValidated", "False", "LoadFailed")
    assert stable in world.condition("Stalled")["message"]
    assert "Protobuf parsing failed" in world.condition("Stalled")["message"]
    await world.advance(600)
    assert world.deployments() == [stable]
    assert world.entry() == stable
    assert world.status()["stableRevision"] == stable
    assert len(world.preflights()) == 2


async def test_refused_model_stays_refused_until_the_spec_changes(world: World, stable: str) -> None:
    world.kubelet.models[b"model two"] = refused(Reason.LOAD_FAILED, "bad")
    world.apply(model(model=TWO))
    await world.until(lambda: world.says("Stalled", "True", "RolledBack"))
    world.apply(model())
    assert await world.ready() == stable
    tried = len(world.preflights())
    world.apply(model(model=TWO))
    await world.until(lambda: world.says("Stalled", "True", "RolledBack"))
    await world.advance(120)
    assert len(world.preflights()) == tried, "refused before, and nothing has changed"
    world.apply(model(model=THREE))
    assert await world.ready() != stable


async def test_replicas_edited_under_a_refused_model_scale_the_stable_one(world: World, stable: str) -> None:
    world.kubelet.models[b"model two"] = refused(Reason.LOAD_FAILED, "bad")
    world.apply(model(model=TWO))
    await world.until(lambda: world.says("Stalled", "True", "RolledBack"))
    world.apply(model(model=TWO, replicas=5))
    await world.until(lambda: len(world.kubelet.pods(stable)) == 5)
    assert world.says("Stalled", "True", "RolledBack")


NEVER_READY: list[tuple[str, Status, Reason]] = [
    ("it runs and does not answer", running(ready=False), Reason.CANDIDATE_NOT_READY),
    ("it crashes", crashing(), Reason.CRASH_LOOP),
]


@pytest.mark.parametrize(("status", "reason"), [row[1:] for row in NEVER_READY], ids=[row[0] for row in NEVER_READY])
async def test_candidate_that_is_never_ready_is_refused_at_the_deadline(
    world: World, stable: str, status: Status, reason: Reason
) -> None:
    world.kubelet.serving = lambda revision, number: running() if revision == stable else status
    runtime = {"startupDeadlineSeconds": 120}
    world.apply(model(model=TWO, runtime=runtime))
    await world.until(lambda: len(world.deployments()) == 2)
    await world.advance(110)
    assert not world.status()["rejected"]
    await world.until(lambda: world.says("Stalled", "True", "RolledBack"))
    assert world.says("Ready", "False", reason)
    assert world.says("RolloutHealthy", "False", reason)
    assert "was not ready within 120 s" in world.condition("RolloutHealthy")["message"]
    await world.until(lambda: world.deployments() == [stable])
    assert world.entry() == stable
    assert world.status()["rejected"][0]["revision"].startswith("iris-")


WAITS: list[tuple[str, Status, Reason]] = [
    ("unschedulable", unschedulable(), Reason.UNSCHEDULABLE),
    ("image missing", waiting("ErrImagePull", "not found"), Reason.IMAGE_PULL_FAILED),
    ("image on its way", waiting("ContainerCreating", ""), Reason.STARTING),
]


@pytest.mark.parametrize(("status", "reason"), [row[1:] for row in WAITS], ids=[row[0] for row in WAITS])
async def test_candidate_that_waits_is_stalled_at_the_deadline_but_not_refused(
    world: World, stable: str, status: Status, reason: Reason
) -> None:
    world.kubelet.serving = lambda revision, number: running() if revision == stable else status
    world.apply(model(model=TWO, runtime={"startupDeadlineSeconds": 60}))
    await world.until(lambda: world.says("Ready", "False", reason))
    assert world.says("Reconciling", "True", reason)
    await world.until(lambda: world.says("Stalled", "True", reason), within=90)
    await world.advance(600)
    assert not world.status()["rejected"]
    assert world.says("Available", "True", "Serving")
    world.kubelet.serving = lambda revision, number: running()
    world.kubelet.sync()
    assert await world.ready() != stable


async def test_candidate_that_waited_long_has_its_own_time_to_start(world: World, stable: str) -> None:
    """Twenty minutes without a node are not the model's fault: its deadline begins when its pods can start."""
    status: list[Status] = [unschedulable()]
    world.kubelet.serving = lambda revision, number: running() if revision == stable else status[0]
    world.apply(model(model=TWO, runtime={"startupDeadlineSeconds": 60}))
    await world.until(lambda: world.says("Stalled", "True", "Unschedulable"), within=90)
    await world.advance(1200)
    status[0] = running(ready=False)
    world.kubelet.sync()
    await world.advance(50)
    assert not world.status()["rejected"]
    assert world.condition("Reconciling")
    status[0] = running()
    world.kubelet.sync()
    assert await world.ready() != stable


async def test_first_revision_that_is_never_ready_is_refused_and_removed(world: World) -> None:
    world.kubelet.serving = lambda revision, number: running(ready=False)
    world.apply(model(runtime={"startupDeadlineSeconds": 60}))
    await world.until(lambda: world.says("Stalled", "True", "CandidateNotReady"), within=120)
    assert world.says("Available", "False", "NoRevision")
    await world.until(lambda: world.deployments() == [])
    world.kubelet.serving = lambda revision, number: running()
    world.annotate(retry="1")
    await world.ready()


async def test_refused_first_revision_that_answers_too_late_gets_no_traffic(world: World) -> None:
    world.kubelet.serving = lambda revision, number: running(ready=False)
    world.apply(model(runtime={"startupDeadlineSeconds": 60}))
    await world.until(lambda: bool(world.status().get("rejected")), within=120)
    world.kubelet.serving = lambda revision, number: running()
    await world.advance(60)
    assert not any(world.kubelet.pods(revision) for revision in {world.entry()} - {None})


async def test_change_of_the_deadline_alone_starts_no_rollout(world: World, stable: str) -> None:
    pods = {p["metadata"]["uid"] for p in world.kubelet.pods(stable)}
    world.apply(model(runtime={"startupDeadlineSeconds": 900}))
    assert await world.ready() == stable
    await world.advance(30)
    assert {p["metadata"]["uid"] for p in world.kubelet.pods(stable)} == pods
    assert world.deployments() == [stable]


async def test_operator_with_another_default_image_restarts_no_pod(world: World, stable: str) -> None:
    before = world.object(DEPLOYMENT, stable)
    quiet = len(world.cluster.calls)
    await world.restart(replace(SETTINGS, runtime_image="registry.example/serinus-runtime:2"))
    await world.advance(200)
    assert world.changes(quiet) == []
    assert world.object(DEPLOYMENT, stable) == before
    assert world.live()["metadata"]["uid"] == world.object(MODEL_DEPLOYMENT, "iris")["metadata"]["uid"]
