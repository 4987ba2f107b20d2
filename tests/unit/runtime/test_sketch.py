"""The sketch of what a model answers: bins that rise, one value of each answer, and no more bins than there are."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus_api.runtime import SKETCH_BINS, SKETCH_OUTPUTS
from serinus_runtime.sketch import MIDDLE, bin_of, drawn

FLOATS = st.floats(allow_nan=False)
LAST = SKETCH_BINS - 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, MIDDLE),
        (-0.0009, MIDDLE),
        (0.5, 95),
        (-0.5, 2 * MIDDLE - 95),
        (0.0011, MIDDLE + 1),
        (9e5, LAST - 1),
        (2e6, LAST),
        (math.inf, LAST),
        (-math.inf, 0),
        (-1e300, 0),
        (3, 101),
        (True, 98),
        (math.nan, None),
    ],
)
def test_bin(value: float, expected: int | None) -> None:
    assert bin_of(value) == expected


@given(FLOATS, FLOATS)
def test_bins_rise_with_the_value(one: float, other: float) -> None:
    low, high = bin_of(min(one, other)), bin_of(max(one, other))
    assert low is not None
    assert high is not None
    assert 0 <= low <= high < SKETCH_BINS


@given(st.floats(1e-3, 1e6), st.booleans())
def test_values_of_one_bin_are_a_third_apart_at_most(size: float, negative: bool) -> None:
    value = -size if negative else size
    assert bin_of(value * 1.34) != bin_of(value) or size * 1.34 > 1e6


@given(st.text())
def test_strings_have_a_bin_which_is_always_the_same(text: str) -> None:
    found = bin_of(text)
    assert found is not None
    assert found in range(SKETCH_BINS)
    assert bin_of(text.encode()) == found


def one_of(places: Sequence[int], arrays: Sequence[np.ndarray], *draws: float) -> int | None:
    waiting = list(draws)
    return drawn(places, arrays, lambda: waiting.pop(0))


def test_one_value_is_drawn_of_one_output() -> None:
    arrays = [np.array([[1.0, 10.0]]), np.array([100.0, 1000.0, 10000.0])]
    assert one_of([0, 1], arrays, 0.0, 0.9) == bin_of(10.0)
    assert one_of([0, 1], arrays, 0.99, 0.5) == SKETCH_BINS + (bin_of(1000.0) or 0)
    assert one_of([1, 0], arrays, 0.0, 0.0) == SKETCH_BINS + (bin_of(1.0) or 0), "by its place in the model"


def test_of_outputs_beyond_the_fourth_of_nothing_and_of_nan_nothing_is_drawn() -> None:
    assert one_of([SKETCH_OUTPUTS], [np.array([1.0])], 0.0, 0.0) is None
    assert one_of([0], [np.zeros((0, 3))], 0.0, 0.0) is None
    assert one_of([0], [np.array([math.nan])], 0.0, 0.0) is None
    assert drawn([], []) is None


@given(st.lists(st.floats(width=32), min_size=1, max_size=9), st.integers(0, SKETCH_OUTPUTS + 2))
def test_bins_are_bounded(values: list[float], place: int) -> None:
    found = drawn([place], [np.array(values, dtype=np.float32)])
    assert found is None or found in range(SKETCH_OUTPUTS * SKETCH_BINS)
