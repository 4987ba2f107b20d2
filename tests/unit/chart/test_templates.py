"""What the templates show without Helm: the operator is told what it reads, and is granted no more."""

import re
import tomllib
from pathlib import Path

import yaml

from serinus_api import gateway, names
from serinus_api.runtime import ModelSource
from serinus_gateway.settings import Settings as GatewaySettings
from serinus_operator.cluster.port import CHILDREN, CONFIG_MAP, EVENT, MODEL_DEPLOYMENT, ROUTING, SCALERS
from serinus_operator.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "charts" / "serinus"
TEMPLATES = CHART / "templates"
HELPERS = (TEMPLATES / "_helpers.tpl").read_text()


def variables(text: str) -> set[str]:
    return set(re.findall(r"\bSERINUS_[A-Z_]+[A-Z]\b", text))


def rules(name: str = "rules") -> dict[str, list[str]]:
    """Resource with its group → verbs, from the rules of the operator (or `gatewayRules`) in the helpers."""
    text = HELPERS.split(f'define "serinus.{name}" -}}}}')[1].split("{{- end -}}")[0]
    parsed = yaml.safe_load(text)
    assert all(len(rule["apiGroups"]) == len(rule["resources"]) == 1 for rule in parsed)
    pairs = [(f"{r['resources'][0]}.{r['apiGroups'][0]}".rstrip("."), r["verbs"]) for r in parsed]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def test_chart_sets_every_variable_that_the_operator_reads() -> None:
    read = variables((ROOT / "operator" / "serinus_operator" / "settings.py").read_text())
    assert variables((TEMPLATES / "deployment.yaml").read_text()) == read


def test_defaults_of_chart_and_operator_agree() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    told = Settings.from_environment({"SERINUS_RUNTIME_IMAGE": "serinus-runtime"})
    assert values["operator"]["workers"] == told.workers
    assert values["operator"]["resyncSeconds"] == told.resync_seconds
    assert values["operator"]["log"] == {"format": told.log_format, "level": told.log_level}
    assert values["operator"]["ports"] == {"health": told.health_port, "metrics": told.metrics_port}
    assert values["downloads"]["maxBytes"] == told.max_download_bytes == ModelSource(uri="https://a/b").max_bytes
    assert values["image"]["runtime"]["pullPolicy"] == told.runtime_image_pull_policy


def test_chart_is_of_the_same_version_as_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == project["version"]


def test_operator_understands_the_labels_as_the_chart_writes_them() -> None:
    told = "app.kubernetes.io/component=operator,app.kubernetes.io/instance=serinus"
    read = Settings.from_environment({"SERINUS_RUNTIME_IMAGE": "x", "SERINUS_OPERATOR_POD_LABELS": told})
    assert read.operator_pod_labels == {
        "app.kubernetes.io/component": "operator",
        "app.kubernetes.io/instance": "serinus",
    }


def test_rights_cover_the_kinds_that_the_operator_knows_and_no_others() -> None:
    plain = {resource for resource in rules() if "/" not in resource}
    assert plain == {kind.resource for kind in (*CHILDREN, *SCALERS, *ROUTING, MODEL_DEPLOYMENT, CONFIG_MAP, EVENT)}
    assert {resource for resource in rules() if "/" in resource} == {
        "deployments/scale.apps",
        f"{names.PLURAL}/status.{names.GROUP}",
    }


def test_what_is_watched_can_be_listed_and_watched() -> None:
    granted = rules()
    assert all({"list", "watch"} <= set(granted[kind.resource]) for kind in (*CHILDREN, MODEL_DEPLOYMENT))


def test_chart_sets_what_the_gateway_reads_but_for_what_only_tests_change() -> None:
    read = variables((ROOT / "serving" / "serinus_gateway" / "settings.py").read_text())
    told = HELPERS.split('define "serinus.gatewayEnvironment" -}}')[1].split("{{- end -}}")[0]
    fixed = {f"SERINUS_{name}" for name in ("AGENT_HOST", "LISTEN_HOST")}
    ports = {f"SERINUS_{name}_PORT" for name in ("AGENT", "CHECK", "ADMIN", "HEALTH")}
    assert variables(told) == read - fixed - ports


def test_defaults_of_chart_and_gateway_agree() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())["gateway"]
    told = GatewaySettings.from_environment({})
    assert values["maxPendingRequests"] == told.max_pending
    assert values["connectionSeconds"] == told.connection_seconds
    assert values["drainSeconds"] == told.drain_seconds
    assert values["log"] == {"format": told.log_format, "level": told.log_level}
    template = (TEMPLATES / "gateway.yaml").read_text()
    ports = {int(port) for port in re.findall(r"containerPort: (\d+)", template)}
    assert ports == {gateway.AGENT_PORT, gateway.ENVOY_HEALTH_PORT}
    assert f"port: {gateway.FIRST_MODEL_PORT}\n          endPort: {gateway.LAST_MODEL_PORT}\n" in template


def test_gateway_only_looks_and_wakes() -> None:
    look = ["list", "watch"]
    assert rules("gatewayRules") == {
        MODEL_DEPLOYMENT.resource: look,
        "pods": look,
        "endpointslices.discovery.k8s.io": look,
        "deployments/scale.apps": ["get", "patch"],
    }


def test_no_wildcard_no_secrets_no_way_to_more_rights() -> None:
    for name in ("_helpers.tpl", "rbac.yaml", "gateway-rbac.yaml", "user-roles.yaml"):
        lines = (TEMPLATES / name).read_text().splitlines()
        granting = "\n".join(line for line in lines if re.match(r"\s*(- )?(apiGroups|resources|verbs):", line))
        assert not re.search(r"\*|secrets|escalate|bind\b|impersonate|roles|/exec|/attach|/proxy|/token", granting)


def test_models_and_config_maps_cannot_be_changed() -> None:
    granted = rules()
    assert granted[MODEL_DEPLOYMENT.resource] == ["list", "watch"]
    assert granted[CONFIG_MAP.resource] == ["get", "create"]


def test_crd_has_the_place_where_the_chart_puts_its_annotation() -> None:
    place = f"metadata:\n  name: {names.PLURAL}.{names.GROUP}\n"
    assert (CHART / "files" / "crd.yaml").read_text().count(place) == 1
    assert place.replace("\n", "\\n") in (TEMPLATES / "crd.yaml").read_text()
