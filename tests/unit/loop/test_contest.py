"""When to stop writing a child that somebody else keeps changing back."""

from typing import Any

from serinus_operator.contest import CALM_SECONDS, LONGEST_SECONDS, REPAIRS, Contest


def child(image: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {"labels": {"a": "b"}}, "spec": {"image": image, "replicas": 3, **more}}


OURS, THEIRS = child("ours"), child("theirs")


def test_repair_that_lasts_holds_nothing_up() -> None:
    contest = Contest()
    contest.written(OURS, OURS, 0.0, lacks=False, differs=False)
    assert not contest.holds(OURS, THEIRS, 1.0)


def test_value_that_is_changed_back_is_written_ever_more_seldom() -> None:
    contest, now = Contest(), 0.0
    for wait in (600.0, 1200.0, 2400.0):
        contest.written(OURS, THEIRS, now, lacks=True, differs=True)
        assert contest.holds(OURS, THEIRS, now + wait - 1)
        assert not contest.holds(OURS, THEIRS, now + wait)
        now += wait
    for _ in range(20):
        contest.written(OURS, THEIRS, now, lacks=True, differs=True)
    assert not contest.holds(OURS, THEIRS, now + LONGEST_SECONDS)


def test_many_repairs_in_a_short_time_are_a_contest() -> None:
    contest = Contest()
    for number in range(REPAIRS):
        assert not contest.holds(OURS, THEIRS, float(number))
        contest.written(OURS, OURS, float(number), lacks=False, differs=False)
    assert contest.holds(OURS, THEIRS, float(REPAIRS))


def test_few_repairs_in_a_long_time_are_none() -> None:
    contest = Contest()
    for number in range(3 * REPAIRS):
        contest.written(OURS, OURS, number * CALM_SECONDS, lacks=False, differs=False)
        assert not contest.holds(OURS, THEIRS, number * CALM_SECONDS + 1)


def test_additions_are_accepted_until_the_object_is_another() -> None:
    contest, more = Contest(), child("ours", sidecar=True)
    contest.written(OURS, more, 0.0, lacks=False, differs=True)
    assert contest.holds(OURS, more, 1e9)
    assert contest.holds(OURS, {**more, "spec": {**more["spec"], "replicas": 9}}, 1e9), "its size has its own way"
    assert not contest.holds(OURS, child("ours", sidecar=True, paused=True), 1.0)


def test_another_intention_is_no_repair() -> None:
    """The entry Service of a model that is updated often changes as often."""
    contest = Contest()
    for number in range(3 * REPAIRS):
        wanted = child(f"v{number}")
        assert not contest.holds(wanted, OURS, float(number))
        contest.written(wanted, wanted, float(number), lacks=False, differs=False)


def test_other_addresses_in_a_slice_are_another_intention() -> None:
    """An EndpointSlice says what it says beside its metadata, in no spec."""
    contest = Contest()
    for number in range(3 * REPAIRS):
        wanted = {"metadata": {"labels": {"a": "b"}}, "endpoints": [{"addresses": [f"10.0.0.{number % 2}"]}]}
        assert not contest.holds(wanted, OURS, float(number))
        contest.written(wanted, wanted, float(number), lacks=False, differs=False)
