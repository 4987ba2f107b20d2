"""The end of a model, of its namespace, and of the operator."""

import pytest
from tests.fakes.kubelet import running
from tests.fakes.world import NAMESPACE, World, model

from serinus_operator.cluster.port import DEPLOYMENT, MODEL_DEPLOYMENT


async def test_deleted_model_leaves_nothing(world: World) -> None:
    world.apply(model())
    await world.ready()
    world.delete()
    await world.until(lambda: world.children() == [])
    since = len(world.cluster.calls)
    await world.advance(300)
    assert world.cluster.calls[since:] == []


@pytest.mark.parametrize("calls", range(0, 16, 3))
async def test_model_deleted_in_the_middle_leaves_nothing(world: World, calls: int) -> None:
    world.apply(model())
    await world.until(lambda: len(world.cluster.calls) > calls)
    world.delete()
    await world.advance(30)
    assert world.children() == []
    since = len(world.cluster.calls)
    await world.advance(120)
    assert world.cluster.calls[since:] == []


async def test_garbage_collector_alone_is_enough(world: World) -> None:
    world.apply(model())
    await world.ready()
    await world.process.kill()
    world.delete()
    await world.until(lambda: world.children() == [])


async def test_nothing_is_made_or_written_after_the_deletion_timestamp(world: World) -> None:
    """Foreground deletion: the object stays until its dependents are gone."""
    world.kubelet.preflight = running(ready=False)
    world.apply(model())
    await world.until(lambda: len(world.preflights()) == 1)
    world.cluster.edit(
        MODEL_DEPLOYMENT,
        NAMESPACE,
        "iris",
        lambda m: m["metadata"].update(deletionTimestamp="2026-05-01T10:00:00Z", finalizers=["foregroundDeletion"]),
    )
    await world.advance(1)
    since = len(world.cluster.calls)
    world.kubelet.preflight = None
    world.kubelet.sync()
    await world.advance(300)
    assert world.cluster.calls[since:] == []
    assert world.deployments() == []


async def test_namespace_that_terminates_is_left_in_peace(world: World) -> None:
    world.apply(model())
    revision = await world.ready()
    world.cluster.terminating.add(NAMESPACE)
    world.cluster.remove(DEPLOYMENT, NAMESPACE, revision)
    await world.advance(300)
    tries = [c for c in world.cluster.calls if c.verb == "create" and c.kind == "Deployment"]
    assert len(tries) < 12, "once per resync, not in a loop"
    samples = world.process.telemetry.registry
    assert not samples.get_sample_value("serinus_reconciles_total", {"result": "error"})
    world.delete()
    await world.until(lambda: world.children() == [])
    since = len(world.cluster.calls)
    await world.advance(120)
    assert world.cluster.calls[since:] == []


async def test_same_name_again_starts_anew(world: World) -> None:
    world.apply(model())
    revision = await world.ready()
    world.delete()
    world.apply(model())
    assert await world.ready() == revision
    assert len(world.preflights()) == 2


async def test_memory_of_a_deleted_model_is_not_held_against_its_namesake(world: World) -> None:
    world.apply(model(model={"uri": "configmap://late/model.onnx"}, runtime={"startupDeadlineSeconds": 60}))
    await world.until(lambda: bool(world.condition("Stalled")), within=90)
    world.delete()
    world.apply(model(model={"uri": "configmap://late/model.onnx"}, runtime={"startupDeadlineSeconds": 60}))
    await world.until(lambda: world.says("Ready", "False", "NotFound"))
    assert world.says("Reconciling", "True", "NotFound")


async def test_memory_of_the_process_is_given_back(world: World) -> None:
    world.apply(model())
    await world.ready()
    world.delete()
    await world.until(lambda: world.children() == [])
    await world.advance(5)
    assert not world.process.reconciler.memories
    assert not list(world.process.cache.keys(MODEL_DEPLOYMENT))
    assert not world.process.cache._objects
