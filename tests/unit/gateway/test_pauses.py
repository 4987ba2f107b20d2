"""How long the agent waits before it asks again. The first rows are those of the docstring."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus_gateway.pauses import READ_SECONDS, REFUSED_SECONDS, VAIN_SECONDS, ReadPause, WakePause


def test_pod_without_a_free_place_is_read_less_and_less_often() -> None:
    pause = ReadPause()
    found = [1000 * pause.after(0, 1) for _ in range(10)]
    assert found[:4] == pytest.approx([2, 3, 4.5, 6.75])
    assert found[-1] == 1000 * READ_SECONDS[1]


def test_free_place_makes_it_often_again() -> None:
    pause = ReadPause()
    for _ in range(10):
        pause.after(0, 1)
    assert pause.after(3, 1) == READ_SECONDS[0]
    assert pause.after(0, 1) == pytest.approx(1.5 * READ_SECONDS[0])


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(1, 100))
def test_many_pods_are_not_read_more_often_than_one(found: list[int], pods: int) -> None:
    one, many = ReadPause(), ReadPause()
    for free in found:
        alone, shared = one.after(free, 1), many.after(free, pods)
        assert alone <= shared <= READ_SECONDS[1]
        assert shared >= min(alone * pods, READ_SECONDS[1])


def test_vain_wakes_become_rare_until_a_pod_answers() -> None:
    pause, now, waits = WakePause(), 100.0, []
    assert pause.left(now) == 0
    for _ in range(8):
        pause.taken(now)
        now += 7.0  # so long its pods tried, before they went
        pause.gone(now)
        waits.append(pause.left(now))
        now += waits[-1]
        assert pause.left(now) == 0
    assert waits == [2, 4, 8, 16, 32, 60, 60, 60]
    pause.answered()
    assert (pause.left(now), pause.vain) == (0, 0)
    pause.taken(now)
    assert pause.left(now) == VAIN_SECONDS[0]


def test_wake_that_is_refused_is_tried_again_soon_and_then_less_often() -> None:
    pause, waits = WakePause(), []
    for _ in range(7):
        pause.refused(0.0)
        waits.append(pause.left(0.0))
    assert waits == [0.25, 0.5, 1, 2, 4, 5, 5]
    pause.taken(0.0)
    pause.refused(0.0)
    assert pause.left(0.0) == REFUSED_SECONDS[0], "the API server was there in between"


def test_years_of_vain_wakes_are_still_a_number() -> None:
    pause = WakePause()
    for _ in range(5000):
        pause.taken(0.0)
    assert pause.left(0.0) == VAIN_SECONDS[1]
