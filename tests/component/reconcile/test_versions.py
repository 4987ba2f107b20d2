"""An operator of another version, which renders pods in another way: what is deployed stays as it is."""

from typing import Any

import pytest
from tests.fakes.kubelet import running
from tests.fakes.world import World, config_map, model

from serinus_operator.cluster.port import DEPLOYMENT, Manifest
from serinus_operator.render import record
from serinus_operator.render.workload import pod_template

TWO = {"uri": "configmap://iris-model-2/model.onnx"}
MARK = {"name": "RENDERED_BY", "value": "another version"}


@pytest.fixture
async def stable(world: World) -> str:
    """A model that serves; its revision. Another model waits in a ConfigMap."""
    world.apply(config_map("iris-model-2", b"model two"))
    world.apply(model())
    return await world.ready()


def rendered_otherwise(*args: Any, **more: Any) -> Manifest:
    """As another version might: one more variable in the container."""
    template = pod_template(*args, **more)
    template["spec"]["containers"][0]["env"].append(MARK)
    return template


def marked(deployment: Manifest) -> bool:
    return MARK in deployment["spec"]["template"]["spec"]["containers"][0]["env"]


def deployed(world: World) -> dict[str, tuple[Any, ...]]:
    """Of each Deployment what tells that it was touched, and its pods."""
    return {
        live["metadata"]["name"]: (
            live["metadata"]["uid"],
            live["metadata"]["generation"],
            live["spec"]["template"],
            frozenset(pod["metadata"]["uid"] for pod in world.kubelet.pods(live["metadata"]["name"])),
        )
        for live in world.cluster.of(DEPLOYMENT)
    }


async def test_upgrade_and_downgrade_touch_no_deployment_and_no_pod(
    world: World, stable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = deployed(world)
    assert len(before[stable][-1]) == 2
    since = len(world.cluster.calls)
    with monkeypatch.context() as other:
        other.setattr(record, "pod_template", rendered_otherwise)
        await world.restart()
        await world.advance(200)
        assert deployed(world) == before
    await world.restart()
    await world.advance(200)
    assert deployed(world) == before
    assert world.changes(since) == []


async def test_upgrade_in_the_middle_of_a_rollout_goes_on_with_the_same_pods(
    world: World, stable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.kubelet.serving = lambda revision, number: running(ready=revision == stable or number == 0)
    world.apply(model(model=TWO))
    await world.until(lambda: len(world.deployments()) == 2)
    candidate = world.status()["candidateRevision"]
    await world.until(lambda: len(world.kubelet.pods(candidate)) == 2)
    before = deployed(world)
    monkeypatch.setattr(record, "pod_template", rendered_otherwise)
    await world.restart()
    await world.advance(60)
    assert deployed(world) == before
    world.kubelet.serving = lambda revision, number: running()
    world.kubelet.sync()
    assert await world.ready() == candidate
    await world.until(lambda: world.deployments() == [candidate])
    assert deployed(world)[candidate] == before[candidate]


async def test_other_version_restores_and_scales_with_the_template_as_recorded(
    world: World, stable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = deployed(world)[stable][2]
    monkeypatch.setattr(record, "pod_template", rendered_otherwise)
    await world.restart()
    world.cluster.remove(DEPLOYMENT, "ml", stable)
    await world.until(lambda: world.deployments() == [stable])
    world.apply(model(replicas=3))
    assert await world.ready() == stable
    assert deployed(world)[stable][2] == template


async def test_other_version_renders_what_is_new_in_its_own_way(
    world: World, stable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the tests above would show nothing."""
    monkeypatch.setattr(record, "pod_template", rendered_otherwise)
    await world.restart()
    world.apply(model(model=TWO))
    revision = await world.ready()
    await world.until(lambda: world.deployments() == [revision])
    (live,) = world.cluster.of(DEPLOYMENT)
    assert marked(live)
