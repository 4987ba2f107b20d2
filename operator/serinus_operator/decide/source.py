"""Can the stable revision's pods be made again? Sources change under a revision, and copies get deleted. Pure.

    a look at the source says                             what is known then
    ────────────────────────────────────────────────────  ──────────────────────────────────────────
    a pod was refused because it has changed               changed
    a ready pod says that it has changed                   changed
    all ready pods say that it has not                     as it was
    the copy is there                                      as it was
    the copy is gone, the user's ConfigMap has the bytes   as it was: the copy is made again
    the copy is gone, the user's ConfigMap has them not    changed
    nothing: nobody looked, or a pod did not answer        as the status remembers it (`restorable`)

A revision whose pods cannot be made again is not shrunk: what it has may be all that there will ever be.
"""

from collections.abc import Mapping

from serinus_api.conditions import ConditionType, Reason
from serinus_operator.sources import parse_source
from serinus_operator.state import Copy, Observation, RevisionRecord, SourceState, Subject

CANNOT_START = frozenset({Reason.SOURCE_CHANGED, Reason.NOT_FOUND})
"""What pods say that did not get the bytes of their revision."""


def changed_source(subject: Subject, observation: Observation) -> str | None:
    """What is known to differ at the stable revision's source; None where nothing is."""
    stable = subject.status.stable_revision or ""
    workload, look = observation.workloads.get(stable), observation.stable_source
    for pod in workload.pods if workload else ():
        if pod.verdict and pod.report and pod.report.reason == Reason.SOURCE_CHANGED:
            return pod.verdict.message
    if look is None:
        return _remembered(subject, stable)
    if look.lost is None:
        return look.changed
    record = observation.records.get(stable)
    if record is None or look.lost.digest == record.digest:
        return None
    return _lost(record, look.lost)


def restored_copy(subject: Subject, observation: Observation) -> Copy | None:
    """The stable revision's copy of its ConfigMap, to be made again from the same bytes."""
    look, record = observation.stable_source, observation.records.get(subject.status.stable_revision or "")
    if look is None or look.lost is None or record is None:
        return None
    return copy_of(record, look.lost)


def copy_of(record: RevisionRecord, held: SourceState | None) -> Copy | None:
    """The copy for a revision, if the user's ConfigMap holds the revision's bytes."""
    source = parse_source(record.uri)
    if source is None or held is None or held.data is None or held.digest != record.digest:
        return None
    return Copy(record.name, source.path, held.data)


def kept_sizes(subject: Subject, observation: Observation, replicas: int) -> Mapping[str, int]:
    """The stable revision's size where it must not go down to `replicas`; empty where it may.

    Pods that could not start count for nothing: 3 replicas, one of them refused, 1 asked for → 2.
    """
    stable = subject.status.stable_revision or ""
    workload = observation.workloads.get(stable)
    if workload is None or changed_source(subject, observation) is None:
        return {}
    useless = sum(pod.verdict is not None and pod.verdict.reason in CANNOT_START for pod in workload.pods)
    size = workload.replicas - useless
    return {stable: size} if size > replicas else {}


def _remembered(subject: Subject, stable: str) -> str | None:
    if all(revision.restorable for revision in subject.status.revisions if revision.name == stable):
        return None
    for condition in subject.status.conditions:
        if (condition.type, condition.reason) == (ConditionType.MODEL_RESOLVED, Reason.SOURCE_CHANGED):
            return condition.message
    return f"the source of {stable} has changed since it was rolled out"


def _lost(record: RevisionRecord, held: SourceState) -> str:
    now = held.problem.message if held.problem else f"{record.uri} is {held.digest} now"
    return (
        f"the copy of the model, ConfigMap {record.name}, was deleted and cannot be made again: {now}, and the "
        f"revision is {record.digest}; put these bytes back, or roll out another model"
    )
