"""From demand to a number of pods: the published vectors of Knative's autoscaler, and what must hold for any demand.

A row is `ready pods, average over the stable window, over the short one → pods`.
"""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus_operator.decide.replicas import Ask, Rules, bounded, pods_for, share_floor, surge_at_start, wanted
from serinus_operator.loads import Surge

TEN_FOLD = Rules(up=10.0, down=10.0)
SLOW_UP = Rules(up=1.1, down=10.0)
SLOW_DOWN = Rules(up=10.0, down=1.1)
DELAYED = Rules(up=10.0, down=10.0, delay_seconds=300.0)
CALM = Surge()


def ask(stable: float, short: float, target: float) -> list[Ask]:
    return [Ask(pods_for(stable, target), pods_for(short, target))]


SINGLE = {
    "no demand needs no pod": (TEN_FOLD, CALM, 10, (1, 0, 0), 0),
    "fifty at once need five pods of ten": (TEN_FOLD, CALM, 10, (1, 50, 50), 5),
    "five pods that fit stay": (TEN_FOLD, CALM, 10, (5, 50, 50), 5),
    "eight pods grow to ten": (TEN_FOLD, CALM, 10, (8, 100, 100), 10),
    "eight pods shrink to five": (TEN_FOLD, CALM, 10, (8, 50, 50), 5),
    "a sudden hundred is a panic": (TEN_FOLD, CALM, 10, (1, 50, 100), 10),
    "a thousand is reached tenfold at a time": (TEN_FOLD, CALM, 10, (1, 1000, 1001), 10),
    "and from ten pods the rest": (TEN_FOLD, CALM, 10, (10, 1000, 1001), 100),
    "a hundred idle pods shrink tenfold at a time": (TEN_FOLD, CALM, 10, (100, 1, 1), 10),
    "and from ten pods to one": (TEN_FOLD, CALM, 10, (10, 1, 1), 1),
    "no ready pod counts as one": (TEN_FOLD, CALM, 10, (0, 1000, 888), 10),
    "a panic of five follows the rise": (TEN_FOLD, Surge(0.0, 5), 1, (5, 50, 30), 50),
    "in a panic the short window may ask for more": (TEN_FOLD, Surge(0.0, 5), 1, (5, 20, 30), 30),
    "a tenth more than two pods are three": (SLOW_UP, CALM, 1, (2, 3, 3.1), 3),
    "a tenth less than a hundred pods are ninety": (SLOW_DOWN, CALM, 10, (100, 1, 1), 90),
}


@pytest.mark.parametrize(("rules", "surge", "target", "seen", "pods"), SINGLE.values(), ids=SINGLE.keys())
def test_single_decision(rules: Rules, surge: Surge, target: float, seen: tuple[int, float, float], pods: int) -> None:
    ready, stable, short = seen
    assert wanted(rules, ask(stable, short, target), ready, surge, 0.0)[0] == pods


def test_revision_without_traffic_knows_no_rate_of_fall() -> None:
    assert wanted(SLOW_DOWN, ask(1, 1, 10), 100, CALM, 0.0, reachable=False)[0] == 1


Step = tuple[float, tuple[int, float, float], int]
"""Seconds, what is seen then, and the pods that are wanted."""

SEQUENCES: dict[str, tuple[Rules, float, list[Step]]] = {
    "in a panic it grows sixfold each time, and then holds": (
        TEN_FOLD,
        1,
        [
            (0, (1, 6, 6), 6),
            (2, (6, 36, 36), 36),
            (4, (36, 216, 216), 216),
            (6, (216, 1296, 1296), 1296),
            (8, (1296, 1296, 1296), 1296),
        ],
    ),
    "a panic holds its peak while the demand is gone, and ends one window later": (
        TEN_FOLD,
        10,
        [(0, (1, 100, 100), 10), (2, (10, 100, 1000), 100), (32, (10, 1, 1), 100), (63, (10, 1, 1), 1)],
    ),
    "a panic is over one window after its last cause": (
        TEN_FOLD,
        1,
        [(0, (10, 11, 25), 25), (30, (40, 30, 41), 41), (62, (55, 50, 56), 50)],
    ),
    "another cause extends the panic": (
        TEN_FOLD,
        1,
        [(0, (10, 11, 25), 25), (30, (40, 30, 80), 80), (62, (55, 50, 56), 80), (91, (55, 50, 56), 50)],
    ),
    "a smaller size waits for the delay": (
        DELAYED,
        10,
        [(2, (1, 40, 40), 4), (300, (4, 0, 0), 4), (302, (4, 0, 0), 0)],
    ),
    "a gradual fall follows the delay step by step": (
        DELAYED,
        10,
        [
            (540, (4, 40, 40), 4),
            (600, (4, 30, 30), 4),
            (660, (4, 0, 0), 4),
            (840, (4, 0, 0), 3),
            (900, (3, 0, 0), 0),
        ],
    ),
}


@pytest.mark.parametrize(("rules", "target", "steps"), SEQUENCES.values(), ids=SEQUENCES.keys())
def test_sequence_of_decisions(rules: Rules, target: float, steps: list[Step]) -> None:
    surge = CALM
    for seconds, (ready, stable, short), pods in steps:
        found, surge = wanted(rules, ask(stable, short, target), ready, surge, float(seconds))
        assert found == pods, f"after {seconds} s"


def test_start_of_a_panic_moves_only_with_its_cause() -> None:
    _, first = wanted(TEN_FOLD, ask(11, 25, 1), 10, CALM, 0.0)
    _, second = wanted(TEN_FOLD, ask(30, 41, 1), 40, first, 30.0)
    assert (first.panic_since, second.panic_since) == (0.0, 0.0)
    _, extended = wanted(TEN_FOLD, ask(30, 80, 1), 40, first, 30.0)
    assert extended.panic_since == 30.0


def test_revision_without_traffic_ignores_the_delay() -> None:
    _, surge = wanted(DELAYED, ask(40, 40, 10), 4, CALM, 2.0)
    assert wanted(DELAYED, ask(0, 0, 10), 4, surge, 4.0, reachable=True)[0] == 4
    assert wanted(DELAYED, ask(0, 0, 10), 4, surge, 4.0, reachable=False)[0] == 0


@pytest.mark.parametrize(
    ("size", "bounds", "pods"),
    [(10, (2, 20), 10), (0, (2, 20), 2), (10, (0, 8), 8), (0, (1, 20), 1), (12, (0, 20), 12), (0, (0, 20), 0)],
    ids=[
        "ten pods within their bounds",
        "none of ten pods is wanted, but two are the fewest",
        "ten are wanted, but eight are the most",
        "nothing is wanted, and the model may not sleep",
        "an unknown demand holds twelve",
        "an unknown demand holds none",
    ],
)
def test_bounds_come_last(size: int, bounds: tuple[int, int], pods: int) -> None:
    assert bounded(size, *bounds) == pods


def test_first_pods_are_as_many_as_activation_asks_for() -> None:
    rules = Rules(activation=2)
    assert wanted(rules, ask(1, 1, 1), 1, CALM, 0.0)[0] == 2
    assert wanted(rules, ask(0, 0, 1), 1, CALM, 0.0)[0] == 0


@pytest.mark.parametrize(("weight", "pods", "floor"), [(0, 10, 0), (5, 10, 1), (25, 10, 3), (50, 3, 2), (100, 7, 7)])
def test_floor_by_share_of_the_traffic(weight: int, pods: int, floor: int) -> None:
    assert share_floor(weight, pods) == floor


def test_largest_answer_of_several_metrics_wins() -> None:
    assert wanted(TEN_FOLD, [Ask(2, 2), Ask(7, 3), Ask(0, 9)], 5, CALM, 0.0)[0] == 7


def test_process_that_has_just_begun_shrinks_nothing_for_one_window() -> None:
    rules, surge = Rules(), surge_at_start(8, 0.0)
    for second in range(0, 61, 2):
        size, surge = wanted(rules, ask(0, 0, 1), 8, surge, float(second))
        assert size == 8
    assert wanted(rules, ask(0, 0, 1), 8, surge, 62.0)[0] == 4
    assert surge_at_start(1, 0.0) == CALM


DEMANDS = st.floats(0, 10_000)
READY = st.integers(0, 1000)


@given(demand=DEMANDS, more=DEMANDS, target=st.floats(0.1, 100), ready=READY)
def test_more_demand_never_wants_fewer_pods(demand: float, more: float, target: float, ready: int) -> None:
    low = wanted(Rules(), ask(demand, demand, target), ready, CALM, 0.0)[0]
    assert wanted(Rules(), ask(demand + more, demand + more, target), ready, CALM, 0.0)[0] >= low


@given(demand=DEMANDS, ready=READY, least=st.integers(0, 10), room=st.integers(0, 100))
def test_bounds_hold_whatever_is_asked(demand: float, ready: int, least: int, room: int) -> None:
    size, _ = wanted(Rules(), ask(demand, demand, 1), ready, CALM, 0.0)
    assert least <= bounded(size, least, least + room) <= least + room


@given(demand=st.floats(0.5, 500), start=st.integers(1, 300), delay=st.sampled_from([0.0, 20.0]))
def test_constant_demand_leads_to_one_size_and_stays_there(demand: float, start: int, delay: float) -> None:
    """No size is left and taken up again: once reached, what the demand needs is the answer for ever."""
    rules, surge, ready = Rules(delay_seconds=delay), CALM, start
    goal, sizes = pods_for(demand, 1), []
    for tick in range(100):
        ready, surge = wanted(rules, ask(demand, demand, 1), ready, surge, 2.0 * tick)
        sizes.append(ready)
    assert sizes[-1] == goal
    rises = [b - a for a, b in pairwise(sizes) if a != b]
    assert all(step < 0 for step in rises) or all(step > 0 for step in rises), sizes


@given(demands=st.lists(st.tuples(DEMANDS, DEMANDS), min_size=1, max_size=40), start=READY)
def test_fall_is_never_faster_than_by_half(demands: list[tuple[float, float]], start: int) -> None:
    surge, ready = CALM, start
    for tick, (stable, short) in enumerate(demands):
        size, surge = wanted(Rules(), ask(stable, short, 1), ready, surge, 2.0 * tick)
        assert size >= max(1, ready) // 2
        ready = size
