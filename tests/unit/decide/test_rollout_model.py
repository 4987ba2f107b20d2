"""The rollout machine against a cluster made up by hypothesis: crashes, lost events, edits, flapping pods, no metrics.

The status is written first and the cluster after it, write by write; a crash may come between any two. After every
move:

    I1   weights: 0 to 100, never for a candidate that cannot carry them
    I2   stable's pods: enough for what it serves, on the way up and on the way back
    I3   one revision beside the stable one
    I4   sizes: none above the whole demand
    I5   no look takes back what the one before has done with the same facts
    I7   once all heals it comes to rest, and writes nothing; while nothing does, it is given up in the end
    I8   what was taken back stays so until somebody asks
    I9   only revisions of this very rollout have pods, the entry or a weight

Specs, owners and secrets (I6, the rest of I9, I10) are no matter of a pure machine: `tests/fakes/invariants.py` watches
them in the stories of `tests/component`, and `tests/e2e/harness/invariants.py` on the cluster. Wall time is none of
its inputs either; tests/chaos/test_clock.py sets the clock of a real operator.

`SERINUS_SEED` repeats a run, `SERINUS_FULL=1` tries 10,000 sequences.
"""

import os
from dataclasses import replace

from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.unit.decide.cluster import Cluster

from serinus_api.v1alpha1 import ModelDeploymentStatus, RolloutSpec
from serinus_api.v1alpha1 import RolloutPhase as Phase
from serinus_operator.decide.analysis import Judgement, Outcome
from serinus_operator.decide.course import Course, Facts, Intent, Side, intent_of
from serinus_operator.decide.gate import Evidence
from serinus_operator.decide.persistence import course_of, with_course
from serinus_operator.decide.plan import Plan, plan_of
from serinus_operator.decide.transitions import advance

GOOD = Evidence((Judgement("errors", Outcome.PASS, samples=500),))
BAD = Evidence((Judgement("errors", Outcome.FAIL, samples=500, failures=2, message="above max 10"),))
EARLY = Evidence((), early=Judgement("errors", Outcome.FAIL, samples=30, message="above max 10"))
EVIDENCE = {"good": GOOD, "bad": BAD, "none": Evidence(), "unreadable": Evidence(readable=False), "early": EARLY}
WATCHED = (Phase.STEPPING, Phase.HELD, Phase.BAKING)
REVISIONS = ("v1", "v2", "v3")
PLANS = tuple(
    plan_of(RolloutSpec.model_validate(spec))
    for spec in (
        {},
        {"steps": [{"weight": 10}, {"weight": 100, "pauseSeconds": 5}], "bakeSeconds": 0},
        {"steps": [{"weight": 1, "manual": True}, {"weight": 25}, {"weight": 60, "pauseSeconds": 0}]},
        {"steps": [{"weight": 0}, {"weight": 25}]},
        {"steps": [{"weight": 0, "pauseSeconds": 5}]},
        {"strategy": "BlueGreen"},
        {"strategy": "Recreate"},
    )
)
UNTIL_SETTLED = 400
LOOKS_IN_HOURS = 60
ENDS = (Phase.STABLE, Phase.BAKING, Phase.ABORTING, Phase.ABORTED, Phase.SUPERSEDING)
"""Where a rollout may stay: in the end, and where requests or old connections are still waited for."""
DEADLINE = 300
"""Seconds that a candidate has which starts in stable's place."""


@seed(int(os.environ["SERINUS_SEED"]))
class Rollouts(RuleBasedStateMachine):
    """Moves of the world, and of the operator in it."""

    @initialize(plan=st.sampled_from(PLANS), passes=st.integers(0, 25))
    def begin(self, plan: Plan, passes: int) -> None:
        """Either nothing is there yet, or v1 serves and v2 is somewhere on its way."""
        self.plan = plan
        self.cluster = Cluster(spare=plan.strategy == "Recreate")
        self.course = Course()
        self.status = ModelDeploymentStatus()
        self.wanted: str | None = "v1"
        self.evidence = GOOD
        self.verified: bool | None = None
        self.failed = ""
        self.known = True
        """Whether it is known which weight is in force, and the split knows the candidate."""
        self.used = False
        """Somebody still asks the previous revision directly."""
        self.nonces = {"promote": "", "abort": "", "retry": ""}
        self.count = 0
        self.unseen = 0.0
        self.running = 0.0
        self.edited = False
        self.served: set[str] = set()
        self.stale: Facts | None = None
        if passes:
            self.course, self.wanted = Course(stable="v1"), "v2"
            self.status = with_course(self.status, self.course, self.facts())
            self.cluster.sizes, self.cluster.holds, self.cluster.entry = {"v1": 100}, {"v1": 100}, "v1"
            self.works_undisturbed(passes)

    def facts(self) -> Facts:
        holds = self.cluster.holds
        return Facts(
            wanted=self.wanted,
            sides={name: Side(-(-held // 25), held, stuck=self.cluster.lacks(name)) for name, held in holds.items()},
            applied=(self.cluster.weight if self.cluster.splitter else 0) if self.known else None,
            armed=self.known,
            previous_quiet=not self.used,
            verified=self.verified if self.cluster.weight else None,
            splitter=self.cluster.splitter,
            quiet=self.cluster.still >= 2 or not self.cluster.splitter,
            entry=self.cluster.entry,
            covered=self.cluster.splitter,
            failed=f"CandidateNotReady: not within {DEADLINE} s" if self.overdue() else self.failed,
            shortcut=self.wanted in self.served,
            evidence=self.evidence,
            passed=self.unseen,
            **self.nonces,
        )

    def overdue(self) -> bool:
        making_room = self.plan.strategy == "Recreate" and self.course.phase is Phase.PROMOTING
        return making_room and self.course.elapsed >= DEADLINE

    # The world

    @rule(seconds=st.sampled_from([1, 5, 30, 400]))
    def time_passes(self, seconds: int) -> None:
        """What comes to be meanwhile comes at the end, for a pause the hardest case."""
        self.unseen += seconds
        self.running += seconds * self.runs()
        self.cluster.tick()

    def runs(self) -> bool:
        """Whether time is the present step's, or the bake's."""
        if self.course.phase is Phase.BAKING:
            return self.cluster.entry == self.course.stable
        return self.cluster.weight == self.course.weight == self.course.step_weight

    @rule(wanted=st.sampled_from([*REVISIONS, None]), often=st.integers(0, 3))
    def spec_is_edited(self, wanted: str | None, often: int) -> None:
        if often:
            return
        self.wanted = wanted

    @rule(plan=st.sampled_from(PLANS[:6]))
    @precondition(lambda self: self.plan.steps)
    def steps_are_edited(self, plan: Plan) -> None:
        self.plan = plan
        self.edited = True

    @rule(name=st.sampled_from(REVISIONS))
    def pods_break_or_heal(self, name: str) -> None:
        self.cluster.broken ^= {name}
        if name in self.cluster.broken:
            self.cluster.holds[name] = 0

    @rule(name=st.sampled_from(REVISIONS))
    def room_is_taken_or_given(self, name: str) -> None:
        self.cluster.full ^= {name}

    @rule(failed=st.sampled_from(["", "CrashLoop: exit code 1", "OutOfMemory: at its limit"]))
    def candidate_breaks_or_not(self, failed: str) -> None:
        self.failed = failed

    @rule(late=st.sampled_from([0, 1, 9]), known=st.booleans(), used=st.booleans())
    def others_are_slow(self, late: int, known: bool, used: bool) -> None:
        """What splits hears late of a weight, or does not say which one it has; old connections are used."""
        self.cluster.late, self.known, self.used = late, known, used

    @rule(evidence=st.sampled_from(sorted(EVIDENCE)), verified=st.sampled_from([True, False, None]))
    def metrics_say(self, evidence: str, verified: bool | None) -> None:
        self.evidence, self.verified = EVIDENCE[evidence], verified

    @rule()
    def gateway_goes_or_comes(self) -> None:
        """With the last one its weight is gone; one that comes has to be told."""
        self.cluster.splitter = not self.cluster.splitter
        self.cluster.weight = 0

    @rule(percent=st.sampled_from([10, 50, 90]))
    def demand_rises(self, percent: int) -> None:
        """Of a model that is sized by it: the pods that are there hold less of it, until there are more."""
        self.cluster.holds = {name: held * percent // 100 for name, held in self.cluster.holds.items()}

    @rule(action=st.sampled_from(["promote", "abort", "retry"]), full=st.booleans())
    def user_annotates(self, action: str, full: bool) -> None:
        self.count += 1
        self.nonces[action] = f"{'full/' if full else ''}{self.count}"

    @rule()
    def events_are_lost(self) -> None:
        self.stale = self.facts()

    # The operator

    @rule(crash=st.integers(0, 8))
    def looks(self, crash: int) -> None:
        """One pass; it dies before the write with the number `crash`, and 8 is more than there are."""
        seen = self.facts()
        if self.stale:
            seen = replace(self.stale, passed=0.0)
            self.stale = None
        after = advance(self.course, seen, self.plan)
        assert after == advance(self.course, seen, self.plan)
        self.unseen = 0.0
        if crash == 0:
            self.course = course_of(self.status)
            return
        self.check_move(self.course, after, seen)
        self.status = with_course(self.status, after, seen)
        self.course = after if crash == 8 else course_of(self.status)
        intent = intent_of(after, seen, self.plan)
        self.check_intent(intent, after, seen)
        for write in self.cluster.writes(intent)[: crash - 1]:
            self.cluster.write(*write)

    @rule(passes=st.integers(1, 12))
    def works_undisturbed(self, passes: int) -> None:
        for _ in range(passes):
            self.looks(8)
            self.time_passes(30)

    def check_move(self, before: Course, after: Course, seen: Facts) -> None:
        self.check_weight(before, after, seen)
        self.check_roles(before, after, seen)
        again = advance(after, replace(seen, passed=0.0), self.plan)
        told = self.edited or after.promoted != before.promoted
        places = [(one.phase, one.candidate, one.step_index) for one in (before, after, again)]
        assert told or places[0] == places[1] or places[2] != places[0], "I5: taken back at once"
        moved_on = after.phase is not before.phase or after.step_index != before.step_index
        if before.phase in WATCHED[:2] and after.phase in (*WATCHED[:2], Phase.PROMOTING) and moved_on:
            self.check_step(before, after, seen)
        self.edited = False
        if moved_on and not {before.phase, after.phase} <= {Phase.STEPPING, Phase.HELD}:
            self.running = 0.0
        if after.phase in WATCHED:
            assert after.elapsed <= self.running, "a pause is never shortened"

    def check_weight(self, before: Course, after: Course, seen: Facts) -> None:
        candidate, stable = seen.side(after.candidate), seen.side(after.stable)
        if after.weight > before.weight:
            assert candidate.holds >= after.weight, "I1: weight for a candidate that cannot carry it"
        free = after.stable != before.stable or after.phase is Phase.BAKING
        given_up = after.phase in (Phase.ABORTING, Phase.SUPERSEDING) and stable.ready and stable.stuck
        if after.weight < before.weight and not (free or given_up) and candidate.ready and seen.splitter:
            assert stable.holds >= 100 - after.weight, "I2: requests back to a stable that cannot carry them"

    def check_roles(self, before: Course, after: Course, seen: Facts) -> None:
        if after.stable != before.stable:
            assert (before.phase, after.phase) in {(Phase.PROMOTING, Phase.BAKING), (Phase.BAKING, Phase.ABORTING)}
            self.served.add(after.stable or "")
            if after.phase is Phase.BAKING and before.step_weight and seen.splitter:
                assert seen.applied == 100, "promoted before it took every request"
            if after.phase is Phase.BAKING and not before.step_weight:
                assert seen.side(after.stable).holds == 100, "promoted before it could take every request"
        elif after.candidate not in (None, before.candidate):
            given = self.cluster.weight if seen.splitter else 0
            assert given == after.weight == 0, "B10: a third revision before stable has every request again"
        if before.phase is Phase.ABORTED is not after.phase and seen.wanted == before.candidate:
            assert after.retried != before.retried, "I8: aborted stays aborted"

    def check_step(self, before: Course, after: Course, seen: Facts) -> None:
        asked = after.promoted != before.promoted
        back_and_forth = after.step_index == before.step_index and after.phase is not Phase.PROMOTING
        if asked or self.edited or back_and_forth:
            return
        self.running = 0.0
        if before.step_index >= len(self.plan.steps):
            return  # held behind the last step, which had been passed before
        step = self.plan.steps[before.step_index]
        assert seen.verified is not False, "no step on a weight that is not the one asked for"
        assert not step.manual, "a manual step passes by promote alone"
        assert before.elapsed + seen.passed >= step.pause_seconds, "no step before its pause is over"
        assert self.evidence in (GOOD, EVIDENCE["none"]) or seen.evidence is not self.evidence

    def check_intent(self, intent: Intent, after: Course, seen: Facts) -> None:
        assert len(intent.sizes) <= 2, "I3: at most one revision beside the stable one"
        assert all(0 < size <= 100 for size in intent.sizes.values()), "I4: a size is a share of the whole"
        ours = {after.stable, after.candidate, after.previous}
        assert {*intent.sizes, intent.entry, intent.candidate} <= ours | {None}, "I9: pods of somebody else"
        assert 0 <= intent.weight <= 100, "I1"
        spared = self.plan.strategy == "Recreate" and after.phase is Phase.PROMOTING
        if after.stable and not spared:
            given = 0 if seen.applied is None else min(seen.applied, after.weight)
            assert intent.sizes.get(after.stable, 0) >= 100 - given, "I2: stable keeps what it serves"

    # What must hold in the end

    @rule()
    def everything_heals(self) -> None:
        """I7: it comes to rest where the spec says, or aborted, and then writes nothing."""
        self.cluster.broken.clear()
        self.cluster.full.clear()
        self.cluster.late = self.cluster.due = 0
        self.known, self.used, self.failed = True, False, ""
        self.cluster.heard()
        self.cluster.splitter, self.evidence, self.verified = True, GOOD, None
        self.wanted = self.wanted or "v3"
        manual = any(step.manual for step in self.plan.steps)
        for turn in range(UNTIL_SETTLED):
            if manual and not turn % 10:
                self.nonces["promote"] = f"heal/{self.count}/{turn}"
            self.looks(8)
            self.time_passes(30)
            self.stale = None
            if self.at_rest() and turn > 3:
                break
        assert self.at_rest(), self.course
        assert self.course.stable == self.wanted or self.course.candidate == self.wanted
        assert self.cluster.sizes == {self.course.stable: 100} or self.course.stable is None
        assert self.cluster.weight == 0

    @rule()
    def nothing_changes_for_hours(self) -> None:
        """A rollout that cannot go on is held, and no hold is for ever; nor does it go to and fro."""
        self.stale = None
        for _ in range(LOOKS_IN_HOURS):
            self.looks(8)
            self.time_passes(300)
        step = self.plan.steps[self.course.step_index : self.course.step_index + 1]
        asks = self.course.phase is Phase.STEPPING and bool(step) and step[0].manual
        assert self.course.phase in ENDS or asks or self.plan.recreates, self.course

    def at_rest(self) -> bool:
        seen = replace(self.facts(), passed=30.0)
        after = advance(self.course, seen, self.plan)
        quiet = with_course(self.status, after, seen) == self.status
        return quiet and after == self.course and not self.cluster.writes(intent_of(after, seen, self.plan))

    @invariant()
    def weight_needs_a_candidate(self) -> None:
        if hasattr(self, "course") and self.course.weight:
            assert self.course.candidate


TestRollouts = Rollouts.TestCase
TestRollouts.settings = settings(
    max_examples=10_000 if os.environ.get("SERINUS_FULL") else 100,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
