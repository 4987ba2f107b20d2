"""Hypothesis strategies made from the generated schema: specs that its types and bounds allow."""

from typing import Any

from hypothesis import strategies as st

QUANTITIES = st.sampled_from(["1", "500m", "1.5", "256Mi", "1e3", ".5", 2, 0])
KEYS = st.sampled_from(["cpu", "memory", "team", "example.com/team", "nvidia.com/gpu"])


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that `schema` allows, rules (CEL) aside."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return QUANTITIES
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return st.just({"nodeAffinity": {"anything": [1, "a", None]}})
    kinds = {"object": _objects, "array": _lists, "string": _strings, "integer": _integers}
    return st.booleans() if schema["type"] == "boolean" else kinds[schema["type"]](schema)


def _objects(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "properties" not in schema:
        return st.dictionaries(KEYS, values(schema["additionalProperties"]), max_size=3)
    required = set(schema.get("required", ()))
    fields = {name: values(below) for name, below in schema["properties"].items()}
    return st.fixed_dictionaries(
        {name: field for name, field in fields.items() if name in required},
        optional={name: field for name, field in fields.items() if name not in required},
    )


def _lists(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    keys = schema.get("x-kubernetes-list-map-keys")
    unique = (lambda item: tuple(item[key] for key in keys)) if keys else None
    if schema.get("x-kubernetes-list-type") == "set":
        unique = str
    return st.lists(values(schema["items"]), min_size=schema.get("minItems", 0), max_size=3, unique_by=unique)


def _strings(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    low, high = schema.get("minLength", 0), schema["maxLength"]
    if "pattern" in schema:
        return st.from_regex(schema["pattern"].replace(r"\S", "[!-~]"), fullmatch=True).filter(
            lambda text: low <= len(text) <= high
        )
    return st.text(min_size=low, max_size=min(high, 20))


def _integers(schema: dict[str, Any]) -> st.SearchStrategy[int]:
    return st.integers(schema["minimum"], schema["maximum"])
