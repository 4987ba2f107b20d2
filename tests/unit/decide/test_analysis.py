"""Verdicts: what is a difference, what is chance, and what is not known."""

from bisect import bisect_left
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus_api.runtime import LATENCY_BUCKETS
from serinus_api.v1alpha1 import AnalysisMetric, AnalysisSpec, RolloutSpec
from serinus_operator.decide.analysis import (
    STALE_SECONDS,
    WINDOW_SECONDS,
    Gap,
    Judgement,
    Outcome,
    fails_already,
    judge,
    look,
    readable,
    window_ended,
)
from serinus_operator.decide.plan import Analysis, plan_of
from serinus_operator.decide.windows import Ledger, Reading, Tally

PASS, FAIL, UNCLEAR = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
ANALYSIS = plan_of(RolloutSpec()).analysis


def metric(kind: str, **bounds: int) -> AnalysisMetric:
    return AnalysisMetric.model_validate({"name": "m", "type": kind, **bounds})


ERRORS = metric("ErrorRatePermille", max=10, maxPercentOfStable=150)
AGREEMENT = metric("ShadowAgreementPercent", min=99)
SLOW = metric("LatencyP95Milliseconds", maxPercentOfStable=120)


def latencies(milliseconds: float, count: int = 1_000) -> tuple[int, ...]:
    """A histogram: nine in ten below, the others at most a third above."""
    counts = [0] * (len(LATENCY_BUCKETS) + 1)
    place = bisect_left(LATENCY_BUCKETS, milliseconds / 1000)
    counts[place - 1] += count * 9 // 10
    counts[place] += count - count * 9 // 10
    return tuple(counts)


def served(answers: int, errors: int = 0) -> Tally:
    return Tally(answers=answers, errors=errors)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        pytest.param(served(1000), served(9000), PASS, id="no error at all passes"),
        pytest.param(served(100, 1), served(1900), PASS, id="one error of a hundred is chance"),
        pytest.param(served(1000, 1), served(9000, 9), PASS, id="as many errors as stable pass"),
        pytest.param(served(1000, 50), served(9000, 9), FAIL, id="five percent of errors fail"),
        pytest.param(served(1000, 10), served(9000, 9), FAIL, id="ten times stable's errors fail below max too"),
        pytest.param(served(1000, 40), served(9000, 360), PASS, id="stable equally bad: go on"),
        pytest.param(served(1000, 4), served(9000, 360), PASS, id="better than a bad stable: go on"),
        pytest.param(served(1000, 100), served(9000, 360), FAIL, id="worse than a bad stable fails"),
        pytest.param(served(5, 5), served(9000), UNCLEAR, id="five requests are never a verdict"),
        pytest.param(served(99, 99), served(9000), UNCLEAR, id="nor are ninety-nine of a hundred"),
        pytest.param(served(1000), served(0), UNCLEAR, id="nothing to compare with is no pass"),
        pytest.param(served(1000, 50), served(0), FAIL, id="above max fails without anything to compare with"),
    ],
)
def test_errors(ours: Tally, theirs: Tally, expected: Outcome) -> None:
    assert judge(ERRORS, ours, theirs, ANALYSIS).outcome is expected


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        pytest.param(10, 10, PASS, id="equally fast passes"),
        pytest.param(11, 10, PASS, id="a tenth slower cannot be seen between two buckets"),
        pytest.param(12, 10, PASS, id="slower by exactly what is allowed passes"),
        pytest.param(20, 10, FAIL, id="twice as slow fails"),
        pytest.param(100, 10, FAIL, id="ten times as slow fails"),
        pytest.param(5, 10, PASS, id="faster passes"),
    ],
)
def test_latency_in_percent_of_stable(ours: float, theirs: float, expected: Outcome) -> None:
    verdict = judge(SLOW, Tally(latency=latencies(ours)), Tally(latency=latencies(theirs, 9_000)), ANALYSIS)
    assert verdict.outcome is expected


@pytest.mark.parametrize(
    ("kind", "bounds", "ours", "theirs", "expected"),
    [
        pytest.param(
            "LatencyP50Milliseconds", {"max": 5}, {"latency": latencies(20)}, {}, FAIL, id="slower than max at P50"
        ),
        pytest.param(
            "LatencyP99Milliseconds", {"max": 50}, {"latency": latencies(20)}, {}, PASS, id="within max at P99"
        ),
        pytest.param(
            "LatencyP95Milliseconds",
            {"max": 5},
            {"latency": latencies(20)},
            {"latency": latencies(20)},
            PASS,
            id="above max as stable is: go on",
        ),
        pytest.param(
            "OutputInvalidPermille", {"max": 0}, {"checked": 200, "invalid": 9}, {"checked": 900}, FAIL, id="NaN"
        ),
        pytest.param(
            "OutputInvalidPermille", {"max": 0}, {"checked": 200}, {"checked": 900}, PASS, id="no NaN passes max 0"
        ),
        pytest.param(
            "OutputInvalidPermille", {"max": 0}, {"answers": 200}, {}, UNCLEAR, id="a runtime that does not look"
        ),
        pytest.param("ShadowAgreementPercent", {"min": 99}, {"compared": 400, "agreed": 400}, {}, PASS, id="agreement"),
        pytest.param(
            "ShadowAgreementPercent", {"min": 99}, {"compared": 400, "agreed": 380}, {}, FAIL, id="disagreement"
        ),
        pytest.param(
            "ShadowAgreementPercent", {"min": 99}, {"compared": 40, "agreed": 0}, {}, UNCLEAR, id="too few copies"
        ),
        pytest.param(
            "PredictionShiftPermille",
            {"max": 100},
            {"outputs": (500, 500)},
            {"outputs": (4_600, 5_400)},
            PASS,
            id="alike outputs pass",
        ),
        pytest.param(
            "PredictionShiftPermille",
            {"max": 100},
            {"outputs": (900, 100)},
            {"outputs": (5_000, 5_000)},
            FAIL,
            id="another distribution of outputs fails",
        ),
    ],
)
def test_every_metric(
    kind: str, bounds: dict[str, int], ours: dict[str, Any], theirs: dict[str, Any], expected: Outcome
) -> None:
    assert judge(metric(kind, **bounds), Tally(**ours), Tally(**theirs), ANALYSIS).outcome is expected


def test_a_verdict_says_what_it_rests_on() -> None:
    verdict = judge(ERRORS, served(1000, 50), served(9000, 9), ANALYSIS)
    assert verdict.interval
    assert verdict.baseline
    assert verdict.interval.low < 50 == verdict.interval.value < verdict.interval.high
    assert (verdict.baseline.value, verdict.samples, verdict.message) == (1.0, 1000, "above max 10")


def test_too_few_requests_are_said_to_be_too_few() -> None:
    verdict = judge(ERRORS, served(5), served(900), ANALYSIS)
    assert (verdict.gap, verdict.message) == (Gap.TOO_FEW, "5 of 100 requests")


def ledger(window: Tally, whole: Tally, stable: Tally = served(9000, 9)) -> Ledger:  # noqa: B008 - frozen
    return Ledger({"c": window, "s": stable}, {"c": whole, "s": stable}, read_at={"c": 0.0, "s": 0.0})


def one(found: tuple[Judgement, ...]) -> Judgement:
    assert len(found) == 1
    return found[0]


ONLY_ERRORS = replace(ANALYSIS, metrics=(ERRORS,))


@pytest.mark.parametrize(
    ("window", "whole", "failures", "expected"),
    [
        pytest.param(served(200, 20), served(200, 20), 0, (FAIL, 1), id="the first window that fails counts one"),
        pytest.param(served(200, 20), served(400, 40), 1, (FAIL, 2), id="the next one counts two"),
        pytest.param(served(200), served(400, 2), 1, (PASS, 0), id="a window that passes begins the count anew"),
        pytest.param(served(200, 20), served(9000, 30), 0, (FAIL, 1), id="what begins late shows in the window"),
        pytest.param(served(200, 1), served(4000, 30), 0, (FAIL, 1), id="what is small shows in the whole step"),
        pytest.param(served(0), served(400, 40), 1, (UNCLEAR, 1), id="a window without requests says nothing new"),
    ],
)
def test_windows_in_a_row(window: Tally, whole: Tally, failures: int, expected: tuple[Outcome, int]) -> None:
    found = one(look(ONLY_ERRORS, ledger(window, whole), "c", "s", {"m": failures}))
    assert (found.outcome, found.failures) == expected


@pytest.mark.parametrize(
    ("window", "seconds", "expected"),
    [
        pytest.param(served(100), WINDOW_SECONDS, True, id="long enough and enough requests"),
        pytest.param(served(100), WINDOW_SECONDS - 1, False, id="enough requests in too short a time"),
        pytest.param(served(99), 1_000, False, id="one request short"),
        pytest.param(served(100, 100), WINDOW_SECONDS, True, id="errors are requests"),
        pytest.param(Tally(answers=100, compared=5), WINDOW_SECONDS, True, id="copies are no matter"),
        pytest.param(Tally(compared=100), 1_000, False, id="nor are they enough"),
        pytest.param(Tally(), 1_000, False, id="no request at all"),
    ],
)
def test_end_of_a_window(window: Tally, seconds: float, expected: bool) -> None:
    assert window_ended(ANALYSIS, ledger(window, window), "c", seconds) is expected


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        pytest.param(Tally(compared=100), True, id="copies alone are enough"),
        pytest.param(Tally(answers=100, compared=5), False, id="not enough copies yet"),
        pytest.param(Tally(answers=5, compared=100), False, id="not enough requests yet"),
        pytest.param(Tally(answers=100), True, id="no copy at all"),
    ],
)
def test_end_of_a_window_where_copies_are_a_matter(window: Tally, expected: bool) -> None:
    both = replace(ANALYSIS, metrics=(ERRORS, AGREEMENT))
    assert window_ended(both, ledger(window, window), "c", WINDOW_SECONDS) is expected


def test_direct_callers_of_the_candidate_do_not_delay_what_copies_alone_are_to_tell() -> None:
    seen = ledger(Tally(answers=3, compared=100), Tally())
    assert window_ended(replace(ANALYSIS, metrics=(AGREEMENT,)), seen, "c", WINDOW_SECONDS)


def test_verdict_on_copies_says_how_far_apart_the_outputs_were() -> None:
    seen = ledger(Tally(compared=400, agreed=200), Tally(compared=400, agreed=200))
    told = {
        "p1/c": (Reading("p1/c", "c", Tally(), witness=True, difference=2.5), 0.0),
        "p2/c": (Reading("p2/c", "c", Tally(), witness=True, difference=1.0), 0.0),
        "p1/x": (Reading("p1/x", "x", Tally(), witness=True, difference=9.0), 0.0),
    }
    found = one(look(replace(ANALYSIS, metrics=(AGREEMENT,)), replace(seen, last=told), "c", "s", {}))
    assert (found.outcome, found.message) == (FAIL, "below min 99, largest difference 2.5")


def test_a_revision_is_readable_for_a_while_after_its_last_reading() -> None:
    seen = ledger(Tally(), Tally())
    assert readable(seen, "c", STALE_SECONDS - 1)
    assert not readable(seen, "c", STALE_SECONDS)


def test_a_revision_that_was_never_read_has_a_while_to_be() -> None:
    begun = Ledger(window_since=100.0)
    assert readable(begun, "c", 100.0)
    assert not readable(begun, "c", 100.0 + STALE_SECONDS)


@pytest.mark.parametrize(
    ("whole", "fails"),
    [
        pytest.param(served(5, 5), False, id="five requests are never a verdict, not even all of them errors"),
        pytest.param(served(10, 10), True, id="ten errors of ten requests are"),
        pytest.param(served(40, 1), False, id="one error of forty is chance"),
        pytest.param(served(40), False, id="nothing passes early, and nothing fails without errors"),
    ],
)
def test_little_traffic_fails_only_what_is_plain(whole: Tally, fails: bool) -> None:
    assert (fails_already(ANALYSIS, ledger(whole, whole), "c", "s") is not None) is fails


def test_after_the_promotion_the_old_revision_is_what_it_was_in_the_last_step() -> None:
    baking = Ledger({"c": served(1000, 8)}, {"c": served(1000, 8)}, standing=served(9000, 9))
    assert one(look(ONLY_ERRORS, baking, "c", "s", {})).outcome is FAIL


ANALYSES = st.builds(
    lambda need, confidence: replace(ANALYSIS, min_requests=need, confidence_percent=confidence),
    st.integers(1, 500),
    st.integers(50, 99),
)


@st.composite
def counted(draw: st.DrawFn) -> Tally:
    answers = draw(st.integers(0, 5_000))
    return served(answers, draw(st.integers(0, answers)))


@given(counted(), counted(), ANALYSES)
def test_fewer_than_the_asked_requests_are_never_a_verdict(ours: Tally, theirs: Tally, analysis: Analysis) -> None:
    verdict = judge(ERRORS, ours, theirs, analysis)
    if ours.answers < analysis.min_requests:
        assert verdict.outcome is UNCLEAR


@given(counted(), ANALYSES)
def test_a_candidate_exactly_like_stable_never_fails(ours: Tally, analysis: Analysis) -> None:
    assert judge(ERRORS, ours, ours, analysis).outcome is not FAIL


@given(counted(), counted(), ANALYSES)
def test_fewer_errors_never_turn_a_pass_into_a_failure(ours: Tally, theirs: Tally, analysis: Analysis) -> None:
    better = replace(ours, errors=ours.errors // 2)
    if judge(ERRORS, ours, theirs, analysis).outcome is PASS:
        assert judge(ERRORS, better, theirs, analysis).outcome is PASS


@given(counted(), counted(), st.integers(50, 98))
def test_what_fails_at_a_higher_confidence_fails_at_a_lower_one(ours: Tally, theirs: Tally, percent: int) -> None:
    if judge(ERRORS, ours, theirs, replace(ANALYSIS, confidence_percent=percent + 1)).outcome is FAIL:
        assert judge(ERRORS, ours, theirs, replace(ANALYSIS, confidence_percent=percent)).outcome is FAIL


def test_defaults_of_the_analysis_are_those_of_the_api_page() -> None:
    assert replace(ANALYSIS, metrics=()) == Analysis(100, 95, 2, "Continue", 300, "Hold", 3600, ())
    assert [(m.type, m.max, m.max_percent_of_stable) for m in ANALYSIS.metrics] == [
        ("ErrorRatePermille", 10, 150),
        ("LatencyP95Milliseconds", None, 120),
    ]


def test_what_is_set_is_taken() -> None:
    given_ = AnalysisSpec(min_requests=7, on_inconclusive="Abort", metrics=(ERRORS,))
    plan = plan_of(RolloutSpec(analysis=given_, bake_seconds=0, strategy="BlueGreen"))
    assert (plan.analysis.min_requests, plan.analysis.on_inconclusive, plan.analysis.metrics) == (7, "Abort", (ERRORS,))
    assert (plan.bake_seconds, plan.steps) == (0, ())
