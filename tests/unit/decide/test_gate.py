"""The table of the gate, line by line, and that what comes first wins."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus_api.v1alpha1 import RolloutSpec
from serinus_operator.decide.analysis import Gap, Judgement, Outcome
from serinus_operator.decide.gate import Answer, Evidence, rule
from serinus_operator.decide.plan import plan_of
from serinus_operator.decide.statistics import Interval

ANALYSIS = plan_of(RolloutSpec()).analysis
GOOD = Judgement("errors", Outcome.PASS, samples=500)
BAD = Judgement("errors", Outcome.FAIL, interval=Interval(30, 50, 70), samples=500, failures=1, message="above max 10")
WORST = replace(BAD, failures=2)
FEW = Judgement("latency", Outcome.INCONCLUSIVE, Gap.TOO_FEW, samples=5)
LONG = 60 + 300.0


@pytest.mark.parametrize(
    ("evidence", "elapsed", "expected"),
    [
        pytest.param(Evidence((GOOD,)), 59, Answer.WAIT, id="nothing passes before the pause is over"),
        pytest.param(Evidence((GOOD,)), 60, Answer.PASS, id="every metric passed"),
        pytest.param(Evidence((GOOD, WORST)), 5, Answer.FAIL, id="a failure does not wait for the pause"),
        pytest.param(Evidence((BAD,)), 60, Answer.WAIT, id="one failed window is looked at once more"),
        pytest.param(Evidence((BAD, FEW)), LONG, Answer.PASS, id="a failed window that nothing confirms is chance"),
        pytest.param(Evidence((GOOD, FEW)), 60, Answer.WAIT, id="little traffic waits for more"),
        pytest.param(Evidence(()), LONG - 1, Answer.WAIT, id="no traffic waits as long"),
        pytest.param(Evidence(()), LONG, Answer.PASS, id="then no traffic at all goes on"),
        pytest.param(Evidence((), early=BAD), LONG, Answer.FAIL, id="unless a metric fails"),
        pytest.param(Evidence((), early=BAD), 60, Answer.FAIL, id="which is asked from the end of the pause on"),
        pytest.param(Evidence((), early=BAD), 59, Answer.WAIT, id="and not before"),
        pytest.param(Evidence((GOOD,), readable=False), 60, Answer.HOLD, id="out of reach holds"),
        pytest.param(Evidence((), readable=False), 5, Answer.HOLD, id="at once, so that the pause stands still"),
        pytest.param(Evidence((WORST,), readable=False), 60, Answer.FAIL, id="what had failed has failed"),
    ],
)
def test_gate(evidence: Evidence, elapsed: float, expected: Answer) -> None:
    assert rule(ANALYSIS, 60, elapsed, evidence).answer is expected


@pytest.mark.parametrize(
    ("choice", "expected"), [("Hold", Answer.HOLD), ("Abort", Answer.FAIL), ("Continue", Answer.PASS)]
)
def test_metrics_out_of_reach_are_the_users_choice(choice: str, expected: Answer) -> None:
    analysis = plan_of(RolloutSpec.model_validate({"analysis": {"onInconclusive": choice}})).analysis
    assert rule(analysis, 60, 60, Evidence(readable=False)).answer is expected


def test_little_traffic_can_be_held() -> None:
    ruling = rule(replace(ANALYSIS, on_too_few_requests="Hold"), 60, LONG, Evidence())
    assert (ruling.answer, ruling.reason) == (Answer.HOLD, "LowTraffic")


def test_a_failure_says_which_metric_by_how_much_and_over_how_many_requests() -> None:
    ruling = rule(ANALYSIS, 60, 0, Evidence((WORST,)))
    assert ruling.reason == "AnalysisFailed"
    assert ruling.message == "errors is 50 (30 to 70) over 500 requests: above max 10"


def test_a_failure_names_the_stable_ones_value_and_writes_thousands_out() -> None:
    all_of_them = replace(WORST, interval=Interval(690, 1000, 1000), baseline=Interval(0, 0.4, 2))
    message = rule(ANALYSIS, 60, 0, Evidence((all_of_them,))).message
    assert message.startswith("errors is 1,000 (690 to 1,000), the stable one's 0.4, over 500 requests")


def test_a_metric_that_fails_early_is_shown_once() -> None:
    passed_before = replace(GOOD, metric=BAD.metric)
    assert Evidence((passed_before, FEW), early=BAD).shown == (FEW, BAD)
    assert Evidence((passed_before, FEW)).shown == (passed_before, FEW)


@given(
    st.lists(st.sampled_from([GOOD, BAD, WORST, FEW]), max_size=3).map(tuple),
    st.booleans(),
    st.sampled_from([None, BAD]),
    st.floats(0, 59.9),
)
def test_nothing_passes_before_its_pause_is_over(
    verdicts: tuple[Judgement, ...], readable: bool, early: Judgement | None, elapsed: float
) -> None:
    assert rule(ANALYSIS, 60, elapsed, Evidence(verdicts, readable, early)).answer is not Answer.PASS
