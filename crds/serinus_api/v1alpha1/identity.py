"""Which specs are the same revision: `spec_hash`.

Called by the operator to tell whether a spec needs a new revision. It looks only at what the user wrote and what shapes
the pods, minus whatever equals a schema default: so neither a field that gains a default nor another version of the
operator changes the hash, and it stays the same whether the API server has filled a default in or not.
"""

import hashlib
import json
from typing import Any

from serinus_api.v1alpha1.pods import RuntimeSpec
from serinus_api.v1alpha1.spec import ModelDeploymentSpec, ModelSpec

MODEL_FIELDS = frozenset({"uri", "digest", "name", "credentials_secret_ref"})
"""`refreshSeconds` only says when to look again."""
RUNTIME_FIELDS = frozenset(RuntimeSpec.model_fields) - {"startup_deadline_seconds"}
"""The deadline is the operator's patience, not a property of the pods."""
OPAQUE = frozenset({"affinity"})
"""Kubernetes' own words, in which an empty block says something: `labelSelector: {}` is every pod, none is no pod."""


def spec_hash(spec: ModelDeploymentSpec) -> str:
    """SHA-256 (64 hexadecimal digits) of the part of `spec` that shapes the pods.

    Replicas, scaling, rollout, route, validation and `paused` are not in it. Quantities count as written: `1` and
    `1000m` differ. An absent image counts as absent, whatever the operator's image is.
    """
    shape = {
        "model": _written(spec.model, MODEL_FIELDS),
        "runtime": _written(spec.runtime, RUNTIME_FIELDS),
    }
    canonical = json.dumps(shape, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _written(block: ModelSpec | RuntimeSpec, fields: frozenset[str]) -> dict[str, Any]:
    """What of `fields` differs from the defaults; empty lists, maps and blocks count as absent."""
    values = block.model_dump(mode="json", by_alias=True, include=set(fields), exclude_defaults=True)
    written = {key: value if key in OPAQUE else _pruned(value) for key, value in values.items()}
    return {key: value for key, value in written.items() if value not in (None, {}, [])}


def _pruned(value: Any) -> Any:
    """`value` without nulls and without blocks in which nothing is set. Lists keep their entries and their order."""
    if not isinstance(value, dict):
        return value
    return {key: kept for key, item in value.items() if (kept := _pruned(item)) not in (None, {}, [])}
