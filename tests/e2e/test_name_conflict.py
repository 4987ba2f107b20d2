"""Failure table: an object that is not ours bears a name that we need."""

import hashlib

from tests.e2e.harness.models import deployment
from tests.e2e.harness.oip import restricted
from tests.e2e.harness.rows import served
from tests.e2e.harness.world import World
from tests.models import doubler

from serinus_api import names
from serinus_api.v1alpha1 import ModelDeploymentSpec, spec_hash


def test_a_foreign_service_of_the_model_s_name_is_left_untouched(world: World, namespace: str) -> None:
    model = world.model(namespace, "taken")
    spec = {"selector": {"app": "theirs"}, "ports": [{"port": 80}]}
    model.kubectl.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "taken"}, "spec": spec})
    before = world.api.read("services", namespace, "taken")
    model.apply_onnx(doubler(2.0))
    model.wait_for("Ready", "False", "NameConflict", "Service taken", seconds=60)
    model.wait_for("Stalled", "True", "NameConflict")
    assert model.shown_reason() == "NameConflict"
    assert world.api.read("services", namespace, "taken") == before
    model.kubectl.delete("service", "taken")
    model.wait_ready()
    assert world.api.read("services", namespace, "taken")["metadata"]["uid"] != before["metadata"]["uid"]


def test_a_foreign_deployment_of_the_revision_s_name_is_left_untouched(world: World, namespace: str) -> None:
    uri = "configmap://third/model.onnx"
    digest = f"sha256:{hashlib.sha256(doubler(3.0)).hexdigest()}"
    wanted = ModelDeploymentSpec.model_validate(deployment("iris", uri)["spec"])
    revision = names.revision_name("iris", spec_hash(wanted), digest)
    with served(world, namespace) as model:
        stable, pods = model.stable, model.incarnations()
        model.kubectl.apply(theirs(revision, world.images.runtime))
        before = world.api.read("deployments", namespace, revision)["metadata"]
        model.apply_onnx(doubler(3.0), "third")
        model.wait_for("Ready", "False", "NameConflict", f"Deployment {revision}", seconds=60)
        model.wait_for("Available", "True", "Serving")
        assert model.shown_reason() == "NameConflict"
        after = world.api.read("deployments", namespace, revision)["metadata"]
        assert (after["uid"], after["generation"]) == (before["uid"], before["generation"])
        assert "ownerReferences" not in after
        assert names.FIELD_MANAGER not in {entry["manager"] for entry in after["managedFields"]}
        assert (model.stable, model.incarnations()) == (stable, pods)
        model.kubectl.delete("deployment", revision)
        model.wait_ready()
        assert model.stable == revision


def theirs(name: str, image: str) -> dict[str, object]:
    """Somebody else's Deployment, without pods."""
    labels = {"app": "theirs"}
    container = {"name": "main", "image": image}
    template = {"metadata": {"labels": labels}, "spec": {"securityContext": restricted(), "containers": [container]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
