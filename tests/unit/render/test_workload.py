"""What shapes a pod: threads, resources, configuration, volumes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.decide.subjects import DIGEST, record, spec, subject

from serinus_api.runtime import CONFIG_ENV, RuntimeConfig
from serinus_api.v1alpha1 import RuntimeSpec
from serinus_operator.render.workload import deployment, pod_template, preflight_spec, threads
from serinus_operator.state import PreflightIntent, RenderOptions

OPTIONS = RenderOptions(allow_hosts=("minio.storage:9000",))


def template(**runtime: Any) -> dict[str, Any]:
    return pod_template(subject(spec(runtime=runtime)), "iris-1", DIGEST, "runtime:1", OPTIONS)


def told(container: dict[str, Any]) -> RuntimeConfig:
    return RuntimeConfig.model_validate_json(next(e["value"] for e in container["env"] if e["name"] == CONFIG_ENV))


@pytest.mark.parametrize(
    ("runtime", "expected"),
    [
        ({}, None),
        ({"threads": 3, "resources": {"limits": {"cpu": "8"}}}, 3),
        ({"resources": {"limits": {"cpu": "1500m"}}}, 2),
        ({"resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}}, 2),
        ({"resources": {"requests": {"cpu": "0.5"}}}, 1),
        ({"resources": {"limits": {"memory": "1Gi"}}}, None),
        ({"resources": {"limits": {"cpu": 4}}}, 4),
        ({"resources": {"limits": {"cpu": "0"}}}, 1),
    ],
)
def test_threads_follow_the_cpu(runtime: dict[str, Any], expected: int | None) -> None:
    assert threads(RuntimeSpec.model_validate(runtime)) == expected
    assert told(template(**runtime)["spec"]["containers"][0]).threads == expected


@given(
    st.from_regex(r"([0-9]{1,9}(\.[0-9]{0,3})?|\.[0-9]{1,3})([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9])?", fullmatch=True)
)
def test_every_quantity_that_the_schema_admits_can_be_rendered(quantity: str) -> None:
    runtime = RuntimeSpec.model_validate({"resources": {"limits": {"cpu": quantity}}})
    found = threads(runtime)
    assert found is not None
    assert found >= 1


def test_pod_is_told_what_it_serves() -> None:
    manifest = subject(
        spec(model={"uri": "https://models.example/a.onnx", "name": "flowers"}, runtime={"maxConcurrency": 3})
    )
    config = told(pod_template(manifest, "iris-1", DIGEST, "runtime:1", OPTIONS)["spec"]["containers"][0])
    assert (config.model_name, config.model_version) == ("flowers", "iris-1")
    assert (config.source.digest, config.source.path) == (DIGEST, None)
    assert config.source.allow_hosts == ("minio.storage:9000",)
    assert (config.limits.max_concurrency, config.limits.max_queue) == (3, 6)


@pytest.mark.parametrize(
    ("uri", "bound"),
    [("https://models.example/a.onnx", 4096), ("pvc://models/a.onnx", 2 * 1024**3), ("configmap://a/b", 2 * 1024**3)],
)
def test_bound_of_the_operator_is_told_to_downloads_alone(uri: str, bound: int) -> None:
    options = RenderOptions(max_download_bytes=4096)
    intent = PreflightIntent("iris-preflight-1", "iris-1", "runtime:1", DIGEST)
    trial = preflight_spec(subject(spec(model={"uri": uri})), intent, options)
    assert told(trial["containers"][0]).source.max_bytes == bound


def test_configuration_holds_only_what_differs_from_the_defaults() -> None:
    """Another version of the operator must not make another template of the same spec."""
    value = next(e["value"] for e in template()["spec"]["containers"][0]["env"] if e["name"] == CONFIG_ENV)
    assert set(json.loads(value)) == {"modelName", "modelVersion", "source"}


def test_users_variables_come_with_ours() -> None:
    env = template(
        env=[{"name": "A", "value": ""}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
    )
    assert env["spec"]["containers"][0]["env"][:2] == [
        {"name": "A", "value": ""},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ]


def test_our_labels_win_over_the_users() -> None:
    labels = template(podLabels={"serinus.dev/role": "preflight", "team": "ml"})["metadata"]["labels"]
    assert labels["serinus.dev/role"] == "serving"
    assert labels["team"] == "ml"


@pytest.mark.parametrize(
    ("uri", "volume"),
    [
        ("configmap://models/iris.onnx", {"configMap": {"name": "iris-1", "optional": True}}),
        ("pvc://claim/iris.onnx", {"persistentVolumeClaim": {"claimName": "claim", "readOnly": True}}),
    ],
)
def test_model_is_mounted_read_only(uri: str, volume: dict[str, Any]) -> None:
    pod = pod_template(subject(spec(model={"uri": uri})), "iris-1", DIGEST, "runtime:1", OPTIONS)["spec"]
    assert {"name": "model", **volume} in pod["volumes"]
    assert {"name": "model", "mountPath": "/mnt/model", "readOnly": True} in pod["containers"][0]["volumeMounts"]
    assert told(pod["containers"][0]).source.path == "iris.onnx"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, {}),
        ({"limits": {"memory": "1Gi"}}, {"requests": {"memory": "32Mi"}, "limits": {"memory": "1Gi"}}),
        (
            {"requests": {"cpu": "2", "memory": "16Mi", "example.com/gpu": "1"}, "limits": {"example.com/gpu": "1"}},
            {"requests": {"cpu": "10m", "memory": "16Mi", "example.com/gpu": "1"}, "limits": {"example.com/gpu": "1"}},
        ),
    ],
    ids=["nothing asked", "a limit alone", "less than little, and a device"],
)
def test_preflight_asks_for_little_where_there_is_no_room_for_two(
    asked: dict[str, Any], expected: dict[str, Any]
) -> None:
    given = spec(rollout={"strategy": "Recreate"}, runtime={"resources": asked})
    trial = preflight_spec(subject(given), PreflightIntent("iris-preflight-1", None, "runtime:1", None), OPTIONS)
    assert trial["containers"][0]["resources"] == expected


def test_preflight_looks_like_the_serving_pod_but_for_its_task() -> None:
    manifest = subject(spec(runtime={"resources": {"limits": {"memory": "1Gi"}}, "nodeSelector": {"a": "b"}}))
    trial = preflight_spec(manifest, PreflightIntent("iris-preflight-1", None, "runtime:1", None), OPTIONS)
    serving = pod_template(manifest, "iris-1", DIGEST, "runtime:1", OPTIONS)["spec"]
    for part in ("securityContext", "volumes", "nodeSelector", "automountServiceAccountToken", "enableServiceLinks"):
        assert trial[part] == serving[part]
    for part in ("image", "resources", "securityContext", "volumeMounts"):
        assert trial["containers"][0][part] == serving["containers"][0][part]
    assert (trial["containers"][0]["args"], serving["containers"][0]["args"]) == (["preflight"], ["serve"])
    assert trial["restartPolicy"] == "Never"
    assert "startupProbe" not in trial["containers"][0]


def test_pod_has_time_to_end_what_it_began() -> None:
    pod = template(drainSeconds=20, requestTimeoutSeconds=100)["spec"]
    assert pod["terminationGracePeriodSeconds"] > 120


def test_startup_probe_waits_as_long_as_the_deadline() -> None:
    probe = template(startupDeadlineSeconds=900)["spec"]["containers"][0]["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 900


def test_deployment_uses_the_record_as_it_is() -> None:
    kept = record()
    made = deployment(subject(spec(runtime={"image": "another:2"})), kept, 3)
    assert made["spec"]["template"] is kept.template
    assert made["spec"]["replicas"] == 3
    assert made["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
