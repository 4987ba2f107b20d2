"""A strike excuses the requests that were under way in it, and no others."""

from pathlib import Path

import pytest
from tests.chaos.shaken import assert_none_lost
from tests.e2e.harness.prober import Prober, Record


def request(number: int, sent: float, seconds: float, error: str | None = None) -> Record:
    return {"id": f"r-{number}", "sent": sent, "seconds": seconds, "error": error}


def probed(*records: Record) -> Prober:
    prober = Prober("http://127.0.0.1", "m", rate=1.0, history=Path("history.jsonl"))
    prober.records, prober.sent = list(records), len(records)
    return prober


def test_request_that_was_under_way_is_excused() -> None:
    assert_none_lost(probed(request(0, 0.0, 0.1), request(1, 0.9, 0.5, "reset"), request(2, 2.0, 0.1)), [(1.0, 1.1)])


@pytest.mark.parametrize("sent", [0.5, 1.2])
def test_request_before_or_after_a_strike_is_lost(sent: float) -> None:
    with pytest.raises(AssertionError, match="1 of 1 lost"):
        assert_none_lost(probed(request(0, sent, 0.1, "reset")), [(1.0, 1.1)])


def test_request_without_an_account_is_missed_in_a_strike_too() -> None:
    prober = probed(request(0, 1.0, 0.1, "reset"), request(1, 3.0, 0.1))
    prober.sent += 1
    with pytest.raises(AssertionError, match="1 accounts of 2"):
        assert_none_lost(prober, [(1.0, 1.1)])
