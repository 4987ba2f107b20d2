"""Kubernetes Events: one object per cause, counted up."""

import pytest
from tests.unit.decide.subjects import at, subject

from serinus_api import names
from serinus_api.v1alpha1 import Condition, ModelDeploymentStatus, ScalingStatus
from serinus_operator.report.events import BURST, REFILL_SECONDS, REMEMBERED, EventBook, is_news, is_warning, resized


def condition(
    kind: str = "Ready", status: str = "False", reason: str = "LoadFailed", message: str = "bad"
) -> Condition:
    fields = {"type": kind, "status": status, "reason": reason, "message": message}
    return Condition(**fields, last_transition_time="2026-05-01T09:00:00Z")


def test_event_speaks_of_the_model_in_the_conditions_words() -> None:
    event = EventBook().event(subject(), condition(), at(0))
    assert event["reason"] == "LoadFailed"
    assert event["message"] == "Ready=False: bad"
    assert event["type"] == "Warning"
    assert event["involvedObject"]["uid"] == "u1"
    assert event["involvedObject"]["kind"] == names.KIND
    assert (event["count"], event["firstTimestamp"]) == (1, "2026-05-01T09:00:00Z")


def test_repeated_event_is_the_same_object_counted_up() -> None:
    book = EventBook()
    first, second = book.event(subject(), condition(), at(0)), book.event(subject(), condition(), at(60))
    assert first["metadata"] == second["metadata"]
    assert second["count"] == 2
    assert second["firstTimestamp"] == "2026-05-01T09:00:00Z"
    assert second["lastTimestamp"] == "2026-05-01T09:01:00Z"


@pytest.mark.parametrize("other", [condition(message="worse"), condition(reason="TooSlow"), condition("Available")])
def test_other_cause_is_another_object(other: Condition) -> None:
    book = EventBook()
    one, two = book.event(subject(), condition(), at(0)), book.event(subject(), other, at(0))
    assert one["metadata"]["name"] != two["metadata"]["name"]
    assert two["count"] == 1


def test_memory_of_events_is_bounded() -> None:
    book = EventBook()
    for number in range(REMEMBERED + 50):
        book.event(subject(), condition(message=str(number)), at(0))
    assert len(book._counts) == REMEMBERED
    assert book.event(subject(), condition(message="0"), at(0))["count"] == 1
    assert book.event(subject(), condition(message=str(REMEMBERED)), at(0))["count"] == 2


def test_long_words_fit_an_event() -> None:
    assert len(EventBook().event(subject(), condition(message="x" * 5000), at(0))["message"]) == 1024


SEEN = condition("Ready", "True", "Ready")


@pytest.mark.parametrize(
    ("kind", "status", "reason", "before", "news"),
    [
        ("Ready", "False", "LoadFailed", None, True),
        ("Ready", "False", "Reconciling", None, False),
        ("Ready", "False", "Reconciling", SEEN, True),
        ("Ready", "Unknown", "Reconciling", None, False),
        ("ModelResolved", "Unknown", "Resolving", SEEN, False),
        ("ModelResolved", "True", "Resolved", None, True),
        ("Available", "False", "NoRevision", None, False),
        ("RolloutHealthy", "True", "Progressing", None, False),
        ("Reconciling", "True", "NotFound", None, False),
        ("Stalled", "True", "RolledBack", None, True),
    ],
)
def test_what_is_worth_an_event(kind: str, status: str, reason: str, before: Condition | None, news: bool) -> None:
    assert is_news(condition(kind, status, reason), before) is news


def sized(desired: int, engine: str = "Builtin") -> ScalingStatus:
    return ScalingStatus(engine=engine, state="Awake", desired_replicas=desired, message=f"{desired} because")


def test_rises_are_one_object_and_falls_another_in_the_latest_words() -> None:
    book = EventBook()
    up = [book.scaled(subject(), sized(1), sized(n), at(n)) for n in (2, 3)]
    down = book.scaled(subject(), sized(3), sized(1), at(9))
    assert [event["count"] for event in up] == [1, 2]
    assert (up[1]["reason"], up[1]["message"], up[1]["type"]) == ("ScaledUp", "3 because", "Normal")
    assert up[0]["metadata"] == up[1]["metadata"] != down["metadata"]
    assert (down["reason"], down["count"]) == ("ScaledDown", 1)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (sized(1), sized(2), True),
        (sized(2), sized(2), False),
        (None, sized(2), False),
        (sized(1, "Fixed"), sized(2), False),
        (sized(1, "HPA"), sized(2, "HPA"), False),
    ],
    ids=["another size", "the same", "the first one", "another engine", "another writer"],
)
def test_change_of_size_is_told_when_demand_made_it(
    before: ScalingStatus | None, after: ScalingStatus, told: bool
) -> None:
    found = resized(ModelDeploymentStatus(scaling=before), ModelDeploymentStatus(scaling=after))
    assert (found is not None) is told


@pytest.mark.parametrize(
    ("kind", "status", "reason", "warning"),
    [
        ("Ready", "False", "LoadFailed", True),
        ("Ready", "False", "Reconciling", False),
        ("Ready", "False", "Paused", False),
        ("Ready", "True", "Ready", False),
        ("Ready", "Unknown", "Reconciling", False),
        ("Available", "False", "NoReadyReplicas", True),
        ("Available", "False", "NoRevision", False),
        ("Stalled", "True", "RolledBack", True),
        ("Reconciling", "True", "NotFound", False),
        ("ScalingActive", "False", "MetricsUnavailable", True),
        ("ScalingActive", "Unknown", "Starting", False),
        ("ModelResolved", "False", "NotFound", True),
    ],
)
def test_what_is_worth_a_warning(kind: str, status: str, reason: str, warning: bool) -> None:
    assert is_warning(condition(kind, status, reason)) is warning


def test_events_of_one_model_are_limited_and_those_of_others_are_not() -> None:
    """25 at once, then one a minute: an hour of a message that never stays the same makes 85, not 3,600."""
    book = EventBook()
    assert sum(book.admits("u1", at(second)) for second in range(3600)) == BURST + 3600 // REFILL_SECONDS - 1
    assert book.admits("u2", at(3600))


def test_buckets_are_bounded_and_full_again_after_a_rest() -> None:
    book = EventBook()
    while book.admits("u1", at(0)):
        pass
    assert sum(book.admits("u1", at(BURST * REFILL_SECONDS)) for _ in range(100)) == BURST
    for number in range(REMEMBERED + 50):
        book.admits(f"other-{number}", at(0))
    assert len(book._buckets) == REMEMBERED
