"""Fields that the schema has already, and actions that have a name, whose behaviour comes later.

The operator turns `unsupported_fields` and `unsupported_actions` into `Ready=False NotSupported` naming them: nothing a
user writes is silently ignored. When the behaviour lands, its line leaves `NOT_YET` and the field gets its defaults.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from serinus_api import names
from serinus_api.v1alpha1.spec import ModelDeploymentSpec

NOT_YET = (
    "spec.model.credentialsSecretRef",
    "spec.model.refreshSeconds",
    "spec.runtime.bento",
    "spec.runtime.batching",
    "spec.rollout.strategy",
    "spec.rollout.steps",
    "spec.rollout.match",
    "spec.rollout.shadow",
    "spec.rollout.analysis",
    "spec.rollout.bakeSeconds",
    "spec.route",
)
"""Without effect until their feature lands; each stands for everything below it."""

ACTIONS_NOT_YET = (names.ANNOTATION_PROMOTE, names.ANNOTATION_ABORT, names.ANNOTATION_REFRESH)
"""Annotations that ask for an action which no version so far carries out."""

OFF = {"spec.rollout.shadow": {"percent": 0}}
"""Blocks whose value says "off" although something is set."""


def unsupported_fields(spec: ModelDeploymentSpec) -> tuple[str, ...]:
    """Paths (`spec.rollout.steps`) of the fields that are set but have no effect yet, in the order of `NOT_YET`.

    A value that means "off" (false, 0, an empty list) asks for nothing and is not reported; a block that is present
    does, even when empty.
    """
    manifest = {"spec": spec.to_manifest()}
    return tuple(path for path in NOT_YET if _asks_for_something(path, _value_at(manifest, path.split("."))))


def unsupported_actions(annotations: Mapping[str, str]) -> tuple[str, ...]:
    """Annotations that ask for an action which is not carried out yet; an empty value asks for nothing."""
    return tuple(name for name in ACTIONS_NOT_YET if annotations.get(name))


def _asks_for_something(path: str, value: Any) -> bool:
    return (isinstance(value, dict) or bool(value)) and value != OFF.get(path)


def _value_at(manifest: dict[str, Any], path: Iterable[str]) -> Any:
    value: Any = manifest
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
