"""What the conditions of the transition table say: a course in the light of what is seen. Pure; for `transitions`."""

from dataclasses import dataclass, replace
from functools import cached_property

from serinus_api.v1alpha1 import RolloutPhase as Phase
from serinus_operator.decide.course import Course, Facts, steps_ahead
from serinus_operator.decide.gate import Answer, Ruling, rule
from serinus_operator.decide.plan import Plan, Step

GATEWAY_UNAVAILABLE = "GatewayUnavailable"
CANDIDATE_NOT_READY = "CandidateNotReady"
TOO_FEW_PODS = "TooFewPods"
WEIGHT_NOT_APPLIED = "WeightNotApplied"
WEIGHT_NOT_VERIFIED = "WeightNotVerified"
HOLDS = {
    GATEWAY_UNAVAILABLE: "nothing is ready that could split the requests",
    CANDIDATE_NOT_READY: "no pod of the candidate is ready",
    TOO_FEW_PODS: "the pods that the next weight needs do not become ready: is there room, is there a quota",
    WEIGHT_NOT_APPLIED: "not every gateway, or not the route's controller, has the weight in force",
    WEIGHT_NOT_VERIFIED: "the requests seen do not agree with the weight",
}
WAIT_SECONDS = 30.0
"""So long a weight may be on its way, with nobody asking why."""
NO_STEP = Step("", 100, 0)
"""What comes after the last step: every request."""


@dataclass(frozen=True)
class View:
    """The words of the table."""

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

    @property
    def aim(self) -> int:
        """The weight that shall be in force."""
        return NO_STEP.weight if self.course.phase is Phase.PROMOTING else self.step.weight

    @property
    def after_steps(self) -> bool:
        """Whether no step is left, and only the promotion is to come. Steps that were all taken away leave one."""
        passed = 0 < len(self.plan.steps) <= self.course.step_index
        return passed and self.course.step_weight == NO_STEP.weight

    @property
    def in_force(self) -> bool:
        """Whether the weight that is aimed at is asked for and applied."""
        return self.aim == self.course.weight == self.facts.applied

    @property
    def at_once(self) -> bool:
        """Whether it is promoted without a weight, as soon as its pods are there."""
        return self.course.phase is Phase.PROMOTING and not self.course.step_weight

    @property
    def on_its_way(self) -> bool:
        """Whether time passes in which the weight, or before the first one the pods, should come to be in force."""
        if self.course.phase is Phase.PROVISIONING or self.at_once:
            return True
        possible = bool(self.facts.side(self.course.candidate).ready) and (self.facts.splitter or not self.aim)
        return possible and self.course.phase in (Phase.STEPPING, Phase.HELD, Phase.PROMOTING) and not self.in_force

    @property
    def never_comes(self) -> bool:
        """Whether a candidate without its first pods is given up: it was waited for as for any hold."""
        longest = self.facts.starts_within + self.plan.analysis.hold_deadline_seconds
        return self.course.waited >= longest and not self.plan.recreates

    @property
    def lacking(self) -> str:
        """What keeps the weight that is aimed at from being in force, where it has for long; empty: nothing.

        What it is held for already lasts until it is mended, also for a process that did not see it begin.
        """
        facts, aim, weight = self.facts, self.aim, self.course.weight
        if self.in_force:
            return ""
        receiver, part = (self.course.candidate, aim) if aim > weight else (self.course.stable, 100 - aim)
        side = facts.side(receiver)
        if aim != weight and side.holds < part:
            return self._lasting(TOO_FEW_PODS, WAIT_SECONDS if side.stuck else max(WAIT_SECONDS, facts.starts_within))
        under_way = aim != weight and facts.armed
        return "" if under_way else self._lasting(WEIGHT_NOT_APPLIED, WAIT_SECONDS)

    def _lasting(self, reason: str, seconds: float) -> str:
        return reason if self.course.held == reason or self.course.waited >= seconds else ""

    @cached_property
    def hold(self) -> str:
        """Why the rollout should not go on; empty: it may."""
        if not self.facts.splitter and self.aim:
            return GATEWAY_UNAVAILABLE
        if not self.facts.side(self.course.candidate).ready:
            return CANDIDATE_NOT_READY
        at_the_end = self.course.phase is Phase.PROMOTING or self.after_steps
        if not at_the_end and self.ruling.answer is Answer.HOLD:
            return self.ruling.reason
        if lacking := self.lacking:
            return lacking
        return WEIGHT_NOT_VERIFIED if self.in_force and self.facts.verified is False else ""

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
    def may_take_over(self) -> bool:
        """Whether a candidate without steps may: where it is to start in stable's place, before it has pods."""
        if self.plan.recreates:
            return self.facts.covered or self.course.stable is None
        steps = steps_ahead(self.course, self.facts, self.plan)
        return not steps and self.facts.side(self.course.candidate).holds >= 100

    @property
    def taken_over(self) -> bool:
        """Whether the candidate can take, and where there are steps already takes, every request."""
        if self.course.step_weight and self.facts.splitter:
            return self.course.weight == 100 == self.facts.applied
        return self.facts.side(self.course.candidate).holds >= 100

    @property
    def bake_failed(self) -> bool:
        """Whether to go back; only to a revision that can take as much as the one that fails, as it was kept to.

        Or as much as it ever will, while the failing one has the room.
        """
        previous, failing = self.facts.side(self.course.previous), self.facts.side(self.course.stable)
        returns = previous.ready > 0 and (previous.holds >= failing.holds or previous.stuck)
        failed = self.facts.failed or self.ruling.answer is Answer.FAIL
        returns = returns and not self.plan.recreates
        return returns and (self.abort_asked or bool(failed))

    @property
    def entered(self) -> bool:
        """Whether the entry leads to the promoted revision, and nothing is split any more."""
        return self.facts.entry == self.course.stable and self.course.weight == 0 == self.facts.applied

    @property
    def unknown_wanted(self) -> bool:
        """Whether a third revision waits to be tried, and nobody needs the old one: the bake makes room for it."""
        return self.facts.wanted is None and self.entered and self.facts.previous_quiet

    @property
    def baked(self) -> bool:
        """Whether the bake is over, and nobody needs the old revision. Recreate has none that could be returned to."""
        passed = self.plan.recreates or self.ruling.answer is Answer.PASS
        return self.entered and self.facts.previous_quiet and passed

    @property
    def abort_asked(self) -> bool:
        """Whether an abort is asked for that was not carried out yet."""
        return self.facts.abort not in ("", self.course.aborted)

    def toward(self, target: int) -> int:
        """The weight that may be asked for now on the way to `target`.

        No pod of the candidate is ready, or nothing can split: 0. Up: all the way, once the candidate holds the target
        and whoever splits knows it. Down: as far as stable holds the rest already. A candidate that is given up is not
        kept for want of room, which it may have itself.
        """
        weight, facts = self.course.weight, self.facts
        candidate, stable = facts.side(self.course.candidate), facts.side(self.course.stable)
        if not candidate.ready or not facts.splitter:
            return 0
        if target > weight:
            return target if candidate.holds >= target and facts.armed else weight
        if self.course.phase in (Phase.ABORTING, Phase.SUPERSEDING) and stable.ready and stable.stuck:
            return target
        return max(target, min(weight, 100 - stable.holds))
