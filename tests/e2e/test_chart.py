"""The chart as Helm renders it: lint, goldens of its modes, and what it refuses. Needs Helm, not the cluster's state.

The CRD is left out of the goldens, since it is a generated file; a test of its own looks at how the chart ships it.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from dev.cluster import api

CHART = Path(__file__).resolve().parents[2] / "charts" / "serinus"
GOLDEN = Path(__file__).parent / "golden" / "chart"
CRD = "CustomResourceDefinition"
GRANTS = ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
DIGEST = "sha256:" + "0a" * 32

CASES: dict[str, dict[str, Any]] = {
    "default": {},
    "namespaced": {"watchNamespaces": ["team-a", "team-b"], "crds": {"install": False}},
    "two-replicas": {"operator": {"replicas": 2}},
    "everything": {
        "fullnameOverride": "canary",
        "image": {
            "operator": {"repository": "registry.example/serinus/operator", "digest": DIGEST},
            "runtime": {"repository": "registry.example/serinus/runtime", "tag": "1.2.3", "pullPolicy": "Always"},
        },
        "imagePullSecrets": [{"name": "registry"}],
        "downloads": {"allowHosts": ["minio.storage.svc", "10.0.0.7"], "maxBytes": 8589934592},
        "operator": {
            "replicas": 2,
            "workers": 8,
            "resyncSeconds": 120,
            "log": {"format": "console", "level": "DEBUG"},
            "ports": {"health": 18080, "metrics": 19090},
            "resources": {"limits": {"memory": "1Gi"}},
            "strategy": {"type": "Recreate"},
            "podLabels": {"team": "ml", "app.kubernetes.io/component": "not-this-one"},
            "podAnnotations": {"example.com/note": "1"},
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [{"key": "ml", "operator": "Exists", "effect": "NoSchedule"}],
            "affinity": {"nodeAffinity": {}},
            "topologySpreadConstraints": [
                {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}
            ],
            "priorityClassName": "system-cluster-critical",
        },
        "serviceAccount": {"name": "serinus", "annotations": {"example.com/role": "none"}},
        "rbac": {"userRoles": False},
        "metrics": {
            "serviceMonitor": {"enabled": True, "interval": "15s", "labels": {"release": "prometheus"}},
            "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
        },
        "networkPolicy": {
            "enabled": True,
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        },
    },
    "gateway": {"gateway": {"enabled": True}, "networkPolicy": {"enabled": True}},
    "namespaced-gateway": {
        "watchNamespaces": ["team-a"],
        "gateway": {
            "enabled": True,
            "replicas": 1,
            "admissionPolicy": False,
            "drainSeconds": 300,
            "podLabels": {"team": "ml", "app.kubernetes.io/component": "not-this-one"},
            "serviceAccount": {"name": "holder"},
            "priorityClassName": "system-cluster-critical",
        },
    },
    "nothing-granted": {"rbac": {"create": False}, "serviceAccount": {"create": False}},
}

REFUSED = {
    "a value that does not exist": ({"operator": {"replica": 2}}, "replica"),
    "two ports that are one": ({"operator": {"ports": {"health": 9090}}}, "must differ"),
    "a namespace that is a pattern": ({"watchNamespaces": ["team-*"]}, "watchNamespaces"),
}


def helm(*arguments: str, values: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    command = [str(api.tools().helm), *arguments, "--values", "-"]
    return subprocess.run(
        command, input=yaml.safe_dump(values or {}), capture_output=True, text=True, timeout=60, check=False
    )


def render(values: dict[str, Any], *, release: str = "serinus", namespace: str = "serinus-system") -> str:
    """All that Helm would install, as text in its order."""
    done = helm("template", release, str(CHART), "--namespace", namespace, values=values)
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(text: str) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(text) if document]


def without_crd(text: str) -> str:
    documents = text.removeprefix("---\n").split("\n---\n")
    kept = [document.strip("\n") for document in documents if f"\nkind: {CRD}\n" not in document]
    return "---\n" + "\n---\n".join(kept) + "\n"


@pytest.mark.parametrize("values", CASES.values(), ids=CASES)
def test_lint_finds_nothing(values: dict[str, Any]) -> None:
    done = helm("lint", "--strict", str(CHART), values=values)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES)
def test_chart_renders_as_agreed(case: str, update_golden: bool) -> None:
    text, file = without_crd(render(CASES[case])), GOLDEN / f"{case}.yaml"
    if update_golden:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert text == file.read_text()


@pytest.mark.parametrize("case", CASES)
def test_all_objects_carry_the_common_labels(case: str) -> None:
    for manifest in objects(render(CASES[case])):
        labels = manifest["metadata"]["labels"]
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert labels["app.kubernetes.io/part-of"] == "serinus"
        assert labels["helm.sh/chart"] == "serinus-0.1.0"


def test_selectors_find_the_pods_whatever_labels_are_added() -> None:
    found = objects(render(CASES["everything"]))
    deployment = next(m for m in found if m["kind"] == "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"].items()
    budget = next(m for m in found if m["kind"] == "PodDisruptionBudget")
    service = next(m for m in found if m["kind"] == "Service")
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels
    assert budget["spec"]["selector"]["matchLabels"].items() <= labels
    assert service["spec"]["selector"].items() <= labels
    told = {e["name"]: e.get("value", "") for e in deployment["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert dict(word.split("=") for word in told["SERINUS_OPERATOR_POD_LABELS"].split(",")).items() <= labels


def test_crd_is_shipped_as_generated_and_outlives_the_release() -> None:
    shipped = next(m for m in objects(render({})) if m["kind"] == CRD)
    generated = yaml.safe_load((CHART / "files" / "crd.yaml").read_text())
    assert shipped["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert shipped["metadata"].pop("labels")["app.kubernetes.io/managed-by"] == "Helm"
    assert shipped == generated


def test_second_release_brings_no_crd() -> None:
    assert CRD not in {m["kind"] for m in objects(render({"crds": {"install": False}}))}


def test_namespaced_mode_grants_nothing_in_the_cluster() -> None:
    found = [m for m in objects(render(CASES["namespaced"])) if m["kind"] in GRANTS]
    assert {m["kind"] for m in found} == {"Role", "RoleBinding"}
    assert {m["metadata"]["namespace"] for m in found} == {"team-a", "team-b", "serinus-system"}
    home = next(m for m in found if m["kind"] == "Role" and m["metadata"]["namespace"] == "serinus-system")
    assert {resource for rule in home["rules"] for resource in rule["resources"]} == {"leases"}


def test_both_modes_grant_the_same_rules() -> None:
    everywhere = next(
        m for m in objects(render({})) if m["kind"] == "ClusterRole" and m["metadata"]["name"] == "serinus-operator"
    )
    team = next(m for m in objects(render(CASES["namespaced"])) if m["metadata"].get("namespace") == "team-a")
    assert team["rules"] == everywhere["rules"]


def test_the_longest_release_name_fits() -> None:
    for manifest in objects(render({}, release="r" * 53)):
        limit = 63 if manifest["kind"] in ("Service", "Deployment", "ServiceAccount") else 253
        assert len(manifest["metadata"]["name"]) <= limit


def test_releases_of_one_namespace_have_leases_of_their_own() -> None:
    def lease(release: str) -> str:
        deployment = next(m for m in objects(render({}, release=release)) if m["kind"] == "Deployment")
        env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
        return str(next(e["value"] for e in env if e["name"] == "SERINUS_LEASE_NAME"))

    assert len({lease("serinus"), lease("blue"), lease("r" * 53), lease("r" * 52 + "s")}) == 4


@pytest.mark.parametrize(("values", "named"), REFUSED.values(), ids=REFUSED)
def test_mistake_is_refused_by_name(values: dict[str, Any], named: str) -> None:
    done = helm("template", "serinus", str(CHART), values=values)
    assert done.returncode != 0
    assert named in done.stderr


def test_kubernetes_that_is_too_old_is_refused() -> None:
    done = helm("template", "serinus", str(CHART), "--kube-version", "1.29.9")
    assert "1.30.0" in done.stderr
    assert helm("template", "serinus", str(CHART), "--kube-version", "1.30.0").returncode == 0


def test_chart_packs_without_a_stray_file(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(api.tools().helm), "package", str(CHART), "--destination", str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shutil.unpack_archive(next(tmp_path.glob("*.tgz")), tmp_path / "out", filter="data")
    packed = {str(p.relative_to(tmp_path / "out" / "serinus")) for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert {p for p in packed if not p.startswith("templates/")} == {
        "Chart.yaml",
        "README.md",
        "files/alerts.yaml",
        "files/crd.yaml",
        "values.schema.json",
        "values.yaml",
        ".helmignore",
    }
