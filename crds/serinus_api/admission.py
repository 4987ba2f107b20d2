"""Judges a manifest as the API server would: for local mode, where there is none, and for the tests.

`judge` evaluates the schema of the CRD itself: unknown fields, nulls and defaults, types and bounds, keyed lists, and
the CEL rules; with the same words, so that a user reads one language. Both judge the samples in `tests/samples`.
Needs the library of `rules.py`, which only local mode and development install.
"""

import datetime
from typing import Any

from serinus_api import names
from serinus_api.crd import object_schema
from serinus_api.local import local_schema
from serinus_api.rules import matches, without_nul
from serinus_api.schema_check import (
    BLOCKING,
    Kind,
    Violation,
    broken_rules,
    duplicates,
    filled,
    unknown_fields,
    violations,
)
from serinus_api.structural import Schema

__all__ = ["Kind", "Violation", "judge"]

INT64 = range(-(2**63), 2**63)
MAX_SAFE_INTEGER = 2**53 - 1
MAX_SUBDOMAIN = 253
SUBDOMAIN_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character"
)
RULES_SKIPPED = (
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete "
    "validation"
)

_ANY: Schema = {"x-kubernetes-preserve-unknown-fields": True}
_TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
METADATA: Schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "generateName": {"type": "string"},
        "namespace": {"type": "string"},
        "labels": _TEXTS,
        "annotations": _TEXTS,
        **dict.fromkeys(("uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp"), _ANY),
        **dict.fromkeys(("deletionGracePeriodSeconds", "ownerReferences", "finalizers", "managedFields"), _ANY),
        "selfLink": _ANY,
    },
}
"""Kubernetes' own metadata, which no CRD describes; as much of it as a user writes."""


def judge(manifest: dict[str, Any], *, local: bool = False) -> tuple[dict[str, Any], list[Violation]]:
    """The manifest as the API server would store it, and every reason why it would refuse it.

    Unknown fields are dropped and reported, as by `kubectl apply` (strict validation). A status is dropped: only the
    operator writes it. With an empty list the manifest is admitted. `local` allows what local mode alone takes.
    """
    schema = local_schema(_schema()) if local else _schema()
    given = _plain({name: value for name, value in manifest.items() if name != "status"})
    found = list(unknown_fields(given, schema))
    stored = filled(given, schema)
    found += _identity_violations(stored)
    found += violations(stored, schema, "")
    found += duplicates(stored, schema, "")
    if any(violation.kind in BLOCKING for violation in found):
        return stored, [*found, Violation("<nil>", Kind.INVALID, f"null: {RULES_SKIPPED}")]
    return stored, [*found, *broken_rules(without_nul(stored), schema, "")]


def _schema() -> Schema:
    schema = object_schema()
    properties = {name: below for name, below in schema["properties"].items() if name != "status"}
    return {**schema, "properties": {**properties, "metadata": METADATA}}


def _identity_violations(manifest: dict[str, Any]) -> list[Violation]:
    """What is wrong with the kind and the name, before any schema is looked at."""
    found = []
    for field, expected in (("apiVersion", names.API_VERSION), ("kind", names.KIND)):
        if manifest.get(field) != expected:
            found.append(Violation(field, Kind.UNSUPPORTED, f'"{manifest.get(field)}": supported values: "{expected}"'))
    metadata = manifest.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if name is None:
        found.append(Violation("metadata.name", Kind.REQUIRED, "name or generateName is required"))
    elif isinstance(name, str) and len(name) > MAX_SUBDOMAIN:
        found.append(
            Violation("metadata.name", Kind.INVALID, f'"{name}": must be no more than {MAX_SUBDOMAIN} characters')
        )
    elif isinstance(name, str) and not matches(name, SUBDOMAIN_PATTERN):
        found.append(Violation("metadata.name", Kind.INVALID, f'"{name}": {SUBDOMAIN_TEXT}'))
    return found


def _plain(value: Any) -> Any:
    """`value` as kubectl sends it: whole numbers without a fraction, what YAML reads as dates or keys as texts."""
    if isinstance(value, dict):
        return {_key_text(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_SAFE_INTEGER:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value not in INT64:
        return float(value)
    return value


def _key_text(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)
