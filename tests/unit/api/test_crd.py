"""The shape of the CustomResourceDefinition."""

import re

import pytest
from tests.unit.api.schema_walk import spec_nodes, status_nodes, walk

from serinus_api import names
from serinus_api.crd import COLUMNS, crd, object_schema
from serinus_api.structural import structural_schema

NODES = {**spec_nodes(), **status_nodes()}


def test_names_are_those_of_the_design() -> None:
    spec = crd()["spec"]
    assert spec["group"] == "serving.serinus.dev"
    assert spec["scope"] == "Namespaced"
    assert spec["names"] == {
        "kind": "ModelDeployment",
        "listKind": "ModelDeploymentList",
        "plural": "modeldeployments",
        "singular": "modeldeployment",
        "shortNames": ["mdep"],
        "categories": ["serinus"],
    }
    assert crd()["metadata"] == {"name": f"{names.PLURAL}.{names.GROUP}"}


def test_scale_reads_and_writes_fields_that_exist() -> None:
    scale = crd()["spec"]["versions"][0]["subresources"]["scale"]
    assert scale == {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    assert {NODES[path[1:]]["type"] for path in scale.values()} == {"integer", "string"}
    assert NODES["status.selector"]["type"] == "string"


def test_columns_are_those_of_the_design() -> None:
    assert [name.upper() for name, *_ in COLUMNS] == [
        *("READY", "REVISION", "WEIGHT", "REPLICAS", "STATE", "REASON", "AGE"),
        *("URL", "DIGEST", "ENGINE", "SINCE", "LAST-REQUEST"),
    ]
    wide = [name for name, _, _, priority, _ in COLUMNS if priority]
    assert wide == ["URL", "Digest", "Engine", "Since", "Last-Request"]


@pytest.mark.parametrize("path", [path for _, _, path, _, _ in COLUMNS if path.startswith(".status")])
def test_column_shows_a_field_that_exists(path: str) -> None:
    assert re.sub(r"\[\?\(.*\)\]", "[]", path)[1:] in NODES


@pytest.mark.parametrize("path", NODES)
def test_every_value_is_bounded(path: str) -> None:
    schema = NODES[path]
    if "enum" in schema or schema.get("type") == "boolean" or schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    kind = schema.get("type", "int-or-string")
    needed = {
        "string": {"maxLength"},
        "array": {"maxItems", "items", "x-kubernetes-list-type"},
        "integer": {"minimum", "maximum"},
        "object": {"properties"} if "properties" in schema else {"additionalProperties", "maxProperties"},
        "int-or-string": {"x-kubernetes-int-or-string", "maxLength", "minimum", "pattern"},
    }[kind]
    assert needed <= schema.keys()


@pytest.mark.parametrize("path", [path for path in NODES if not path.endswith(("[]", ".*"))])
def test_every_field_is_explained(path: str) -> None:
    text = NODES[path].get("description", "")
    assert text.endswith("."), f"{path}: {text!r}"
    assert "\n" not in text


@pytest.mark.parametrize("path", NODES)
def test_only_scalars_of_the_spec_have_defaults(path: str) -> None:
    schema = NODES[path]
    if "default" in schema and path != "status":
        assert path.startswith("spec.")
        assert schema["type"] in ("boolean", "integer", "string")


def test_defaults_are_exactly_these() -> None:
    """A default is a promise: it is in every stored object. Fields whose behaviour comes later have none."""
    assert {path: schema["default"] for path, schema in NODES.items() if "default" in schema} == {
        "spec.paused": False,
        "spec.runtime.maxConcurrency": 8,
        "spec.runtime.requestTimeoutSeconds": 60,
        "spec.runtime.startupDeadlineSeconds": 600,
        "spec.runtime.drainSeconds": 10,
        "spec.rollout.revisionHistoryLimit": 5,
        "status": {"observedGeneration": 0},
    }


@pytest.mark.parametrize("path", [path for path in NODES if NODES[path].get("x-kubernetes-list-type") == "map"])
def test_keys_of_lists_are_required(path: str) -> None:
    schema = NODES[path]
    assert set(schema["x-kubernetes-list-map-keys"]) <= set(schema["items"]["required"])


def test_rules_are_standard_and_name_a_field_and_a_remedy() -> None:
    rules = [rule for _, schema in walk(object_schema(), "") for rule in schema.get("x-kubernetes-validations", ())]
    assert len(rules) > 20
    for rule in rules:
        assert "oldSelf" not in rule["rule"]
        assert len(rule["message"]) > 40, rule
        assert set(rule) <= {"rule", "message", "fieldPath"}


@pytest.mark.parametrize("path", [path for path in NODES if "x-kubernetes-validations" in NODES[path]])
def test_rules_point_to_fields_that_exist(path: str) -> None:
    for rule in NODES[path]["x-kubernetes-validations"]:
        assert f"{path}{rule.get('fieldPath', '')}" in NODES


def test_a_union_has_no_structural_schema() -> None:
    from serinus_api.base import ApiModel

    class Either(ApiModel):
        both: int | str

    with pytest.raises(TypeError, match="a union has no structural schema"):
        structural_schema(Either)
