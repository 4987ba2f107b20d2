"""Nothing a user writes is silently ignored: every field works, or is reported by `unsupported_fields`."""

from typing import Any

import pytest
from tests.unit.api.samples import FOLDER, load, minimal
from tests.unit.api.schema_walk import paths_in, spec_leaves, spec_nodes

from serinus_api.crd import object_schema
from serinus_api.v1alpha1 import ModelDeployment, unsupported_fields
from serinus_api.v1alpha1.support import NOT_YET

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
    "spec.rollout.revisionHistoryLimit",
)
"""Fields that work. A field of the schema is below one of these or below one of NOT_YET; a new one must choose."""

FULL = load(FOLDER / "good" / "full-supported.yaml")
SCALED = load(FOLDER / "good" / "scaling.yaml")
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
        path for manifest in (FULL, SCALED, LATER) for path in paths_in(manifest["spec"], schema, "spec")
    }


def test_every_supported_field_is_reported_by_none() -> None:
    assert reported(FULL) == ()
    assert reported(SCALED) == ()


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
    assert reported(minimal(rollout={"analysis": {}})) == ("spec.rollout.analysis",)
    assert reported(minimal(runtime={"batching": {}})) == ("spec.runtime.batching",)
