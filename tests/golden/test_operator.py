"""A ModelDeployment and a small decision in, all manifests out.

`input.yaml` holds the ModelDeployment as the API server keeps it (`model`), for an update the spec that serves now
(`stable`), and the decision in words: which revisions run (`new`, `stable`), which one takes the traffic (`entry`) and
is stable (`serves`), whether a record, a copy of the model and a preflight pod are to be made, the digest of the
golden requests that were read (`golden`), and the percentage that an HTTPRoute gives to the new one (`split`).
`features` are those of the Gateway's class. `make golden` writes `expected.yaml`: read the diff.
"""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.fakes.defaults import defaulted
from tests.golden.pod_security import pods_of, violations

from serinus_api import names
from serinus_api.admission import judge
from serinus_api.conditions import Reason
from serinus_api.v1alpha1 import ModelDeployment, ModelDeploymentSpec, spec_hash
from serinus_operator.cluster.port import kind_of
from serinus_operator.decide.validation import asked_of
from serinus_operator.observe import read_subject
from serinus_operator.places import RouteLook
from serinus_operator.render import render
from serinus_operator.render.record import read_record, record_manifest
from serinus_operator.state import (
    Copy,
    Decision,
    Health,
    Manifest,
    Memory,
    Observation,
    PreflightIntent,
    RecordIntent,
    RenderOptions,
    RevisionRecord,
    SourceState,
    Split,
    Subject,
    Verdict,
)

FOLDER = Path(__file__).parent / "operator"
CASES = sorted(path.name for path in FOLDER.iterdir())
IMAGE = "registry.example/serinus-runtime:1.2.3"
OPTIONS = RenderOptions(
    allow_hosts=("minio.storage:9000",),
    operator_namespace="serinus-system",
    operator_labels={"app.kubernetes.io/name": "serinus-operator"},
    gateway_labels={"app.kubernetes.io/name": "serinus-gateway"},
)


def case(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / name / "input.yaml").read_text(encoding="utf-8"))


def subject_of(given: dict[str, Any]) -> Subject:
    stored, refused = judge(given["model"])
    assert not refused, refused
    stored["metadata"] |= {"uid": "11111111-2222-3333-4444-555555555555", "generation": 1, "resourceVersion": "100"}
    return read_subject(stored)


def record_of(subject: Subject, digest: str, number: int) -> tuple[RecordIntent, RevisionRecord]:
    shape = spec_hash(subject.spec)
    name = names.revision_name(subject.name, shape, digest)
    intent = RecordIntent(name, number, shape, digest, subject.spec.runtime.image or IMAGE)
    manifest = record_manifest(subject, intent, OPTIONS)
    manifest["metadata"]["uid"] = f"record-{number}"
    return intent, read_record(manifest)


def rendered(given: dict[str, Any]) -> tuple[Manifest, ...]:
    subject, wish, digest = subject_of(given), given["decision"], given["digest"]
    records: dict[str, RevisionRecord] = {}
    revisions: dict[str, str] = {}
    if "stable" in given:
        before = {**given["model"], "spec": given["stable"]["spec"]}
        _, record = record_of(subject_of({"model": before}), given["stable"]["digest"], 1)
        records[record.name], revisions["stable"] = record, record.name
    intent, record = record_of(subject, digest, len(records) + 1)
    records[record.name], revisions["new"] = record, record.name
    attempt = names.preflight_name(subject.name, intent.spec_hash, 1)
    copied = wish.get("copy")
    serves = {"stable_revision": revisions[wish["serves"]]} if "serves" in wish else {}
    decision = Decision(
        status=subject.status.model_copy(update=serves),
        memory=Memory(),
        health=Health.WORKING,
        verdict=Verdict(Reason.RECONCILING, "golden"),
        replicas=wish.get("replicas", 1),
        running=tuple(revisions[word] for word in wish.get("running", ())),
        entry=revisions[wish["entry"]] if "entry" in wish else None,
        split=Split(revisions["new"], wish["split"]) if "split" in wish else None,
        record=intent if wish.get("record") else None,
        copy=Copy(record.name, copied["key"], copied["data"].encode()) if copied else None,
        preflight=PreflightIntent(
            attempt,
            record.name if copied else None,
            intent.image,
            wish.get("pinned") and digest,
            asked_of(subject, SourceState(digest=wish.get("golden"))).validation,
        )
        if wish.get("preflight")
        else None,
    )
    features = frozenset(given["features"]) if "features" in given else None
    route = RouteLook(parent=("infra", "public"), features=features)
    observation = Observation(
        records=records, workloads={}, preflight=None, entry_revision=None, source=None, route=route
    )
    return render(subject, decision, observation, OPTIONS)


@pytest.mark.parametrize("name", CASES)
def test_manifests_are_those_of_the_golden_file(name: str, update_golden: bool) -> None:
    golden = FOLDER / name / "expected.yaml"
    text = yaml.safe_dump_all(rendered(case(name)), sort_keys=False, allow_unicode=True, width=120)
    if update_golden:
        golden.write_text(text, encoding="utf-8")
    assert golden.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", CASES)
def test_every_pod_passes_the_restricted_policy(name: str) -> None:
    pods = [pod for manifest in rendered(case(name)) for pod in pods_of(manifest)]
    assert pods
    assert [violations(pod) for pod in pods] == [[] for _ in pods]


@pytest.mark.parametrize("name", CASES)
def test_every_manifest_is_a_child(name: str) -> None:
    for manifest in rendered(case(name)):
        meta = manifest["metadata"]
        assert kind_of(manifest).api_version == manifest["apiVersion"]
        assert meta["namespace"] == "ml"
        assert len(meta["name"]) <= 63
        assert meta["labels"][names.LABEL_MANAGED_BY] == names.MANAGED_BY
        assert [(o["controller"], o["blockOwnerDeletion"]) for o in meta["ownerReferences"]] == [(True, False)]
        assert all(len(value) <= 63 for value in meta["labels"].values())


@pytest.mark.parametrize("name", CASES)
def test_rendering_twice_gives_the_same_and_changes_nothing(name: str) -> None:
    given = case(name)
    before = copy.deepcopy(given)
    assert rendered(given) == rendered(given)
    assert given == before


def test_selectors_never_match_a_preflight_pod() -> None:
    for name in CASES:
        manifests = rendered(case(name))
        pods = [m["metadata"]["labels"] for m in manifests if m["kind"] == "Pod"]
        selectors = [m["spec"]["selector"] for m in manifests if m["kind"] == "Service"]
        selectors += [m["spec"]["selector"]["matchLabels"] for m in manifests if m["kind"] == "Deployment"]
        assert selectors
        assert all(selector[names.LABEL_ROLE] == names.ROLE_SERVING for selector in selectors)
        assert not any(selector.items() <= labels.items() for selector in selectors for labels in pods)


def test_routes_bear_every_default_of_the_gateway_api() -> None:
    routes = [m for name in CASES for m in rendered(case(name)) if m["kind"] == "HTTPRoute"]
    assert len(routes) > 1
    assert [defaulted(route) for route in routes] == routes


def test_template_of_a_revision_does_not_depend_on_the_rest_of_the_spec() -> None:
    """Size, rollout and deadline of patience may change without another template."""
    given = case("minimal")
    _, before = record_of(subject_of(given), given["digest"], 1)
    given["model"]["spec"] |= {"replicas": 9, "rollout": {"revisionHistoryLimit": 1}}
    _, after = record_of(subject_of(given), given["digest"], 1)
    assert after == before


GOOD = {
    "automountServiceAccountToken": False,
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "volumes": [{"name": "tmp", "emptyDir": {}}],
    "containers": [
        {
            "name": "runtime",
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            },
        }
    ],
}
BREACHES: list[tuple[str, str, Any, str]] = [
    ("pod", "hostNetwork", True, "hostNetwork is set"),
    ("pod", "hostPID", True, "hostPID is set"),
    ("pod", "automountServiceAccountToken", None, "token is mounted"),
    ("pod", "volumes", [{"name": "host", "hostPath": {"path": "/"}}], "volume host is no allowed kind"),
    ("shared", "runAsNonRoot", None, "may run as root"),
    ("shared", "runAsUser", 0, "runs as root"),
    ("shared", "seccompProfile", {"type": "Unconfined"}, "no seccomp profile"),
    ("own", "allowPrivilegeEscalation", True, "may gain privileges"),
    ("own", "capabilities", {"drop": ["NET_RAW"]}, "keeps capabilities"),
    ("own", "capabilities", {"drop": ["ALL"], "add": ["SYS_ADMIN"]}, "adds capabilities"),
    ("own", "privileged", True, "is privileged"),
    ("own", "readOnlyRootFilesystem", False, "writable root"),
    ("own", "runAsNonRoot", False, "may run as root"),
    ("container", "ports", [{"hostPort": 80}], "port of the node"),
]


@pytest.mark.parametrize(("where", "field", "value", "words"), BREACHES, ids=[f"{b[1]}: {b[3]}" for b in BREACHES])
def test_judge_of_pods_sees_each_breach(where: str, field: str, value: Any, words: str) -> None:
    pod = copy.deepcopy(GOOD)
    assert violations(pod) == []
    container = pod["containers"][0]
    place = {"pod": pod, "shared": pod["securityContext"], "own": container["securityContext"], "container": container}
    place[where][field] = value
    assert any(words in violation for violation in violations(pod))


def test_models_of_the_cases_are_what_a_user_writes() -> None:
    for name in CASES:
        assert isinstance(ModelDeployment.model_validate(case(name)["model"]).spec, ModelDeploymentSpec)
