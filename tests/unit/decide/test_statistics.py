"""The intervals that verdicts rest on, held against scipy, published examples and the truth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from serinus_operator.decide.statistics import Interval, deviations, distance, excess, percentile, share

CONFIDENCES = st.integers(50, 99)
BOUNDS = tuple(0.001 * 10 ** (k / 8) for k in range(25))


@st.composite
def shares(draw: st.DrawFn) -> tuple[int, int]:
    total = draw(st.integers(1, 10_000))
    return draw(st.integers(0, total)), total


@given(CONFIDENCES)
def test_deviations_are_those_of_the_normal_distribution(confidence: int) -> None:
    assert deviations(confidence) == pytest.approx(stats.norm.ppf(0.5 + confidence / 200))


@given(shares(), CONFIDENCES)
def test_share_is_scipys_corrected_wilson_interval(seen: tuple[int, int], confidence: int) -> None:
    theirs = stats.binomtest(*seen).proportion_ci(confidence / 100, method="wilsoncc")
    ours = share(*seen, deviations(confidence))
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_share_of_nothing_may_be_anything() -> None:
    assert share(0, 0, 1.96) == Interval(0.0, 0.0, 1.0)


@pytest.mark.parametrize(("hits", "low", "high"), [(5, 0.0186, 0.1183), (0, 0.0, 0.0461)])
def test_share_as_in_its_worked_example(hits: int, low: float, high: float) -> None:
    ours = share(hits, 100, deviations(95))
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("ours", "theirs", "least"),
    [((56, 70), (48, 80), 0.0428), ((9, 10), (3, 10), 0.1013), ((5, 56), (0, 29), -0.0667)],
    ids=["56 of 70 against 48 of 80", "9 of 10 against 3 of 10", "5 of 56 against 0 of 29"],
)
def test_excess_agrees_with_newcombes_published_examples(
    ours: tuple[int, int], theirs: tuple[int, int], least: float
) -> None:
    z = deviations(95)
    assert excess(share(*ours, z), share(*theirs, z), 1.0) == pytest.approx(least, abs=5e-5)


@given(shares(), shares(), st.floats(0.1, 10), CONFIDENCES)
def test_excess_never_says_more_than_the_two_values_do(
    ours: tuple[int, int], theirs: tuple[int, int], factor: float, confidence: int
) -> None:
    z = deviations(confidence)
    apart = ours[0] / ours[1] - factor * (theirs[0] / theirs[1])
    assert excess(share(*ours, z), share(*theirs, z), factor) <= apart


def histogram(values: np.ndarray) -> list[int]:
    places = np.searchsorted(BOUNDS, values, side="left")
    return np.bincount(places, minlength=len(BOUNDS) + 1).tolist()


@pytest.mark.parametrize("rank", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("size", [100, 1_000])
def test_percentile_misses_the_truth_as_seldom_as_asked(rank: float, size: int) -> None:
    random = np.random.default_rng(20260501)
    truth = float(np.exp(np.log(0.02) + 0.5 * stats.norm.ppf(rank)))
    inside = 0
    for _ in range(400):
        found = percentile(histogram(random.lognormal(math.log(0.02), 0.5, size)), BOUNDS, rank, deviations(95))
        inside += found.low <= truth <= found.high
    assert inside >= 0.95 * 400


@given(st.lists(st.integers(0, 50), min_size=26, max_size=26), st.sampled_from([0.5, 0.95, 0.99]), CONFIDENCES)
def test_percentile_lies_between_its_ends(counts: list[int], rank: float, confidence: int) -> None:
    found = percentile(counts, BOUNDS, rank, deviations(confidence))
    assert found.low <= found.value <= found.high or counts[-1]


def test_percentile_of_nothing_may_be_anything() -> None:
    assert percentile([0] * 26, BOUNDS, 0.95, 1.96) == Interval(0.0, 0.0, math.inf)


def test_percentile_beyond_the_last_bound_has_no_upper_end() -> None:
    found = percentile([0] * 25 + [1_000], BOUNDS, 0.95, 1.96)
    assert (found.low, found.value, found.high) == (BOUNDS[-1], BOUNDS[-1], math.inf)


@given(
    st.lists(st.integers(0, 7), min_size=8, max_size=200),
    st.lists(st.integers(0, 7), min_size=8, max_size=200),
    CONFIDENCES,
)
def test_distance_is_scipys_kolmogorov_statistic(ours: list[int], theirs: list[int], confidence: int) -> None:
    expected = stats.ks_2samp(ours, theirs, method="asymp").statistic
    found = distance(np.bincount(ours, minlength=8).tolist(), np.bincount(theirs, minlength=8).tolist(), confidence)
    assert found.value == pytest.approx(expected)
    assert found.low <= found.value <= found.high


def test_distance_of_equal_distributions_seldom_seems_sure() -> None:
    random = np.random.default_rng(20260502)
    weights = random.dirichlet(np.ones(16))
    sure = sum(
        distance(random.multinomial(200, weights).tolist(), random.multinomial(2_000, weights).tolist(), 95).low > 0
        for _ in range(1_000)
    )
    assert sure <= 50


def test_distance_to_nothing_may_be_anything() -> None:
    assert distance([0, 0], [3, 4], 95) == Interval(0.0, 0.0, 1.0)
