"""What is known of a candidate from look to look, from step to step, and after a restart."""

from dataclasses import replace

from serinus_api.v1alpha1 import RolloutPhase, RolloutSpec
from serinus_operator.decide.analysis import STALE_SECONDS, Outcome
from serinus_operator.decide.course import Course
from serinus_operator.decide.plan import plan_of
from serinus_operator.decide.watch import Watch, begun, evidence_of, watched
from serinus_operator.decide.windows import Reading, Tally

PLAN = plan_of(RolloutSpec())
STEP = Course("s", RolloutPhase.STEPPING, "c", attempt=1, step_weight=5, weight=5)
BAKING = Course("c", RolloutPhase.BAKING, None, "s", attempt=1, step_index=2, step_weight=50)


def readings(candidate: tuple[int, int], stable: tuple[int, int] = (0, 0)) -> list[Reading]:
    return [Reading("p1", "c", Tally(*candidate)), Reading("p2", "s", Tally(*stable))]


def after(candidate: tuple[int, int], course: Course = STEP, *, now: float = 10.0) -> Watch:
    watch = watched(begun(0.0, {}), course, PLAN, readings((0, 0)), 0.0)
    return watched(watch, course, PLAN, readings(candidate, (5_000, 5)), now)


def test_a_window_ends_in_verdicts() -> None:
    errors = after((200, 20)).verdicts[0]
    assert (errors.metric, errors.outcome, errors.failures) == ("errors", Outcome.FAIL, 1)


def test_before_its_end_there_are_none() -> None:
    assert after((200, 20), now=9.0).verdicts == ()
    assert after((20, 2)).verdicts == ()


def test_failures_are_counted_on_over_windows() -> None:
    watch = watched(after((200, 20)), STEP, PLAN, readings((400, 40), (9_000, 9)), 20.0)
    assert watch.verdicts[0].failures == 2


def test_failures_are_counted_on_over_a_restart() -> None:
    watch = watched(begun(0.0, {"errors": 1}), STEP, PLAN, readings((0, 0)), 0.0)
    watch = watched(watch, STEP, PLAN, readings((200, 20), (5_000, 5)), 10.0)
    assert watch.verdicts[0].failures == 2


def test_another_step_knows_nothing_of_the_last() -> None:
    second = replace(STEP, step_index=1, step_weight=25)
    watch = watched(after((200, 20)), second, PLAN, readings((210, 21), (6_000, 6)), 20.0)
    assert (watch.verdicts, watch.ledger.step["c"].answers) == ((), 10)
    assert evidence_of(watch, second, PLAN, 20.0).verdicts == ()


def test_a_hold_is_the_same_step() -> None:
    watch = after((200, 20))
    assert watched(watch, replace(STEP, phase=RolloutPhase.HELD), PLAN, [], 11.0).verdicts == watch.verdicts


def test_a_bake_compares_with_what_the_old_revision_did_in_the_last_step() -> None:
    last = after((200, 0), replace(STEP, step_index=2, step_weight=50))
    baking = watched(last, BAKING, PLAN, readings((400, 20), (5_000, 5)), 20.0)
    found = watched(baking, BAKING, PLAN, readings((600, 40), (5_000, 5)), 31.0).verdicts[0]
    assert (found.outcome, found.baseline and found.baseline.value) == (Outcome.FAIL, 1.0)


def test_silence_of_either_revision_is_out_of_reach() -> None:
    watch = after((20, 0))
    assert evidence_of(watch, STEP, PLAN, 10.0).readable
    watch = watched(watch, STEP, PLAN, readings((30, 0))[:1], 10.0 + STALE_SECONDS)
    assert not evidence_of(watch, STEP, PLAN, 10.0 + STALE_SECONDS).readable


def test_what_plainly_fails_is_asked_when_the_pause_is_over() -> None:
    watch = after((20, 20))
    assert evidence_of(watch, STEP, PLAN, 10.0).early is None
    early = evidence_of(watch, replace(STEP, elapsed=60.0), PLAN, 10.0).early
    assert early
    assert early.metric == "errors"


COPIES = plan_of(
    RolloutSpec.model_validate(
        {
            "steps": [{"weight": 0, "pauseSeconds": 60}, {"weight": 25}],
            "shadow": {"percent": 10},
            "analysis": {
                "metrics": [
                    {"name": "errors", "type": "ErrorRatePermille", "max": 10},
                    {"name": "agreement", "type": "ShadowAgreementPercent", "min": 99},
                ]
            },
        }
    )
)
ALONE = replace(STEP, step_weight=0, weight=0)


def witnessed(compared: int, agreed: int) -> list[Reading]:
    """What a pod of stable saw of the candidate's answers to copies."""
    return [Reading("p2/c", "c", Tally(compared=compared, agreed=agreed), witness=True, difference=0.5)]


def copied(course: Course, compared: int, agreed: int) -> Watch:
    watch = watched(begun(0.0, {}), course, COPIES, [*readings((0, 0)), *witnessed(0, 0)], 0.0)
    return watched(watch, course, COPIES, [*readings((0, 0), (5_000, 5)), *witnessed(compared, agreed)], 10.0)


def test_step_without_weight_is_judged_by_copies_alone() -> None:
    good = copied(ALONE, 300, 300)
    assert [(v.metric, v.outcome, v.samples) for v in good.verdicts] == [("agreement", Outcome.PASS, 300)]
    bad = copied(ALONE, 300, 150)
    assert [(v.metric, v.outcome) for v in bad.verdicts] == [("agreement", Outcome.FAIL)]
    few = evidence_of(copied(replace(ALONE, elapsed=60.0), 20, 0), replace(ALONE, elapsed=60.0), COPIES, 10.0)
    assert few.early
    assert few.early.metric == "agreement"


def test_step_with_a_weight_is_judged_by_both() -> None:
    watch = watched(copied(STEP, 300, 300), STEP, COPIES, [*readings((200, 0), (9_000, 9)), *witnessed(600, 600)], 20.0)
    assert [v.metric for v in watch.verdicts] == ["errors", "agreement"]


def test_bake_is_not_judged_by_copies_that_nobody_sends() -> None:
    watch = watched(copied(STEP, 300, 150), BAKING, COPIES, readings((0, 0), (0, 0)), 11.0)
    watch = watched(watch, BAKING, COPIES, readings((500, 0), (0, 0)), 30.0)
    assert [v.metric for v in watch.verdicts] == ["errors"]


def test_witness_does_not_make_a_candidate_readable() -> None:
    watch = copied(ALONE, 300, 300)
    late = 10.0 + STALE_SECONDS
    watch = watched(watch, ALONE, COPIES, [Reading("p2", "s", Tally(9_000, 9)), *witnessed(600, 600)], late)
    assert not evidence_of(watch, ALONE, COPIES, late).readable
