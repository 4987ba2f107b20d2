"""From a pydantic model to a structural schema, the subset of OpenAPI 3.0 that a CustomResourceDefinition takes.

Called by `crd.py`. Pure. A construct that has no structural form (a real union) is refused loudly.
"""

from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

DROPPED = ("title", "$defs", "propertyNames", "additionalItems")
"""Keywords that say nothing to the API server. (The syntax of map keys is a CEL rule.)"""


def structural_schema(model: type[BaseModel]) -> Schema:
    """The structural schema of `model`: references resolved, `X | None` written as optional, docstrings as one line.

    Only scalar defaults stay: an absent list, map or block is absent, never filled in.
    """
    source = model.model_json_schema(by_alias=True)
    return _structural(source, source.get("$defs", {}))


def _structural(node: Schema, definitions: dict[str, Schema]) -> Schema:
    node = _resolved(node, definitions)
    result = {key: value for key, value in node.items() if key not in DROPPED}
    if "description" in result:
        result["description"] = " ".join(result["description"].split())
    if not _is_static(result.get("default")):
        result.pop("default", None)
    if "properties" in result:
        result["properties"] = {name: _structural(child, definitions) for name, child in result["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(result.get(key), dict):
            result[key] = _structural(result[key], definitions)
    if "const" in result:
        result["enum"] = [result.pop("const")]
    return _ordered(result)


def _resolved(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """`node` without `$ref` and without the `null` branch of an optional; what stands beside a reference wins."""
    while "$ref" in node or "anyOf" in node:
        beside = {key: value for key, value in node.items() if key not in ("$ref", "anyOf")}
        if "$ref" in node:
            target = definitions[node["$ref"].removeprefix("#/$defs/")]
        else:
            branches = [branch for branch in node["anyOf"] if branch != {"type": "null"}]
            if len(branches) != 1:
                raise TypeError(f"a union has no structural schema: {node['anyOf']}")
            target = branches[0]
        node = {**target, **beside}
    return node


def _is_static(default: Any) -> bool:
    return isinstance(default, bool | int | str)


ORDER = ("type", "description", "default", "enum", "format", "pattern", "properties", "required", "items")


def _ordered(schema: Schema) -> Schema:
    """The keywords in the order in which people read them; the rest by name."""
    known = [key for key in ORDER if key in schema]
    return {key: schema[key] for key in (*known, *sorted(schema.keys() - set(known)))}


def without_defaults(schema: Schema) -> Schema:
    """`schema` in which nothing is filled in: for the status, which the operator writes as it is."""
    result = {key: value for key, value in schema.items() if key != "default"}
    if "properties" in result:
        result["properties"] = {name: without_defaults(child) for name, child in result["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(result.get(key), dict):
            result[key] = without_defaults(result[key])
    return result
