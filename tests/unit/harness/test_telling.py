"""A description is read as kubectl prints it, and a story that is told in another order is found."""

import pytest
from tests.e2e.harness.kubectl import Manifest
from tests.e2e.harness.telling import Told, disorder, missing, rows

TEXT = """Name:         iris
Status:
  Rollout:
    Phase:  Stable
Events:
  Type     Reason           Age                From               Message
  ----     ------           ----               ----               -------
  Normal   RolloutStep      84s                serinus-operator   step 1 of 2: iris-b is to get 10 %
  Warning  RolloutHeld      80s (x2 over 82s)  serinus-operator   iris-b is held, GatewayUnavailable: none is ready
  Normal   RolloutStep      60s                serinus-operator   step 2 of 2: iris-b is to get 50 %
  Normal   RolloutPromoted  52s                serinus-operator   iris-b is stable
"""
ORDER = (
    Told("RolloutStep", "step 1"),
    Told("RolloutHeld", "GatewayUnavailable"),
    Told("RolloutStep", "step 2"),
    Told("RolloutPromoted"),
)
SECONDS = ("12:00:00", "12:00:04", "12:00:24", "12:00:32")


def events(*seconds: str) -> list[Manifest]:
    return [
        {"reason": told.reason, "message": told.word, "lastTimestamp": second}
        for told, second in zip(rows(TEXT), seconds, strict=True)
    ]


def test_rows_are_the_events_with_their_whole_message() -> None:
    assert [told.reason for told in rows(TEXT)] == ["RolloutStep", "RolloutHeld", "RolloutStep", "RolloutPromoted"]
    assert rows(TEXT)[1].word == "iris-b is held, GatewayUnavailable: none is ready"


def test_story_in_its_order_is_complete() -> None:
    assert missing(TEXT, ORDER) == []
    assert disorder(TEXT, events(*SECONDS), ORDER) == []


def test_what_is_not_told_is_missing() -> None:
    assert missing(TEXT, (*ORDER, Told("RolloutCompleted"))) == [Told("RolloutCompleted")]
    assert missing(TEXT, (Told("RolloutStep", "step 3"),)) == [Told("RolloutStep", "step 3")]


@pytest.mark.parametrize("swapped", [0, 1, 2])
def test_what_stands_before_its_cause_is_found(swapped: int) -> None:
    story = [*ORDER]
    story[swapped], story[swapped + 1] = story[swapped + 1], story[swapped]
    assert disorder(TEXT, events(*SECONDS), story)


def test_events_of_one_second_have_no_order() -> None:
    story = (ORDER[1], ORDER[0], *ORDER[2:])
    assert disorder(TEXT, events(SECONDS[0], *SECONDS[:1], *SECONDS[2:]), story) == []
