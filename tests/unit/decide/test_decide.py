"""The classification: which of the six cases a ModelDeployment is in."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.decide.subjects import (
    OTHER,
    at,
    listed,
    observation,
    record,
    resolution,
    revision,
    spec,
    subject,
    workload,
)

from serinus_api.conditions import ConditionType, Reason
from serinus_api.v1alpha1 import ModelDeploymentStatus, RejectedSpec, ResolutionPhase, spec_hash
from serinus_operator.decide import decide
from serinus_operator.state import Decision, Health, Memory, SourceLook, SourceState, Subject, Verdict

S = revision()
STABLE = ModelDeploymentStatus(stable_revision=S, revisions=(listed(S),))
SEEN: dict[str, Any] = {"records": {S: record()}, "workloads": {S: workload()}, "entry_revision": S}
MAP = spec(model={"uri": "configmap://iris/model.onnx"})


def decided(given: Subject, seen: Any = None, memory: Memory | None = None, now: float = 0.0) -> Decision:
    return decide(given, seen or observation(), memory or Memory(), at(now), default_image="runtime:default")


def rejected(given: Any, **more: Any) -> RejectedSpec:
    fields = {"spec_hash": spec_hash(given), "reason": "LoadFailed", "message": "bad", "at": "2026-05-01T09:00:00Z"}
    return RejectedSpec(**{**fields, **more})


def test_settled_revision_is_kept_and_looked_at_no_more() -> None:
    decision = decided(subject(status=STABLE), observation(**SEEN))
    assert (decision.health, decision.verdict.reason) == (Health.SETTLED, Reason.READY)
    assert (decision.running, decision.entry, decision.replicas) == ((S,), S, 2)
    assert decision.requeue_seconds is None
    assert decision.memory == Memory()


@pytest.mark.parametrize(("size", "words"), [(1, "serves with 1 replica"), (2, "serves with 2 replicas")])
def test_size_that_serves_is_told_in_the_right_number(size: int, words: str) -> None:
    seen = observation(**{**SEEN, "workloads": {S: workload(size, size)}})
    assert decided(subject(spec(replicas=size), STABLE), seen).verdict.message.endswith(words)


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"workloads": {}}, "0 of 2 replicas"),
        ({"workloads": {S: workload(1)}}, "1 of 2 replicas"),
        ({"workloads": {S: workload(3, 3)}}, "3 of 2 replicas"),
        ({"workloads": {S: workload(updated=False)}}, "2 of 2 replicas"),
        ({"entry_revision": None}, "Service iris does not lead to"),
        ({"entry_revision": "iris-old"}, "Service iris does not lead to"),
    ],
    ids=["no Deployment", "one short", "one too many", "not seen by its controller", "no Service", "before the flip"],
)
def test_ready_is_not_claimed_before_it_is_true(known: dict[str, Any], words: str) -> None:
    decision = decided(subject(status=STABLE), observation(**{**SEEN, **known}))
    assert decision.health is Health.WORKING
    assert words in decision.verdict.message
    assert decision.requeue_seconds is not None


def test_settled_model_that_is_short_of_pods_stalls_at_the_deadline() -> None:
    seen = observation(**{**SEEN, "workloads": {S: workload(1)}})
    first = decided(subject(status=STABLE), seen, now=0.0)
    assert decided(subject(status=STABLE), seen, first.memory, 599.0).health is Health.WORKING
    assert decided(subject(status=STABLE), seen, first.memory, 600.0).health is Health.STALLED


def test_paused_model_is_left_as_it_is() -> None:
    status = STABLE.model_copy(update={"candidate_revision": "iris-new"})
    decision = decided(subject(spec(paused=True), status), observation(**SEEN))
    assert (decision.health, decision.verdict.reason, decision.frozen) == (Health.PAUSED, Reason.PAUSED, True)
    assert decision.status == status
    assert decision.running == (S, "iris-new")


def test_pause_stops_the_clock_of_the_phase() -> None:
    phase = resolution(ResolutionPhase.PREFLIGHT, since_seconds=30)
    given = subject(spec(paused=True), ModelDeploymentStatus(resolution=phase))
    memory = Memory(work=f"u1/{phase.spec_hash}/{phase.phase}", since=100.0)
    first = decided(given, memory=memory, now=147.0)
    assert first.status.resolution
    assert first.status.resolution.since_seconds == 47
    later = decided(replace(given, status=first.status), memory=first.memory, now=5000.0)
    assert later.status == first.status, "and it is written once"


def test_unsupported_field_is_named_and_stable_kept() -> None:
    decision = decided(subject(spec(runtime={"batching": {"maxBatchSize": 8}}), STABLE), observation(**SEEN))
    assert decision.verdict.reason is Reason.NOT_SUPPORTED
    assert "spec.runtime.batching" in decision.verdict.message
    assert (decision.running, decision.frozen, decision.health) == ((S,), False, Health.STALLED)


def test_new_spec_begins_at_resolving_with_the_image_of_the_day() -> None:
    decision = decided(subject(MAP))
    assert decision.status.resolution
    assert decision.status.resolution.phase is ResolutionPhase.RESOLVING
    assert decision.status.resolution.image == "runtime:default"
    own = decided(subject(spec(runtime={"image": "mine:1"})))
    assert own.status.resolution
    assert own.status.resolution.image == "mine:1"


def test_rejected_spec_stays_rejected() -> None:
    status = ModelDeploymentStatus(rejected=(rejected(spec()),))
    decision = decided(subject(status=status))
    assert (decision.health, decision.verdict) == (Health.STALLED, Verdict(Reason.LOAD_FAILED, "bad"))
    assert decision.status.rejected == status.rejected
    assert decision.preflight is None


def test_reason_of_another_version_is_still_a_rejection() -> None:
    status = ModelDeploymentStatus(rejected=(rejected(spec(), reason="TooFancy"),))
    assert decided(subject(status=status)).health is Health.STALLED


@pytest.mark.parametrize(
    ("annotation", "done", "again"),
    [("1", None, True), ("2", "1", True), ("1", "1", False), ("", None, False)],
    ids=["asked for", "asked for once more", "done already", "empty"],
)
def test_retry_opens_a_rejection_once_per_nonce(annotation: str, done: str | None, again: bool) -> None:
    status = ModelDeploymentStatus(rejected=(rejected(spec(), attempt=4),))
    status = status.model_copy(update={"actions": status.actions.model_copy(update={"retry": done})})
    decision = decided(subject(spec(), status, retry=annotation))
    assert bool(decision.status.rejected) is not again
    if again:
        assert decision.status.actions.retry == annotation
        assert decision.status.resolution
        assert decision.status.resolution.attempt == 5, "attempts count on: the old pod may still be there"


def test_retry_of_a_model_that_is_fine_is_noted_so_that_it_never_strikes_later() -> None:
    decision = decided(subject(None, STABLE, retry="1"), observation(**SEEN))
    assert decision.health is Health.SETTLED
    assert decision.status.actions.retry == "1"


def test_promote_and_abort_where_nothing_is_under_way_are_noted_so_that_they_never_strike_later() -> None:
    decision = decided(subject(None, STABLE, promote="1", abort="2"), observation(**SEEN))
    assert decision.health is Health.SETTLED
    assert (decision.status.actions.promote, decision.status.actions.abort) == ("1", "2")


@pytest.mark.parametrize(
    ("annotation", "done", "again"),
    [("1", None, True), ("2", "1", True), ("1", "1", False), ("", None, False)],
    ids=["asked for", "asked for once more", "done already", "empty"],
)
def test_refresh_resolves_the_spec_that_serves_once_per_nonce(annotation: str, done: str | None, again: bool) -> None:
    status = STABLE.model_copy(update={"actions": STABLE.actions.model_copy(update={"refresh": done})})
    decision = decided(subject(None, status, refresh=annotation), observation(**SEEN))
    assert (decision.status.resolution is not None) is again
    assert decision.health is (Health.WORKING if again else Health.SETTLED)
    assert (decision.running, decision.entry, decision.frozen) == ((S,), S, False)
    assert decision.status.actions.refresh == (annotation or done), "written together with what it begins"


def test_refresh_goes_on_once_it_is_noted() -> None:
    begun = decided(subject(None, STABLE, refresh="1"), observation(**SEEN)).status
    after = decided(subject(None, begun, refresh="1"), observation(**SEEN))
    assert after.status.resolution
    assert after.health is Health.WORKING


def test_refresh_opens_a_rejection_and_counts_as_carried_out_by_any_resolution() -> None:
    status = ModelDeploymentStatus(rejected=(rejected(spec(), attempt=4),))
    decision = decided(subject(status=status, refresh="1"))
    assert not decision.status.rejected
    assert decision.status.actions.refresh == "1"
    assert decided(subject(MAP, STABLE, refresh="1"), observation(**SEEN)).status.actions.refresh == "1"


def test_what_a_refresh_found_and_was_refused_is_told_while_stable_serves_on() -> None:
    status = STABLE.model_copy(update={"rejected": (rejected(spec(), digest=OTHER),)})
    decision = decided(subject(None, status), observation(**SEEN))
    assert (decision.health, decision.verdict) == (Health.STALLED, Verdict(Reason.LOAD_FAILED, "bad"))
    assert (decision.running, decision.entry) == ((S,), S)


@pytest.mark.parametrize(("held", "again"), [("a", False), ("b", True)], ids=["the same bytes", "other bytes"])
def test_config_map_that_holds_other_bytes_opens_its_rejection(held: str, again: bool) -> None:
    digest = {name: "sha256:" + name * 64 for name in "ab"}
    status = ModelDeploymentStatus(rejected=(rejected(MAP, digest=digest["a"]),))
    seen = observation(source=SourceState(digest=digest[held], data=b"x"))
    assert bool(decided(subject(MAP, status), seen).status.rejected) is not again


def test_rejection_of_another_spec_is_no_obstacle() -> None:
    status = ModelDeploymentStatus(rejected=(rejected(MAP),))
    assert decided(subject(status=status)).status.resolution


def test_changed_source_is_a_finding_and_no_failure() -> None:
    decision = decided(subject(status=STABLE), observation(**SEEN, stable_source=SourceLook("another ETag")))
    assert decision.health is Health.SETTLED
    assert decision.findings[ConditionType.MODEL_RESOLVED].verdict == Verdict(Reason.SOURCE_CHANGED, "another ETag")


def test_record_of_the_resolution_under_way_is_kept() -> None:
    status = STABLE.model_copy(update={"resolution": None})
    decision = decided(subject(MAP, status), observation(**SEEN, source=SourceState(digest="sha256:" + "3" * 64)))
    assert decision.status.resolution
    assert S in decision.keep_records
    assert len(decision.keep_records) == 2


@pytest.mark.parametrize(("replicas", "wanted"), [(None, 1), (0, 0), (7, 7)])
def test_size_that_the_spec_asks_for(replicas: int | None, wanted: int) -> None:
    assert decided(subject(spec(replicas=replicas))).replicas == wanted


def test_deciding_changes_no_argument() -> None:
    given, seen = subject(status=STABLE), observation(**SEEN)
    before = (given.status.model_dump(), dict(seen.records), dict(seen.workloads))
    decided(given, seen)
    assert (given.status.model_dump(), dict(seen.records), dict(seen.workloads)) == before


def test_same_arguments_same_decision() -> None:
    given, seen = subject(MAP, STABLE), observation(**SEEN)
    assert decided(given, seen) == decided(given, seen)
