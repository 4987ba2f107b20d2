"""The rollout machine: one table of transitions, which the code runs, the tests try and docs/canary.md draws. Pure.

`advance` takes the first transition of the present phase whose condition holds; without one it stays, and moves the
weight as far as it may. At most one transition per call: it is persisted, then acted on, then looked at again.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from serinus_api.v1alpha1 import RolloutPhase as Phase
from serinus_operator.decide.course import Course, Facts, steps_ahead
from serinus_operator.decide.gate import Answer, Ruling, rule
from serinus_operator.decide.plan import Plan, Step

GATEWAY_UNAVAILABLE = "GatewayUnavailable"
CANDIDATE_NOT_READY = "CandidateNotReady"
WEIGHT_NOT_VERIFIED = "WeightNotVerified"
NO_STEP = Step("", 100, 0)


@dataclass(frozen=True)
class View:
    """A course in the light of what is seen: the words of the table."""

    course: Course
    facts: Facts
    plan: Plan

    @cached_property
    def step(self) -> Step:
        """The present step."""
        steps, index = self.plan.steps, self.course.step_index
        return steps[index] if index < len(steps) else NO_STEP

    @cached_property
    def ruling(self) -> Ruling:
        """What the gate says; a manual step never passes by itself."""
        if self.course.phase is Phase.BAKING:
            analysis = replace(self.plan.analysis, on_inconclusive="Continue", on_too_few_requests="Continue")
            analysis = replace(analysis, low_traffic_wait_seconds=0)
            return rule(analysis, self.plan.bake_seconds, self.course.elapsed, self.facts.evidence)
        found = rule(self.plan.analysis, self.step.pause_seconds, self.course.elapsed, self.facts.evidence)
        if found.answer is Answer.PASS and self.step.manual:
            return Ruling(Answer.WAIT, message=f"step {self.step.name} waits for serinus.dev/promote")
        return found

    @property
    def arrived(self) -> bool:
        """Whether the present step's weight is asked for, applied, and not seen to be another."""
        asked = self.course.weight == self.step.weight and self.facts.applied == self.course.weight
        return asked and self.facts.verified is not False

    @property
    def promoting(self) -> bool:
        """Whether a promote is asked for that was not carried out yet."""
        return self.facts.promote not in ("", self.course.promoted)

    @property
    def passing(self) -> bool:
        """Whether the step may be left."""
        return self.promoting or (self.arrived and self.ruling.answer is Answer.PASS)

    @property
    def last(self) -> bool:
        """Whether it is the last one."""
        return self.course.step_index + 1 >= len(self.plan.steps)

    @cached_property
    def hold(self) -> str:
        """Why the rollout should not go on; empty: it may."""
        if not self.facts.splitter:
            return GATEWAY_UNAVAILABLE
        if not self.facts.side(self.course.candidate).ready:
            return CANDIDATE_NOT_READY
        if self.ruling.answer is Answer.HOLD:
            return self.ruling.reason
        reached = self.course.weight == self.step.weight == self.facts.applied
        return WEIGHT_NOT_VERIFIED if reached and self.facts.verified is False else ""

    @property
    def another_wanted(self) -> bool:
        """Whether there is a third revision to begin with."""
        return self.facts.wanted not in (None, self.course.stable, self.course.candidate)

    @property
    def drained(self) -> bool:
        """Whether no request goes to the candidate any more, by weight or by the entry."""
        unsplit = self.course.weight == 0 == self.facts.applied
        return unsplit and self.facts.quiet and self.facts.entry != self.course.candidate

    @property
    def taken_over(self) -> bool:
        """Whether the candidate can take, and where there are steps already takes, every request."""
        if self.course.step_weight and self.facts.splitter:
            return self.course.weight == 100 == self.facts.applied
        return self.facts.side(self.course.candidate).holds >= 100

    @property
    def bake_failed(self) -> bool:
        """Whether to go back; only to a revision that can take every request, as it was kept to."""
        returns = self.facts.side(self.course.previous).holds >= 100
        return returns and (self.abort_asked or self.ruling.answer is Answer.FAIL)

    @property
    def entered(self) -> bool:
        """Whether the entry leads to the promoted revision, and nothing is split any more."""
        return self.facts.entry == self.course.stable and self.course.weight == 0 == self.facts.applied

    @property
    def baked(self) -> bool:
        """Whether the bake is over, and nobody needs the old revision."""
        return self.entered and self.facts.previous_quiet and self.ruling.answer is Answer.PASS

    @property
    def abort_asked(self) -> bool:
        """Whether an abort is asked for that was not carried out yet."""
        return self.facts.abort not in ("", self.course.aborted)


Effect = Callable[[View], Course]


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
    return _at_step(view, view.course.step_index + 1)


def _promoted_now(view: View) -> Course:
    return replace(view.course, promoted=view.facts.promote, elapsed=0.0)


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
        return "serinus.dev/abort asked for it"
    return view.facts.failed or view.ruling.message or f"held for {view.course.held_seconds:.0f} s: {view.course.held}"


def _held(view: View) -> Course:
    return replace(view.course, held=view.hold, held_seconds=0.0, message=view.ruling.message)


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
        Transition(source, P.ABORTING, "the candidate can never be ready", lambda v: bool(v.facts.failed), _stopped),
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
            steps_ahead(v.course, v.facts, v.plan) and v.facts.side(v.course.candidate).holds >= v.plan.steps[0].weight
        ),
        lambda v: _at_step(v, 0),
    ),
    Transition(
        P.PROVISIONING,
        P.PROMOTING,
        "it takes no steps, and its pods can take everything",
        lambda v: not steps_ahead(v.course, v.facts, v.plan) and v.facts.side(v.course.candidate).holds >= 100,
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
        _stopped,
    ),
    Transition(
        P.HELD, P.STEPPING, "the reason is gone", lambda v: not v.hold, lambda v: replace(v.course, held="", message="")
    ),
    *_stops(P.PROMOTING),
    Transition(P.PROMOTING, P.BAKING, "it takes every request", lambda v: v.taken_over, _flipped),
    Transition(P.BAKING, P.PROVISIONING, OTHER, lambda v: v.another_wanted and v.entered, _begun),
    Transition(P.BAKING, P.ABORTING, "it fails, or abort is asked", lambda v: v.bake_failed, _returned),
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
    view = View(realigned(_aged(View(course, facts, plan)), plan), facts, plan)
    for transition in TRANSITIONS:
        if transition.source is view.course.phase and transition.when(view):
            return replace(transition.effect(view), phase=transition.target)
    return _stay(view)


def _aged(view: View) -> Course:
    """The course with the time that has passed; at a weight that is not there yet no pause runs."""
    course, passed = view.course, view.facts.passed
    if course.phase is Phase.HELD:
        return replace(course, held_seconds=course.held_seconds + passed)
    baking = course.phase is Phase.BAKING and view.facts.entry == course.stable
    if baking or (course.phase is Phase.STEPPING and view.arrived):
        return replace(course, elapsed=course.elapsed + passed)
    return course


def realigned(course: Course, plan: Plan) -> Course:
    """The course in steps that were edited: the same place if its weight agrees, else the largest not above the weight.

    An edit that takes all steps away leaves the last one, at 100.
    """
    if course.phase not in (Phase.STEPPING, Phase.HELD):
        return course
    index = course.step_index
    if index < len(plan.steps) and plan.steps[index].weight == course.step_weight:
        return course
    below = [place for place, step in enumerate(plan.steps) if step.weight <= course.weight]
    index = below[-1] if below else 0
    weight = plan.steps[index].weight if plan.steps else NO_STEP.weight
    return replace(course, step_index=index, step_weight=weight, elapsed=0.0)


def _stay(view: View) -> Course:
    """The same phase; the weight goes up as far as the candidate can carry it, down as far as stable can."""
    course, facts = view.course, view.facts
    match course.phase:
        case Phase.STEPPING | Phase.HELD:
            said = view.ruling.message if course.phase is Phase.STEPPING else course.message
            return replace(course, weight=_toward(view, view.step.weight), message=said)
        case Phase.PROMOTING if course.step_weight:
            return replace(course, weight=_toward(view, 100))
        case Phase.ABORTING | Phase.SUPERSEDING:
            return replace(course, weight=_toward(view, 0))
        case Phase.BAKING if facts.entry == course.stable:
            return replace(course, candidate=None, weight=0)
        case Phase.STABLE | Phase.ABORTED if facts.wanted:
            return replace(course, promoted=facts.promote, aborted=facts.abort)
    return course


def _toward(view: View, target: int) -> int:
    """The weight that may be asked for now on the way to `target`.

    No pod of the candidate is ready, or nothing can split: 0. Up: all the way, once the candidate holds the target.
    Down: as far as stable holds the rest already.
    """
    weight, facts = view.course.weight, view.facts
    candidate, stable = facts.side(view.course.candidate), facts.side(view.course.stable)
    if not candidate.ready or not facts.splitter:
        return 0
    if target > weight:
        return target if candidate.holds >= target else weight
    return max(target, min(weight, 100 - stable.holds))
