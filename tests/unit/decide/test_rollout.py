"""One call of the rollout machine: what it answers in each phase, and how its clock runs."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.decide.subjects import (
    DIGEST,
    OTHER,
    URI,
    listed,
    observation,
    pod,
    record,
    resolution,
    revision,
    spec,
    subject,
    workload,
)

from serinus_api.conditions import FINAL_REASONS, ConditionType, Reason
from serinus_api.runtime import Phase, PreflightReport
from serinus_api.v1alpha1 import ModelDeploymentStatus, ResolutionPhase, RevisionState
from serinus_operator.decide.findings import worst
from serinus_operator.decide.rollout import advance
from serinus_operator.decide.work import EAGER_RETRY_SECONDS, Step, Work
from serinus_operator.state import Memory, PodState, Progress, SourceState, Verdict

R, P, V = ResolutionPhase.RESOLVING, ResolutionPhase.PREFLIGHT, ResolutionPhase.PROVISIONING
MAP = spec(model={"uri": "configmap://iris/model.onnx"})
PULLED = pod(Progress.CREATING, Verdict(Reason.STARTING, "its image is being pulled"))
CLOCK = f"u1/{resolution(P).spec_hash}/{P}"


def work(phase: ResolutionPhase, given: Any = None, *, now: float = 0.0, **known: Any) -> Work:
    fields = {
        k: known.pop(k) for k in ("attempt", "digest", "revision", "since_seconds", "reason", "message") if k in known
    }
    status = known.pop("status", ModelDeploymentStatus())
    present = resolution(phase, given, **fields)
    about = subject(given or spec(), status.model_copy(update={"resolution": present}))
    memory = known.pop("memory", Memory())
    return Work(about, observation(**known), memory, present, 2, now)


def ended(reason: Reason | None, digest: str | None = DIGEST, words: str = "in its own words") -> PodState:
    verdict = Verdict(reason, words) if reason else None
    return replace(pod(Progress.ENDED, verdict), report=PreflightReport(phase=Phase.DONE, reason=reason, digest=digest))


def phase_of(step: Step) -> ResolutionPhase | None:
    return step.resolution.phase if step.resolution and not step.rejected else None


# Resolving


@pytest.mark.parametrize("scheme", ["s3://b/k", "gs://b/k", "az://b/k", "oci://r/i", "models:/iris@prod"])
def test_scheme_of_a_later_version_is_refused(scheme: str) -> None:
    step = advance(work(R, spec(model={"uri": scheme})))
    assert step.rejected
    assert step.rejected.reason is Reason.UNSUPPORTED_SCHEME


@pytest.mark.parametrize("uri", [URI, "pvc://claim/a.onnx"])
def test_remote_model_is_resolved_by_its_preflight(uri: str) -> None:
    step = advance(work(R, spec(model={"uri": uri})))
    assert phase_of(step) is P
    assert step.resolution
    assert (step.resolution.attempt, step.resolution.digest) == (1, None)
    assert step.requeue_seconds == 0.0


def test_config_map_is_looked_at_before_anything_else() -> None:
    step = advance(work(R, MAP))
    assert phase_of(step) is R
    assert step.requeue_seconds == 0.0


def test_config_map_gives_the_digest() -> None:
    step = advance(work(R, MAP, source=SourceState(digest=DIGEST, data=b"x")))
    assert phase_of(step) is P
    assert step.resolution
    assert step.resolution.digest == DIGEST


def test_missing_config_map_is_waited_for() -> None:
    missing = Verdict(Reason.NOT_FOUND, "ConfigMap iris does not exist")
    step = advance(work(R, MAP, source=SourceState(problem=missing)))
    assert (phase_of(step), step.waiting, step.requeue_seconds) == (R, missing, EAGER_RETRY_SECONDS)
    assert step.findings[ConditionType.MODEL_RESOLVED].status == "False"


def test_config_map_with_other_bytes_than_the_pin_is_refused_with_both_digests() -> None:
    pinned = spec(model={"uri": "configmap://iris/model.onnx", "digest": OTHER})
    step = advance(work(R, pinned, source=SourceState(digest=DIGEST, data=b"x")))
    assert step.rejected
    assert step.rejected.reason is Reason.DIGEST_MISMATCH
    assert DIGEST in step.rejected.message
    assert OTHER in step.rejected.message


@pytest.mark.parametrize("state", [RevisionState.RETIRED, RevisionState.STABLE])
def test_revision_that_was_promoted_once_goes_straight_to_its_pods(state: RevisionState) -> None:
    name = revision(given=MAP)
    status = ModelDeploymentStatus(revisions=(listed(name, state),))
    source = SourceState(digest=DIGEST, data=b"x")
    step = advance(work(R, MAP, source=source, status=status, records={name: record(given=MAP)}))
    assert phase_of(step) is V
    assert step.resolution
    assert step.resolution.revision == name


@pytest.mark.parametrize("state", [RevisionState.CANDIDATE, RevisionState.REJECTED])
def test_revision_that_never_served_is_tried_again(state: RevisionState) -> None:
    name = revision(given=MAP)
    status = ModelDeploymentStatus(revisions=(listed(name, state),))
    source = SourceState(digest=DIGEST, data=b"x")
    assert phase_of(advance(work(R, MAP, source=source, status=status, records={name: record(given=MAP)}))) is P


def test_revision_whose_record_is_gone_is_tried_again() -> None:
    status = ModelDeploymentStatus(revisions=(listed(revision(given=MAP), RevisionState.RETIRED),))
    assert phase_of(advance(work(R, MAP, source=SourceState(digest=DIGEST, data=b"x"), status=status))) is P


# Preflight


def test_preflight_of_a_remote_model_needs_no_record() -> None:
    step = advance(work(P, attempt=1))
    assert step.preflight
    assert (step.preflight.image, step.preflight.revision, step.preflight.digest) == ("runtime:1", None, None)
    assert step.record is None


def test_record_of_a_config_map_model_comes_before_its_pod() -> None:
    source = SourceState(digest=DIGEST, data=b"x")
    step = advance(work(P, MAP, attempt=1, digest=DIGEST, source=source))
    assert step.record
    assert step.record.name == revision(given=MAP)
    assert step.preflight is None
    step = advance(work(P, MAP, attempt=1, digest=DIGEST, source=source, records={step.record.name: record(given=MAP)}))
    assert step.record is None
    assert step.copy
    assert step.copy.data == b"x"
    assert step.preflight


def test_bytes_that_changed_before_the_pod_are_looked_up_again() -> None:
    assert phase_of(advance(work(P, MAP, attempt=1, digest=DIGEST, source=SourceState(digest=OTHER, data=b"y")))) is R


def test_passed_preflight_leads_to_the_pods_of_the_digest_that_it_found() -> None:
    step = advance(work(P, attempt=1, preflight=ended(Reason.PASSED, OTHER)))
    assert phase_of(step) is V
    assert step.resolution
    assert (step.resolution.digest, step.resolution.revision) == (OTHER, revision(OTHER))


@pytest.mark.parametrize("reason", sorted(FINAL_REASONS))
def test_final_reason_refuses(reason: Reason) -> None:
    before = reason if reason is Reason.TOO_SLOW else None
    step = advance(work(P, attempt=1, preflight=ended(reason), reason=before))
    assert step.rejected == Verdict(reason, "in its own words")


def test_model_that_is_too_slow_once_is_timed_once_more() -> None:
    step = advance(work(P, attempt=1, preflight=ended(Reason.TOO_SLOW)))
    assert (step.rejected, step.waiting) == (None, Verdict(Reason.TOO_SLOW, "in its own words"))
    assert step.resolution
    assert (step.resolution.attempt, step.resolution.reason) == (2, "TooSlow")


@pytest.mark.parametrize("reason", [r for r in Reason if r not in FINAL_REASONS and r is not Reason.PASSED] + [None])
def test_any_other_end_is_tried_again_soon(reason: Reason | None) -> None:
    step = advance(work(P, attempt=1, preflight=ended(reason), now=100.0))
    assert phase_of(step) is P
    assert step.resolution
    assert step.resolution.attempt == 2
    assert step.preflight is None
    assert step.requeue_seconds == EAGER_RETRY_SECONDS
    assert step.memory.not_before == 100.0 + EAGER_RETRY_SECONDS
    assert step.waiting


@pytest.mark.parametrize(("waited", "pause"), [(0, 5.0), (299, 5.0), (300, 10.0), (86_400, 10.0)])
def test_what_is_missing_is_looked_for_more_often_at_first(waited: int, pause: float) -> None:
    missing = advance(work(P, attempt=1, preflight=ended(Reason.NOT_FOUND), since_seconds=waited))
    assert missing.requeue_seconds == pause
    no_map = SourceState(problem=Verdict(Reason.NOT_FOUND, "no ConfigMap"))
    assert advance(work(R, MAP, source=no_map, since_seconds=waited)).requeue_seconds == pause


def test_next_attempt_waits_for_its_time_and_shows_the_last_words() -> None:
    last = {"reason": "NotFound", "message": "no such file"}
    memory = Memory(not_before=15.0)
    early = advance(work(P, attempt=2, memory=memory, now=10.0, **last))
    assert (early.preflight, early.requeue_seconds) == (None, 5.0)
    assert early.waiting == Verdict(Reason.NOT_FOUND, "no such file")
    due = advance(work(P, attempt=2, memory=memory, now=15.0, **last))
    assert due.preflight
    assert due.waiting == Verdict(Reason.NOT_FOUND, "no such file")


def waits_for(state: PodState, now: float, **known: Any) -> Step:
    return advance(work(P, attempt=1, preflight=state, memory=Memory(work=CLOCK, since=0.0), now=now, **known))


def test_image_that_is_pulled_for_long_is_waited_for_and_told() -> None:
    assert waits_for(PULLED, 9).waiting is None
    assert waits_for(PULLED, 10).waiting == PULLED.verdict
    assert waits_for(PULLED, 10).findings[ConditionType.MODEL_VALIDATED].status == "Unknown"
    late = waits_for(PULLED, 5000)
    assert late.rejected is None
    assert late.resolution
    assert late.resolution.deadline_exceeded, "it counts as stalled"


def test_verdict_of_the_last_attempt_is_not_hidden_by_the_start_of_the_next() -> None:
    step = waits_for(PULLED, 100, reason="NotFound", message="no such file")
    assert step.waiting == Verdict(Reason.NOT_FOUND, "no such file")


def test_program_that_starts_at_last_has_its_full_time() -> None:
    step = waits_for(pod(Progress.STARTING), 5000, reason="Starting", message="pulled", since_seconds=600)
    assert step.waiting is None
    assert step.resolution
    assert (step.resolution.since_seconds, step.resolution.deadline_exceeded) == (0, False)
    assert step.memory.since == 5000


def test_program_that_gives_no_verdict_is_tried_again_after_its_time() -> None:
    memory = Memory(work=CLOCK, running="p1", running_since=100.0)
    hangs = pod(Progress.STARTING)
    before = advance(work(P, attempt=1, preflight=hangs, memory=memory, now=699.0))
    assert before.resolution
    assert (before.resolution.attempt, before.preflight is None) == (1, False)
    after = advance(work(P, attempt=1, preflight=hangs, memory=memory, now=700.0))
    assert after.resolution
    assert (after.resolution.attempt, after.preflight) == (2, None)
    assert after.waiting
    assert after.waiting.reason is Reason.STARTUP_DEADLINE_EXCEEDED


def test_passed_without_a_digest_is_no_pass() -> None:
    assert phase_of(advance(work(P, attempt=1, preflight=ended(Reason.PASSED, None)))) is P


# Provisioning

THERE: dict[str, Any] = {"digest": DIGEST, "revision": revision(), "records": {revision(): record()}}


def test_candidate_with_all_pods_ready_is_promoted() -> None:
    step = advance(work(V, **THERE, workloads={revision(): workload()}))
    assert (step.promoted, step.resolution) == (revision(), None)


@pytest.mark.parametrize(
    "state",
    [workload(1), workload(2, 3), workload(1, 1), workload(updated=False), None],
    ids=["one of two", "two of three", "one of one, two are wanted", "not seen by its controller", "no Deployment"],
)
def test_candidate_with_anything_less_is_not(state: Any) -> None:
    step = advance(work(V, **THERE, workloads={revision(): state} if state else {}))
    assert step.promoted is None
    assert step.candidate == revision()


def test_record_that_is_missing_is_written_first_and_at_once() -> None:
    step = advance(work(V, digest=DIGEST, revision=revision(), records={"x": record(OTHER, number=6)}))
    assert step.record
    assert (step.record.name, step.record.number, step.record.image) == (revision(), 7, "runtime:1")
    assert step.requeue_seconds == 0.0


DEADLINE: list[tuple[str, Any, Reason | None]] = [
    ("its pods run and do not answer", workload(0, 2, pod(Progress.STARTING)), Reason.CANDIDATE_NOT_READY),
    ("one of two answers", workload(1, 2, pod(Progress.READY)), Reason.CANDIDATE_NOT_READY),
    ("it crashes", workload(0, 2, pod(Progress.FAILING, Verdict(Reason.CRASH_LOOP, "exit 1"))), Reason.CRASH_LOOP),
    ("it has no node", workload(0, 2, pod(Progress.WAITING, Verdict(Reason.UNSCHEDULABLE, "no node"))), None),
    ("its image is being pulled", workload(0, 2, PULLED), None),
    ("its pods are refused", workload(0, 2, problem=Verdict(Reason.PODS_REFUSED, "quota")), None),
    ("it has no Deployment", None, None),
]


@pytest.mark.parametrize(("state", "reason"), [row[1:] for row in DEADLINE], ids=[row[0] for row in DEADLINE])
def test_deadline_refuses_what_fails_and_stalls_what_waits(state: Any, reason: Reason | None) -> None:
    memory = Memory(work=f"u1/{resolution(V).spec_hash}/{V}", since=0.0)
    workloads = {revision(): state} if state else {}
    before = advance(work(V, **THERE, workloads=workloads, memory=memory, now=599.0))
    assert before.rejected is None
    assert before.resolution
    assert not before.resolution.deadline_exceeded
    after = advance(work(V, **THERE, workloads=workloads, memory=memory, now=600.0))
    assert (after.rejected.reason if after.rejected else None) is reason
    if not after.rejected:
        assert after.resolution
        assert after.resolution.deadline_exceeded


def test_failing_pod_counts_for_more_than_a_waiting_one() -> None:
    waits = pod(Progress.WAITING, Verdict(Reason.UNSCHEDULABLE, "no node"), "a")
    fails = pod(Progress.FAILING, Verdict(Reason.CRASH_LOOP, "exit 1"), "b")
    assert worst((waits, fails), 0) == fails.verdict
    assert worst((waits,), 0) == waits.verdict
    assert worst((pod(Progress.READY, Verdict(Reason.CRASH_LOOP, "long ago")),), 99) is None
    assert worst((), 99) is None


def test_container_that_is_created_is_worth_a_word_when_that_takes_long() -> None:
    assert worst((PULLED,), 9) is None
    assert worst((PULLED,), 10) == PULLED.verdict


def test_missing_right_to_make_the_deployment_is_waited_for() -> None:
    denied = Verdict(Reason.RBAC_DENIED, "may not create deployments.apps")
    step = advance(
        work(V, **THERE, failure=denied, memory=Memory(work=f"u1/{resolution(V).spec_hash}/{V}"), now=5000.0)
    )
    assert step.waiting == denied
    assert step.rejected is None


def test_status_without_a_revision_is_resolved_again() -> None:
    assert phase_of(advance(work(V, digest=DIGEST))) is R


# The clock


def test_clock_goes_on_from_what_an_earlier_process_had_counted() -> None:
    step = advance(work(P, attempt=1, since_seconds=570, now=10_000.0))
    assert step.memory.since == 10_000.0 - 570
    assert step.resolution
    assert not step.resolution.deadline_exceeded
    later = advance(work(P, attempt=1, since_seconds=570, memory=step.memory, now=10_030.0))
    assert later.resolution
    assert later.resolution.deadline_exceeded


def test_clock_of_another_object_or_phase_is_not_taken_over() -> None:
    for stale in ("u0", "u1"):
        memory = Memory(work=f"{stale}/{resolution(P).spec_hash}/{R}", since=0.0)
        assert advance(work(P, attempt=1, memory=memory, now=5000.0)).memory.since == 5000.0


@given(st.lists(st.floats(0.0, 90.0), min_size=1, max_size=20))
def test_time_that_is_persisted_never_runs_ahead_and_loses_less_than_30_seconds(pauses: list[float]) -> None:
    memory, since, now, begun = Memory(), 0, 1000.0, 1000.0
    for pause in pauses:
        step = advance(work(P, attempt=1, memory=memory, since_seconds=since, now=now))
        assert step.resolution
        memory, since = step.memory, step.resolution.since_seconds
        elapsed = now - begun
        assert since <= elapsed
        assert since > min(elapsed, 600) - 30
        now += pause


def test_stepped_wall_clock_changes_nothing() -> None:
    """The machine is handed monotonic seconds alone."""
    assert "wall" not in Work.__slots__
