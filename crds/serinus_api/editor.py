"""The JSON Schema for editors: completion, explanations and red lines while a manifest is written.

Called by `generate.py`. Stricter than the API server where that helps a writer: an unknown field is an error at once.
Rules that span fields (CEL) have no place in it. Pure.
"""

from typing import Any

from serinus_api import names
from serinus_api.crd import object_schema
from serinus_api.structural import Schema

SCHEMA_ID = f"https://{names.GROUP}/{names.VERSION}/{names.SINGULAR}.schema.json"


def editor_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a ModelDeployment as a user writes it: without status."""
    whole = object_schema()
    properties = whole["properties"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": names.KIND,
        "description": whole["description"],
        "type": "object",
        "properties": {
            "apiVersion": {"const": names.API_VERSION, "description": properties["apiVersion"]["description"]},
            "kind": {"const": names.KIND, "description": properties["kind"]["description"]},
            "metadata": {
                "type": "object",
                "description": "Name, namespace, labels and annotations of the object.",
                "properties": {
                    "name": {"type": "string", "maxLength": names.MAX_NAME, "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$"}
                },
                "required": ["name"],
            },
            "spec": _strict(properties["spec"]),
        },
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": False,
    }


def _strict(schema: Schema) -> Schema:
    """`schema` in the words of JSON Schema, with nothing allowed beside the known properties."""
    result = {key: value for key, value in schema.items() if not key.startswith("x-kubernetes-")}
    if schema.get("x-kubernetes-int-or-string"):
        result["type"] = ["integer", "string"]
    if "properties" in result:
        result["properties"] = {name: _strict(child) for name, child in result["properties"].items()}
        result["additionalProperties"] = False
    elif isinstance(result.get("additionalProperties"), dict):
        result["additionalProperties"] = _strict(result["additionalProperties"])
    if "items" in result:
        result["items"] = _strict(result["items"])
    return result
