"""The chart's values: the defaults are valid, and a mistake is refused before anything reaches the cluster."""

import copy
import json
import re
from functools import reduce
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

CHART = Path(__file__).resolve().parents[3] / "charts" / "serinus"
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
DIGEST = "sha256:" + "0a" * 32

GOOD = {
    "two replicas": ("operator.replicas", 2),
    "namespaces": ("watchNamespaces", ["team-a", "team-b"]),
    "a repository with a registry and a port": ("image.runtime.repository", "registry.example:5000/serving/runtime"),
    "a digest": ("image.operator.digest", DIGEST),
    "an address among the hosts": ("downloads.allowHosts", ["minio.storage.svc", "10.0.0.7", "fd00::7"]),
    "downloads of a tebibyte": ("downloads.maxBytes", 1024**4),
    "values of a parent chart": ("global", {"anything": 1}),
    "a pull secret": ("imagePullSecrets", [{"name": "registry.creds"}]),
    "Recreate": ("operator.strategy", {"type": "Recreate", "rollingUpdate": None}),
    "a gateway": ("gateway.enabled", True),
    "CPU as a number": ("operator.resources.requests.cpu", 1),
}

BAD = {
    "an unknown value": ("gateways", {}, "gateways"),
    "an unknown value of the gateway": ("gateway.replica", 2, "replica"),
    "a gateway that never drains": ("gateway.drainSeconds", 0, "0"),
    "an unknown log level of the gateway": ("gateway.log.level", "TRACE", "TRACE"),
    "an unknown nested value": ("operator.replica", 2, "replica"),
    "a misspelt switch of the CRD": ("crds.enabled", True, "enabled"),
    "a word instead of a switch": ("crds.install", "yes", "yes"),
    "namespaces as one word": ("watchNamespaces", "team-a,team-b", "team-a,team-b"),
    "a pattern as namespace": ("watchNamespaces", ["team-*"], "team-*"),
    "a namespace with a comma": ("watchNamespaces", ["a,b"], "a,b"),
    "a namespace twice": ("watchNamespaces", ["a", "a"], "non-unique"),
    "a capital in a namespace": ("watchNamespaces", ["Team"], "Team"),
    "a negative number of replicas": ("operator.replicas", -1, "-1"),
    "replicas as text": ("operator.replicas", "2", "2"),
    "no workers": ("operator.workers", 0, "0"),
    "a resync that never rests": ("operator.resyncSeconds", 1, "1"),
    "an unknown log format": ("operator.log.format", "text", "text"),
    "an unknown log level": ("operator.log.level", "info", "info"),
    "a privileged port": ("operator.ports.health", 80, "80"),
    "a repository with a tag": ("image.operator.repository", "serinus-operator:latest", "serinus-operator:latest"),
    "a repository with a scheme": ("image.runtime.repository", "https://example.com/x", "https://example.com/x"),
    "a digest without its algorithm": ("image.runtime.digest", "0a" * 32, "0a0a"),
    "a short digest": ("image.runtime.digest", "sha256:0a", "sha256:0a"),
    "an unknown pull policy": ("image.runtime.pullPolicy", "Sometimes", "Sometimes"),
    "an address instead of a host": ("downloads.allowHosts", ["https://minio/"], "https://minio/"),
    "two hosts in one word": ("downloads.allowHosts", ["a,b"], "a,b"),
    "downloads of no size": ("downloads.maxBytes", 0, "0"),
    "a size with its unit": ("downloads.maxBytes", "2Gi", "2Gi"),
    "a pull secret as a word": ("imagePullSecrets", ["creds"], "creds"),
    "a malformed quantity": ("operator.resources.limits.memory", "512 MB", "512 MB"),
    "an unknown strategy": ("operator.strategy.type", "OnDelete", "OnDelete"),
    "a number as annotation": ("operator.podAnnotations", {"a": 1}, "1"),
    "a number as node label": ("operator.nodeSelector", {"a": True}, "True"),
    "an unknown effect": ("operator.tolerations", [{"effect": "Never"}], "Never"),
    "an unknown kind of affinity": ("operator.affinity", {"nodes": {}}, "nodes"),
    "an interval without its unit": ("metrics.serviceMonitor.interval", "30", "30"),
    "an empty peer": ("networkPolicy.metricsFrom", [{}], "{}"),
    "a service account's name with a slash": ("serviceAccount.name", "a/b", "a/b"),
    "a name with a dot": ("fullnameOverride", "my.serinus", "my.serinus"),
    "a name that leaves no room": ("fullnameOverride", "a" * 55, "aaa"),
    "no image at all": ("image", {}, "operator"),
}


def changed(path: str, value: object) -> dict[str, Any]:
    """The default values with one of them replaced, as Helm hands them to the schema."""
    values = copy.deepcopy(VALUES)
    *parents, last = path.split(".")
    reduce(lambda found, key: found[key], parents, values)[last] = value
    return values


def leaves(values: object, path: str = "") -> list[str]:
    """Paths of all values that hold no further ones."""
    if not isinstance(values, dict) or not values:
        return [path]
    return [leaf for key, value in values.items() for leaf in leaves(value, f"{path}.{key}".lstrip("."))]


def objects(schema: object) -> list[dict[str, Any]]:
    """All parts of the schema that list properties."""
    if isinstance(schema, list):
        return [found for item in schema for found in objects(item)]
    if not isinstance(schema, dict):
        return []
    mine = [schema] if isinstance(schema.get("properties"), dict) else []
    return mine + [found for item in schema.values() for found in objects(item)]


def test_schema_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_defaults_are_valid() -> None:
    jsonschema.validate(VALUES, SCHEMA)


def test_every_object_refuses_what_it_does_not_list() -> None:
    assert [part for part in objects(SCHEMA) if part.get("additionalProperties") is not False] == []


@pytest.mark.parametrize(("path", "value"), GOOD.values(), ids=GOOD)
def test_good_value_is_accepted(path: str, value: object) -> None:
    jsonschema.validate(changed(path, value), SCHEMA)


@pytest.mark.parametrize(("path", "value", "named"), BAD.values(), ids=BAD)
def test_bad_value_is_refused_by_name(path: str, value: object, named: str) -> None:
    with pytest.raises(jsonschema.ValidationError) as refused:
        jsonschema.validate(changed(path, value), SCHEMA)
    assert named in refused.value.message


@pytest.mark.parametrize("path", leaves(VALUES))
def test_every_value_is_in_the_readme(path: str) -> None:
    assert re.search(rf"`{re.escape(path)}`", (CHART / "README.md").read_text())
