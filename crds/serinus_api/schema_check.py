"""Judges a value by a structural schema, in the order and the words of the API server. Used by `admission.py` alone.

Pure. Each step answers a new value or a list of violations; nothing is changed in place.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from serinus_api.rules import holds, matches
from serinus_api.structural import Schema


class Kind(StrEnum):
    """What is wrong, as the API server says it."""

    UNKNOWN = "unknown field"
    REQUIRED = "Required value"
    TYPE = "Invalid value "
    """Printed like INVALID, but keeps the rules from being evaluated."""
    INVALID = "Invalid value"
    UNSUPPORTED = "Unsupported value"
    TOO_LONG = "Too long"
    TOO_MANY = "Too many"
    DUPLICATE = "Duplicate value"


BLOCKING = frozenset({Kind.REQUIRED, Kind.TYPE, Kind.UNSUPPORTED, Kind.TOO_LONG, Kind.TOO_MANY})
"""With one of these the API server does not evaluate rules: they could stumble over it."""


@dataclass(frozen=True)
class Violation:
    """One reason to refuse a manifest."""

    path: str
    """`spec.runtime.env[0].name`"""
    kind: Kind
    detail: str = ""
    """Value and explanation, as they follow the kind."""

    def __str__(self) -> str:
        """In the API server's words."""
        if self.kind is Kind.UNKNOWN:
            return f'{self.kind} "{self.path}"'
        return f"{self.path}: {self.kind.strip()}{f': {self.detail}' if self.detail else ''}"


def child(path: str, name: str) -> str:
    """The path of the field `name` below `path`."""
    return f"{path}.{name}" if path else name


def _children(value: Any, schema: Schema, path: str) -> Iterator[tuple[Any, Schema, str]]:
    """The values below `value` that `schema` describes, in the schema's order, with schema and path."""
    if isinstance(value, dict):
        for name, below in schema.get("properties", {}).items():
            if name in value:
                yield value[name], below, child(path, name)
        if isinstance(schema.get("additionalProperties"), dict):
            for name, item in value.items():
                yield item, schema["additionalProperties"], child(path, name)
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield item, schema["items"], f"{path}[{index}]"


def unknown_fields(value: Any, schema: Schema, path: str = "") -> Iterator[Violation]:
    """Fields that the schema does not know; the API server drops them, and strict validation refuses them."""
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from unknown_fields(item, schema.get("items", {}), f"{path}[{index}]")
    elif isinstance(value, dict):
        extra = schema.get("additionalProperties")
        for name, item in value.items():
            below = schema.get("properties", {}).get(name, extra)
            if below is None:
                yield Violation(child(path, name), Kind.UNKNOWN)
            else:
                yield from unknown_fields(item, below, child(path, name))


def filled(value: Any, schema: Schema) -> Any:
    """`value` without unknown fields and nulls, and with the defaults of the blocks that are there."""
    if isinstance(value, list):
        return [filled(item, schema["items"]) if "items" in schema else item for item in value]
    if not isinstance(value, dict) or schema.get("x-kubernetes-preserve-unknown-fields"):
        return value
    properties = schema.get("properties", {})
    extra = schema.get("additionalProperties")
    result = {}
    for name, item in value.items():
        below = properties.get(name, extra)
        if below is not None and item is not None:
            result[name] = filled(item, below)
    defaults = {name: below["default"] for name, below in properties.items() if "default" in below}
    return {**result, **{name: default for name, default in defaults.items() if name not in result}}


def _type_of(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", list: "array"}
    return names.get(type(value), "null")


def _allowed_types(schema: Schema) -> tuple[str, ...]:
    if schema.get("x-kubernetes-int-or-string"):
        return ("integer", "string")
    return (schema["type"],) if "type" in schema else ()


def violations(value: Any, schema: Schema, path: str) -> Iterator[Violation]:
    """What the schema alone finds: types, enums, bounds, patterns and required fields."""
    allowed, actual = _allowed_types(schema), _type_of(value)
    if allowed and actual not in allowed:
        detail = f'"{actual}": {path} in body must be of type {",".join(allowed)}: "{actual}"'
        yield Violation(path, Kind.TYPE, detail)
    if "enum" in schema and value not in schema["enum"]:
        words = ", ".join(f'"{word}"' for word in schema["enum"])
        yield Violation(path, Kind.UNSUPPORTED, f"{_shown(value)}: supported values: {words}")
    yield from _beyond_bounds(value, schema, path)
    if isinstance(value, dict):
        for name in schema.get("required", ()):
            if name not in value:
                yield Violation(child(path, name), Kind.REQUIRED)
    for item, below, where in _children(value, schema, path):
        yield from violations(item, below, where)


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _beyond_bounds(value: Any, schema: Schema, path: str) -> Iterator[Violation]:
    if isinstance(value, str):
        yield from _string_violations(value, schema, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if value > schema.get("maximum", value):
            detail = f"{_shown(value)}: {path} in body should be less than or equal to {schema['maximum']}"
            yield Violation(path, Kind.INVALID, detail)
        if value < schema.get("minimum", value):
            detail = f"{_shown(value)}: {path} in body should be greater than or equal to {schema['minimum']}"
            yield Violation(path, Kind.INVALID, detail)
    elif isinstance(value, list | dict):
        most = schema.get("maxItems" if isinstance(value, list) else "maxProperties", len(value))
        if len(value) > most:
            yield Violation(path, Kind.TOO_MANY, f"{len(value)}: must have at most {most} items")
        least = schema.get("minItems", 0) if isinstance(value, list) else 0
        if len(value) < least:
            detail = f"{len(value)}: {path} in body should have at least {least} items"
            yield Violation(path, Kind.INVALID, detail)


def _string_violations(value: str, schema: Schema, path: str) -> Iterator[Violation]:
    """The first bound that the text breaks: length before pattern."""
    if len(value) > schema.get("maxLength", len(value)):
        yield Violation(path, Kind.TOO_LONG, f"may not be more than {schema['maxLength']} bytes")
    elif len(value) < schema.get("minLength", 0):
        detail = f"{_shown(value)}: {path} in body should be at least {schema['minLength']} chars long"
        yield Violation(path, Kind.INVALID, detail)
    elif "pattern" in schema and not matches(value, schema["pattern"]):
        detail = f"{_shown(value)}: {path} in body should match '{schema['pattern']}'"
        yield Violation(path, Kind.INVALID, detail)


def duplicates(value: Any, schema: Schema, path: str) -> Iterator[Violation]:
    """Entries of keyed lists and sets that are there twice; each is named once, at its second place."""
    if isinstance(value, list) and schema.get("x-kubernetes-list-type") in ("map", "set"):
        key_names = schema.get("x-kubernetes-list-map-keys", ())
        keys = [_key(item, key_names) for item in value if not key_names or isinstance(item, dict)]
        for index, key in enumerate(keys):
            if keys[:index].count(key) == 1:
                yield Violation(f"{path}[{index}]", Kind.DUPLICATE, _shown(key))
    for item, below, where in _children(value, schema, path):
        yield from duplicates(item, below, where)


def _key(item: Any, names: tuple[str, ...]) -> Any:
    return {name: item[name] for name in names if name in item} if names else item


def broken_rules(value: Any, schema: Schema, path: str) -> Iterator[Violation]:
    """Rules (CEL) that are not true, those of a block before those below it."""
    for rule in schema.get("x-kubernetes-validations", ()):
        answer = holds(rule["rule"], value)
        if answer is True:
            continue
        where = child(path, rule.get("fieldPath", "").removeprefix(".")).removesuffix(".")
        detail = rule["message"] if answer is False else f"{answer} evaluating rule: {rule['message']}"
        yield Violation(where, Kind.INVALID, detail)
    for item, below, where in _children(value, schema, path):
        yield from broken_rules(item, below, where)
