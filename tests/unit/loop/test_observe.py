"""From manifests to what a decision may look at."""

import base64
from typing import Any

import pytest
from tests.fakes.world import model

from serinus_api.conditions import Reason
from serinus_operator.observe import config_map_source, read_subject, workload_state
from serinus_operator.state import SourceState, Verdict

EMPTY_DIGEST = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_bytes_and_text_of_a_config_map_are_read() -> None:
    binary = config_map_source({"binaryData": {"k": base64.b64encode(b"\x00\xff").decode()}}, "m", "k")
    assert binary.data == b"\x00\xff"
    text = config_map_source({"data": {"k": "Zoë"}}, "m", "k")
    assert text.data == "Zoë".encode()
    assert text.digest != binary.digest
    assert config_map_source({"data": {"k": ""}}, "m", "k") == SourceState(digest=EMPTY_DIGEST, data=b"")


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (None, "ConfigMap m does not exist in this namespace"),
        ({}, "ConfigMap m has no key k (it has: none)"),
        ({"data": {"b": "", "a": ""}, "binaryData": {"c": ""}}, "ConfigMap m has no key k (it has: a, b, c)"),
    ],
)
def test_what_is_missing_is_named(manifest: dict[str, Any] | None, words: str) -> None:
    assert config_map_source(manifest, "m", "k") == SourceState(problem=Verdict(Reason.NOT_FOUND, words))


def deployment(status: dict[str, Any]) -> dict[str, Any]:
    meta = {"name": "iris-1", "uid": "u", "generation": 2}
    return {"metadata": {**meta, "resourceVersion": "1"}, "spec": {"replicas": 3}, "status": status}


@pytest.mark.parametrize(
    ("status", "ready", "updated"),
    [({}, 0, False), ({"observedGeneration": 1, "readyReplicas": 3}, 3, False), ({"observedGeneration": 2}, 0, True)],
    ids=["just made", "its controller has not seen the change", "seen"],
)
def test_deployment_counts_once_its_controller_has_seen_it(status: dict[str, Any], ready: int, updated: bool) -> None:
    state = workload_state(deployment(status), [])
    assert (state.replicas, state.ready, state.updated, state.problem) == (3, ready, updated, None)


def test_words_of_the_deployment_controller_are_kept() -> None:
    failed = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}
    over = {"type": "ReplicaFailure", "status": "False", "message": "exceeded quota"}
    state = workload_state(deployment({"conditions": [{"type": "Available", "status": "True"}, failed]}), [])
    assert state.problem == Verdict(Reason.PODS_REFUSED, "exceeded quota")
    assert workload_state(deployment({"conditions": [over]}), []).problem is None


def test_pods_of_other_revisions_are_not_counted() -> None:
    pods = [
        {"metadata": {"name": f"p-{revision}", "uid": revision, "labels": {"serinus.dev/revision": revision}}}
        for revision in ("iris-1", "iris-2")
    ]
    assert [pod.name for pod in workload_state(deployment({}), pods).pods] == ["p-iris-1"]


def test_subject_is_what_the_api_server_holds() -> None:
    manifest = model()
    manifest["metadata"] |= {"uid": "u", "generation": 4, "resourceVersion": "9", "annotations": {"a": "b"}}
    subject = read_subject(manifest)
    assert (subject.namespace, subject.name, subject.uid) == ("ml", "iris", "u")
    assert (subject.generation, subject.resource_version, subject.annotations) == (4, "9", {"a": "b"})
    assert subject.spec.replicas == 2
