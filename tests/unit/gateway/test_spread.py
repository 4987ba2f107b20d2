"""How many requests a pod may still be given. The first rows are those of the docstring."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus_api.runtime import LoadReport
from serinus_gateway.spread import ARRIVAL_SECONDS, FRESH_SECONDS, Places


def report(in_flight: int = 0, queued: int = 0, arrived: int = 0) -> LoadReport:
    arrivals = {"direct": 0, "split": arrived}
    return LoadReport(revision="r", in_flight=in_flight, queued=queued, arrivals=arrivals, busy_seconds=0)


LEFT = {
    "half of four for each of two gateways": (8, report(3, 1), 2, 2),
    "one place and two gateways: one each": (1, report(), 2, 1),
    "a full pod": (1, report(1), 1, 0),
    "more queued than places": (2, report(2, 5), 1, 0),
    "an empty pod": (8, report(), 1, 8),
}


@pytest.mark.parametrize(("concurrency", "told", "gateways", "expected"), LEFT.values(), ids=LEFT)
def test_places_left(concurrency: int, told: LoadReport, gateways: int, expected: int) -> None:
    places = Places(concurrency)
    places.read(told, 10.0, gateways)
    assert places.left(10.0) == expected


def test_nothing_is_known_before_the_first_read_nor_long_after_the_last() -> None:
    places = Places(8)
    assert (places.left(0.0), places.known(0.0)) == (0, False)
    places.read(report(), 1.0, 1)
    assert places.left(1.0 + FRESH_SECONDS) == 8
    assert places.left(1.1 + FRESH_SECONDS) == 0


def test_request_on_its_way_takes_a_place_until_it_arrives() -> None:
    places = Places(2)
    places.read(report(arrived=10), 1.0, 1)
    places.take(1.0)
    places.take(1.0)
    assert places.left(1.0) == 0
    places.read(report(arrived=10), 1.05, 1)
    assert places.left(1.05) == 0, "neither has arrived"
    places.read(report(in_flight=1, arrived=11), 1.1, 1)
    assert places.left(1.1) == 0, "one has, one has not"
    places.read(report(arrived=12), 1.15, 1)
    assert places.left(1.15) == 2, "both came and went"


def test_request_that_never_arrives_is_forgotten() -> None:
    places = Places(1)
    places.read(report(), 1.0, 1)
    places.take(1.0)
    places.read(report(), 1.1 + ARRIVAL_SECONDS, 1)
    assert places.left(1.1 + ARRIVAL_SECONDS) == 1


def test_place_that_was_not_needed_comes_back() -> None:
    places = Places(1)
    places.read(report(), 1.0, 1)
    places.take(1.0)
    places.give_back()
    assert places.left(1.0) == 1


def test_pod_that_tells_no_load_is_given_what_it_does_at_once() -> None:
    places = Places(8)
    places.guess(1.0, 3)
    assert places.left(1.0) == 3


@given(st.integers(1, 50), st.integers(0, 60), st.integers(0, 60), st.integers(1, 5))
def test_never_more_than_its_share(concurrency: int, in_flight: int, queued: int, gateways: int) -> None:
    places = Places(concurrency)
    places.read(report(in_flight, queued), 0.0, gateways)
    free = max(0, concurrency - in_flight - queued)
    assert free <= places.left(0.0) * gateways < free + gateways
