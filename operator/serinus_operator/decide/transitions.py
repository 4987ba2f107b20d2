"""The rollout machine: one table of transitions, which the code runs, the tests try and docs/canary.md draws. Pure.

`advance` takes the first transition of the present phase whose condition holds; without one it stays, and moves the
weight as far as it may. At most one transition per call: it is persisted, then acted on, then looked at again.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from serinus_api.v1alpha1 import RolloutPhase as Phase
from serinus_operator.decide.course import Course, Facts, first_percent, steps_ahead
from serinus_operator.decide.gate import Answer
from serinus_operator.decide.plan import Plan
from serinus_operator.decide.view import HOLDS, NO_STEP, TOO_FEW_PODS, View

Effect = Callable[[View], Course]
ASKED = "serinus.dev/abort asked for it"
HELD_FOR = "held for"


@dataclass(frozen=True)
class Transition:
    """From one phase to another: when, and what becomes of the course."""

    source: Phase
    target: Phase
    words: str
    when: Callable[[View], bool]
    effect: Effect = lambda view: view.course


def _begun(view: View) -> Course:
    """Another candidate, or the same one once more."""
    again = view.facts.wanted == view.course.candidate
    return Course(
        stable=view.course.stable,
        candidate=view.facts.wanted,
        attempt=view.course.attempt + 1 if again else 1,
        promoted=view.course.promoted,
        aborted=view.course.aborted,
        retried=view.facts.retry,
    )


def _at_step(view: View, index: int) -> Course:
    promoted = view.facts.promote if view.course.phase is not Phase.PROVISIONING else view.course.promoted
    weight = view.plan.steps[index].weight
    return replace(view.course, step_index=index, step_weight=weight, elapsed=0.0, promoted=promoted)


def _next_step(view: View) -> Course:
    return replace(_at_step(view, view.course.step_index + 1), message=_without_verdict(view))


def _promoted_now(view: View) -> Course:
    return replace(view.course, promoted=view.facts.promote, elapsed=0.0, message=_without_verdict(view))


def _without_verdict(view: View) -> str:
    """Why the step was passed although nothing could be said of the candidate; empty where something was."""
    ruling = view.ruling
    return f"{ruling.reason}: {ruling.message}" if ruling.answer is Answer.PASS and ruling.reason else ""


def _flipped(view: View) -> Course:
    """Promotion: a pointer moves, no pod is restarted."""
    return replace(view.course, stable=view.course.candidate, previous=view.course.stable, elapsed=0.0)


def _returned(view: View) -> Course:
    """A failed bake: the pointer moves back to the revision that was kept warm."""
    course = view.course
    back = replace(course, stable=course.previous, candidate=course.stable, previous=None, weight=0)
    return replace(back, aborted=view.facts.abort, message=_why(view))


def _stopped(view: View) -> Course:
    return replace(view.course, aborted=view.facts.abort, message=_why(view))


def _why(view: View) -> str:
    if view.abort_asked:
        return ASKED
    return view.facts.failed or view.ruling.message


def _held(view: View) -> Course:
    return replace(view.course, held=view.hold, held_seconds=0.0, message=_why_held(view))


def _held_at_the_end(view: View) -> Course:
    """Held behind the last step, with every request to come."""
    return replace(_held(view), step_index=len(view.plan.steps), step_weight=NO_STEP.weight)


def _given_up(view: View) -> Course:
    course = view.course
    seconds, why = (course.held_seconds, course.held) if course.held else (course.waited, TOO_FEW_PODS)
    return replace(course, message=f"{HELD_FOR} {seconds:.0f} s: {why}")


def _why_held(view: View) -> str:
    return HOLDS.get(view.hold, view.ruling.message)


def _settled(view: View) -> Course:
    """Nothing under way; what was asked meanwhile is done with."""
    facts, course = view.facts, view.course
    return Course(stable=course.stable, promoted=facts.promote, aborted=facts.abort, retried=course.retried)


P = Phase
OTHER = "the spec asks for another revision"


def _stops(source: Phase) -> tuple[Transition, ...]:
    """What ends any rollout before the promotion."""
    return (
        Transition(source, P.SUPERSEDING, OTHER, lambda v: v.facts.wanted != v.course.candidate),
        Transition(source, P.ABORTING, "abort is asked", lambda v: v.abort_asked, _stopped),
        Transition(
            source, P.ABORTING, "its pods crash, or do not stay ready", lambda v: bool(v.facts.failed), _stopped
        ),
    )


def _steps(source: Phase) -> tuple[Transition, ...]:
    """What ends a step, held or not."""
    full = "all steps are passed, or promote asks for full/"
    return (
        Transition(source, P.ABORTING, "the analysis failed", lambda v: v.ruling.answer is Answer.FAIL, _stopped),
        Transition(
            source,
            P.PROMOTING,
            full,
            lambda v: v.passing and (v.last or (v.facts.promote.startswith("full/") and v.promoting)),
            _promoted_now,
        ),
        Transition(source, P.STEPPING, "the step is passed, or promote asks for it", lambda v: v.passing, _next_step),
    )


TRANSITIONS: Final[tuple[Transition, ...]] = (
    Transition(P.STABLE, P.PROVISIONING, "a new revision has passed its preflight", lambda v: v.another_wanted, _begun),
    *_stops(P.PROVISIONING),
    Transition(
        P.PROVISIONING,
        P.STEPPING,
        "its pods can take the first weight",
        lambda v: (
            steps_ahead(v.course, v.facts, v.plan) and v.facts.side(v.course.candidate).holds >= first_percent(v.plan)
        ),
        lambda v: _at_step(v, 0),
    ),
    Transition(
        P.PROVISIONING,
        P.PROMOTING,
        "it takes no steps, and its pods can take everything, or `Recreate` makes room for them",
        lambda v: v.may_take_over,
    ),
    Transition(
        P.PROVISIONING,
        P.ABORTING,
        "its pods have not come for `startupDeadlineSeconds` and `holdDeadlineSeconds`",
        lambda v: v.never_comes,
        _given_up,
    ),
    *_stops(P.STEPPING),
    *_steps(P.STEPPING),
    Transition(P.STEPPING, P.HELD, "it cannot be judged, split or served", lambda v: bool(v.hold), _held),
    *_stops(P.HELD),
    *_steps(P.HELD),
    Transition(
        P.HELD,
        P.ABORTING,
        "held for `holdDeadlineSeconds`",
        lambda v: v.course.held_seconds >= v.plan.analysis.hold_deadline_seconds,
        _given_up,
    ),
    Transition(
        P.HELD,
        P.PROMOTING,
        "the reason is gone, and there was no step left",
        lambda v: v.after_steps and not v.hold,
        lambda v: replace(v.course, message=""),
    ),
    Transition(P.HELD, P.STEPPING, "the reason is gone", lambda v: not v.hold, lambda v: replace(v.course, message="")),
    *_stops(P.PROMOTING),
    Transition(P.PROMOTING, P.BAKING, "it takes every request", lambda v: v.taken_over, _flipped),
    Transition(
        P.PROMOTING,
        P.HELD,
        "it took steps, and cannot be split or served",
        lambda v: bool(v.course.step_weight and v.hold),
        _held_at_the_end,
    ),
    Transition(
        P.PROMOTING,
        P.ABORTING,
        "it took no steps, and its pods have not come for `startupDeadlineSeconds` and `holdDeadlineSeconds`",
        lambda v: v.at_once and v.never_comes,
        _given_up,
    ),
    Transition(P.BAKING, P.PROVISIONING, OTHER, lambda v: v.another_wanted and v.entered, _begun),
    Transition(P.BAKING, P.ABORTING, "it fails, or abort is asked", lambda v: v.bake_failed, _returned),
    Transition(
        P.BAKING, P.STABLE, "the spec asks for one that is still to be tried", lambda v: v.unknown_wanted, _settled
    ),
    Transition(P.BAKING, P.STABLE, "`bakeSeconds` are over, and nobody uses the old one", lambda v: v.baked, _settled),
    Transition(P.ABORTING, P.ABORTED, "nothing arrives at the candidate", lambda v: v.drained),
    Transition(P.ABORTED, P.PROVISIONING, OTHER, lambda v: v.another_wanted, _begun),
    Transition(
        P.ABORTED,
        P.PROVISIONING,
        "retry is asked",
        lambda v: v.facts.retry not in ("", v.course.retried) and v.facts.wanted == v.course.candidate,
        _begun,
    ),
    Transition(
        P.ABORTED,
        P.STABLE,
        "the spec asks for the stable one",
        lambda v: v.facts.wanted == v.course.stable,
        _settled,
    ),
    Transition(
        P.SUPERSEDING,
        P.PROVISIONING,
        "nothing arrives at the candidate",
        lambda v: v.drained and v.facts.wanted not in (None, v.course.stable),
        _begun,
    ),
    Transition(P.SUPERSEDING, P.STABLE, "the same, and no other is ready to be tried", lambda v: v.drained, _settled),
)


def advance(course: Course, facts: Facts, plan: Plan) -> Course:
    """The next course: time first, then the steps as they are now, then one transition or as much weight as may be."""
    view = viewed(course, facts, plan)
    transition = due(view)
    return _in_phase(transition.effect(view), transition.target) if transition else _stay(view)


def viewed(course: Course, facts: Facts, plan: Plan) -> View:
    """What the table is asked about."""
    return View(realigned(_aged(View(course, facts, plan)), plan), facts, plan)


def due(view: View) -> Transition | None:
    """The line of the table that holds."""
    lines = (line for line in TRANSITIONS if line.source is view.course.phase)
    return next((line for line in lines if line.when(view)), None)


def _in_phase(course: Course, phase: Phase) -> Course:
    course = replace(course, phase=phase, counting=False)
    return course if phase is Phase.HELD else replace(course, held="", held_seconds=0.0, waited=0.0)


def _aged(view: View) -> Course:
    """The course with the time that has passed. A pause runs from the look that sees its weight in force: of the time
    before, nobody knows when the weight came to be."""
    passed = view.facts.passed
    course = replace(view.course, waited=view.course.waited + passed if view.on_its_way else 0.0)
    if course.phase is Phase.HELD:
        return replace(course, held_seconds=course.held_seconds + passed)
    baking = course.phase is Phase.BAKING and view.facts.entry == course.stable
    making_room = course.phase is Phase.PROMOTING and view.plan.recreates
    counting = baking or making_room or (course.phase is Phase.STEPPING and view.arrived)
    more = passed if counting and course.counting else 0.0
    return replace(course, elapsed=course.elapsed + more, counting=counting)


def realigned(course: Course, plan: Plan) -> Course:
    """The course in steps that were edited: the same place if its weight agrees, else the largest not above the weight.

    An edit that takes all steps away leaves the last one, at 100.
    """
    if course.phase not in (Phase.STEPPING, Phase.HELD):
        return course
    index = course.step_index
    ahead = index < len(plan.steps)
    here = plan.steps[index] if ahead else NO_STEP
    behind = course.phase is Phase.HELD or not plan.steps
    if here.weight == course.step_weight and (ahead or behind):
        return course  # in its step, or behind the last one, where nobody steps while there are others
    below = [place for place, step in enumerate(plan.steps) if step.weight <= course.weight]
    index = below[-1] if below else 0
    weight = plan.steps[index].weight if plan.steps else NO_STEP.weight
    return replace(course, step_index=index, step_weight=weight, elapsed=0.0, counting=False)


def _moved(view: View) -> Course:
    """With as much of the weight that is aimed at as may be; a new one has time to come to be in force."""
    course, weight = view.course, view.toward(view.aim)
    return replace(course, weight=weight, waited=course.waited if weight == course.weight else 0.0)


def _stay(view: View) -> Course:
    """The same phase; the weight goes up as far as the candidate can carry it, down as far as stable can."""
    course, facts = view.course, view.facts
    match course.phase:
        case Phase.STEPPING:
            return replace(_moved(view), message=view.ruling.message)
        case Phase.HELD:
            return replace(_moved(view), held=view.hold, message=_why_held(view))
        case Phase.PROMOTING if course.step_weight:
            return _moved(view)
        case Phase.ABORTING | Phase.SUPERSEDING:
            return replace(course, weight=view.toward(0))
        case Phase.BAKING if facts.entry == course.stable:
            return replace(course, candidate=None, weight=0)
        case Phase.STABLE | Phase.ABORTED if facts.wanted:
            return replace(course, promoted=facts.promote, aborted=facts.abort)
    return course
