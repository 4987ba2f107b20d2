"""Too many requests at a candidate are found, weight by weight; what chance gives is not."""

from typing import Any

import pytest
from tests.chaos.exposure import CHANCE, Share, Sight, most, shares
from tests.e2e.harness.prober import Record

SIGHTS = [Sight(at, at + 0.1, weight) for at, weight in ((0.0, 0), (1.0, 0), (2.0, 25), (3.0, 25), (4.0, 50), (5.0, 0))]


def record(sent: float, revision: str | None = "b", seconds: float = 0.01) -> Record:
    return {"sent": sent, "seconds": seconds, "revision": revision}


WHEN = {
    "between two looks alike": (record(2.5), 25),
    "between two that differ": (record(1.5), 25),
    "while a weight rises": (record(3.5), 50),
    "while it falls": (record(4.5), 50),
    "during a look": (record(4.05), 50),
    "answered long after": (record(0.5, seconds=3.6), 50),
    "after the last look": (record(5.5), 0),
    "before the first one": (record(-1.0), 0),
}


@pytest.mark.parametrize("when", WHEN)
def test_request_counts_at_the_greatest_weight_of_its_time(when: str) -> None:
    one, weight = WHEN[when]
    assert shares([one], SIGHTS, "b") == [Share(weight, 1, 1)]


def test_requests_are_counted_by_weight_and_those_of_nobody_are_left_out() -> None:
    records = [record(0.5, "a"), record(2.2), record(2.3, "a"), record(2.4, None), record(2.5, "a")]
    assert shares(records, SIGHTS, "b") == [Share(0, 1, 0), Share(25, 3, 1)]


SAID: dict[str, tuple[dict[str, Any], int, int]] = {
    "no rollout": ({}, 50, 0),
    "asked for, not in force": ({"requestedWeight": 50, "appliedWeight": 25}, 25, 50),
    "in force, no more asked for": ({"requestedWeight": 0, "appliedWeight": 50}, 50, 50),
    "asked for, nobody knows what is in force": ({"requestedWeight": 25}, 0, 25),
    "nothing asked for, nobody knows what is in force": ({"requestedWeight": 0}, 50, 50),
    "promoted": ({"phase": "Baking", "requestedWeight": 0, "appliedWeight": 0}, 100, 100),
    "promoted, on the way back": ({"phase": "Aborting", "requestedWeight": 0, "appliedWeight": 0}, 100, 100),
    "taken back in a step": ({"phase": "Aborting", "requestedWeight": 0, "appliedWeight": 0}, 50, 0),
    "promoted, and taken back": ({"phase": "Aborted", "requestedWeight": 0, "appliedWeight": 0}, 100, 0),
    "over": ({"requestedWeight": 0, "appliedWeight": 0}, 50, 0),
}


@pytest.mark.parametrize("what", SAID)
def test_most_that_a_status_allows(what: str) -> None:
    rollout, before, expected = SAID[what]
    assert most(rollout, before) == expected


CHANCES = [
    (Share(50, 2, 2), 0.25),
    (Share(50, 3, 2), 0.5),
    (Share(25, 4, 4), 1 / 256),
    (Share(25, 1000, 0), 1.0),
    (Share(0, 1000, 1), 0.0),
    (Share(0, 1000, 0), 1.0),
    (Share(100, 10, 10), 1.0),
]


@pytest.mark.parametrize(("share", "chance"), CHANCES, ids=str)
def test_chance_is_the_tail_of_the_binomial(share: Share, chance: float) -> None:
    assert share.chance == pytest.approx(chance)


def test_what_chance_gives_is_allowed_and_twice_the_weight_is_not() -> None:
    assert Share(25, 400, 100).chance > CHANCE
    assert Share(25, 400, 130).chance > CHANCE
    assert Share(25, 400, 200).chance < CHANCE
