"""From `kubectl apply` to Ready, and what keeps a first revision from it."""

from typing import Any

import pytest
from tests.fakes.kubelet import digest_of
from tests.fakes.world import World, config_map, model

from serinus_api import names
from serinus_api.v1alpha1 import ModelDeployment, spec_hash
from serinus_operator.cluster.errors import Denied
from serinus_operator.cluster.port import CONFIG_MAP, CONTROLLER_REVISION, DEPLOYMENT, SERVICE

ONE = digest_of(b"model one")


def revision_of(manifest: dict[str, Any], data: bytes) -> str:
    parsed = ModelDeployment.model_validate(manifest)
    return names.revision_name(parsed.metadata.name, spec_hash(parsed.spec), digest_of(data))


async def test_model_is_resolved_tried_and_served(world: World) -> None:
    world.apply(model())
    revision = await world.ready()
    assert revision == revision_of(model(), b"model one")
    assert world.entry() == revision
    assert world.says("Available", "True", "Serving")
    assert world.says("ModelResolved", "True", "Resolved")
    assert ONE in world.condition("ModelResolved")["message"]
    assert world.says("ModelValidated", "True", "Passed")
    assert not world.condition("Reconciling")
    assert not world.condition("Stalled")
    assert world.children() == [
        f"ConfigMap {revision}",
        f"ControllerRevision {revision}",
        f"Deployment {revision}",
        "NetworkPolicy iris-metrics",
        "PodDisruptionBudget iris",
        "Service iris",
        f"Service {revision}",
    ]


async def test_status_has_all_columns(world: World) -> None:
    world.apply(model())
    revision = await world.ready()
    status = world.status()
    assert status["observedGeneration"] == 1
    assert status["url"] == "http://iris.ml.svc.cluster.local"
    assert status["replicas"] == 2
    assert status["selector"] == "serinus.dev/deployment=iris,serinus.dev/role=serving"
    assert status["summary"] == {"weight": "100%", "replicas": "2/2", "digest": ONE[:19], "engine": "Fixed"}
    assert [(r["name"], r["state"], r["readyReplicas"]) for r in status["revisions"]] == [(revision, "Stable", 2)]
    assert status["revisions"][0]["model"] == {"uri": "configmap://iris-model/model.onnx", "digest": ONE}


async def test_each_step_is_announced_in_the_status_before_it_is_taken(world: World) -> None:
    world.apply(model())
    await world.ready()
    told: list[str] = []
    for call in world.cluster.calls:
        if call.verb == "status":
            told.append((call.body["status"].get("resolution") or {}).get("phase", "Stable"))
        elif call.verb == "create":
            expected = "Preflight" if call.kind in ("ControllerRevision", "ConfigMap", "Pod") else "Provisioning"
            assert told[-1] == expected, call
    assert [p for p, q in zip(told, ["", *told], strict=False) if p != q] == [
        "Preflight",
        "Provisioning",
        "Stable",
    ]


async def test_what_a_pod_needs_is_there_before_the_pod(world: World) -> None:
    world.apply(model())
    await world.ready()
    made = [call.kind for call in world.cluster.calls if call.verb == "create"]
    assert made.index("ControllerRevision") < made.index("ConfigMap") < made.index("Pod") < made.index("Deployment")


async def test_model_is_copied_into_an_immutable_config_map_of_the_revision(world: World) -> None:
    world.apply(model())
    revision = await world.ready()
    copy, record = world.object(CONFIG_MAP, revision), world.object(CONTROLLER_REVISION, revision)
    assert copy
    assert record
    assert copy["immutable"] is True
    assert copy["binaryData"] == config_map("x", b"model one")["binaryData"]
    assert [owner["uid"] for owner in copy["metadata"]["ownerReferences"]] == [record["metadata"]["uid"]]


async def test_config_map_overwritten_in_place_changes_nothing_that_runs(world: World) -> None:
    world.apply(model())
    revision = await world.ready()
    deployment = world.object(DEPLOYMENT, revision)
    quiet = len(world.cluster.calls)
    world.apply(config_map("iris-model", b"another model"))
    await world.advance(120)
    assert world.changes(quiet) == []
    assert world.object(DEPLOYMENT, revision) == deployment
    assert world.object(CONFIG_MAP, revision)["binaryData"] == config_map("x", b"model one")["binaryData"]


@pytest.mark.parametrize("uri", ["https://models.example/iris.onnx", "pvc://models/iris/model.onnx"])
async def test_digest_found_by_the_preflight_goes_into_status_and_revision(world: World, uri: str) -> None:
    world.kubelet.remote[uri] = b"model one"
    world.apply(model(model={"uri": uri}))
    revision = await world.ready()
    record = world.object(CONTROLLER_REVISION, revision)
    assert record["data"]["digest"] == ONE
    assert record["data"]["uri"] == uri
    assert world.status()["revisions"][0]["model"]["digest"] == ONE
    assert world.object(CONFIG_MAP, revision) is None


async def test_first_touch_is_unknown_not_failed(world: World) -> None:
    world.apply(model())
    await world.until(lambda: bool(world.condition("Ready")))
    assert world.says("Ready", "Unknown", "Reconciling")
    assert world.says("Reconciling", "True", "Reconciling")
    assert world.says("Available", "False", "NoRevision")


async def test_missing_config_map_is_named_and_heals(world: World) -> None:
    world.apply(model(model={"uri": "configmap://late/model.onnx"}))
    await world.until(lambda: world.says("ModelResolved", "False", "NotFound"))
    assert world.condition("ModelResolved")["message"] == "ConfigMap late does not exist in this namespace"
    assert world.says("Ready", "False", "NotFound")
    assert world.says("Reconciling", "True", "NotFound")
    await world.advance(60)
    assert world.preflights() == []
    world.apply(config_map("late", b"model one"))
    await world.ready(within=30)


async def test_missing_key_is_named_beside_those_that_are_there(world: World) -> None:
    world.apply(model(model={"uri": "configmap://iris-model/other.onnx"}))
    await world.until(lambda: world.says("ModelResolved", "False", "NotFound"))
    message = world.condition("ModelResolved")["message"]
    assert message == "ConfigMap iris-model has no key other.onnx (it has: model.onnx)"
    world.apply(config_map("iris-model", b"model one", key="other.onnx"))
    await world.ready(within=30)


async def test_missing_file_in_a_claim_is_named_and_heals(world: World) -> None:
    uri = "pvc://models/late.onnx"
    world.apply(model(model={"uri": uri}))
    await world.until(lambda: world.says("ModelResolved", "False", "NotFound"))
    assert uri in world.condition("ModelResolved")["message"]
    world.kubelet.remote[uri] = b"model one"
    await world.ready(within=30)


async def test_right_to_read_config_maps_is_missing(world: World) -> None:
    fault = world.cluster.fail(Denied("get", "configmaps"), verb="get", kind="ConfigMap")
    world.apply(model())
    await world.until(lambda: world.says("Ready", "False", "RBACDenied"))
    message = world.condition("Ready")["message"]
    assert "get configmaps" in message
    fault.lift()
    await world.ready(within=30)


@pytest.mark.parametrize("uri", ["configmap://iris-model/model.onnx", "https://models.example/iris.onnx"])
async def test_pin_that_does_not_match_is_refused_with_both_digests(world: World, uri: str) -> None:
    world.kubelet.remote["https://models.example/iris.onnx"] = b"model one"
    pin = digest_of(b"what was reviewed")
    world.apply(model(model={"uri": uri, "digest": pin}))
    await world.until(lambda: world.says("Stalled", "True", "DigestMismatch"))
    assert world.says("ModelResolved", "False", "DigestMismatch")
    assert world.says("Ready", "False", "DigestMismatch")
    message = world.condition("ModelResolved")["message"]
    assert pin in message
    assert ONE in message
    await world.advance(300)
    assert world.deployments() == []
    assert world.object(SERVICE, "iris") is None
    assert world.status()["rejected"][0]["reason"] == "DigestMismatch"


async def test_pin_that_matches_is_served(world: World) -> None:
    world.apply(model(model={"uri": "configmap://iris-model/model.onnx", "digest": ONE}))
    await world.ready()


@pytest.mark.parametrize("scheme", ["s3", "gs", "az", "oci"])
async def test_scheme_of_a_later_version_is_refused(world: World, scheme: str) -> None:
    world.apply(model(model={"uri": f"{scheme}://bucket/iris.onnx"}))
    await world.until(lambda: world.says("ModelResolved", "False", "UnsupportedScheme"))
    assert world.says("Stalled", "True", "UnsupportedScheme")
    assert "configmap://, pvc://, https://" in world.condition("Ready")["message"]
    await world.advance(120)
    assert world.children() == []


async def test_zero_replicas_is_ready_and_says_that_nothing_answers(world: World) -> None:
    world.apply(model(replicas=0))
    await world.ready()
    assert world.says("Available", "False", "NoReadyReplicas")
    assert "spec.replicas is 0" in world.condition("Available")["message"]
    assert world.status()["summary"]["weight"] == "0%"


async def test_every_event_is_lost_and_the_model_still_becomes_ready(world: World) -> None:
    world.deaf = True
    world.apply(model())
    await world.ready(within=600)
    assert len(world.preflights()) == 1


async def test_name_of_63_characters_works(world: World) -> None:
    name = "a" * 63
    world.apply(model(name))
    revision = await world.ready(name)
    assert len(revision) == 63
    assert all(len(child.split()[1]) <= 63 for child in world.children())
    assert world.entry(name) == revision


async def test_unicode_in_annotations_works(world: World) -> None:
    manifest = model(runtime={"podAnnotations": {"example.com/owner": "Zoë 🐦"}})
    manifest["metadata"]["annotations"] = {"note": "Kanarienvögel – 金丝雀"}
    world.apply(manifest)
    revision = await world.ready()
    template = world.object(DEPLOYMENT, revision)["spec"]["template"]
    assert template["metadata"]["annotations"]["example.com/owner"] == "Zoë 🐦"
