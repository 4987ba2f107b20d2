"""Ways through the generated schema, for tests that must not forget a field."""

from collections.abc import Iterator
from typing import Any

from serinus_api.crd import object_schema


def walk(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema below `path`, itself included: `spec.runtime.env[].name`, `spec.runtime.podLabels.*`."""
    yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from walk(below, f"{path}.{name}")
    if "items" in schema:
        yield from walk(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from walk(schema["additionalProperties"], f"{path}.*")


def spec_nodes() -> dict[str, dict[str, Any]]:
    """All of the spec, by path."""
    return dict(walk(object_schema()["properties"]["spec"], "spec"))


def status_nodes() -> dict[str, dict[str, Any]]:
    """All of the status, by path."""
    return dict(walk(object_schema()["properties"]["status"], "status"))


def spec_leaves() -> list[str]:
    """Paths of the fields of the spec that hold a value, not other fields."""
    return [
        path
        for path, schema in spec_nodes().items()
        if "properties" not in schema and "items" not in schema and not path.endswith(".*")
    ]


def paths_in(value: Any, schema: dict[str, Any], path: str) -> Iterator[str]:
    """Paths of the leaves that a manifest sets, spelled as in `spec_leaves`."""
    if "properties" in schema:
        for name, item in value.items():
            yield from paths_in(item, schema["properties"][name], f"{path}.{name}")
    elif "items" in schema:
        for item in value:
            yield from paths_in(item, schema["items"], f"{path}[]")
        if "properties" not in schema["items"]:
            yield f"{path}[]"
    else:
        yield path
