"""What ModelResolved, ModelValidated and RolloutHealthy say while a new revision is on its way. Pure."""

from serinus_api.conditions import FINAL_REASONS, RESOLUTION_REASONS, ConditionType, Reason
from serinus_api.v1alpha1 import ResolutionPhase, ResolutionStatus
from serinus_operator.sources import parse_source
from serinus_operator.state import Finding, PodState, Progress, Subject, Verdict

Findings = dict[ConditionType, Finding]
SLOW_START_SECONDS = 10.0
"""A container that has not started by then is worth a word; most have, and nothing is written for them."""


def found(subject: Subject, resolution: ResolutionStatus, problem: Verdict | None = None) -> Findings:
    """ModelResolved, ModelValidated and RolloutHealthy, from the phase and what it waits for or was refused for."""
    phase, uri = resolution.phase, subject.spec.model.uri
    if _digest_seen(subject, resolution):
        resolved = Finding("True", Verdict(Reason.RESOLVED, f"{uri} is {resolution.digest}"))
    else:
        resolved = Finding("Unknown", Verdict(Reason.RESOLVING, f"looking up {uri}"))
    validated = Finding("Unknown", Verdict(Reason.PREFLIGHT, f"{phase}: not tried yet"))
    if phase is ResolutionPhase.PREFLIGHT:
        validated = Finding("Unknown", Verdict(Reason.PREFLIGHT, f"attempt {resolution.attempt} is running"))
    if phase is ResolutionPhase.PROVISIONING:
        validated = Finding("True", Verdict(Reason.PASSED, "the model loads and answers within its limits"))
    findings = {ConditionType.MODEL_RESOLVED: resolved, ConditionType.MODEL_VALIDATED: validated}
    rollout = Finding("True", Verdict(Reason.PROGRESSING, f"{phase} of {subject.spec.model.uri}"))
    if problem and problem.reason in RESOLUTION_REASONS:
        findings[ConditionType.MODEL_RESOLVED] = Finding("False", problem)
    elif problem and phase is ResolutionPhase.PREFLIGHT:
        final = problem.reason in FINAL_REASONS
        findings[ConditionType.MODEL_VALIDATED] = Finding("False" if final else "Unknown", problem)
    elif problem and phase is ResolutionPhase.PROVISIONING:
        rollout = Finding("False", problem)
    if subject.status.stable_revision:
        findings[ConditionType.ROLLOUT_HEALTHY] = rollout
    return findings


def _digest_seen(subject: Subject, resolution: ResolutionStatus) -> bool:
    """Whether the bytes were hashed. The pin of a model that only its pods can read is a wish until one has read it."""
    source = parse_source(subject.spec.model.uri)
    here = source is not None and source.pinned_by_copy
    return resolution.digest is not None and (here or resolution.phase is ResolutionPhase.PROVISIONING)


def worst(pods: tuple[PodState, ...], seconds: float) -> Verdict | None:
    """The verdict to show of several pods after so many seconds: a failing one's before a waiting one's."""
    passed_over = {Progress.READY} if seconds >= SLOW_START_SECONDS else {Progress.READY, Progress.CREATING}
    ranked = sorted(
        (pod for pod in pods if pod.verdict and pod.progress not in passed_over),
        key=lambda pod: (pod.progress is not Progress.FAILING, pod.name),
    )
    return ranked[0].verdict if ranked else None
