"""Preflight: a throw-away pod tries the model, again and again while something is missing. Pure."""

from dataclasses import replace

from serinus_api import names
from serinus_api.conditions import FINAL_REASONS, Reason, reason_of
from serinus_api.v1alpha1 import ResolutionPhase
from serinus_operator.decide.findings import SLOW_START_SECONDS
from serinus_operator.decide.work import (
    NOT_STARTED,
    RETRY_SECONDS,
    Step,
    Work,
    enter,
    missing_record,
    reject,
    remembered,
    restart_clock,
    retry_seconds,
    revision_of,
    start_pods,
    stay,
    updated,
    with_digest,
)
from serinus_operator.sources import Source
from serinus_operator.state import Copy, PodState, PreflightIntent, Progress, Verdict

RUNNING = frozenset({Progress.STARTING, Progress.FAILING, Progress.READY})


def preflight(work: Work, source: Source) -> Step:
    """Have a throw-away pod try the model; its verdict decides."""
    pod = work.observation.preflight
    if pod and pod.progress in RUNNING:
        work = _running(work, pod)
    verdict = _end(work, pod) if pod else None
    if pod is None or verdict is None:
        return _run_preflight(work, source, pod)
    report = pod.report
    if verdict.reason is Reason.PASSED and report and report.digest:
        return start_pods(work, report.digest)
    if verdict.reason in FINAL_REASONS:
        return reject(with_digest(work, (report and report.digest) or work.resolution.digest), verdict)
    pause = retry_seconds(work)
    memory = replace(work.memory, not_before=work.monotonic + pause)
    work = replace(work, memory=memory, resolution=updated(work, attempt=work.resolution.attempt + 1))
    return stay(work, waiting=verdict, requeue_seconds=pause)


def _run_preflight(work: Work, source: Source, pod: PodState | None) -> Step:
    if pod is None and work.monotonic < work.memory.not_before:
        pause = work.memory.not_before - work.monotonic
        return stay(work, waiting=remembered(work), requeue_seconds=pause)
    digest, state = work.resolution.digest, work.observation.source
    if source.pinned_by_copy and pod is None and (state is None or state.digest != digest):
        return enter(work, ResolutionPhase.RESOLVING)
    step = stay(work, waiting=_waiting(work, pod), requeue_seconds=RETRY_SECONDS)
    revision = None
    if source.pinned_by_copy and digest:
        # The copy that the pod mounts belongs to the revision's record, so the record comes first.
        revision = revision_of(work, digest)
        if revision not in work.observation.records:
            return replace(step, record=missing_record(work, digest), requeue_seconds=0.0)
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


def _waiting(work: Work, pod: PodState | None) -> Verdict | None:
    """What to show: what keeps this pod from starting, else what the last one ended with.

    A pod whose container has just ended is judged when the pod has. One that is only being created says so when that
    takes long, and never in place of a verdict: each attempt begins like that.
    """
    last = remembered(work)
    if pod and pod.progress is Progress.WAITING:
        return pod.verdict
    if pod and pod.progress is Progress.CREATING and (last is None or last.reason in NOT_STARTED):
        return pod.verdict if work.elapsed_seconds() >= SLOW_START_SECONDS else last
    return last


def _running(work: Work, pod: PodState) -> Work:
    """The program of the pod runs: from now on its own time counts, and what held the pod back is over."""
    if work.memory.running != pod.name:
        work = replace(work, memory=replace(work.memory, running=pod.name, running_since=work.monotonic))
    if reason_of(work.resolution.reason) in NOT_STARTED:
        work = restart_clock(work)
        work = replace(work, resolution=updated(work, reason=None, message=None))
    return work


def _end(work: Work, pod: PodState) -> Verdict | None:
    """How the attempt ended: with the pod, or after the time that its program may take; None while it goes on."""
    if pod.progress is Progress.ENDED:
        return pod.verdict or Verdict(Reason.POD_LOST, "the preflight pod ended without a verdict")
    if pod.progress not in RUNNING or work.monotonic - work.memory.running_since < work.deadline_seconds:
        return None
    message = f"the preflight pod ran for {work.deadline_seconds} s without a verdict"
    return Verdict(Reason.STARTUP_DEADLINE_EXCEEDED, message)
