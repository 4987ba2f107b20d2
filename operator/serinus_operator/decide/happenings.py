"""What a pass of the rollout machine is worth telling: each step, verdict, hold, abort and promotion once. Pure.

A phase tells by being entered, so it is told when the status has gone from one course to the next, and once more by a
process that finds it and has seen nothing: the one before may have died between the status and the Event. Its Event has
the same name then, and it is not counted again. A verdict tells when its window ends.
"""

from collections.abc import Iterable, Iterator

from serinus_api.v1alpha1 import RolloutPhase as Phase
from serinus_operator.decide.analysis import Judgement, Outcome
from serinus_operator.decide.course import Course
from serinus_operator.decide.gate import LOW_TRAFFIC, METRICS_UNAVAILABLE
from serinus_operator.decide.plan import Plan
from serinus_operator.decide.watch import sides_of
from serinus_operator.state import Happening

UNJUDGED = LOW_TRAFFIC, METRICS_UNAVAILABLE
BAD = frozenset({Phase.HELD, Phase.ABORTING})
WORDS = {
    Phase.HELD: "RolloutHeld",
    Phase.PROMOTING: "RolloutPromoting",
    Phase.BAKING: "RolloutPromoted",
    Phase.ABORTING: "RolloutAborted",
    Phase.SUPERSEDING: "RolloutSuperseded",
}


def happenings(
    before: Course, after: Course, verdicts: Iterable[Judgement], plan: Plan, *, cause: str, fresh: bool
) -> tuple[Happening, ...]:
    """All that is told. `verdicts`: of the window that has just ended; `cause`: why it is taken back, in one word."""
    told = [_entered(before, plan, cause="")] if fresh else []
    told += [_verdict(verdict, before) for verdict in verdicts]
    if before.phase is Phase.HELD and after.phase is Phase.STEPPING and after.step_index == before.step_index:
        told.append(Happening("RolloutResumed", _key(after, "Resumed"), f"{after.candidate} goes on: {before.held}"))
    elif (before.phase, before.step_index) != (after.phase, after.step_index):
        told.append(_entered(after, plan, cause=cause))
    if before.phase is Phase.BAKING and after.phase is Phase.STABLE:
        words = f"{before.stable} has kept its place after the promotion"
        told.append(Happening("RolloutCompleted", _key(before, "Completed"), words))
    return tuple(one for one in told if one)


def _entered(course: Course, plan: Plan, *, cause: str) -> Happening | None:
    """A phase in its own words; None of one that is not told."""
    message = "".join(_words(course, plan))
    reason = WORDS.get(course.phase, "RolloutStep" if course.phase is Phase.STEPPING else "")
    if not reason:
        return None
    key = _key(course, f"{course.phase}/{course.held}")
    return Happening(
        reason,
        key,
        message,
        warning=course.phase in BAD,
        result=cause if course.phase is Phase.ABORTING else "",
    )


def _words(course: Course, plan: Plan) -> Iterator[str]:
    passed = f"; the step before is passed, {course.message}" if course.message.startswith(UNJUDGED) else ""
    match course.phase:
        case Phase.STEPPING:
            yield f"step {plan.place(course.step_index)}: {course.candidate} is to get "
            yield f"{course.step_weight} %" if course.step_weight else "copies alone"
            yield passed
        case Phase.HELD:
            yield f"{course.candidate} is held, {course.held}: {course.message}"
        case Phase.PROMOTING:
            yield f"{course.candidate} is to get every request{passed}"
        case Phase.BAKING:
            yield f"{course.stable} is stable, and is watched for {plan.bake_seconds} s; {course.previous} is kept"
        case Phase.ABORTING:
            yield f"{course.candidate} is taken back: {course.message}"
        case _:
            yield f"{course.candidate} makes room for another revision"


def _verdict(verdict: Judgement, course: Course) -> Happening:
    """`errors of iris-2: Fail, 48 (31 to 72) over 250 requests, stable 1.2 (0.4 to 3.5): above max 10`."""
    name = sides_of(course)[0]
    baseline = f", stable {verdict.baseline}" if verdict.baseline else ""
    why = verdict.message or (verdict.gap.value if verdict.gap else "")
    message = (
        f"{verdict.metric} of {name}: {verdict.outcome.value}, {verdict.interval or 'no value'} "
        f"over {verdict.samples} requests{baseline}{f': {why}' if why else ''}"
    )
    return Happening(
        f"Analysis{verdict.outcome.value}",
        _key(course, f"{verdict.metric}/{verdict.outcome.value}"),
        message,
        warning=verdict.outcome is Outcome.FAIL,
        metric=verdict.metric,
        result=verdict.outcome.value,
    )


def _key(course: Course, what: str) -> str:
    """Tells one happening from another: which candidate, which try, which step."""
    names = f"{course.stable}/{course.candidate}/{course.previous}"
    return f"{names}/{course.attempt}/{course.step_index}/{what}"
