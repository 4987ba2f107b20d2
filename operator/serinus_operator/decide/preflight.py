"""Preflight: a throw-away pod tries the model, again and again while something is missing. Pure."""

from dataclasses import replace

from serinus_api import names
from serinus_api.conditions import FINAL_REASONS, Reason, reason_of
from serinus_api.v1alpha1 import ResolutionPhase
from serinus_operator.decide.findings import SLOW_START_SECONDS
from serinus_operator.decide.signature import breaking_changes, signature_of
from serinus_operator.decide.validation import Asked, asked_of
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
from serinus_operator.state import Copy, Passed, PodState, PreflightIntent, Progress, Verdict

RUNNING = frozenset({Progress.STARTING, Progress.FAILING, Progress.READY})


def preflight(work: Work, source: Source) -> Step:
    """Have a throw-away pod try the model; its verdict decides."""
    pod, asked = work.observation.preflight, asked_of(work.subject, work.observation.golden)
    if asked.missing:
        return stay(work, waiting=asked.missing, requeue_seconds=retry_seconds(work))
    if asked.key != work.resolution.validation:
        # A pod that was asked for something else, seen or not, has the name of the attempt before.
        attempt = work.resolution.attempt + 1
        return enter(work, ResolutionPhase.PREFLIGHT, attempt=attempt, validation=asked.key)
    if pod and pod.progress in RUNNING:
        work = _running(work, pod)
    verdict = _end(work, pod, asked) if pod else None
    if pod is None or verdict is None:
        return _run_preflight(work, source, pod, asked)
    report = pod.report
    if verdict.reason is Reason.PASSED and report and report.digest:
        digest = asked.validation.golden_digest if asked.validation else None
        return replace(start_pods(work, report.digest), passed=Passed(signature_of(report), digest))
    if verdict.reason in FINAL_REASONS and not _slow_once(work, verdict):
        return reject(with_digest(work, (report and report.digest) or work.resolution.digest), verdict)
    pause = retry_seconds(work)
    memory = replace(work.memory, not_before=work.monotonic + pause)
    work = replace(work, memory=memory, resolution=updated(work, attempt=work.resolution.attempt + 1))
    return stay(work, waiting=verdict, requeue_seconds=pause)


def _run_preflight(work: Work, source: Source, pod: PodState | None, asked: Asked) -> Step:
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
            validation=asked.validation,
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


def _end(work: Work, pod: PodState, asked: Asked) -> Verdict | None:
    """How the attempt ended: with the pod, or after the time that its program may take; None while it goes on."""
    if pod.progress is Progress.ENDED:
        verdict = pod.verdict or Verdict(Reason.POD_LOST, "the preflight pod ended without a verdict")
        return _objection(work, pod, asked) or verdict if verdict.reason is Reason.PASSED else verdict
    if pod.progress not in RUNNING or work.monotonic - work.memory.running_since < work.deadline_seconds:
        return None
    message = f"the preflight pod ran for {work.deadline_seconds} s without a verdict"
    return Verdict(Reason.STARTUP_DEADLINE_EXCEEDED, message)


def _objection(work: Work, pod: PodState, asked: Asked) -> Verdict | None:
    """What speaks against a model that has passed in its pod: the pod was not asked, or clients would break."""
    if asked.key and (pod.report is None or pod.report.validation != asked.key):
        message = f"image {work.resolution.image} knows nothing of spec.validation; use the image of this version"
        return Verdict(Reason.NOT_SUPPORTED, message)
    spec, stable = work.subject.spec.validation, work.subject.status.stable_revision
    if pod.report is None or (spec and spec.allow_signature_change):
        return None
    known = next((r.signature for r in work.subject.status.revisions if r.name == stable), None)
    changes = breaking_changes(known, signature_of(pod.report))
    if not changes:
        return None
    message = (
        f"clients of {stable} would break: {'; '.join(changes)}; spec.validation.allowSignatureChange lets it pass"
    )
    return Verdict(Reason.SIGNATURE_CHANGED, message)


def _slow_once(work: Work, verdict: Verdict) -> bool:
    """Whether a model was too slow for the first time: a node that is busy makes every model slow, so a second says."""
    return verdict.reason is Reason.TOO_SLOW and reason_of(work.resolution.reason) is not Reason.TOO_SLOW
