"""Conditions from a decision. Pure; the only author of `Ready`, but for `undecided.py` where there is no decision.

    health     Ready            Reconciling   Stalled (reason)
    ─────────  ───────────────  ────────────  ─────────────────────────────────────────────────────
    Settled    True             –             –
    Working    False, Unknown¹  True          –
    Stalled    False            –             True (RolledBack with a stable revision, else as Ready)
    Paused     False            –             –

¹ Unknown while nothing has been found wrong and nothing has ever served. Reconciling and Stalled are present only when
true, never both: kstatus takes the first it finds.

A failed write goes before the decision: Ready is False for it. A settled health becomes Working then, and any becomes
Stalled by what no waiting will cure (`FINAL_FAILURES`), or Working while the present spec has not been tried yet.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from serinus_api.conditions import ConditionType, Reason
from serinus_api.v1alpha1 import Condition
from serinus_operator.places import RETURNING, WAKING
from serinus_operator.state import Decision, Finding, Health, Instant, Observation, Subject, Verdict

MESSAGE_LIMIT = 4096
FINAL_FAILURES = frozenset({Reason.NAME_CONFLICT, Reason.OVERRIDDEN, Reason.REJECTED_BY_API_SERVER})
"""What no waiting will cure. Of a new spec it is not said before that has been tried: a pipeline gives up on it."""


def build_conditions(
    subject: Subject, observation: Observation, decision: Decision, now: Instant
) -> tuple[Condition, ...]:
    """All conditions in their order; `lastTransitionTime` moves only when a status flips."""
    findings = {
        ConditionType.READY: ready(subject, observation, decision),
        ConditionType.AVAILABLE: available(observation, decision),
        **decision.findings,
    }
    health = Health.WORKING if observation.failure and decision.health is Health.SETTLED else decision.health
    if observation.failure and observation.failure.reason in FINAL_FAILURES:
        health = Health.WORKING if observation.failure_is_old else Health.STALLED
    if health is Health.WORKING:
        findings[ConditionType.RECONCILING] = Finding("True", findings[ConditionType.READY].verdict)
    elif health is Health.STALLED:
        findings[ConditionType.STALLED] = Finding("True", _stalled(decision, findings[ConditionType.READY].verdict))
    before = {c.type: c for c in subject.status.conditions}
    return tuple(
        _condition(kind, findings[kind], before.get(kind), subject.generation, now)
        for kind in ConditionType
        if kind in findings
    )


def ready(subject: Subject, observation: Observation, decision: Decision) -> Finding:
    """The summary: is the present spec rolled out and serving?"""
    if observation.failure:
        return Finding("False", observation.failure)
    if decision.health is Health.SETTLED:
        return Finding("True", decision.verdict)
    nothing_wrong = decision.health is Health.WORKING and decision.verdict.reason is Reason.RECONCILING
    untouched: Literal["Unknown", "False"] = (
        "Unknown" if nothing_wrong and not subject.status.stable_revision else "False"
    )
    return Finding(untouched, decision.verdict)


def available(observation: Observation, decision: Decision) -> Finding:
    """Does some revision answer through the entry Service?"""
    stable = decision.status.stable_revision
    if stable is None:
        return Finding("False", Verdict(Reason.NO_REVISION, "no revision has been rolled out yet"))
    if observation.entry_revision is None:
        return Finding("False", observation.failure or Verdict(Reason.NO_READY_REPLICAS, "its Service is missing"))
    if decision.scaling and decision.scaling.state == "Asleep" and decision.scaling.reason != Reason.WAKE_FAILED:
        return Finding("True", Verdict(Reason.ASLEEP, f"{stable} sleeps; the next request wakes it"))
    serving = sum(observation.workloads[name].ready for name in (stable,) if name in observation.workloads)
    leaving = observation.workloads.get(observation.entry_revision or "")
    if not serving and leaving:
        serving = leaving.ready
    if serving:
        return Finding("True", Verdict(Reason.SERVING, f"{stable} answers"))
    if decision.health is Health.SETTLED and decision.traffic.place in (WAKING, RETURNING):
        return Finding("True", Verdict(Reason.WAKING, f"{stable} wakes; requests are held until its first pod answers"))
    asked = " (spec.replicas is 0)" if decision.replicas == 0 else ""
    return Finding("False", Verdict(Reason.NO_READY_REPLICAS, f"no pod of {stable} is ready{asked}"))


def changed(before: Iterable[Condition], after: Sequence[Condition]) -> tuple[Condition, ...]:
    """The conditions whose status or reason is another than before: worth an Event."""
    known = {c.type: (c.status, c.reason) for c in before}
    return tuple(c for c in after if known.get(c.type) != (c.status, c.reason))


def _stalled(decision: Decision, verdict: Verdict) -> Verdict:
    """`RolledBack` when a rollout failed and the stable revision serves on."""
    if decision.refused and decision.status.stable_revision:
        message = f"{decision.status.stable_revision} serves on; the new revision was refused: {verdict.message}"
        return Verdict(Reason.ROLLED_BACK, message)
    return verdict


def _condition(
    kind: ConditionType, finding: Finding, before: Condition | None, generation: int, now: Instant
) -> Condition:
    same = before is not None and before.status == finding.status
    return Condition(
        type=kind,
        status=finding.status,
        observed_generation=generation,
        last_transition_time=before.last_transition_time if before and same else now.timestamp(),
        reason=finding.verdict.reason,
        message=finding.verdict.message[:MESSAGE_LIMIT],
    )
