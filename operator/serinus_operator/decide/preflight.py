"""Preflight: a throw-away pod tries the model, again and again while something is missing. Pure."""

from dataclasses import replace

from serinus_api import names
from serinus_api.conditions import FINAL_REASONS, Reason
from serinus_api.v1alpha1 import ResolutionPhase
from serinus_operator.decide.work import (
    RETRY_SECONDS,
    Step,
    Work,
    enter,
    missing_record,
    reject,
    remembered,
    retry_seconds,
    revision_of,
    stay,
    updated,
    with_digest,
)
from serinus_operator.sources import Source
from serinus_operator.state import Copy, PodState, PreflightIntent, Progress, Verdict


def preflight(work: Work, source: Source) -> Step:
    """Have a throw-away pod try the model; its verdict decides."""
    pod = work.observation.preflight
    if pod is None or pod.progress is not Progress.ENDED:
        return _run_preflight(work, source, pod)
    verdict = pod.verdict or Verdict(Reason.POD_LOST, "the preflight pod ended without a verdict")
    report = pod.report
    if verdict.reason is Reason.PASSED and report and report.digest:
        work = with_digest(work, report.digest)
        return enter(work, ResolutionPhase.PROVISIONING, revision=revision_of(work, report.digest))
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
    # Only a pod that waits says something new: one whose container has just ended is judged when the pod has.
    waiting = pod.verdict if pod and pod.progress is Progress.WAITING else remembered(work)
    step = stay(work, waiting=waiting, requeue_seconds=RETRY_SECONDS)
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
