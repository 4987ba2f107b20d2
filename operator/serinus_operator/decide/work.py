"""What the phases of a new revision look at and answer, and the moves that they have in common. Pure.

A phase stays, enters another one, or refuses the model; how long it has lasted is counted here, by the monotonic clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from serinus_api import names
from serinus_api.conditions import Reason, reason_of
from serinus_api.v1alpha1 import ResolutionPhase, ResolutionStatus, RevisionState
from serinus_operator.decide.findings import Findings, found
from serinus_operator.state import (
    Copy,
    Memory,
    Observation,
    Passed,
    PreflightIntent,
    RecordIntent,
    RevisionRecord,
    Subject,
    Verdict,
)

NOT_STARTED = frozenset(
    {
        Reason.UNSCHEDULABLE,
        Reason.IMAGE_PULL_FAILED,
        Reason.CONTAINER_CONFIG_ERROR,
        Reason.PODS_REFUSED,
        Reason.REJECTED_BY_API_SERVER,
        Reason.RBAC_DENIED,
        Reason.NAME_CONFLICT,
        Reason.STARTING,
    }
)
"""What keeps pods from starting at all: while it lasts the model cannot fail, and afterwards it has its full time."""
EAGER_SECONDS = 300.0
"""For so long what is missing is looked for more often: it is usually on its way."""
EAGER_RETRY_SECONDS = 5.0
RETRY_SECONDS = 10.0
"""Between the end of one try and the next. A preflight pod takes some seconds itself, more on a busy node, and what
appears is to be found within 30 s."""
SHORTEST_SECONDS = 0.1
"""A rest that is only a rounding error must not keep a worker spinning."""
PERSIST_SECONDS = 30
"""Elapsed time is written to the status in steps of this."""


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
    passed: Passed | None = None
    """What the preflight has told of the candidate, in the step that makes it one."""
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


def clock_of(subject: Subject, resolution: ResolutionStatus) -> str:
    """What `Memory.work` says while the clock of this phase runs."""
    return f"{subject.uid}/{resolution.spec_hash}/{resolution.phase}"


def stopped(subject: Subject, memory: Memory, monotonic: float) -> ResolutionStatus | None:
    """The resolution with all the time that its phase has taken: the clock stands still from here on."""
    resolution = subject.status.resolution
    if resolution is None or memory.work != clock_of(subject, resolution):
        return resolution
    elapsed = min(int(monotonic - memory.since), subject.spec.runtime.startup_deadline_seconds)
    return resolution.model_copy(update={"since_seconds": max(elapsed, resolution.since_seconds)})


def on_time(work: Work) -> Work:
    """Start the clock of the present phase, or go on with what an earlier process had counted."""
    name = clock_of(work.subject, work.resolution)
    if work.memory.work == name:
        return work
    since = work.monotonic - work.resolution.since_seconds
    return replace(work, memory=replace(work.memory, work=name, since=since))


def restart_clock(work: Work) -> Work:
    """The same work with the clock of its phase at 0."""
    memory = replace(work.memory, since=work.monotonic)
    return replace(work, memory=memory, resolution=updated(work, since_seconds=0, deadline_exceeded=False))


def retry_seconds(work: Work) -> float:
    """How long to wait for what is missing before the next try: 5 s in the first five minutes, then 10 s."""
    return EAGER_RETRY_SECONDS if work.elapsed_seconds() < EAGER_SECONDS else RETRY_SECONDS


def until_deadline(work: Work) -> float:
    """When to look again: at the deadline, or at the next retry if that is earlier."""
    left = work.deadline_seconds - work.elapsed_seconds()
    return min(RETRY_SECONDS, max(left, SHORTEST_SECONDS)) if left > 0 else RETRY_SECONDS


def stay(work: Work, *, waiting: Verdict | None = None, requeue_seconds: float) -> Step:
    """Remain in the phase; persist how long it has lasted, in whole steps, and no further than the deadline."""
    elapsed = work.elapsed_seconds()
    persisted = min(int(elapsed) // PERSIST_SECONDS * PERSIST_SECONDS, work.deadline_seconds)
    exceeded = elapsed >= work.deadline_seconds
    if exceeded and waiting is None and work.resolution.phase is not ResolutionPhase.PROVISIONING:
        waiting = Verdict(Reason.STARTUP_DEADLINE_EXCEEDED, f"no verdict within {work.deadline_seconds} s")
    resolution = updated(
        work,
        since_seconds=max(persisted, work.resolution.since_seconds),
        deadline_exceeded=exceeded,
        reason=waiting.reason if waiting else None,
        message=waiting.message[:1024] if waiting else None,
    )
    findings = found(work.subject, resolution, waiting)
    return Step(resolution, work.memory, findings, waiting=waiting, requeue_seconds=requeue_seconds)


def enter(work: Work, phase: ResolutionPhase, **changes: object) -> Step:
    """Go to another phase, with its clock at 0. It is persisted, then acted on by the next call."""
    fresh: dict[str, object] = {"since_seconds": 0, "deadline_exceeded": False, "reason": None, "message": None}
    resolution = updated(work, phase=phase, **fresh, **changes)
    return Step(resolution, work.memory, found(work.subject, resolution), requeue_seconds=0.0)


def start_pods(work: Work, digest: str) -> Step:
    """Go to Provisioning with the revision of these bytes: once the status says so, its children are made."""
    revision = revision_of(work, digest)
    step = enter(with_digest(work, digest), ResolutionPhase.PROVISIONING, revision=revision)
    return replace(step, candidate=revision, record=missing_record(work, digest))


def reject(work: Work, verdict: Verdict) -> Step:
    """Refuse the spec for good."""
    return Step(
        work.resolution.model_copy(update={"reason": verdict.reason}),
        work.memory,
        found(work.subject, work.resolution, verdict),
        rejected=verdict,
    )


def remembered(work: Work) -> Verdict | None:
    """What the last attempt waited for, kept in view while the next one runs."""
    reason = reason_of(work.resolution.reason)
    return Verdict(reason, work.resolution.message or "") if reason else None


def promoted_before(work: Work, digest: str) -> bool:
    """Whether a revision of these bytes has served once and can start again without a preflight."""
    name = revision_of(work, digest)
    return name in work.observation.records and any(
        r.name == name and r.state in (RevisionState.RETIRED, RevisionState.STABLE)
        for r in work.subject.status.revisions
    )


def revision_of(work: Work, digest: str) -> str:
    """Name of the revision that serves these bytes under this spec."""
    return revision_for(work.subject, work.observation.records, work.resolution, digest)


def revision_for(
    subject: Subject, records: Mapping[str, RevisionRecord], resolution: ResolutionStatus, digest: str
) -> str:
    """The same, by what is known: the newest of these bytes and this spec, or a new one.

    The runtime image is in no name, so that another operator changes no revision. A spec that is resolved anew while it
    serves asks for the present image too: then only a revision with it will do, and a new one needs a name of its own.
    """
    known = [r for r in records.values() if (r.spec_hash, r.digest) == (resolution.spec_hash, digest)]
    stable = records.get(subject.status.stable_revision or "")
    if stable and stable.spec_hash == resolution.spec_hash:
        known = [record for record in known if record.image == resolution.image]
    if known:
        return max(known, key=lambda record: record.number).name
    name = names.revision_name(subject.name, resolution.spec_hash, digest)
    return name if name not in records else names.revision_name(subject.name, f"{name}/{resolution.image}", digest)


def missing_record(work: Work, digest: str) -> RecordIntent | None:
    """The record to write, or None where it stands already."""
    name = revision_of(work, digest)
    if name in work.observation.records:
        return None
    number = max((r.number for r in work.observation.records.values()), default=0) + 1
    return RecordIntent(name, number, work.resolution.spec_hash, digest, work.resolution.image or "")


def with_digest(work: Work, digest: str | None) -> Work:
    """The same work with the digest that was found."""
    return replace(work, resolution=updated(work, digest=digest))


def updated(work: Work, **changes: object) -> ResolutionStatus:
    """The resolution with these fields changed."""
    return work.resolution.model_copy(update=changes)
