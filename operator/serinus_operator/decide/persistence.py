"""A course in the words of the status, and back: what survives a restart of the operator. Pure.

Elapsed seconds are rounded down to whole `PERSIST_SECONDS`, so that a pause costs a write every half minute and not one
per look: a restart can make a pause longer, never shorter.
"""

from collections.abc import Iterable, Mapping

from serinus_api.v1alpha1 import (
    ActionsStatus,
    AnalysisInterval,
    AnalysisResult,
    HeldStatus,
    ModelDeploymentStatus,
    RolloutPhase,
    RolloutStatus,
)
from serinus_operator.decide.analysis import Judgement
from serinus_operator.decide.course import Course, Facts
from serinus_operator.decide.statistics import Interval

PERSIST_SECONDS = 30
GATEWAY, HTTP_ROUTE = "Gateway", "HTTPRoute"
"""Who splits the requests."""
BESIDE = "callers inside of the cluster, who use the Service, get the stable revision"
"""Said while an HTTPRoute splits."""
STEPS = frozenset({RolloutPhase.STEPPING, RolloutPhase.HELD})
LARGEST = 1_000_000_000
"""What an end without a bound is written as."""


def course_of(status: ModelDeploymentStatus) -> Course:
    """Where a rollout is, from the status alone."""
    rollout, actions = status.rollout or RolloutStatus(phase=RolloutPhase.STABLE), status.actions
    return Course(
        stable=status.stable_revision,
        phase=rollout.phase,
        candidate=status.candidate_revision,
        previous=rollout.previous_revision,
        attempt=rollout.attempt,
        step_index=rollout.step_index or 0,
        step_weight=rollout.step_weight or 0,
        elapsed=rollout.step_elapsed_seconds,
        weight=rollout.requested_weight or 0,
        held=rollout.held.reason if rollout.held else "",
        held_seconds=rollout.held.since_seconds if rollout.held else 0,
        promoted=actions.promote or "",
        aborted=actions.abort or "",
        retried=actions.retry or "",
        message=(rollout.message or "").removesuffix(BESIDE).removesuffix("; "),
    )


def with_course(
    status: ModelDeploymentStatus, course: Course, facts: Facts, mechanism: str | None = None
) -> ModelDeploymentStatus:
    """The status that says where a rollout is, what was applied, seen and judged."""
    before = status.rollout.requested_weight if status.rollout else None
    verified = {None: "Unknown", True: "True", False: "False"}[facts.verified if course.weight == before else None]
    stepping = course.step_weight > 0 or course.phase in STEPS
    rollout = {
        "phase": course.phase,
        "attempt": course.attempt,
        "step_index": course.step_index if stepping else None,
        "step_weight": course.step_weight if stepping else None,
        "step_elapsed_seconds": _whole(course.elapsed),
        "previous_revision": course.previous,
        "requested_weight": course.weight,
        "applied_weight": facts.applied,
        "weight_verified": verified if course.weight else None,
        "mechanism": mechanism,
        "analysis": _verdicts(status, course, facts),
        "held": HeldStatus(reason=course.held, since_seconds=_whole(course.held_seconds)) if course.held else None,
        "message": _message(course, mechanism),
    }
    return status.model_copy(
        update={
            "stable_revision": course.stable,
            "candidate_revision": course.candidate,
            "rollout": RolloutStatus.model_validate(rollout),
            "actions": ActionsStatus(
                promote=course.promoted or None,
                abort=course.aborted or None,
                retry=course.retried or None,
                refresh=status.actions.refresh,
            ),
        }
    )


def _message(course: Course, mechanism: str | None) -> str | None:
    beside = BESIDE if mechanism == HTTP_ROUTE else ""
    said = course.message[: 1024 - len("; ") - len(beside)]
    return "; ".join(filter(None, (said, beside))) or None


def _verdicts(status: ModelDeploymentStatus, course: Course, facts: Facts) -> tuple[AnalysisResult, ...]:
    """Those of the last window of this step; a process that has just begun shows what the one before has seen.

    Those that a candidate was taken back for stay readable; another step begins without any.
    """
    before = status.rollout
    in_steps = before is not None and {before.phase, course.phase} <= STEPS
    if in_steps and before and before.step_index != course.step_index:
        return ()
    back = course.phase in (RolloutPhase.ABORTING, RolloutPhase.ABORTED)
    kept = before.analysis if before and (back or in_steps or before.phase is course.phase) else ()
    return tuple(map(result_of, facts.evidence.shown)) or kept


def result_of(verdict: Judgement) -> AnalysisResult:
    """A verdict as the status shows it, in whole units."""
    interval = verdict.interval
    return AnalysisResult.model_validate(
        {
            "metric": verdict.metric,
            "verdict": verdict.outcome.value,
            "value": _value(interval),
            "baseline": _value(verdict.baseline),
            "interval": AnalysisInterval(low=_unit(interval.low), high=_unit(interval.high)) if interval else None,
            "samples": min(verdict.samples, 1_000_000),
            "failures": verdict.failures,
        }
    )


def failures_of(results: Iterable[AnalysisResult]) -> Mapping[str, int]:
    """By metric, the windows in a row that had failed when the status was written."""
    return {result.metric: result.failures for result in results}


def _whole(seconds: float) -> int:
    return int(seconds) // PERSIST_SECONDS * PERSIST_SECONDS


def _value(interval: Interval | None) -> int | None:
    return _unit(interval.value) if interval else None


def _unit(number: float) -> int:
    return round(min(number, LARGEST))
