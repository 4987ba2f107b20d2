"""The way of a new revision, as a pure state machine. Called by `decide`; it moves at most one phase per call.

                 new spec                              all pods ready
    (settled) ──────────► Resolving ► Preflight ► Provisioning ──────────► promoted (settled)
                              │           │            │
                              └───────────┴────────────┴──► rejected, on final causes alone

Waiting causes (api.md: "Waiting or failed?") are tried again every 15 s and never reject; after
`startupDeadlineSeconds` they count as stalled. Each phase answers a `Step`: the new resolution, or how it ended. The
weighted steps of a canary come between Provisioning and the promotion.
"""

from dataclasses import dataclass, replace

from serinus_api import names
from serinus_api.conditions import FINAL_REASONS, RESOLUTION_REASONS, ConditionType, Reason, reason_of
from serinus_api.v1alpha1 import ResolutionPhase, ResolutionStatus, RevisionState
from serinus_operator.sources import SUPPORTED, Source, parse_source
from serinus_operator.state import (
    Copy,
    Finding,
    Memory,
    Observation,
    PodState,
    PreflightIntent,
    Progress,
    RecordIntent,
    Subject,
    Verdict,
)

HELD_BACK = frozenset(
    {
        Reason.NOT_FOUND,
        Reason.UNSCHEDULABLE,
        Reason.IMAGE_PULL_FAILED,
        Reason.CONTAINER_CONFIG_ERROR,
        Reason.PODS_REFUSED,
        Reason.RBAC_DENIED,
        Reason.NAME_CONFLICT,
    }
)
"""What keeps pods from starting at all: while it lasts the model cannot fail, and afterwards it has its full time."""
RETRY_SECONDS = 15.0
PERSIST_SECONDS = 30
"""Elapsed time is written to the status in steps of this."""

Findings = dict[ConditionType, Finding]


@dataclass(frozen=True, slots=True)
class Step:
    """What one call of the machine decided."""

    resolution: ResolutionStatus | None
    """None: the spec is promoted or rejected."""
    memory: Memory
    findings: Findings
    waiting: Verdict | None = None
    """What it waits for, if anything but time."""
    promoted: str | None = None
    rejected: Verdict | None = None
    candidate: str | None = None
    record: RecordIntent | None = None
    copy: Copy | None = None
    preflight: PreflightIntent | None = None
    requeue_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """A spec that has no promoted revision yet, and all that the phases look at."""

    subject: Subject
    observation: Observation
    memory: Memory
    resolution: ResolutionStatus
    replicas: int
    monotonic: float
    local: bool = False
    """Local mode: `file://` is a source too."""

    @property
    def deadline_seconds(self) -> int:
        """How long the present phase may take before it counts as stalled or failed."""
        return self.subject.spec.runtime.startup_deadline_seconds

    def elapsed_seconds(self) -> float:
        """Time in the present phase, restarts included."""
        return self.monotonic - self.memory.since


def advance(work: Work) -> Step:
    """One step of the machine: clock first, then the phase that the resolution is in."""
    work = _on_time(work)
    source = parse_source(work.subject.spec.model.uri)
    if source is None or (source.scheme == "file" and not work.local):
        scheme = work.subject.spec.model.uri.partition(":")[0]
        known = ", ".join(f"{s}://" for s in (("file",) if work.local else ()) + SUPPORTED)
        verdict = Verdict(Reason.UNSUPPORTED_SCHEME, f"spec.model.uri: {scheme} is not supported yet; use {known}")
        return _reject(work, verdict)
    phase = {
        ResolutionPhase.RESOLVING: resolving,
        ResolutionPhase.PREFLIGHT: preflight,
        ResolutionPhase.PROVISIONING: provisioning,
    }[work.resolution.phase]
    return phase(work, source)


def resolving(work: Work, source: Source) -> Step:
    """Find the digest where it can be known without a pod: a pin, or a ConfigMap."""
    pin = work.subject.spec.model.digest
    digest = pin
    if pin and _promoted_before(work, pin):
        return _enter(replace_digest(work, pin), ResolutionPhase.PROVISIONING, revision=_revision(work, pin))
    if source.pinned_by_copy:
        state = work.observation.source
        if state is None:
            return _stay(work, requeue_seconds=0.0)
        if state.problem:
            return _stay(work, waiting=state.problem, requeue_seconds=RETRY_SECONDS)
        digest = state.digest
        if pin and pin != digest:
            message = f"spec.model.digest asks for {pin}, but {work.subject.spec.model.uri} is {digest}"
            return _reject(replace_digest(work, digest), Verdict(Reason.DIGEST_MISMATCH, message))
    work = replace_digest(work, digest)
    if digest and _promoted_before(work, digest):
        return _enter(work, ResolutionPhase.PROVISIONING, revision=_revision(work, digest))
    return _enter(work, ResolutionPhase.PREFLIGHT, attempt=work.resolution.attempt + 1)


def preflight(work: Work, source: Source) -> Step:
    """Have a throw-away pod try the model; its verdict decides."""
    pod = work.observation.preflight
    if pod is None or pod.progress is not Progress.ENDED:
        return _run_preflight(work, source, pod)
    verdict = pod.verdict or Verdict(Reason.POD_LOST, "the preflight pod ended without a verdict")
    report = pod.report
    if verdict.reason is Reason.PASSED and report and report.digest:
        work = replace_digest(work, report.digest)
        return _enter(work, ResolutionPhase.PROVISIONING, revision=_revision(work, report.digest))
    if verdict.reason in FINAL_REASONS:
        return _reject(replace_digest(work, (report and report.digest) or work.resolution.digest), verdict)
    memory = replace(work.memory, not_before=work.monotonic + RETRY_SECONDS)
    work = replace(work, memory=memory, resolution=_updated(work, attempt=work.resolution.attempt + 1))
    return _stay(work, waiting=verdict, requeue_seconds=RETRY_SECONDS)


def _run_preflight(work: Work, source: Source, pod: PodState | None) -> Step:
    if pod is None and work.monotonic < work.memory.not_before:
        pause = work.memory.not_before - work.monotonic
        return _stay(work, waiting=_remembered(work), requeue_seconds=pause)
    digest, state = work.resolution.digest, work.observation.source
    if source.pinned_by_copy and pod is None and (state is None or state.digest != digest):
        return _enter(work, ResolutionPhase.RESOLVING)
    # Only a pod that waits says something new: one whose container has just ended is judged when the pod has.
    waiting = pod.verdict if pod and pod.progress is Progress.WAITING else _remembered(work)
    step = _stay(work, waiting=waiting, requeue_seconds=RETRY_SECONDS)
    revision = None
    if source.pinned_by_copy and digest:
        # The copy that the pod mounts belongs to the revision's record, so the record comes first.
        revision = _revision(work, digest)
        if revision not in work.observation.records:
            return replace(step, record=_record(work, digest), requeue_seconds=0.0)
    return replace(
        step,
        copy=Copy(revision, source.path, state.data) if revision and state and state.data is not None else None,
        preflight=PreflightIntent(
            name=names.preflight_name(work.subject.name, work.resolution.spec_hash, work.resolution.attempt),
            revision=revision,
            image=work.resolution.image or "",
            digest=digest,
        ),
    )


def provisioning(work: Work, source: Source) -> Step:
    """Start the revision's own pods; promote it when all of them answer."""
    revision, digest = work.resolution.revision, work.resolution.digest
    if revision is None or digest is None:
        return _enter(work, ResolutionPhase.RESOLVING)
    workload = work.observation.workloads.get(revision)
    if workload and workload.updated and workload.replicas == work.replicas and workload.ready >= work.replicas:
        return Step(resolution=None, memory=work.memory, findings=_found(work), promoted=revision)
    pods = workload.pods if workload else ()
    refusal = None if workload else work.observation.failure
    if any(pod.report and pod.report.reason == Reason.SOURCE_CHANGED for pod in pods):
        # The source moved between preflight and start: what it holds now is another revision, or no match for the pin.
        if work.subject.spec.model.digest:
            return _enter(work, ResolutionPhase.PREFLIGHT, revision=None, attempt=work.resolution.attempt + 1)
        return _enter(work, ResolutionPhase.RESOLVING, revision=None, digest=None)
    problem = (workload.problem if workload else refusal) or worst(pods)
    failing = any(pod.progress is Progress.FAILING for pod in pods)
    waits = workload is None or (problem is not None and not failing)
    still = problem is not None and problem.reason in HELD_BACK  # a pod that runs and ends may say NotFound as well
    if not waits and not still and reason_of(work.resolution.reason) in HELD_BACK:
        work = _clock_anew(work)
    if work.elapsed_seconds() >= work.deadline_seconds and not waits:
        why = problem.message if problem else "its pods run but do not become ready"
        message = f"{revision} was not ready within {work.deadline_seconds} s: {why}"
        return _reject(work, Verdict(problem.reason if problem else Reason.CANDIDATE_NOT_READY, message))
    record = _record(work, digest)
    step = _stay(work, waiting=problem, requeue_seconds=0.0 if record else _until_deadline(work))
    return replace(step, candidate=revision, record=record)


def worst(pods: tuple[PodState, ...]) -> Verdict | None:
    """The verdict to show of several pods: a failing one's before a waiting one's."""
    ranked = sorted(
        (pod for pod in pods if pod.verdict and pod.progress is not Progress.READY),
        key=lambda pod: (pod.progress is not Progress.FAILING, pod.name),
    )
    return ranked[0].verdict if ranked else None


def _on_time(work: Work) -> Work:
    """Start the clock of the present phase, or go on with what an earlier process had counted."""
    name = f"{work.subject.uid}/{work.resolution.spec_hash}/{work.resolution.phase}"
    if work.memory.work == name:
        return work
    since = work.monotonic - work.resolution.since_seconds
    return replace(work, memory=replace(work.memory, work=name, since=since))


def _clock_anew(work: Work) -> Work:
    memory = replace(work.memory, since=work.monotonic)
    return replace(work, memory=memory, resolution=_updated(work, since_seconds=0, deadline_exceeded=False))


def _until_deadline(work: Work) -> float:
    left = work.deadline_seconds - work.elapsed_seconds()
    return min(RETRY_SECONDS, left) if left > 0 else RETRY_SECONDS


def _stay(work: Work, *, waiting: Verdict | None = None, requeue_seconds: float) -> Step:
    """Remain in the phase; persist how long it has lasted, in whole steps, and no further than the deadline."""
    elapsed = work.elapsed_seconds()
    persisted = min(int(elapsed) // PERSIST_SECONDS * PERSIST_SECONDS, work.deadline_seconds)
    exceeded = elapsed >= work.deadline_seconds
    if exceeded and waiting is None and work.resolution.phase is not ResolutionPhase.PROVISIONING:
        waiting = Verdict(Reason.STARTUP_DEADLINE_EXCEEDED, f"no verdict within {work.deadline_seconds} s")
    resolution = _updated(
        work,
        since_seconds=max(persisted, work.resolution.since_seconds),
        deadline_exceeded=exceeded,
        reason=waiting.reason if waiting else None,
        message=waiting.message[:1024] if waiting else None,
    )
    work = replace(work, resolution=resolution)
    findings = _found(work, waiting)
    return Step(resolution, work.memory, findings, waiting=waiting, requeue_seconds=requeue_seconds)


def _enter(work: Work, phase: ResolutionPhase, **changes: object) -> Step:
    """Go to another phase, with its clock at 0. It is persisted, then acted on by the next call."""
    fresh: dict[str, object] = {"since_seconds": 0, "deadline_exceeded": False, "reason": None, "message": None}
    resolution = _updated(work, phase=phase, **fresh, **changes)
    work = replace(work, resolution=resolution)
    return Step(resolution, work.memory, _found(work), requeue_seconds=0.0)


def _reject(work: Work, verdict: Verdict) -> Step:
    return Step(
        work.resolution.model_copy(update={"reason": verdict.reason}),
        work.memory,
        _found(work, verdict),
        rejected=verdict,
    )


def _remembered(work: Work) -> Verdict | None:
    """What the last attempt waited for, kept in view while the next one runs."""
    reason = reason_of(work.resolution.reason)
    return Verdict(reason, work.resolution.message or "") if reason else None


def _found(work: Work, problem: Verdict | None = None) -> Findings:
    """ModelResolved, ModelValidated and RolloutHealthy, from the phase and what it waits for or was refused for."""
    phase, uri = work.resolution.phase, work.subject.spec.model.uri
    if _digest_seen(work):
        resolved = Finding("True", Verdict(Reason.RESOLVED, f"{uri} is {work.resolution.digest}"))
    else:
        resolved = Finding("Unknown", Verdict(Reason.RESOLVING, f"looking up {uri}"))
    validated = Finding("Unknown", Verdict(Reason.PREFLIGHT, f"{phase}: not tried yet"))
    if phase is ResolutionPhase.PREFLIGHT:
        validated = Finding("Unknown", Verdict(Reason.PREFLIGHT, f"attempt {work.resolution.attempt} is running"))
    if phase is ResolutionPhase.PROVISIONING:
        validated = Finding("True", Verdict(Reason.PASSED, "the model loads and answers within its limits"))
    findings = {ConditionType.MODEL_RESOLVED: resolved, ConditionType.MODEL_VALIDATED: validated}
    rollout = Finding("True", Verdict(Reason.PROGRESSING, f"{phase} of {work.subject.spec.model.uri}"))
    if problem and problem.reason in RESOLUTION_REASONS:
        findings[ConditionType.MODEL_RESOLVED] = Finding("False", problem)
    elif problem and phase is ResolutionPhase.PREFLIGHT:
        final = problem.reason in FINAL_REASONS
        findings[ConditionType.MODEL_VALIDATED] = Finding("False" if final else "Unknown", problem)
    elif problem and phase is ResolutionPhase.PROVISIONING:
        rollout = Finding("False", problem)
    if work.subject.status.stable_revision:
        findings[ConditionType.ROLLOUT_HEALTHY] = rollout
    return findings


def _digest_seen(work: Work) -> bool:
    """Whether the bytes were hashed. The pin of a model that only its pods can read is a wish until one has read it."""
    source = parse_source(work.subject.spec.model.uri)
    here = source is not None and source.pinned_by_copy
    return work.resolution.digest is not None and (here or work.resolution.phase is ResolutionPhase.PROVISIONING)


def _promoted_before(work: Work, digest: str) -> bool:
    name = _revision(work, digest)
    return name in work.observation.records and any(
        r.name == name and r.state in (RevisionState.RETIRED, RevisionState.STABLE)
        for r in work.subject.status.revisions
    )


def _revision(work: Work, digest: str) -> str:
    return names.revision_name(work.subject.name, work.resolution.spec_hash, digest)


def _record(work: Work, digest: str) -> RecordIntent | None:
    """The record to write, or None where it stands already."""
    name = _revision(work, digest)
    if name in work.observation.records:
        return None
    number = max((r.number for r in work.observation.records.values()), default=0) + 1
    return RecordIntent(name, number, work.resolution.spec_hash, digest, work.resolution.image or "")


def replace_digest(work: Work, digest: str | None) -> Work:
    """The same work with the digest that was found."""
    return replace(work, resolution=_updated(work, digest=digest))


def _updated(work: Work, **changes: object) -> ResolutionStatus:
    return work.resolution.model_copy(update=changes)
