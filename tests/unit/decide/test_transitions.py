"""What the rollout machine does beside its table: weights, sizes, pauses, holds, edits."""

from dataclasses import replace

import pytest
from tests.unit.decide.courses import BAD, FULL, NONE, PLAN, P, course, facts, plan, stepping

from serinus_operator.decide.analysis import Judgement, Outcome
from serinus_operator.decide.course import Course, Facts, Side, intent_of
from serinus_operator.decide.gate import Evidence
from serinus_operator.decide.transitions import advance, realigned


def test_promotion_moves_the_pointer_and_keeps_the_old_pods() -> None:
    after = advance(course(P.PROMOTING), facts(applied=100), PLAN)
    assert (after.stable, after.previous, after.weight) == ("v2", "v1", 100)
    assert dict(intent_of(after, facts(applied=100), PLAN).sizes) == {"v1": 100, "v2": 100}


def test_split_ends_only_when_the_entry_leads_to_the_promoted_revision() -> None:
    baking = course(P.BAKING, candidate="v2", weight=100)
    assert advance(baking, facts(applied=100), PLAN).weight == 100
    assert advance(baking, facts(applied=100, entry="v2"), PLAN).weight == 0


def test_failed_bake_makes_the_old_revision_stable_again() -> None:
    after = advance(course(P.BAKING), facts(entry="v2", evidence=BAD), PLAN)
    assert (after.stable, after.candidate, after.previous, after.weight) == ("v1", "v2", None, 0)
    assert intent_of(after, facts(entry="v2"), PLAN).entry == "v1"


def test_revision_that_the_entry_leads_to_keeps_its_pods() -> None:
    lost = facts(entry="v2", sides={"v2": FULL})
    assert intent_of(course(P.ABORTING), lost, PLAN).sizes == {"v1": 100, "v2": 100}


def test_entry_never_leads_to_a_revision_without_pods_in_place_of_one_with() -> None:
    after = advance(course(P.BAKING), facts(entry="v2", evidence=BAD), PLAN)
    assert intent_of(after, facts(entry="v2", sides={"v2": FULL}), PLAN).entry == "v2"


WEIGHTS = [
    pytest.param(course(P.STEPPING, weight=0), facts(), 5, id="up, when the candidate holds it"),
    pytest.param(course(P.STEPPING, weight=0), facts(sides={"v1": FULL, "v2": Side(1, 3)}), 0, id="not before"),
    pytest.param(course(P.HELD), stepping(splitter=False), 0, id="to 0 when nothing splits"),
    pytest.param(course(P.HELD), stepping(sides={"v1": FULL, "v2": NONE}), 0, id="to 0 without a ready pod"),
    pytest.param(course(P.HELD), stepping(evidence=Evidence(readable=False)), 5, id="unchanged while unreadable"),
    pytest.param(course(P.ABORTING, weight=50), facts(applied=50), 0, id="down at once when stable holds everything"),
    pytest.param(
        course(P.ABORTING, weight=50),
        facts(applied=50, sides={"v1": Side(2, 50, stuck=True), "v2": FULL}),
        0,
        id="or when what it lacks cannot start",
    ),
    pytest.param(
        course(P.ABORTING, weight=50),
        facts(applied=50, sides={"v1": Side(0, 0, stuck=True), "v2": FULL}),
        50,
        id="but not to nobody",
    ),
    pytest.param(
        course(P.ABORTING, weight=50),
        facts(applied=50, sides={"v1": Side(2, 70), "v2": FULL}),
        30,
        id="down as far as stable holds",
    ),
    pytest.param(
        course(P.ABORTING, weight=50), facts(applied=50, verified=False), 0, id="down whatever is or is not verified"
    ),
    pytest.param(course(P.PROMOTING, weight=50), facts(applied=50), 100, id="to 100 in the end"),
    pytest.param(
        course(P.PROMOTING, weight=50),
        facts(applied=50, sides={"v1": FULL, "v2": Side(2, 50)}),
        50,
        id="when it holds 100",
    ),
]


@pytest.mark.parametrize(("before", "seen", "weight"), WEIGHTS)
def test_weight(before: Course, seen: Facts, weight: int) -> None:
    assert advance(before, seen, PLAN).weight == weight


@pytest.mark.parametrize(
    ("seen", "elapsed"),
    [
        pytest.param(stepping(passed=10), 10, id="at its weight the pause runs on"),
        pytest.param(facts(applied=0, passed=10), 0, id="before the weight is applied it does not"),
        pytest.param(stepping(passed=10, verified=False), 0, id="nor while another share is seen"),
    ],
)
def test_pause(seen: Facts, elapsed: float) -> None:
    assert advance(course(P.STEPPING, counting=True), seen, PLAN).elapsed == elapsed


def test_a_pause_runs_from_the_look_that_sees_its_weight() -> None:
    waiting = advance(course(P.STEPPING), facts(applied=0, passed=2), PLAN)
    arrived = advance(waiting, stepping(passed=2), PLAN)
    assert (arrived.elapsed, advance(arrived, stepping(passed=2), PLAN).elapsed) == (0, 2)


def test_a_pause_runs_on_in_no_other_step() -> None:
    over = advance(course(P.STEPPING, elapsed=60, counting=True), stepping(passed=2), PLAN)
    assert (over.step_index, over.elapsed, over.counting) == (1, 0, False)


def test_a_look_that_changes_nothing_says_nothing_new() -> None:
    first = advance(course(P.STEPPING, counting=True), stepping(passed=2), PLAN)
    second = advance(first, stepping(passed=2), PLAN)
    assert (second.message, second.elapsed) == (first.message, 4)


def test_hold_says_why_and_is_forgotten_when_it_ends() -> None:
    held = advance(course(P.STEPPING), stepping(splitter=False), PLAN)
    assert (held.held, held.message) == ("GatewayUnavailable", "nothing is ready that could split the requests")
    aborting = advance(held, stepping(splitter=False, abort="n1"), PLAN)
    assert (aborting.held, aborting.held_seconds, aborting.message) == ("", 0, "serinus.dev/abort asked for it")


def test_manual_step_waits_for_promote_alone() -> None:
    by_hand = plan(steps=[{"weight": 5, "pauseSeconds": 60, "manual": True}, {"weight": 50}])
    waiting = advance(course(P.STEPPING, elapsed=9_999), stepping(), by_hand)
    assert (waiting.phase, waiting.step_index) == (P.STEPPING, 0)
    assert "waits for serinus.dev/promote" in waiting.message
    passed = advance(waiting, stepping(promote="n1"), by_hand)
    assert (passed.step_index, passed.promoted) == (1, "n1")
    assert advance(passed, facts(applied=50, promote="n1"), by_hand).step_index == 1


def test_promote_from_before_the_rollout_passes_nothing() -> None:
    idle = advance(course(P.STABLE, candidate=None), facts(wanted="v1", promote="old"), PLAN)
    assert idle.promoted == "old"


def test_promote_that_came_with_the_new_spec_passes_its_first_step() -> None:
    asked = {"promote": "n1"}
    resolving = advance(course(P.STABLE, candidate=None), facts(wanted=None, **asked), PLAN)
    begun = advance(advance(resolving, facts(**asked), PLAN), facts(**asked), PLAN)
    assert (begun.phase, begun.step_index, begun.promoted) == (P.STEPPING, 0, "")
    assert advance(begun, facts(**asked), PLAN).step_index == 1


@pytest.mark.parametrize(
    ("steps", "index", "weight"),
    [
        pytest.param([5, 25, 50], 1, 25, id="nothing edited"),
        pytest.param([5, 25, 90], 1, 25, id="a later step edited: the same place"),
        pytest.param([10, 20, 40], 1, 20, id="the present one edited: the largest not above the weight"),
        pytest.param([40, 60], 0, 40, id="all above it: the first"),
    ],
)
def test_edited_steps_do_not_restart_a_rollout(steps: list[int], index: int, weight: int) -> None:
    before = course(P.STEPPING, step_index=1, step_weight=25, weight=25)
    after = realigned(before, plan(steps=[{"weight": w} for w in steps]))
    assert (after.step_index, after.step_weight) == (index, weight)


@pytest.mark.parametrize("strategy", ["BlueGreen", "Recreate"])
def test_steps_that_are_all_taken_away_leave_one_whose_time_runs(strategy: str) -> None:
    flat = plan(strategy=strategy)
    first = realigned(course(P.STEPPING, step_index=1, step_weight=25, weight=25, elapsed=7.0), flat)
    assert (first.step_index, first.step_weight, first.elapsed) == (0, 100, 0.0)
    later = replace(first, weight=100, elapsed=9.0)
    assert realigned(later, flat) == later


@pytest.mark.parametrize("strategy", ["BlueGreen", "Recreate"])
def test_strategies_without_weights(strategy: str) -> None:
    flat = plan(strategy=strategy)
    begun = advance(course(P.STABLE, candidate=None), facts(), flat)
    sizes = intent_of(begun, facts(), flat).sizes
    assert sizes == ({"v1": 100, "v2": 100} if strategy == "BlueGreen" else {"v1": 100})
    promoting = advance(begun, facts(applied=0), flat)
    assert (promoting.phase, promoting.weight) == (P.PROMOTING, 0)
    sizes = intent_of(promoting, facts(applied=0), flat).sizes
    assert sizes == ({"v1": 100, "v2": 100} if strategy == "BlueGreen" else {"v2": 100})
    baking = advance(promoting, facts(applied=0), flat)
    assert (baking.phase, baking.stable, baking.weight) == (P.BAKING, "v2", 0)


def test_sizes_give_the_receiver_its_share_before_the_weight_moves() -> None:
    second = course(P.STEPPING, step_index=1, step_weight=25, weight=5)
    assert dict(intent_of(second, stepping(), PLAN).sizes) == {"v2": 25, "v1": 95}
    arrived = replace(second, weight=25)
    assert dict(intent_of(arrived, stepping(), PLAN).sizes) == {"v2": 25, "v1": 95}
    assert dict(intent_of(arrived, facts(applied=25), PLAN).sizes) == {"v2": 25, "v1": 75}


def test_step_of_all_requests_leaves_stable_a_pod() -> None:
    everything = course(P.STEPPING, step_weight=100, weight=100)
    assert intent_of(everything, facts(applied=100), PLAN).sizes == {"v1": 1, "v2": 100}


def test_unknown_weight_shrinks_nobody() -> None:
    sizes = intent_of(course(P.STEPPING), stepping(applied=None), PLAN).sizes
    assert sizes["v1"] == 100
    lowered = course(P.STEPPING, step_weight=1, weight=1)
    assert intent_of(lowered, stepping(applied=None, sides={"v1": FULL, "v2": Side(1, 25)}), PLAN).sizes["v2"] == 25


COPIES = plan(
    steps=[{"weight": 0, "pauseSeconds": 60}, {"weight": 25}],
    shadow={"percent": 10},
    analysis={"metrics": [{"name": "agreement", "type": "ShadowAgreementPercent", "min": 99}]},
)
COPIED = {"step_weight": 0, "weight": 0}


def test_candidate_that_gets_copies_alone_has_a_pod_and_takes_nothing_from_stable() -> None:
    begun = course(P.PROVISIONING)
    waiting = facts(sides={"v1": FULL, "v2": NONE})
    assert advance(begun, waiting, COPIES).phase is P.PROVISIONING
    first = advance(begun, facts(sides={"v1": FULL, "v2": Side(1, 25)}), COPIES)
    assert (first.phase, first.step_index, first.step_weight, first.weight) == (P.STEPPING, 0, 0, 0)
    for here in (begun, first, replace(first, phase=P.HELD)):
        assert dict(intent_of(here, waiting, COPIES).sizes) == {"v2": 1, "v1": 100}


def test_step_of_copies_needs_no_gateway_and_the_next_one_does() -> None:
    first = course(P.STEPPING, counting=True, **COPIED)
    waiting = advance(first, facts(splitter=False, passed=59), COPIES)
    assert (waiting.phase, waiting.weight, waiting.elapsed) == (P.STEPPING, 0, 59)
    second = advance(waiting, facts(splitter=False, passed=1), COPIES)
    assert (second.phase, second.step_index, second.step_weight) == (P.STEPPING, 1, 25)
    assert advance(second, facts(splitter=False), COPIES).phase is P.HELD


def test_step_of_copies_that_disagree_aborts() -> None:
    apart = Evidence((Judgement("agreement", Outcome.FAIL, samples=500, failures=2, message="below min 99"),))
    back = advance(course(P.STEPPING, **COPIED), facts(evidence=apart), COPIES)
    assert (back.phase, back.weight) == (P.ABORTING, 0)
    assert "agreement" in back.message


def test_full_promotion_out_of_a_step_of_copies_waits_for_the_full_size() -> None:
    here = advance(course(P.STEPPING, **COPIED), facts(promote="full/1"), COPIES)
    assert here.phase is P.PROMOTING
    small = facts(promote="full/1", sides={"v1": FULL, "v2": Side(1, 25)})
    assert advance(here, small, COPIES).phase is P.PROMOTING
    assert dict(intent_of(here, small, COPIES).sizes) == {"v2": 100, "v1": 100}
    assert advance(here, facts(promote="full/1"), COPIES).phase is P.BAKING
