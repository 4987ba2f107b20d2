"""What people do to our objects by hand, and to the size."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.fakes.kubelet import crashing, digest_of, refused, running
from tests.fakes.world import NAMESPACE, World, config_map, model

from serinus_api import names
from serinus_api.conditions import Reason
from serinus_api.runtime import Phase, PreflightReport
from serinus_operator.cluster.errors import Denied
from serinus_operator.cluster.port import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    NETWORK_POLICY,
    POD,
    POD_DISRUPTION_BUDGET,
    SERVICE,
    Kind,
    Manifest,
)
from serinus_operator.observe import COPY_SECONDS


@pytest.fixture
async def stable(world: World) -> str:
    """A model that serves; its revision."""
    world.apply(model())
    return await world.ready()


async def in_circumstance(world: World, circumstance: str) -> str:
    """The stable revision, `settled` or `while a candidate is refused`."""
    world.apply(model(runtime={"resources": {"limits": {"memory": "512Mi"}}}))
    revision = await world.ready()
    if circumstance != "settled":
        world.apply(config_map("bad", b"bad"))
        world.kubelet.models[b"bad"] = refused(Reason.LOAD_FAILED, "bad")
        world.apply(model(model={"uri": "configmap://bad/model.onnx"}))
        await world.until(lambda: world.says("Stalled", "True", "RolledBack"))
    return revision


CIRCUMSTANCES = ["settled", "while a candidate is refused"]


async def test_replicas_edited_are_one_scale_and_no_revision(world: World, stable: str) -> None:
    since = len(world.cluster.calls)
    world.apply(model(replicas=4))
    assert await world.ready() == stable
    children = [str(c) for c in world.changes(since) if c.kind not in (names.KIND, "Event")]
    assert children == [f"scale Deployment {stable}"]
    assert len(world.cluster.of(CONTROLLER_REVISION)) == 1
    assert world.status()["replicas"] == 4


async def test_replicas_edited_while_a_candidate_starts_scale_both(world: World, stable: str) -> None:
    world.apply(config_map("iris-model-2", b"model two"))
    world.kubelet.serving = lambda revision, number: running(ready=revision == stable)
    world.apply(model(model={"uri": "configmap://iris-model-2/model.onnx"}))
    await world.until(lambda: len(world.deployments()) == 2)
    world.apply(model(model={"uri": "configmap://iris-model-2/model.onnx"}, replicas=3))
    await world.until(lambda: [d["spec"]["replicas"] for d in world.cluster.of(DEPLOYMENT)] == [3, 3])
    world.kubelet.serving = lambda revision, number: running()
    world.kubelet.sync()
    assert await world.ready() != stable


async def test_old_revision_keeps_its_size_until_it_goes(world: World, stable: str) -> None:
    """The flip is held up; meanwhile the size of the model is changed, which is the new revision's affair."""
    fault = world.cluster.fail(Denied("patch", "services"), verb="apply", kind="Service")
    world.apply(config_map("iris-model-2", b"model two"))
    two = {"uri": "configmap://iris-model-2/model.onnx"}
    world.apply(model(model=two))
    await world.until(lambda: world.status()["stableRevision"] != stable)
    world.apply(model(model=two, replicas=1))
    new = world.status()["stableRevision"]
    await world.until(lambda: world.object(DEPLOYMENT, new)["spec"]["replicas"] == 1)
    assert world.object(DEPLOYMENT, stable)["spec"]["replicas"] == 2
    assert world.entry() == stable
    fault.lift()
    assert await world.ready() == new
    await world.until(lambda: world.deployments() == [new])


async def test_repair_is_made_at_the_live_size_and_the_size_by_scale(world: World, stable: str) -> None:
    """Applied with another size, or without one, the repair would start or end pods by itself."""
    since = len(world.cluster.calls)
    world.cluster.edit(DEPLOYMENT, NAMESPACE, stable, lambda d: d["spec"].update(replicas=7, paused=True))
    await world.until(lambda: world.object(DEPLOYMENT, stable)["spec"]["replicas"] == 2)
    writes = [c for c in world.changes(since) if c.kind == "Deployment"]
    assert [c.verb for c in writes] == ["replace", "scale"]
    assert writes[0].body["spec"]["replicas"] == 7


async def test_repair_keeps_what_others_wrote_beside_it(world: World, stable: str) -> None:
    """A full write, which removes the command, must not remove other people's marks."""

    def change(deployment: Manifest) -> None:
        container(deployment)["command"] = ["sleep", "infinity"]
        deployment["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] = "x"
        deployment["metadata"]["labels"]["team"] = "ml"

    world.cluster.edit(DEPLOYMENT, NAMESPACE, stable, change)
    await world.until(lambda: "command" not in container(world.object(DEPLOYMENT, stable)))
    meta = world.object(DEPLOYMENT, stable)["metadata"]
    assert meta["annotations"]["argocd.argoproj.io/tracking-id"] == "x"
    assert meta["labels"]["team"] == "ml"


async def test_child_that_is_being_deleted_is_left_until_it_is_gone(world: World, stable: str) -> None:
    """`kubectl delete --cascade=foreground`: it stays until its pods are gone, and is made again then."""
    deleting = {"deletionTimestamp": "2026-05-01T10:00:00Z", "finalizers": ["foregroundDeletion"]}

    def change(deployment: Manifest) -> None:
        deployment["metadata"].update(deleting)
        deployment["spec"]["paused"] = True

    world.cluster.edit(DEPLOYMENT, NAMESPACE, stable, change)
    since = len(world.cluster.calls)
    await world.advance(60)
    assert [c for c in world.cluster.calls[since:] if c.kind == "Deployment"] == []
    assert world.condition("Ready")["status"] == "False"
    world.cluster.remove(DEPLOYMENT, NAMESPACE, stable)
    assert await world.ready() == stable


async def test_serving_pod_without_an_owner_is_left_to_its_replica_set(world: World, stable: str) -> None:
    pod = world.kubelet.pods(stable)[0]["metadata"]["name"]
    world.cluster.edit(POD, NAMESPACE, pod, lambda p: p["metadata"].pop("ownerReferences"))
    since = len(world.cluster.calls)
    await world.advance(120)
    assert [c for c in world.cluster.calls[since:] if c.kind == "Pod"] == []


async def test_size_changed_by_hand_is_set_back(world: World, stable: str) -> None:
    world.cluster.edit(DEPLOYMENT, NAMESPACE, stable, lambda d: d["spec"].update(replicas=7))
    await world.until(lambda: world.object(DEPLOYMENT, stable)["spec"]["replicas"] == 2)
    assert await world.ready() == stable


@pytest.mark.parametrize("circumstance", CIRCUMSTANCES)
async def test_deployment_deleted_by_hand_is_restored_from_its_revision_at_its_size(
    world: World, circumstance: str
) -> None:
    revision = await in_circumstance(world, circumstance)
    before = world.object(DEPLOYMENT, revision)
    world.cluster.remove(DEPLOYMENT, NAMESPACE, revision)
    await world.until(lambda: bool(world.object(DEPLOYMENT, revision)), within=5)
    assert world.object(DEPLOYMENT, revision)["spec"] == before["spec"]
    await world.until(lambda: world.says("Available", "True", "Serving"))


async def test_deployment_deleted_while_its_event_is_lost_is_restored_by_the_resync(world: World, stable: str) -> None:
    world.deaf = True
    world.cluster.remove(DEPLOYMENT, NAMESPACE, stable)
    await world.until(lambda: bool(world.object(DEPLOYMENT, stable)), within=90)


def container(deployment: Manifest) -> Manifest:
    return deployment["spec"]["template"]["spec"]["containers"][0]


EDITS = {
    "another image": lambda d: container(d).update(image="evil:latest"),
    "a variable added": lambda d: container(d)["env"].append({"name": "X", "value": "1"}),
    "a variable changed": lambda d: container(d)["env"][0].update(value="{}"),
    "a container added": lambda d: d["spec"]["template"]["spec"]["containers"].append({"name": "x", "image": "x"}),
    "limits removed": lambda d: container(d).update(resources={}),
    "a probe removed": lambda d: container(d).pop("readinessProbe"),
    "a volume added": lambda d: d["spec"]["template"]["spec"]["volumes"].append({"name": "x", "emptyDir": {}}),
    "security context weakened": lambda d: container(d)["securityContext"].update(allowPrivilegeEscalation=True),
    "our label removed": lambda d: d["metadata"]["labels"].pop(names.LABEL_REVISION),
    "the label of the watch removed": lambda d: d["metadata"]["labels"].pop(names.LABEL_MANAGED_BY),
    "strategy changed": lambda d: d["spec"].update(strategy={"type": "Recreate"}),
    "a command given": lambda d: container(d).update(command=["sleep", "infinity"]),
    "a node selector added": lambda d: d["spec"]["template"]["spec"].update(nodeSelector={"no": "such"}),
    "rollout paused": lambda d: d["spec"].update(paused=True),
    "host network": lambda d: d["spec"]["template"]["spec"].update(hostNetwork=True),
}


@pytest.mark.parametrize("circumstance", CIRCUMSTANCES)
@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
async def test_deployment_edited_by_hand_is_restored_at_its_live_size(
    world: World, circumstance: str, edit: Callable[[Manifest], Any]
) -> None:
    revision = await in_circumstance(world, circumstance)
    before = world.object(DEPLOYMENT, revision)
    edited = world.cluster.edit(DEPLOYMENT, NAMESPACE, revision, edit)
    assert (edited["spec"], edited["metadata"]["labels"]) != (before["spec"], before["metadata"]["labels"])
    await world.advance(10)
    after = world.object(DEPLOYMENT, revision)
    assert after["spec"] == before["spec"]
    assert after["metadata"]["labels"] == before["metadata"]["labels"]
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert not [c for c in world.cluster.calls if c.verb == "scale"]


TOLERATED = {
    "an annotation on the Deployment": lambda d: d["metadata"]["annotations"].update(note="hands off"),
    "a label on the Deployment": lambda d: d["metadata"]["labels"].update(team="ml"),
    "kubectl rollout restart": lambda d: d["spec"]["template"]["metadata"].update(
        annotations={"kubectl.kubernetes.io/restartedAt": "2026-05-01T10:00:00Z"}
    ),
}


@pytest.mark.parametrize("edit", TOLERATED.values(), ids=TOLERATED.keys())
async def test_what_changes_nothing_of_ours_is_left_alone(
    world: World, stable: str, edit: Callable[[Manifest], Any]
) -> None:
    world.cluster.edit(DEPLOYMENT, NAMESPACE, stable, edit)
    edited = world.object(DEPLOYMENT, stable)["spec"]
    since = len(world.cluster.calls)
    await world.advance(200)
    assert [c for c in world.changes(since) if c.kind == "Deployment"] == []
    assert world.object(DEPLOYMENT, stable)["spec"] == edited


SERVICE_EDITS = {
    "selector changed": lambda s: s["spec"].update(selector={"app": "mine"}),
    "selector narrowed": lambda s: s["spec"]["selector"].update(x="y"),
    "port changed": lambda s: s["spec"]["ports"][0].update(targetPort=9999),
    "port added": lambda s: s["spec"]["ports"].append({"name": "x", "port": 81, "protocol": "TCP"}),
}


@pytest.mark.parametrize("name", ["entry", "revision"])
@pytest.mark.parametrize("edit", SERVICE_EDITS.values(), ids=SERVICE_EDITS.keys())
async def test_service_edited_by_hand_is_restored_with_its_address(
    world: World, stable: str, edit: Callable[[Manifest], Any], name: str
) -> None:
    service = "iris" if name == "entry" else stable
    before = world.object(SERVICE, service)
    world.cluster.edit(SERVICE, NAMESPACE, service, edit)
    await world.advance(10)
    assert world.object(SERVICE, service)["spec"] == before["spec"]


@pytest.mark.parametrize(
    ("kind", "name"),
    [(SERVICE, "iris"), (POD_DISRUPTION_BUDGET, "iris"), (NETWORK_POLICY, "iris-metrics")],
    ids=["the entry Service", "the budget", "the policy"],
)
async def test_child_deleted_by_hand_is_made_again(world: World, stable: str, kind: Kind, name: str) -> None:
    before = world.object(kind, name)
    world.cluster.remove(kind, NAMESPACE, name)
    await world.until(lambda: bool(world.object(kind, name)), within=5)
    assert world.object(kind, name)["spec"] == before["spec"]
    await world.ready()


async def test_copy_deleted_by_hand_is_made_again_while_the_bytes_are_there(world: World, stable: str) -> None:
    before = world.object(CONFIG_MAP, stable)
    since = len(world.cluster.calls)
    world.cluster.remove(CONFIG_MAP, NAMESPACE, stable)
    await world.until(lambda: bool(world.object(CONFIG_MAP, stable)), within=2 * COPY_SECONDS)
    after = world.object(CONFIG_MAP, stable)
    assert after["binaryData"] == before["binaryData"]
    assert after["metadata"]["ownerReferences"] == before["metadata"]["ownerReferences"]
    await world.advance(60)
    assert [str(c) for c in world.cluster.calls[since:]] == [f"create ConfigMap {stable}"]
    assert world.is_ready()


async def test_copy_is_made_again_at_once_when_pods_need_it(world: World, stable: str) -> None:
    missing = crashing(PreflightReport(phase=Phase.RESOLVING, reason=Reason.NOT_FOUND, message="no such file"))
    world.cluster.remove(CONFIG_MAP, NAMESPACE, stable)
    world.kubelet.serving = lambda revision, number: running() if world.object(CONFIG_MAP, stable) else missing
    world.kubelet.sync()
    await world.until(lambda: bool(world.object(CONFIG_MAP, stable)), within=5)
    assert await world.ready() == stable


async def test_copy_of_a_revision_of_the_history_is_made_again_when_it_comes_back(world: World, stable: str) -> None:
    world.apply(config_map("iris-model-2", b"model two"))
    world.apply(model(model={"uri": "configmap://iris-model-2/model.onnx"}))
    await world.ready()
    await world.until(lambda: stable not in world.deployments())
    world.cluster.remove(CONFIG_MAP, NAMESPACE, stable)
    missing = crashing(PreflightReport(phase=Phase.RESOLVING, reason=Reason.NOT_FOUND, message="no such file"))
    world.kubelet.serving = lambda revision, number: (
        missing if revision == stable and not world.object(CONFIG_MAP, stable) else running()
    )
    world.apply(model())
    assert await world.ready() == stable


async def test_copy_that_is_lost_for_good_is_told_and_stops_nothing(world: World, stable: str) -> None:
    world.apply(config_map("iris-model", b"overwritten"))
    world.cluster.remove(CONFIG_MAP, NAMESPACE, stable)
    await world.until(lambda: world.says("ModelResolved", "False", "SourceChanged"), within=2 * COPY_SECONDS)
    message = world.condition("ModelResolved")["message"]
    assert f"ConfigMap {stable}" in message
    assert digest_of(b"overwritten") in message
    assert digest_of(b"model one") in message
    assert world.says("Available", "True", "Serving")
    since = len(world.cluster.calls)
    await world.advance(300)
    assert world.cluster.calls[since:] == []
    world.apply(config_map("iris-model", b"model one"))
    await world.until(lambda: world.says("ModelResolved", "True", "Resolved"), within=90)
    assert world.object(CONFIG_MAP, stable)


async def test_policy_opened_by_hand_is_closed_again(world: World, stable: str) -> None:
    before = world.object(NETWORK_POLICY, "iris-metrics")["spec"]
    world.cluster.edit(NETWORK_POLICY, NAMESPACE, "iris-metrics", lambda p: p["spec"]["ingress"].append({}))
    await world.advance(10)
    assert world.object(NETWORK_POLICY, "iris-metrics")["spec"] == before


async def test_record_of_the_stable_revision_deleted_by_hand_is_made_again(world: World, stable: str) -> None:
    pods = {p["metadata"]["uid"] for p in world.kubelet.pods(stable)}
    world.cluster.remove(CONTROLLER_REVISION, NAMESPACE, stable)
    await world.advance(60)
    assert world.object(CONTROLLER_REVISION, stable)
    assert await world.ready() == stable
    assert {p["metadata"]["uid"] for p in world.kubelet.pods(stable)} == pods


async def test_record_that_loses_its_label_costs_no_endless_writes(world: World, stable: str) -> None:
    world.cluster.edit(
        CONTROLLER_REVISION, NAMESPACE, stable, lambda r: r["metadata"]["labels"].pop(names.LABEL_MANAGED_BY)
    )
    since = len(world.cluster.calls)
    await world.advance(120)
    assert len(world.cluster.calls) - since < 40
    assert await world.ready() == stable


def sidecar(deployment: Manifest) -> None:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    if not any(c["name"] == "mesh" for c in containers):
        containers.insert(0, {"name": "mesh", "image": "mesh:1"})
    deployment["metadata"].setdefault("annotations", {})["mesh"] = "injected"


def mirror(deployment: Manifest) -> None:
    container(deployment)["image"] = "mirror.example/runtime:1"


async def test_additions_of_a_webhook_are_left_and_cost_no_writes(world: World) -> None:
    world.cluster.webhook = sidecar
    world.apply(model())
    stable = await world.ready()
    await world.advance(20)
    since = len(world.cluster.calls)
    await world.advance(3600)
    assert world.cluster.calls[since:] == []
    names_found = [c["name"] for c in world.object(DEPLOYMENT, stable)["spec"]["template"]["spec"]["containers"]]
    assert names_found == ["mesh", "runtime"]


async def test_value_that_a_webhook_changes_back_is_told_and_not_fought_over(world: World) -> None:
    world.cluster.webhook = mirror
    world.apply(model())
    await world.until(lambda: world.says("Stalled", "True", "Overridden"))
    message = world.condition("Ready")["message"]
    assert "spec.template.spec.containers[runtime].image is changed back" in message
    assert "managed-by=serinus" in message
    await world.until(lambda: world.says("Available", "True", "Serving"))
    await world.advance(20)
    since = len(world.cluster.calls)
    await world.advance(500)
    assert world.cluster.calls[since:] == []
    await world.advance(3600)
    writes = [c for c in world.cluster.calls[since:] if c.kind == "Deployment"]
    assert 2 <= len(writes) <= 6, "it is tried now and then, ever more seldom"
    world.cluster.webhook = lambda manifest: None
    await world.ready(within=4 * 3600)


async def test_controller_that_keeps_changing_a_child_is_not_fought_over(world: World, stable: str) -> None:
    def recreate(deployment: Manifest) -> None:
        deployment["spec"]["strategy"].update(type="Recreate")

    def fight(event: str, manifest: Manifest) -> None:
        if manifest["kind"] == "Deployment" and manifest["spec"]["strategy"]["type"] != "Recreate":
            asyncio.get_running_loop().call_later(1, world.cluster.edit, DEPLOYMENT, NAMESPACE, stable, recreate)

    world.cluster.watchers.append(fight)
    since = len(world.cluster.calls)
    world.cluster.edit(DEPLOYMENT, NAMESPACE, stable, recreate)
    await world.until(lambda: world.says("Ready", "False", "Overridden"))
    await world.advance(500)
    assert len([c for c in world.cluster.calls[since:] if c.kind == "Deployment"]) <= 10
    world.cluster.watchers.remove(fight)
    assert await world.ready(within=1800) == stable
