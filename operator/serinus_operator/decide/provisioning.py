"""Provisioning: the new revision starts its own pods; it is promoted when all of them answer. Pure."""

from dataclasses import replace

from serinus_api.conditions import Reason, reason_of
from serinus_api.v1alpha1 import ResolutionPhase
from serinus_operator.decide.findings import found, worst
from serinus_operator.decide.source import copy_of
from serinus_operator.decide.work import (
    NOT_STARTED,
    Step,
    Work,
    enter,
    missing_record,
    reject,
    restart_clock,
    stay,
    until_deadline,
)
from serinus_operator.sources import Source
from serinus_operator.state import Progress, Verdict

HELD_BACK = NOT_STARTED | {Reason.NOT_FOUND}
"""A claim that is missing keeps pods from starting as well."""


def provisioning(work: Work, _: Source) -> Step:
    """Start the revision's own pods; promote it when all of them answer."""
    revision, digest = work.resolution.revision, work.resolution.digest
    if revision is None or digest is None:
        return enter(work, ResolutionPhase.RESOLVING)
    workload = work.observation.workloads.get(revision)
    if workload and workload.updated and workload.replicas == work.replicas and workload.ready >= work.replicas:
        return Step(
            resolution=None, memory=work.memory, findings=found(work.subject, work.resolution), promoted=revision
        )
    pods = workload.pods if workload else ()
    refusal = None if workload else work.observation.failure
    if any(pod.report and pod.report.reason == Reason.SOURCE_CHANGED for pod in pods):
        # The source moved between preflight and start: what it holds now is another revision, or no match for the pin.
        if work.subject.spec.model.digest:
            return enter(work, ResolutionPhase.PREFLIGHT, revision=None, attempt=work.resolution.attempt + 1)
        return enter(work, ResolutionPhase.RESOLVING, revision=None, digest=None)
    problem = (workload.problem if workload else refusal) or worst(pods, work.elapsed_seconds())
    stages = {pod.progress for pod in pods}
    held_back = problem is not None or Progress.CREATING in stages
    waits = workload is None or (held_back and Progress.FAILING not in stages)
    still = problem is not None and problem.reason in HELD_BACK  # a pod that runs and ends may say NotFound as well
    if not waits and not still and reason_of(work.resolution.reason) in HELD_BACK:
        work = restart_clock(work)
    if work.elapsed_seconds() >= work.deadline_seconds and not waits:
        why = problem.message if problem else "its pods run but do not become ready"
        message = f"{revision} was not ready within {work.deadline_seconds} s: {why}"
        return reject(work, Verdict(problem.reason if problem else Reason.CANDIDATE_NOT_READY, message))
    record = missing_record(work, digest)
    step = stay(work, waiting=problem, requeue_seconds=0.0 if record else until_deadline(work))
    copy = copy_of(observed, work.observation.source) if (observed := work.observation.records.get(revision)) else None
    return replace(step, candidate=revision, record=record, copy=copy)
