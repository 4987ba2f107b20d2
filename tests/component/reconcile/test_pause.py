"""`spec.paused`, fields of later versions, and specs that this version cannot read."""

import logging
from typing import Any

import pytest
from tests.fakes.kubelet import running
from tests.fakes.world import NAMESPACE, World, config_map, model

from serinus_operator.cluster.port import DEPLOYMENT, EVENT, MODEL_DEPLOYMENT

TWO = {"uri": "configmap://iris-model-2/model.onnx"}


async def test_pause_freezes_everything_and_says_so(world: World) -> None:
    world.apply(config_map("iris-model-2", b"model two"))
    world.apply(model())
    stable = await world.ready()
    world.apply(model(model=TWO, replicas=5, paused=True))
    await world.until(lambda: world.says("Ready", "False", "Paused"))
    since = len(world.cluster.calls)
    world.cluster.edit(DEPLOYMENT, NAMESPACE, stable, lambda d: d["spec"].update(replicas=1))
    await world.advance(300)
    assert [c for c in world.changes(since) if c.kind not in ("ModelDeployment", "Event")] == []
    assert world.object(DEPLOYMENT, stable)["spec"]["replicas"] == 1
    assert world.says("Available", "True", "Serving")
    assert not world.condition("Reconciling")
    assert not world.condition("Stalled")


async def test_paused_model_keeps_its_columns(world: World) -> None:
    world.apply(model())
    await world.ready()
    before = world.status()
    world.apply(model(paused=True))
    await world.until(lambda: world.says("Ready", "False", "Paused"))
    for field in ("url", "replicas", "summary", "revisions", "stableRevision", "selector", "scaling"):
        assert world.status()[field] == before[field], field


async def test_pause_in_the_middle_goes_on_where_it_was(world: World) -> None:
    world.apply(config_map("iris-model-2", b"model two"))
    world.apply(model())
    stable = await world.ready()
    world.kubelet.preflight = running(ready=False)
    world.apply(model(model=TWO))
    await world.until(lambda: len(world.preflights()) == 2)
    world.apply(model(model=TWO, paused=True))
    await world.until(lambda: world.says("Ready", "False", "Paused"))
    assert world.status()["resolution"]["phase"] == "Preflight"
    world.kubelet.preflight = None
    world.kubelet.sync()
    await world.advance(60)
    assert world.entry() == stable
    world.apply(model(model=TWO))
    assert await world.ready() != stable
    assert len(world.preflights()) == 2


async def test_time_in_pause_does_not_count_against_the_deadline(world: World) -> None:
    world.apply(config_map("iris-model-2", b"model two"))
    world.apply(model())
    stable = await world.ready()
    world.kubelet.serving = lambda revision, number: running(ready=revision == stable)
    runtime = {"startupDeadlineSeconds": 120}
    world.apply(model(model=TWO, runtime=runtime))
    await world.until(lambda: len(world.deployments()) == 2)
    await world.advance(100)
    world.apply(model(model=TWO, runtime=runtime, paused=True))
    await world.until(lambda: world.says("Ready", "False", "Paused"))
    since = len(world.cluster.calls)
    await world.advance(3600)
    assert world.cluster.calls[since:] == []
    world.apply(model(model=TWO, runtime=runtime))
    await world.advance(10)
    assert not world.status()["rejected"]
    assert await world.until(lambda: bool(world.status()["rejected"])) < 15, "the 100 seconds before do count"


async def test_preflight_may_take_its_time_although_it_was_paused(world: World) -> None:
    world.kubelet.preflight = running(ready=False)
    world.apply(model(runtime={"startupDeadlineSeconds": 120}))
    await world.until(lambda: len(world.preflights()) == 1)
    await world.advance(60)
    world.apply(model(runtime={"startupDeadlineSeconds": 120}, paused=True))
    await world.restart()
    await world.advance(600)
    world.apply(model(runtime={"startupDeadlineSeconds": 120}))
    await world.advance(50)
    assert not world.condition("Stalled")
    assert len(world.preflights()) == 1


async def test_new_model_that_is_paused_from_the_start_makes_nothing(world: World) -> None:
    world.apply(model(paused=True))
    await world.until(lambda: world.says("Ready", "False", "Paused"))
    await world.advance(60)
    assert world.children() == []
    world.apply(model())
    await world.ready()


UNSUPPORTED: list[tuple[str, dict[str, Any]]] = [
    ("spec.rollout.bakeSeconds", {"rollout": {"strategy": "Recreate", "bakeSeconds": 9}}),
    ("spec.runtime.batching", {"runtime": {"batching": {"maxBatchSize": 8}}}),
]


@pytest.mark.parametrize(("field", "spec"), UNSUPPORTED, ids=[row[0] for row in UNSUPPORTED])
async def test_field_of_a_later_version_is_named_and_the_stable_revision_kept(
    world: World, field: str, spec: dict[str, Any]
) -> None:
    world.apply(model(replicas=3))
    stable = await world.ready()
    since = len(world.cluster.calls)
    manifest = model(**{"replicas": 3, **spec})
    manifest["spec"] = {k: v for k, v in manifest["spec"].items() if v is not None}
    world.apply(manifest)
    await world.until(lambda: world.says("Ready", "False", "NotSupported"))
    assert field in world.condition("Ready")["message"]
    assert world.says("Stalled", "True", "NotSupported")
    await world.advance(120)
    assert [c for c in world.changes(since) if c.kind not in ("ModelDeployment", "Event")] == []
    assert world.entry() == stable
    assert len(world.kubelet.pods(stable)) == 3
    assert world.says("Available", "True", "Serving")
    world.apply(model(replicas=3))
    assert await world.ready() == stable


async def test_stable_revision_is_restored_while_a_field_is_not_supported(world: World) -> None:
    world.apply(model())
    stable = await world.ready()
    world.apply(model(runtime={"batching": {"maxBatchSize": 8}}))
    await world.until(lambda: world.says("Ready", "False", "NotSupported"))
    world.cluster.remove(DEPLOYMENT, NAMESPACE, stable)
    await world.until(lambda: bool(world.object(DEPLOYMENT, stable)), within=5)


async def test_new_model_with_an_unsupported_field_makes_nothing(world: World) -> None:
    world.apply(model(runtime={"batching": {"maxBatchSize": 8}}))
    await world.until(lambda: world.says("Ready", "False", "NotSupported"))
    await world.advance(60)
    assert world.children() == []


UNREADABLE: list[tuple[str, dict[str, Any], str]] = [
    ("an unknown field", {"turbo": True}, "spec.turbo"),
    ("an unknown field below", {"runtime": {"gpuKind": "x"}}, "spec.runtime.gpuKind"),
    ("an unknown word", {"rollout": {"strategy": "Mirror"}}, "spec.rollout.strategy"),
    ("another type", {"replicas": "many"}, "spec.replicas"),
]


@pytest.mark.parametrize(("spec", "where"), [row[1:] for row in UNREADABLE], ids=[row[0] for row in UNREADABLE])
async def test_spec_of_a_newer_version_is_refused_and_the_stable_revision_untouched(
    world: World, spec: dict[str, Any], where: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world.apply(model())
    stable = await world.ready()
    since = len(world.cluster.calls)
    world.cluster.put(model(**spec))
    await world.until(lambda: world.says("Ready", "False", "InvalidSpec"))
    assert where in world.condition("Ready")["message"]
    assert "upgrade the operator" in world.condition("Ready")["message"]
    assert world.says("Stalled", "True", "InvalidSpec")
    assert not world.condition("Reconciling")
    await world.until(lambda: "InvalidSpec" in [e["reason"] for e in world.cluster.of(EVENT)])
    told = [(r.condition, r.reason) for r in caplog.records if r.message == "Condition changed"]  # type: ignore[attr-defined]
    assert told[-2:] == [("Ready", "InvalidSpec"), ("Stalled", "InvalidSpec")]
    assert world.status()["observedGeneration"] == world.live()["metadata"]["generation"]
    await world.advance(300)
    assert [str(c) for c in world.changes(since) if c.kind != "Event"] == ["status ModelDeployment iris"]
    assert world.deployments() == [stable]
    assert world.status()["stableRevision"] == stable
    world.cluster.edit(MODEL_DEPLOYMENT, NAMESPACE, "iris", lambda m: m.update(spec=model()["spec"]))
    assert await world.ready() == stable
    assert not world.condition("Stalled")


async def test_status_of_a_newer_version_is_not_forgotten(world: World) -> None:
    """After a downgrade: what this version does not know is left in the status, and nothing is restarted."""
    world.apply(model())
    stable = await world.ready()
    world.cluster.edit(
        MODEL_DEPLOYMENT,
        NAMESPACE,
        "iris",
        lambda m: m["status"].update(resolution={"specHash": "x", "phase": "Mirroring"}),
    )
    await world.until(lambda: world.says("Ready", "False", "InvalidSpec"))
    assert world.deployments() == [stable]
    assert world.status()["resolution"]["phase"] == "Mirroring"
