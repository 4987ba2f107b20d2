"""The pydantic models: they read what the schema allows, and write it back as it was."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import ValidationError
from tests.unit.api.samples import GOOD, load, minimal
from tests.unit.api.strategies import values

from serinus_api.admission import judge
from serinus_api.crd import object_schema
from serinus_api.v1alpha1 import Condition, ModelDeployment, ModelDeploymentSpec, ModelDeploymentStatus, spec_hash

SPECS = values(object_schema()["properties"]["spec"])
STATUSES = values(object_schema()["properties"]["status"])
CAREFUL = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def as_text(value: Any) -> Any:
    """Quantities given as numbers are kept as their text."""
    if isinstance(value, dict):
        quantities = ("requests", "limits")
        return {
            key: {name: str(item) for name, item in below.items()} if key in quantities else as_text(below)
            for key, below in value.items()
        } | ({"maxMemory": str(value["maxMemory"])} if "maxMemory" in value else {})
    return [as_text(item) for item in value] if isinstance(value, list) else value


@CAREFUL
@given(spec=SPECS)
def test_spec_within_the_schema_makes_the_round_trip(spec: dict[str, Any]) -> None:
    model = ModelDeploymentSpec.model_validate(spec)
    assert model.model_dump(mode="json", by_alias=True, exclude_unset=True) == as_text(spec)


@CAREFUL
@given(spec=SPECS)
def test_defaults_of_models_and_schema_agree(spec: dict[str, Any]) -> None:
    stored, _ = judge(minimal() | {"spec": spec})
    given_model, stored_model = (
        ModelDeploymentSpec.model_validate(spec),
        ModelDeploymentSpec.model_validate(stored["spec"]),
    )
    assert given_model == stored_model
    assert spec_hash(given_model) == spec_hash(stored_model)


@CAREFUL
@given(spec=SPECS)
def test_judging_never_stumbles(spec: dict[str, Any]) -> None:
    """What types and bounds allow can only be refused by a rule, and every rule can be evaluated."""
    stored, violations = judge(minimal() | {"spec": spec})
    assert not [str(violation) for violation in violations if "evaluating rule" in str(violation)]
    assert all(str(violation.kind) == "Invalid value" for violation in violations), violations
    assert judge(stored)[0] == stored


@CAREFUL
@given(status=STATUSES)
def test_status_within_the_schema_makes_the_round_trip(status: dict[str, Any]) -> None:
    model = ModelDeploymentStatus.model_validate(status)
    assert model.model_dump(mode="json", by_alias=True, exclude_unset=True) == status
    assert ModelDeploymentStatus.model_validate(model.to_manifest()) == model


def test_models_are_frozen() -> None:
    spec = ModelDeployment.model_validate(minimal()).spec
    with pytest.raises(ValidationError, match="frozen"):
        spec.paused = True


def test_unknown_fields_of_a_newer_version_are_ignored() -> None:
    manifest = minimal(fieldOfTomorrow={"a": 1}) | {"status": {"alsoNew": True}}
    assert ModelDeployment.model_validate(manifest) == ModelDeployment.model_validate(minimal())


def test_a_live_object_is_read() -> None:
    live = load(GOOD[0])
    live["metadata"] |= {
        "uid": "8f0f",
        "generation": 3,
        "resourceVersion": "77",
        "creationTimestamp": "2026-01-31T12:00:00Z",
        "managedFields": [{"manager": "kubectl"}],
    }
    deployment = ModelDeployment.model_validate(live)
    assert (deployment.metadata.uid, deployment.metadata.generation, deployment.metadata.resource_version) == (
        "8f0f",
        3,
        "77",
    )
    assert deployment.status == ModelDeploymentStatus()


def test_absent_blocks_read_as_their_defaults() -> None:
    spec = ModelDeployment.model_validate(minimal()).spec
    assert (spec.runtime.max_concurrency, spec.rollout.revision_history_limit) == (8, 5)
    assert (spec.replicas, spec.scaling, spec.validation, spec.route) == (None, None, None, None)


def test_manifest_leaves_out_what_is_absent() -> None:
    condition = Condition(
        type="Ready",
        status="False",
        reason="NotFound",
        last_transition_time="2026-01-31T12:00:00Z",
        message="no such key",
    )
    assert ModelDeploymentStatus(conditions=(condition,), replicas=0).to_manifest() == {
        "conditions": [
            {
                "type": "Ready",
                "status": "False",
                "observedGeneration": 0,
                "lastTransitionTime": "2026-01-31T12:00:00Z",
                "reason": "NotFound",
                "message": "no such key",
            }
        ],
        "rejected": [],
        "actions": {},
        "revisions": [],
        "replicas": 0,
    }


def test_defaults_of_scaling_are_the_operators_and_not_in_the_object() -> None:
    """Server-side apply would leave a default behind when its user takes the block out (decision 0006)."""
    read = ModelDeployment.model_validate(minimal(scaling={})).spec.scaling
    assert read is not None
    assert (read.engine, read.min_replicas, read.max_replicas, read.metrics) == ("Builtin", 1, 10, ())
    assert (read.target_utilization_percent, read.stable_window_seconds, read.scale_down_delay_seconds) == (70, 60, 0)
    stored, refused = judge(minimal(scaling={}))
    assert (stored["spec"]["scaling"], refused) == ({}, [])
