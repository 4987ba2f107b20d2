"""From readings to evidence: what is known of the candidate where it is now. Pure; kept in memory, lost by a restart.

    readings ─► watched ─► Watch ─► evidence_of ─► Evidence ─► transitions.advance

A stretch is one step of one attempt, or the bake. With a new one counting begins anew; the verdicts of another stretch
say nothing of this one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from serinus_api.v1alpha1 import RolloutPhase
from serinus_operator.decide.analysis import (
    COPIED,
    Gap,
    Judgement,
    Outcome,
    fails_already,
    look,
    readable,
    so_far,
    window_ended,
)
from serinus_operator.decide.course import Course
from serinus_operator.decide.gate import UNREAD, Evidence
from serinus_operator.decide.plan import Analysis, Plan
from serinus_operator.decide.windows import Ledger, Reading, after_promotion, next_step, next_window, record

JUDGED = frozenset({RolloutPhase.STEPPING, RolloutPhase.HELD, RolloutPhase.BAKING})
BAKE = -1


@dataclass(frozen=True, slots=True)
class Watch:
    """The counts and the verdicts of the present stretch."""

    ledger: Ledger
    stretch: tuple[str | None, int, int] = (None, 0, 0)
    """Revision, attempt, and the step's place or `BAKE`."""
    verdicts: tuple[Judgement, ...] = ()
    failures: Mapping[str, int] = field(default_factory=dict)
    """By metric, windows in a row that failed before these verdicts: after a restart, what the status remembers."""


def begun(now: float, failures: Mapping[str, int]) -> Watch:
    """The watch of a process that has just started."""
    return Watch(Ledger(window_since=now), failures=failures)


def watched(watch: Watch, course: Course, plan: Plan, readings: Iterable[Reading], now: float) -> Watch:
    """The watch after one more round of readings; a verdict is made when a window ends."""
    watch = _in_its_stretch(watch, course, now)
    ledger = record(watch.ledger, readings, now)
    ours, theirs = sides_of(course)
    analysis = analysis_of(course, plan)
    if course.phase not in JUDGED or not window_ended(analysis, ledger, ours, now):
        return replace(watch, ledger=ledger)
    verdicts = look(analysis, ledger, ours, theirs, watch.failures)
    failures = {verdict.metric: verdict.failures for verdict in verdicts}
    return replace(watch, ledger=next_window(ledger, now), verdicts=verdicts, failures=failures)


def evidence_of(watch: Watch, course: Course, plan: Plan, now: float) -> Evidence:
    """What the gate is shown."""
    ours, theirs = sides_of(course)
    baking = course.phase is RolloutPhase.BAKING
    pause = plan.bake_seconds if baking else pause_of(course, plan)
    return Evidence(
        verdicts=watch.verdicts,
        readable=readable(watch.ledger, ours, now) and (baking or readable(watch.ledger, theirs, now)),
        early=fails_already(analysis_of(course, plan), watch.ledger, ours, theirs) if course.elapsed >= pause else None,
    )


def unjudged(watch: Watch, course: Course, plan: Plan, evidence: Evidence) -> tuple[Judgement, ...]:
    """What there is to say of each metric as a step ends, or is held, without a verdict; none where a window has."""
    analysis = analysis_of(course, plan)
    if not evidence.readable:
        unread = Judgement("", Outcome.INCONCLUSIVE, Gap.UNREACHABLE, message=UNREAD)
        return tuple(replace(unread, metric=metric.name) for metric in analysis.metrics)
    if evidence.verdicts:
        return ()
    looks = so_far(analysis, watch.ledger, *sides_of(course))
    return tuple(one for one in looks if one.outcome is Outcome.INCONCLUSIVE)


def analysis_of(course: Course, plan: Plan) -> Analysis:
    """The metrics that there can be anything to judge by.

    phase       weight  metrics
    ──────────  ──────  ─────────────────────────────────────────────
    a step      0       those that rest on copies
    a step      above   all
    the bake    –       all but those: nothing is copied any more
    """
    baking = course.phase is RolloutPhase.BAKING
    if course.step_weight and not baking:
        return plan.analysis
    kept = (metric for metric in plan.analysis.metrics if (metric.type in COPIED) is not baking)
    return replace(plan.analysis, metrics=tuple(kept))


def sides_of(course: Course) -> tuple[str, str]:
    """The revision that is judged, and the one that it is compared with."""
    if course.phase is RolloutPhase.BAKING:
        return course.stable or "", course.previous or ""
    return course.candidate or "", course.stable or ""


def pause_of(course: Course, plan: Plan) -> int:
    """How long the present step watches the candidate."""
    return plan.steps[course.step_index].pause_seconds if course.step_index < len(plan.steps) else 0


def _in_its_stretch(watch: Watch, course: Course, now: float) -> Watch:
    if course.phase not in JUDGED:
        return watch
    ours, theirs = sides_of(course)
    baking = course.phase is RolloutPhase.BAKING
    stretch = (ours, course.attempt, BAKE if baking else course.step_index)
    if stretch == watch.stretch:
        return watch
    if watch.stretch[0] is None:
        return replace(watch, stretch=stretch)
    ledger = after_promotion(watch.ledger, theirs, now) if baking else next_step(watch.ledger, now)
    return Watch(ledger, stretch)
