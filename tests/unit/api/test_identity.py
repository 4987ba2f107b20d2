"""`spec_hash`: same pods, same hash; other pods, another hash; the same in every version of the operator."""

import json
from typing import Any

import pytest
from tests.unit.api.samples import FOLDER, GOOD, load, minimal

from serinus_api.admission import judge
from serinus_api.v1alpha1 import ModelDeployment, spec_hash


def hash_of(manifest: dict[str, Any]) -> str:
    return spec_hash(ModelDeployment.model_validate(manifest).spec)


def runtime(**fields: Any) -> dict[str, Any]:
    return minimal(runtime=fields)


BASE = hash_of(minimal())
DIGEST = "sha256:" + "0" * 64


def test_hash_of_a_known_spec_never_changes() -> None:
    """A changed hash makes every model in every cluster a new revision at the operator's next start."""
    assert BASE == "4fccef4b2bd90808f3444c94b1a6e54fb1ff294fcc93a277c276276192dec1ec"
    full = hash_of(load(FOLDER / "good" / "full-supported.yaml"))
    assert full == "34605404682555f5faf82d7585790ac6ffb80e9db10b754dfc7f24d2f535d09c"


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_defaults_filled_in_or_not_hash_alike(path: Any) -> None:
    manifest = load(path)
    assert hash_of(manifest) == hash_of(judge(manifest)[0])


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(minimal(paused=True), id="paused"),
        pytest.param(minimal(replicas=3), id="replicas"),
        pytest.param(minimal(scaling={"maxReplicas": 3}), id="scaling"),
        pytest.param(minimal(rollout={"strategy": "BlueGreen", "revisionHistoryLimit": 1}), id="rollout"),
        pytest.param(minimal(route={"gatewayRef": {"name": "public"}}), id="route"),
        pytest.param(minimal(validation={"maxMemory": "1Gi"}), id="validation"),
        pytest.param(minimal(model=minimal()["spec"]["model"] | {"refreshSeconds": 60}), id="refresh"),
        pytest.param(runtime(startupDeadlineSeconds=5), id="deadline"),
        pytest.param(runtime(), id="an empty block"),
        pytest.param(runtime(maxConcurrency=8, requestTimeoutSeconds=60, drainSeconds=10), id="written defaults"),
        pytest.param(runtime(env=[], podLabels={}, tolerations=[], affinity={}), id="empty lists and maps"),
        pytest.param(runtime(resources={"requests": {}, "limits": {}}), id="empty resources"),
        pytest.param(runtime(image=None), id="null"),
    ],
)
def test_what_shapes_no_pod_changes_nothing(manifest: dict[str, Any]) -> None:
    assert hash_of(manifest) == BASE


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(minimal(model={"uri": "configmap://iris-model/other.onnx"}), id="uri"),
        pytest.param(minimal(model=minimal()["spec"]["model"] | {"digest": DIGEST}), id="digest"),
        pytest.param(minimal(model=minimal()["spec"]["model"] | {"name": "other"}), id="name"),
        pytest.param(
            minimal(model=minimal()["spec"]["model"] | {"credentialsSecretRef": {"name": "s"}}), id="credentials"
        ),
        pytest.param(runtime(image="registry.example.com/image:1"), id="image"),
        pytest.param(runtime(bento=True, image="x"), id="bento"),
        pytest.param(runtime(resources={"limits": {"cpu": 1}}), id="resources"),
        pytest.param(runtime(threads=1), id="threads"),
        pytest.param(runtime(maxConcurrency=9), id="concurrency"),
        pytest.param(runtime(batching={"maxBatchSize": 2}), id="batching"),
        pytest.param(runtime(requestTimeoutSeconds=61), id="timeout"),
        pytest.param(runtime(drainSeconds=0), id="drain, although 0"),
        pytest.param(runtime(caConfigMapRef={"name": "ca"}), id="ca"),
        pytest.param(runtime(env=[{"name": "A", "value": ""}]), id="an empty variable"),
        pytest.param(runtime(imagePullSecrets=[{"name": "a"}]), id="pull secrets"),
        pytest.param(runtime(podLabels={"a": ""}), id="a label without value"),
        pytest.param(runtime(podAnnotations={"a": "b"}), id="annotations"),
        pytest.param(runtime(nodeSelector={"a": "b"}), id="node selector"),
        pytest.param(runtime(tolerations=[{"operator": "Exists"}]), id="tolerations"),
        pytest.param(runtime(affinity={"nodeAffinity": {"a": 1}}), id="affinity"),
        pytest.param(runtime(affinity={"podAffinity": {"labelSelector": {}}}), id="a selector of all pods"),
        pytest.param(runtime(priorityClassName="a"), id="priority"),
        pytest.param(runtime(serviceAccountName="a"), id="account"),
    ],
)
def test_what_shapes_the_pod_changes_the_hash(manifest: dict[str, Any]) -> None:
    assert hash_of(manifest) != BASE


def test_order_of_maps_does_not_matter() -> None:
    manifest = load(FOLDER / "good" / "full-supported.yaml")
    turned = json.loads(json.dumps(manifest), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    assert list(turned["spec"]) != list(manifest["spec"])
    assert hash_of(turned) == hash_of(manifest)


def test_order_of_environment_variables_matters() -> None:
    """Kubernetes expands `$(A)` in later variables only."""
    first, second = {"name": "A", "value": "a"}, {"name": "B", "value": "$(A)"}
    assert hash_of(runtime(env=[first, second])) != hash_of(runtime(env=[second, first]))


def test_quantities_compare_as_written() -> None:
    assert hash_of(runtime(resources={"limits": {"cpu": "1"}})) == hash_of(runtime(resources={"limits": {"cpu": 1}}))
    assert hash_of(runtime(resources={"limits": {"cpu": "1"}})) != hash_of(
        runtime(resources={"limits": {"cpu": "1000m"}})
    )


def test_unicode_is_hashed_the_same_everywhere() -> None:
    assert hash_of(runtime(podAnnotations={"a": "Zoë 🐤"})) != hash_of(runtime(podAnnotations={"a": "Zoe"}))
