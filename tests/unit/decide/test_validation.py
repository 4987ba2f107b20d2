"""What a preflight is asked, under which key, and when another key makes a difference."""

from typing import Any

import pytest
from tests.unit.decide.subjects import DIGEST, OTHER, observation, record, resolution, revision, spec, subject

from serinus_api.conditions import Reason
from serinus_api.golden import golden_digest
from serinus_api.v1alpha1 import ModelDeploymentStatus, RejectedSpec, ResolutionPhase, spec_hash
from serinus_operator.decide.validation import asked_of, asks_otherwise, golden_state, reads_golden
from serinus_operator.state import SourceState, Subject, Verdict

GOLDEN = {"golden": {"configMapRef": {"name": "iris-golden"}}}
HERE, THERE = SourceState(digest=DIGEST), SourceState(digest=OTHER)
GONE = SourceState(problem=Verdict(Reason.GOLDEN_UNAVAILABLE, "gone"))


def asking(status: ModelDeploymentStatus | None = None, **validation: Any) -> Subject:
    return subject(spec(validation=validation), status)


@pytest.mark.parametrize("validation", [None, {}, {"allowSignatureChange": False}], ids=["none", "empty", "off"])
def test_nothing_asked_is_nothing(validation: Any) -> None:
    about = subject(spec(**({} if validation is None else {"validation": validation})))
    asked = asked_of(about, None)
    assert (asked.validation, asked.missing, asked.key) == (None, None, None)


def test_all_that_is_asked_is_told_in_the_runtimes_units() -> None:
    asked = asked_of(asking(**GOLDEN, maxLatencyP95Milliseconds=50, maxMemory="400Mi"), HERE).validation
    assert asked
    assert (asked.golden_name, asked.golden_digest) == ("iris-golden", DIGEST)
    assert (asked.max_latency_p95_milliseconds, asked.max_memory_bytes) == (50, 400 * 2**20)


def test_each_other_question_has_another_key() -> None:
    keys = {
        asked_of(about, golden).key
        for about, golden in [
            (asking(maxMemory="1Gi"), None),
            (asking(maxMemory="2Gi"), None),
            (asking(maxLatencyP95Milliseconds=5), None),
            (asking(allowSignatureChange=True), None),
            (asking(**GOLDEN), HERE),
            (asking(**GOLDEN), THERE),
        ]
    }
    assert len(keys) == 6
    assert None not in keys
    assert asked_of(asking(**GOLDEN), HERE).key == asked_of(asking(**GOLDEN), HERE).key


def test_golden_requests_that_are_not_there_are_missing() -> None:
    assert asked_of(asking(**GOLDEN), GONE).missing == GONE.problem
    unread = asked_of(asking(**GOLDEN), None)
    assert unread.missing
    assert unread.missing.reason is Reason.GOLDEN_UNAVAILABLE


def test_config_map_is_read_as_the_kubelet_mounts_it() -> None:
    manifest = {"data": {"a.json": "text"}, "binaryData": {"b.json": "AAE="}}
    assert golden_state(manifest, "g").digest == golden_digest({"a.json": b"text", "b.json": b"\0\1"})


@pytest.mark.parametrize(
    ("manifest", "words"),
    [(None, "ConfigMap g with the golden requests does not exist in this namespace"), ({}, "has no keys")],
    ids=["absent", "empty"],
)
def test_config_map_without_golden_requests_is_waited_for(manifest: Any, words: str) -> None:
    problem = golden_state(manifest, "g").problem
    assert problem
    assert problem.reason is Reason.GOLDEN_UNAVAILABLE
    assert words in problem.message


def refusal(reason: Reason, about: Subject, golden: SourceState | None, **more: Any) -> RejectedSpec:
    known = {"validation": asked_of(about, golden).key, "reason": reason, "at": "2026-05-01T09:00:00Z", **more}
    return RejectedSpec(spec_hash=spec_hash(about.spec), **known)


def test_refusal_is_looked_at_again_when_something_else_is_asked() -> None:
    before = asking(**GOLDEN)
    refused = refusal(Reason.GOLDEN_MISMATCH, before, HERE)
    assert not asks_otherwise(refused, before, observation(golden=HERE))
    assert asks_otherwise(refused, before, observation(golden=THERE))
    assert asks_otherwise(refused, subject(spec()), observation())
    assert not asks_otherwise(refused, before, observation(golden=GONE)), "there is nothing to try it with"
    assert not asks_otherwise(refused, before, observation()), "nobody looked"


def test_refusal_that_does_not_rest_on_what_was_asked_stays() -> None:
    load_failed = refusal(Reason.LOAD_FAILED, asking(**GOLDEN), HERE)
    assert not asks_otherwise(load_failed, asking(**GOLDEN), observation(golden=THERE))
    later = refusal(Reason.OUT_OF_MEMORY, asking(**GOLDEN), HERE, revision=revision())
    assert not asks_otherwise(later, asking(**GOLDEN), observation(golden=THERE)), "its serving pods ran out of it"


def test_golden_requests_are_read_only_while_they_matter() -> None:
    about = spec(validation=GOLDEN)

    def at(phase: ResolutionPhase | None, given: Any = about) -> Subject:
        return subject(given, ModelDeploymentStatus(resolution=resolution(phase, about) if phase else None))

    assert reads_golden(at(None), {})
    assert reads_golden(at(ResolutionPhase.RESOLVING), {})
    assert reads_golden(at(ResolutionPhase.PREFLIGHT), {})
    assert not reads_golden(at(ResolutionPhase.PROVISIONING), {})
    assert not reads_golden(at(None, spec(validation={"maxMemory": "1Gi"})), {})
    assert not reads_golden(at(None, spec(validation=GOLDEN, paused=True)), {})
    settled = record(given=about)
    stable = ModelDeploymentStatus(stable_revision=settled.name)
    assert not reads_golden(subject(about, stable), {settled.name: settled})
