"""Resolving: find the digest where it can be known without a pod. Pure."""

from serinus_api.conditions import Reason
from serinus_api.v1alpha1 import ResolutionPhase
from serinus_operator.decide.validation import asked_of
from serinus_operator.decide.work import (
    Step,
    Work,
    enter,
    promoted_before,
    reject,
    retry_seconds,
    start_pods,
    stay,
    with_digest,
)
from serinus_operator.sources import Source
from serinus_operator.state import Verdict


def resolving(work: Work, source: Source) -> Step:
    """Find the digest where it can be known without a pod: a pin, or a ConfigMap."""
    pin = work.subject.spec.model.digest
    digest = pin
    if pin and promoted_before(work, pin):
        return start_pods(work, pin)
    if source.pinned_by_copy:
        state = work.observation.source
        if state is None:
            return stay(work, requeue_seconds=0.0)
        if state.problem:
            return stay(work, waiting=state.problem, requeue_seconds=retry_seconds(work))
        digest = state.digest
        if pin and pin != digest:
            message = f"spec.model.digest asks for {pin}, but {work.subject.spec.model.uri} is {digest}"
            return reject(with_digest(work, digest), Verdict(Reason.DIGEST_MISMATCH, message))
    work = with_digest(work, digest)
    if digest and promoted_before(work, digest):
        return start_pods(work, digest)
    asked = asked_of(work.subject, work.observation.golden)
    return enter(work, ResolutionPhase.PREFLIGHT, attempt=work.resolution.attempt + 1, validation=asked.key)
