"""Nothing a user writes is silently ignored: every field works, or is reported by `unsupported_fields`."""

import re
from typing import Any

import pytest
from tests.unit.api.samples import FOLDER, load, minimal
from tests.unit.api.schema_walk import paths_in, spec_leaves, spec_nodes

from serinus_api.crd import object_schema
from serinus_api.v1alpha1 import ModelDeployment, unsupported_fields
from serinus_api.v1alpha1.support import NOT_YET
from serinus_operator.sources import SUPPORTED as SUPPORTED_SCHEMES

SUPPORTED = (
    "spec.paused",
    "spec.replicas",
    "spec.model.uri",
    "spec.model.digest",
    "spec.model.name",
    "spec.runtime.image",
    "spec.runtime.resources",
    "spec.runtime.threads",
    "spec.runtime.maxConcurrency",
    "spec.runtime.requestTimeoutSeconds",
    "spec.runtime.startupDeadlineSeconds",
    "spec.runtime.drainSeconds",
    "spec.runtime.caConfigMapRef",
    "spec.runtime.env",
    "spec.runtime.imagePullSecrets",
    "spec.runtime.podLabels",
    "spec.runtime.podAnnotations",
    "spec.runtime.nodeSelector",
    "spec.runtime.tolerations",
    "spec.runtime.affinity",
    "spec.runtime.priorityClassName",
    "spec.runtime.serviceAccountName",
    "spec.scaling.engine",
    "spec.scaling.minReplicas",
    "spec.scaling.maxReplicas",
    "spec.scaling.metrics",
    "spec.scaling.targetUtilizationPercent",
    "spec.scaling.stableWindowSeconds",
    "spec.scaling.scaleDownDelaySeconds",
    "spec.scaling.scaleToZero",
    "spec.scaling.activation",
    "spec.rollout.strategy",
    "spec.rollout.steps",
    "spec.rollout.match",
    "spec.rollout.shadow",
    "spec.rollout.analysis",
    "spec.rollout.bakeSeconds",
    "spec.rollout.revisionHistoryLimit",
    "spec.validation",
    "spec.route",
)
"""Fields that work. A field of the schema is below one of these or below one of NOT_YET; a new one must choose."""

MATCH = {"headers": [{"name": "x-tester", "value": "yes"}]}
FULL = load(FOLDER / "good" / "full-supported.yaml")
SCALED = load(FOLDER / "good" / "scaling.yaml")
ROLLED = load(FOLDER / "good" / "rollout.yaml")
LATER = load(FOLDER / "good" / "later-features.yaml")


def reported(manifest: dict[str, Any]) -> tuple[str, ...]:
    return unsupported_fields(ModelDeployment.model_validate(manifest).spec)


def is_below(path: str, roots: tuple[str, ...]) -> bool:
    return any(path == root or path.startswith((f"{root}.", f"{root}[")) for root in roots)


@pytest.mark.parametrize("path", spec_leaves())
def test_field_works_or_is_reported(path: str) -> None:
    assert is_below(path, SUPPORTED) != is_below(path, NOT_YET)


@pytest.mark.parametrize("path", [*SUPPORTED, *NOT_YET])
def test_listed_field_exists(path: str) -> None:
    assert path in spec_nodes()


def test_the_full_samples_set_every_field() -> None:
    schema = object_schema()["properties"]["spec"]
    assert set(spec_leaves()) == {
        path for manifest in (FULL, SCALED, ROLLED, LATER) for path in paths_in(manifest["spec"], schema, "spec")
    }


def test_every_supported_field_is_reported_by_none() -> None:
    assert reported(FULL) == ()
    assert reported(SCALED) == ()
    assert reported(ROLLED) == ()


def test_every_later_field_is_reported() -> None:
    assert reported(LATER) == NOT_YET


@pytest.mark.parametrize("path", NOT_YET)
def test_later_field_alone_is_reported_alone(path: str) -> None:
    names = path.split(".")[1:]
    value: Any = LATER["spec"]
    for name in names:
        value = value[name]
    if len(names) == 2:
        block = minimal()["spec"].get(names[0], {})
        manifest = minimal(**{names[0]: {**block, names[1]: value}})
    else:
        manifest = minimal(**{names[0]: value})
    assert reported(manifest) == (path,)


def test_values_that_mean_off_are_not_reported() -> None:
    assert reported(load(FOLDER / "good" / "later-features-off.yaml")) == ()


def test_an_empty_block_asks_for_the_feature() -> None:
    assert reported(minimal(runtime={"batching": {}})) == ("spec.runtime.batching",)


def test_explanation_of_the_uri_says_which_schemes_are_refused_for_now() -> None:
    text = object_schema()["properties"]["spec"]["properties"]["model"]["properties"]["uri"]["description"]
    works, refused = text.split("have a form already", 1)[0].rsplit(". ", 1)
    assert [scheme for scheme in SUPPORTED_SCHEMES if f"`{scheme}://" not in works] == []
    assert re.findall(r"`([a-z0-9]+):/", refused) == ["s3", "gs", "az", "oci", "models"]
    assert "UnsupportedScheme" in text


@pytest.mark.parametrize(
    ("rollout", "spec", "named"),
    [
        ({}, {"scaling": {"maxReplicas": 3}}, "spec.scaling"),
        ({}, {"route": {"gatewayRef": {"name": "public"}}}, "spec.route"),
        ({"match": MATCH}, {}, "spec.rollout.match"),
        ({"analysis": {"minRequests": 5}}, {}, "spec.rollout.analysis"),
        ({"bakeSeconds": 1}, {}, "spec.rollout.bakeSeconds"),
    ],
)
def test_what_needs_two_revisions_at_once_is_named_beside_recreate(
    rollout: dict[str, Any], spec: dict[str, Any], named: str
) -> None:
    found = reported(minimal(rollout={"strategy": "Recreate", **rollout}, **spec))
    assert found == (f"{named} together with spec.rollout.strategy: Recreate",)
    assert reported(minimal(rollout={"strategy": "Recreate"})) == ()


STEPPED: tuple[dict[str, Any], ...] = (
    {"strategy": "BlueGreen"},
    {"steps": [{"weight": 5}]},
    {"match": MATCH},
    {"analysis": {}},
    {"bakeSeconds": 1},
    {"shadow": {"percent": 1}},
)


@pytest.mark.parametrize("engine", ["HPA", "KEDA"])
def test_steps_of_a_model_that_another_engine_sizes_are_named_with_what_would_do(engine: str) -> None:
    scaling = {"engine": engine, "maxReplicas": 3, "metrics": [{"type": "CPUUtilization", "target": 80}]}
    for rollout in STEPPED:
        (named,) = reported(minimal(rollout=rollout, scaling=scaling))
        assert named == f"spec.rollout together with spec.scaling.engine: {engine} (engine: Builtin can)"
    assert reported(minimal(rollout={"revisionHistoryLimit": 3}, scaling=scaling)) == ()


def test_steps_of_a_model_that_is_sized_by_demand_are_supported() -> None:
    for rollout in STEPPED:
        assert reported(minimal(rollout=rollout, scaling={"maxReplicas": 3})) == ()


def test_explanation_of_the_rollout_says_when_nothing_is_tried_in_steps() -> None:
    text = object_schema()["properties"]["spec"]["properties"]["rollout"]["description"]
    assert "at once" in text
