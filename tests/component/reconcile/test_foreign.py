"""Objects that bear our names: somebody else's, orphans of ours, and those of a deleted namesake."""

import copy

import pytest
from tests.fakes.kubelet import refused, running
from tests.fakes.world import NAMESPACE, World, config_map, model

from serinus_api import names
from serinus_api.conditions import Reason
from serinus_operator.cluster.port import CONTROLLER_REVISION, DEPLOYMENT, MODEL_DEPLOYMENT, POD, SERVICE, Manifest

FOREIGN_SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"namespace": NAMESPACE, "name": "iris", "labels": {"app": "theirs"}},
    "spec": {"selector": {"app": "theirs"}, "ports": [{"port": 80}]},
}


def foreign_deployment(name: str) -> Manifest:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": NAMESPACE, "name": name, "labels": {"app": "theirs"}},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "theirs"}},
            "template": {"metadata": {"labels": {"app": "theirs"}}, "spec": {"containers": [{"name": "x"}]}},
        },
    }


async def test_foreign_service_of_that_name_is_named_and_untouched(world: World) -> None:
    theirs = world.apply(FOREIGN_SERVICE)
    world.apply(model())
    await world.until(lambda: world.says("Ready", "False", "NameConflict"))
    message = world.condition("Ready")["message"]
    assert "Service iris exists and does not belong to this ModelDeployment" in message
    assert world.says("Stalled", "True", "NameConflict")
    await world.advance(120)
    assert world.object(SERVICE, "iris") == theirs
    assert world.says("Ready", "False", "NameConflict")


async def test_service_conflict_heals_when_the_foreign_one_goes(world: World) -> None:
    world.apply(FOREIGN_SERVICE)
    world.apply(model())
    await world.until(lambda: world.says("Ready", "False", "NameConflict"))
    await world.advance(60)
    world.cluster.remove(SERVICE, NAMESPACE, "iris")
    assert await world.ready() == world.entry()


async def test_available_does_not_claim_what_a_foreign_service_answers(world: World) -> None:
    world.apply(FOREIGN_SERVICE)
    world.apply(model())
    await world.until(lambda: world.says("Ready", "False", "NameConflict"))
    await world.advance(60)
    assert world.condition("Available")["status"] == "False"


async def test_foreign_deployment_of_a_revisions_name_is_named_and_never_refused(world: World) -> None:
    world.apply(model())
    name = await world.ready()
    world.delete()
    await world.until(lambda: world.children() == [])
    theirs = world.apply(foreign_deployment(name))
    world.apply(model(runtime={"startupDeadlineSeconds": 600}))
    await world.until(lambda: world.says("Ready", "False", "NameConflict"))
    assert f"Deployment {name} exists" in world.condition("Ready")["message"]
    await world.advance(1200)
    assert world.object(DEPLOYMENT, name)["spec"] == theirs["spec"]
    assert not world.status()["rejected"], "the model is not to blame"
    world.cluster.remove(DEPLOYMENT, NAMESPACE, name)
    assert await world.ready() == name


async def test_foreign_child_with_our_labels_but_another_controller_is_not_ours(world: World) -> None:
    """Somebody copied the labels."""
    stolen = copy.deepcopy(FOREIGN_SERVICE)
    stolen["metadata"]["labels"] = names.deployment_labels("iris")
    stolen["metadata"]["ownerReferences"] = [
        {"apiVersion": "x/v1", "kind": "Other", "name": "iris", "uid": "u", "controller": True}
    ]
    world.kubelet.collects = False
    theirs = world.apply(stolen)
    world.apply(model())
    await world.until(lambda: world.says("Ready", "False", "NameConflict"))
    await world.advance(60)
    assert world.object(SERVICE, "iris") == theirs


@pytest.fixture
async def orphaned(world: World) -> str:
    """A revision that served before its ModelDeployment was deleted with `--cascade=orphan`."""
    world.apply(model())
    revision = await world.ready()
    world.cluster.remove(MODEL_DEPLOYMENT, NAMESPACE, "iris", orphan=True)
    await world.advance(5)
    assert world.deployments() == [revision]
    return revision


async def test_orphans_are_adopted_without_a_restart(world: World, orphaned: str) -> None:
    pods = {p["metadata"]["uid"] for p in world.kubelet.pods(orphaned)}
    created = world.apply(model())
    assert await world.ready() == orphaned
    await world.advance(60)
    assert {p["metadata"]["uid"] for p in world.kubelet.pods(orphaned)} == pods
    uid = created["metadata"]["uid"]
    for manifest in world.cluster.objects.values():
        meta = manifest["metadata"]
        if names.LABEL_DEPLOYMENT in meta.get("labels", {}) and manifest["kind"] not in (
            "Pod",
            "ConfigMap",
            "EndpointSlice",
        ):
            assert [o["uid"] for o in meta.get("ownerReferences", ())] == [uid], f"{manifest['kind']} {meta['name']}"


async def test_adopted_children_go_with_the_new_owner(world: World, orphaned: str) -> None:
    world.apply(model())
    await world.ready()
    world.delete()
    await world.until(lambda: world.children() == [])


async def test_orphan_serves_on_until_another_model_takes_over(world: World, orphaned: str) -> None:
    world.apply(config_map("iris-model-2", b"model two"))
    world.apply(model(model={"uri": "configmap://iris-model-2/model.onnx"}))
    await world.until(lambda: len(world.preflights()) == 2)
    assert world.entry() == orphaned
    revision = await world.ready()
    assert revision != orphaned
    await world.until(lambda: world.deployments() == [revision])
    await world.until(lambda: [r["metadata"]["name"] for r in world.cluster.of(CONTROLLER_REVISION)] == [revision])


async def test_children_of_a_deleted_namesake_are_waited_for(world: World) -> None:
    world.apply(model())
    revision = await world.ready()
    old = {m["metadata"]["uid"] for m in world.cluster.of(DEPLOYMENT)}
    world.kubelet.collects = False
    world.delete()
    world.apply(model())
    await world.advance(60)
    assert {m["metadata"]["uid"] for m in world.cluster.of(DEPLOYMENT)} == old
    assert world.condition("Ready").get("status") != "True", "those pods are about to go"
    assert world.status().get("stableRevision") is None
    world.kubelet.collects = True
    world.kubelet.sync()
    assert await world.ready() == revision
    assert not old & {m["metadata"]["uid"] for m in world.cluster.of(DEPLOYMENT)}


async def test_preflight_of_a_deleted_namesake_decides_nothing(world: World) -> None:

    world.kubelet.preflight = running(ready=False)
    world.apply(model())
    await world.until(lambda: len(world.preflights()) == 1)
    world.kubelet.collects = False
    world.delete()
    await world.advance(1)
    world.apply(model())
    await world.advance(5)
    world.kubelet.preflight = None
    world.kubelet.models[b"model one"] = refused(Reason.LOAD_FAILED, "of another life")
    world.kubelet.sync()
    await world.advance(30)
    assert not world.status().get("rejected")
    del world.kubelet.models[b"model one"]
    world.kubelet.collects = True
    world.kubelet.sync()
    await world.ready()
    assert [p for p in world.cluster.of(POD) if p["metadata"]["labels"][names.LABEL_ROLE] == "preflight"] == []
