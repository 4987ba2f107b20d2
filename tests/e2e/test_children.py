"""Children that were edited, orphaned, deleted or occupied by hand: repaired, adopted, made again, or left alone."""

import hashlib

import pytest
from tests.e2e.harness import oip
from tests.e2e.harness.api import JSON_PATCH, Manifest
from tests.e2e.harness.models import SAID_SECONDS, Model, deployment
from tests.e2e.harness.waiting import wait_for
from tests.e2e.harness.world import World
from tests.models import doubler

from serinus_api import names
from serinus_api.v1alpha1 import ModelDeploymentSpec, spec_hash

ORPHAN = {"metadata": {"ownerReferences": None}}
STRANGE = {"op": "add", "path": "/spec/selector/matchLabels/by-hand", "value": "yes"}
EDITS: dict[str, tuple[str, list[Manifest]]] = {
    "services": (
        "name",
        [
            {"op": "add", "path": "/spec/selector/by-hand", "value": "yes"},
            {"op": "add", "path": "/spec/ports/-", "value": {"name": "by-hand", "port": 9, "protocol": "TCP"}},
        ],
    ),
    "deployments": (
        "revision",
        [{"op": "add", "path": "/spec/template/spec/containers/0/command", "value": ["sleep", "60"]}],
    ),
    "poddisruptionbudgets": ("name", [STRANGE, {"op": "replace", "path": "/spec/maxUnavailable", "value": 5}]),
    "networkpolicies": (
        "policy",
        [{"op": "add", "path": "/spec/podSelector/matchLabels/by-hand", "value": "yes"}],
    ),
}
"""What is edited, under which of the model's names, and how. Additions must go as well, not only changed values."""


def name_of(model: Model, which: str) -> str:
    known = {"name": model.name, "revision": model.stable, "policy": names.metrics_policy_name(model.name)}
    return known[which]


@pytest.fixture
def model(world: World, namespace: str) -> Model:
    made = world.model(namespace, "iris")
    made.apply_onnx(doubler(2.0))
    made.wait_ready()
    return made


def test_children_edited_by_hand_are_as_they_were_again(world: World, namespace: str, model: Model) -> None:
    for plural, (which, edits) in EDITS.items():
        name = name_of(model, which)
        before = world.api.read(plural, namespace, name)["spec"]
        edited = world.api.patch(plural, namespace, name, edits, JSON_PATCH)["spec"]
        assert edited != before

        def restored(plural: str = plural, name: str = name, before: Manifest = before) -> bool:
            return bool(world.api.read(plural, namespace, name)["spec"] == before)

        wait_for(restored, seconds=SAID_SECONDS, what=f"{plural} {name} is as before")
    model.wait_ready()


def test_orphaned_children_are_adopted(world: World, namespace: str, model: Model) -> None:
    owner = model.live()["metadata"]["uid"]
    children = [
        ("services", model.name),
        ("services", model.stable),
        ("deployments", model.stable),
        ("controllerrevisions", model.stable),
        ("poddisruptionbudgets", model.name),
        ("networkpolicies", names.metrics_policy_name(model.name)),
    ]
    before = model.incarnations()
    for plural, name in children:
        world.api.patch(plural, namespace, name, ORPHAN)
    for plural, name in children:
        adopted(world, namespace, plural, name, owner)
    assert model.incarnations() == before


def test_an_orphaned_preflight_is_adopted(world: World, namespace: str, model: Model) -> None:
    model.apply_onnx(doubler(3.0), "third", runtime={"nodeSelector": {"serinus-e2e/nowhere": "yes"}})
    (pod,) = wait_for(lambda: model.pods(names.ROLE_PREFLIGHT), seconds=SAID_SECONDS, what="a preflight pod")
    world.api.patch("pods", namespace, pod["metadata"]["name"], ORPHAN)
    adopted(world, namespace, "pods", pod["metadata"]["name"], model.live()["metadata"]["uid"])


def adopted(world: World, namespace: str, plural: str, name: str, owner: str) -> None:
    def owned() -> bool:
        references = world.api.read(plural, namespace, name)["metadata"].get("ownerReferences", ())
        return [reference["uid"] for reference in references] == [owner]

    wait_for(owned, seconds=SAID_SECONDS, what=f"{plural} {name} has its owner again")


def test_deleted_children_are_made_again(world: World, namespace: str, model: Model) -> None:
    for plural, which in (
        ("services", "name"),
        ("services", "revision"),
        ("poddisruptionbudgets", "name"),
        ("networkpolicies", "policy"),
    ):
        name = name_of(model, which)
        before = world.api.read(plural, namespace, name)["metadata"]["uid"]
        model.kubectl.delete(plural, name)

        def made_again(plural: str = plural, name: str = name, before: str = before) -> bool:
            found = world.api.get(plural, namespace, name)
            return found is not None and found["metadata"]["uid"] != before

        wait_for(made_again, seconds=SAID_SECONDS, what=f"{plural} {name} is there again")
    model.wait_ready()


MODEL = doubler(2.0)
DIGEST = f"sha256:{hashlib.sha256(MODEL).hexdigest()}"
SPEC_HASH = spec_hash(
    ModelDeploymentSpec.model_validate(deployment("iris", "configmap://iris-model/model.onnx")["spec"])
)
REVISION = names.revision_name("iris", SPEC_HASH, DIGEST)
POLICY = names.metrics_policy_name("iris")
THEIRS: dict[str, tuple[str, str, Manifest]] = {
    "PodDisruptionBudget": ("policy/v1", "iris", {"spec": {"selector": {"matchLabels": {"app": "theirs"}}}}),
    "NetworkPolicy": ("networking.k8s.io/v1", POLICY, {"spec": {"podSelector": {"matchLabels": {"app": "theirs"}}}}),
    "ConfigMap": ("v1", REVISION, {"data": {"theirs": "yes"}}),
    "ControllerRevision": ("apps/v1", REVISION, {"revision": 7, "data": {"theirs": "yes"}}),
    "Service": ("v1", REVISION, {"spec": {"selector": {"app": "theirs"}, "ports": [{"port": 80}]}}),
}
"""Objects of somebody else: apiVersion, name and content. A Pod comes beside them, from an image of the cluster's."""


@pytest.mark.parametrize("kind", [*THEIRS, "Pod"])
def test_foreign_objects_of_our_names_are_left_untouched(world: World, namespace: str, kind: str) -> None:
    theirs = foreign(kind, world.images.runtime)
    plural, name = f"{kind.lower()}s".replace("ys", "ies"), theirs["metadata"]["name"]
    model = world.model(namespace, "iris")
    model.kubectl.apply(theirs)
    before = identity(world.api.read(plural, namespace, name))
    model.apply_onnx(MODEL)
    model.wait_for("Ready", "False", "NameConflict", f"{kind} {name}", seconds=60)
    assert model.shown_reason() == "NameConflict"
    assert identity(world.api.read(plural, namespace, name)) == before
    model.kubectl.delete(plural, name)
    model.wait_ready()
    assert model.stable == REVISION


def foreign(kind: str, image: str) -> Manifest:
    if kind == "Pod":
        name = names.preflight_name("iris", SPEC_HASH, 1)
        return oip.python_pod(name, image, "-c", "import threading; threading.Event().wait()")
    version, name, content = THEIRS[kind]
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **content}


def identity(live: Manifest) -> Manifest:
    """What must not change, whoever else writes its status. (The scheduler writes into the spec of a Pod.)"""
    meta = live["metadata"]
    writers = {entry["manager"] for entry in meta["managedFields"]}
    assert names.FIELD_MANAGER not in writers
    content: Manifest = {
        key: live[key] for key in ("spec", "data", "revision") if key in live and live["kind"] != "Pod"
    }
    return {"uid": meta["uid"], "owners": meta.get("ownerReferences"), "labels": meta.get("labels"), **content}
