"""What local mode allows and a cluster does not, and the other way round. Pure; used by `admission.py` and `decide`.

`file://` is a model source in local mode alone: the CRD goes on refusing it. Fields that only a cluster can honour are
named by `fields_without_cluster`, and become `Ready=False NotInLocalMode`.
"""

from collections.abc import Iterator
from typing import Any

from serinus_api.base import Rule
from serinus_api.structural import Schema
from serinus_api.v1alpha1.spec import SCHEMES_RULE, ModelDeploymentSpec

FILE_SCHEME = "file://"

RULES: tuple[Rule, ...] = (
    Rule(
        "self.uri.matches('^((file|configmap|pvc|https|s3|gs|az|oci)://|models:/)')",
        f"{SCHEMES_RULE.message}, or, in local mode, with file://",
        field=".uri",
    ),
    Rule(
        "!self.uri.startsWith('file://') || self.uri.matches('^file://(/[^/?#]+)+$')",
        "model.uri must be file:///<absolute path of the file>; write %23 and %3F for # and ? in a path",
        field=".uri",
    ),
    Rule(
        "!self.uri.startsWith('file://') || !self.uri.matches('/[.][.]?(/|$)')",
        "model.uri must name the file without . and ..; write its absolute path",
        field=".uri",
    ),
)
"""In the place of `SCHEMES_RULE`."""

CLUSTER_FIELDS = (
    "imagePullSecrets",
    "nodeSelector",
    "tolerations",
    "affinity",
    "priorityClassName",
    "serviceAccountName",
)
"""Fields of `spec.runtime` that speak of nodes and accounts."""


def local_schema(schema: Schema) -> Schema:
    """The schema of a ModelDeployment as local mode judges by it."""
    spec = schema["properties"]["spec"]
    model = spec["properties"]["model"]
    given = model["x-kubernetes-validations"]
    rules = [rule.to_manifest() for rule in RULES] + [rule for rule in given if rule != SCHEMES_RULE.to_manifest()]
    model = {**model, "x-kubernetes-validations": rules}
    spec = {**spec, "properties": {**spec["properties"], "model": model}}
    return {**schema, "properties": {**schema["properties"], "spec": spec}}


def fields_without_cluster(spec: ModelDeploymentSpec, default_image: str) -> tuple[str, ...]:
    """Paths of the fields that are set and that only a cluster can honour."""
    return tuple(_fields(spec, default_image))


def _fields(spec: ModelDeploymentSpec, default_image: str) -> Iterator[str]:
    runtime: dict[str, Any] = spec.runtime.to_manifest()
    if spec.runtime.image not in (None, default_image):
        yield "spec.runtime.image"
    yield from (f"spec.runtime.{field}" for field in CLUSTER_FIELDS if runtime.get(field))
    for index, variable in enumerate(spec.runtime.env):
        if variable.value_from and variable.value_from.secret_key_ref:
            yield f"spec.runtime.env[{index}].valueFrom.secretKeyRef"
    if spec.scaling and spec.scaling.engine != "Builtin":
        yield "spec.scaling.engine"
    if spec.route:
        yield "spec.route"
    if spec.rollout.strategy == "Recreate":
        yield "spec.rollout.strategy: Recreate"
