"""Converged means quiet: no request that could change anything."""

from collections import Counter
from dataclasses import replace

import pytest
from tests.fakes.kubelet import refused
from tests.fakes.world import SETTINGS, World, config_map, model

from serinus_api.conditions import Reason

FULL = {
    "resources": {"requests": {"cpu": "0.5", "memory": "0.25Gi"}, "limits": {"cpu": "1000m", "memory": "1024Mi"}},
    "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
    "imagePullSecrets": [{"name": "pull"}],
    "podLabels": {"team": "ml"},
    "podAnnotations": {"a": "b"},
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"podAntiAffinity": {}},
    "priorityClassName": "high",
    "serviceAccountName": "models",
    "caConfigMapRef": {"name": "corp-ca"},
}


@pytest.mark.parametrize("runtime", [{}, FULL], ids=["minimal", "full"])
async def test_ready_model_causes_no_request(world: World, runtime: dict[str, object]) -> None:
    world.apply(model(runtime=runtime))
    await world.ready()
    await world.advance(5)
    since = len(world.cluster.calls)
    for _ in range(10):
        world.process.resync.enqueue_all()
        await world.advance(60)
    assert world.cluster.calls[since:] == []


async def test_restarted_operator_writes_nothing(world: World) -> None:
    world.apply(model(runtime=FULL))
    await world.ready()
    await world.advance(5)
    since = len(world.cluster.calls)
    for _ in range(3):
        await world.restart(replace(SETTINGS, identity="another-pod"))
        await world.advance(120)
        assert world.process.fence.held()
    assert world.cluster.calls[since:] == []


async def test_refused_model_causes_no_request(world: World) -> None:
    world.kubelet.models[b"bad"] = refused(Reason.LOAD_FAILED, "bad")
    world.apply(config_map("bad", b"bad"))
    world.apply(model())
    await world.ready()
    world.apply(model(model={"uri": "configmap://bad/model.onnx"}))
    await world.until(lambda: world.says("Stalled", "True", "RolledBack"))
    await world.advance(5)
    since = len(world.cluster.calls)
    await world.advance(600)
    await world.restart()
    await world.advance(120)
    assert world.cluster.calls[since:] == []


async def test_same_manifest_applied_again_and_again_causes_no_request(world: World) -> None:
    world.apply(model())
    await world.ready()
    await world.advance(5)
    since = len(world.cluster.calls)
    for _ in range(100):
        world.apply(model())
        await world.advance(1)
    assert world.cluster.calls[since:] == []


async def test_twenty_models_are_quiet_and_cost_no_scrapes(world: World) -> None:
    for number in range(20):
        world.apply(model(f"iris-{number}"))
    for number in range(20):
        await world.ready(f"iris-{number}")
    await world.advance(5)
    since, asked = len(world.cluster.calls), len(world.process.asked)
    await world.advance(130)
    assert world.cluster.calls[since:] == []
    assert len(world.process.asked) == asked


CHILDREN_MADE = {
    "create ControllerRevision": 1,
    "create ConfigMap": 1,
    "create Pod": 1,
    "delete Pod": 1,
    "create Deployment": 1,
    "create Service": 2,
    "create PodDisruptionBudget": 1,
    "create NetworkPolicy": 1,
}


async def test_new_model_costs_its_children_and_one_status_write_per_phase(world: World) -> None:
    """Preflight, Provisioning, Ready; told are the digest, the verdict, and that it is available and ready."""
    world.apply(model())
    await world.ready()
    await world.advance(20)
    calls = Counter(f"{c.verb} {c.kind}" for c in world.cluster.calls)
    assert calls == {**CHILDREN_MADE, "status ModelDeployment": 3, "event Event": 4}
    assert [str(read) for read in world.cluster.reads] == ["get ConfigMap iris-model"]


async def test_update_costs_its_children_and_one_status_write_per_phase(world: World) -> None:
    """The flip is announced first, so there is one more."""
    world.apply(config_map("iris-model-2", b"model two"))
    world.apply(model())
    await world.ready()
    await world.advance(20)
    since, reads = len(world.cluster.calls), len(world.cluster.reads)
    world.apply(model(model={"uri": "configmap://iris-model-2/model.onnx"}))
    await world.ready()
    await world.advance(20)
    calls = Counter(f"{c.verb} {c.kind}" for c in world.cluster.calls[since:])
    assert calls["status ModelDeployment"] == 4
    assert calls["event Event"] == 3
    assert calls.total() == 16
    assert len(world.cluster.reads) - reads == 1
