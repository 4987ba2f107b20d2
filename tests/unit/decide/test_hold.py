"""Why a rollout is held, and that it says so."""

import pytest
from tests.unit.decide.courses import FULL, NONE, PLAN, P, course, facts, plan, stepping

from serinus_api.v1alpha1 import ModelDeploymentStatus
from serinus_operator.decide.course import Course, Facts, Side, intent_of
from serinus_operator.decide.gate import UNREAD, Evidence
from serinus_operator.decide.happenings import happenings
from serinus_operator.decide.persistence import course_of, with_course
from serinus_operator.decide.transitions import advance


def test_hold_names_the_cause_of_now() -> None:
    held = advance(course(P.STEPPING), stepping(sides={"v1": FULL, "v2": NONE}), PLAN)
    assert (held.phase, held.held) == (P.HELD, "CandidateNotReady")
    later = advance(held, stepping(splitter=False, passed=9), PLAN)
    assert (later.phase, later.held, later.held_seconds) == (P.HELD, "GatewayUnavailable", 9)
    assert later.message != held.message


def test_a_hold_for_want_of_pods_lasts_until_they_are_there() -> None:
    behind = course(P.STEPPING, step_index=1, step_weight=25, waited=30)
    held = advance(behind, stepping(sides={"v1": FULL, "v2": Side(1, 10, stuck=True)}), PLAN)
    assert (held.phase, held.held, held.weight) == (P.HELD, "TooFewPods", 5)
    assert "is there room" in held.message
    starting = advance(held, stepping(sides={"v1": FULL, "v2": Side(1, 10)}, passed=2), PLAN)
    assert (starting.phase, starting.held_seconds) == (P.HELD, 2)
    ready = advance(starting, stepping(), PLAN)
    assert (ready.phase, ready.held, ready.waited) == (P.STEPPING, "", 0)


def restarted(left: Course, seen: Facts) -> Course:
    """What another process reads of it."""
    return course_of(with_course(ModelDeploymentStatus(), left, seen))


NEXT = {"step_index": 1, "step_weight": 25, "held_seconds": 3570.0}
LASTING = {
    "no room": (course(P.HELD, **NEXT, held="TooFewPods"), stepping(sides={"v1": FULL, "v2": Side(1, 10)})),
    "late": (course(P.HELD, **{**NEXT, "weight": 25}, held="WeightNotApplied"), facts(applied=None)),
    "not armed": (course(P.HELD, **NEXT, held="WeightNotApplied"), stepping(armed=False)),
    "behind the last step": (
        course(P.HELD, **{**NEXT, "step_index": 3, "step_weight": 100, "weight": 50}, held="TooFewPods"),
        facts(applied=50, sides={"v1": FULL, "v2": Side(2, 50)}),
    ),
}


@pytest.mark.parametrize("why", LASTING)
def test_a_hold_outlives_a_restart_and_its_deadline_runs_on(why: str) -> None:
    before, seen = LASTING[why]
    there = advance(restarted(before, seen), seen, PLAN)
    assert (there.phase, there.held, there.held_seconds) == (P.HELD, before.held, 3570)
    late = facts(applied=seen.applied, armed=seen.armed, sides=seen.sides, passed=30)
    assert advance(there, late, PLAN).message == f"held for 3600 s: {before.held}"


def test_a_hold_for_want_of_pods_gives_the_weight_that_then_moves_its_time() -> None:
    before = course(P.HELD, **NEXT, held="TooFewPods")
    ready = advance(restarted(before, stepping()), stepping(), PLAN)
    assert (ready.phase, ready.weight) == (P.STEPPING, 5)
    moved = advance(ready, stepping(), PLAN)
    assert advance(moved, stepping(passed=2), PLAN).phase is P.STEPPING


def test_a_promotion_is_not_held_for_the_weight_of_the_step_that_was_passed() -> None:
    seen = facts(applied=50, verified=False, sides={"v1": FULL, "v2": Side(2, 50)})
    here = advance(course(P.PROMOTING, weight=50), seen, PLAN)
    assert (here.phase, here.held) == (P.PROMOTING, "")


@pytest.mark.parametrize("splitter", [True, False])
def test_a_promotion_without_steps_whose_pods_went_is_given_up_as_one_whose_pods_never_came(splitter: bool) -> None:
    seen = facts(splitter=splitter, sides={"v1": FULL, "v2": NONE}, passed=10)
    here = course(P.PROMOTING, step_index=0, step_weight=0, weight=0)
    assert advance(here, seen, PLAN).waited == 10
    (patient, over) = (course(P.PROMOTING, step_weight=0, weight=0, waited=seconds) for seconds in (4180, 4190))
    assert advance(patient, seen, PLAN).phase is P.PROMOTING
    assert advance(over, seen, PLAN).phase is P.ABORTING
    assert advance(over, seen, plan(strategy="Recreate")).phase is P.PROMOTING


def test_steps_that_are_taken_away_leave_a_last_one_that_is_judged() -> None:
    none, blind = plan(strategy="BlueGreen"), facts(applied=100, evidence=Evidence(readable=False))
    here = course(P.STEPPING, step_weight=100, weight=100)
    held = advance(here, blind, none)
    assert (held.phase, held.held) == (P.HELD, "MetricsUnavailable")
    assert advance(held, blind, none).phase is P.HELD


def test_steps_that_are_shortened_under_one_of_everything_go_back_to_the_largest_that_is_left() -> None:
    here = course(P.STEPPING, step_index=3, step_weight=100, weight=100)
    after = advance(here, facts(applied=100), PLAN)
    assert (after.phase, after.step_index, after.step_weight) == (P.STEPPING, 2, 50)


def test_a_hold_behind_the_last_step_asks_for_everything_and_goes_on_with_the_promotion() -> None:
    half = facts(applied=50, sides={"v1": FULL, "v2": Side(2, 50, stuck=True)})
    held = advance(course(P.PROMOTING, weight=50, waited=30), half, PLAN)
    assert (held.phase, held.held, held.step_index, held.step_weight) == (P.HELD, "TooFewPods", 3, 100)
    assert intent_of(held, half, PLAN).sizes == {"v2": 100, "v1": 50}
    on = advance(held, facts(applied=50), PLAN)
    assert (on.phase, on.held, on.message) == (P.PROMOTING, "", "")
    assert advance(on, facts(applied=50), PLAN).weight == 100


def test_a_hold_that_was_too_long_names_its_cause_and_not_the_pause_that_runs() -> None:
    held = course(P.HELD, held="WeightNotVerified", held_seconds=3600)
    gone = advance(held, stepping(verified=False), PLAN)
    assert (gone.phase, gone.message) == (P.ABORTING, "held for 3600 s: WeightNotVerified")


def test_time_without_a_gateway_is_not_held_against_the_weight_that_comes_after_it() -> None:
    held = advance(course(P.STEPPING), facts(splitter=False), PLAN)
    for _ in range(9):
        held = advance(held, facts(splitter=False, passed=10), PLAN)
    assert (held.held, held.waited) == ("GatewayUnavailable", 0)
    assert advance(held, facts(), PLAN).phase is P.STEPPING


def test_a_step_that_is_passed_although_no_pod_could_be_asked_says_so() -> None:
    minds_not = plan(analysis={"onInconclusive": "Continue"})
    blind = stepping(evidence=Evidence(readable=False))
    before = course(P.STEPPING, elapsed=60)
    after = advance(before, blind, minds_not)
    assert (after.step_index, after.message) == (1, f"MetricsUnavailable: {UNREAD}")
    (told,) = happenings(before, after, (), minds_not, cause="", fresh=False)
    assert f"the step before is passed, MetricsUnavailable: {UNREAD}" in told.message
