"""Which revisions a ModelDeployment has: the stable one, a candidate, and the history that it can return to. Pure."""

from collections.abc import Iterable

from serinus_api.v1alpha1 import MAX_REJECTED, RejectedSpec, RevisionModel, RevisionState, RevisionStatus
from serinus_operator.decide.source import changed_source
from serinus_operator.state import Instant, Observation, Passed, Subject, Verdict


def with_rejection(
    subject: Subject, verdict: Verdict, *, now: Instant, digest: str | None, revision: str | None, attempt: int
) -> tuple[RejectedSpec, ...]:
    """The remembered rejections, newest first, with one more; one entry per spec."""
    resolution = subject.status.resolution
    spec_hash = resolution.spec_hash if resolution else ""
    entry = RejectedSpec(
        spec_hash=spec_hash,
        digest=digest,
        revision=revision,
        attempt=attempt,
        validation=resolution.validation if resolution else None,
        reason=verdict.reason,
        message=verdict.message[:1024],
        at=now.timestamp(),
    )
    return (entry, *(r for r in subject.status.rejected if r.spec_hash != spec_hash))[:MAX_REJECTED]


def revisions(
    subject: Subject,
    observation: Observation,
    *,
    stable: str | None,
    candidate: str | None,
    digest: str | None,
    replicas: int,
    now: Instant,
) -> tuple[RevisionStatus, ...]:
    """The list for the status: candidate and stable, then at most `revisionHistoryLimit` retired ones, newest first.

    A revision that is neither stable nor candidate any more is history if it was promoted once, else it is dropped.
    """
    limit = subject.spec.rollout.revision_history_limit
    kept: list[RevisionStatus] = []
    for name, state in ((candidate, RevisionState.CANDIDATE), (stable, RevisionState.STABLE)):
        if name and not any(r.name == name for r in kept):
            kept.append(_entry(name, state, subject, observation, digest, replicas, now))
    retired = [
        r.model_copy(update={"state": RevisionState.RETIRED, "replicas": 0, "ready_replicas": 0})
        for r in subject.status.revisions
        if r.name not in (stable, candidate)
        and r.state in (RevisionState.STABLE, RevisionState.RETIRED)
        and r.name in observation.records
    ]
    return (*kept, *retired[:limit])


def _entry(  # one row of the status, from all that is known of it
    name: str,
    state: RevisionState,
    subject: Subject,
    observation: Observation,
    digest: str | None,
    replicas: int,
    now: Instant,
) -> RevisionStatus:
    known = next((r for r in subject.status.revisions if r.name == name), None)
    record, workload = observation.records.get(name), observation.workloads.get(name)
    to_be_made = replicas if record or state is RevisionState.CANDIDATE else 0
    if record:
        model = RevisionModel(uri=record.uri, digest=record.digest)
    else:
        model = known.model if known else RevisionModel(uri=subject.spec.model.uri, digest=digest)
    restorable = known.restorable if known else True
    if name == subject.status.stable_revision:
        restorable = changed_source(subject, observation) is None
    return RevisionStatus(
        name=name,
        model=model,
        state=state,
        replicas=workload.replicas if workload else to_be_made,
        ready_replicas=workload.ready if workload else 0,
        restorable=restorable,
        signature=known.signature if known else None,
        golden_digest=known.golden_digest if known else None,
        created_at=known.created_at if known else now.timestamp(),
    )


def with_passed(
    entries: tuple[RevisionStatus, ...], name: str | None, passed: Passed | None
) -> tuple[RevisionStatus, ...]:
    """The same list with what its preflight has told of the revision `name`."""
    if passed is None:
        return entries
    told = {"signature": passed.signature, "golden_digest": passed.golden_digest}
    return tuple(entry.model_copy(update=told) if entry.name == name else entry for entry in entries)


def names_of(entries: Iterable[RevisionStatus]) -> frozenset[str]:
    """Names of the revisions in a list."""
    return frozenset(entry.name for entry in entries)
