"""What `kubectl describe` tells of a rollout, and whether it reads as a story: Events in the order of what happened.

An Event's time is a whole second, so kubectl prints those of one second in any order.
"""

import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

from tests.e2e.harness.kubectl import Manifest
from tests.e2e.harness.models import Model
from tests.e2e.harness.waiting import wait_for

ROW = re.compile(r"\s+(?:Normal|Warning)\s+(?P<reason>\S+)\s+\S.*?\s{2,}\S+\s{2,}(?P<message>.*)")
SAID_SECONDS = 15.0


class Told(NamedTuple):
    """What an Event is known by: its reason, and a word of its message."""

    reason: str
    word: str = ""


def describe(model: Model, story: Sequence[Told]) -> str:
    """The whole description, once all of the story is told, and in its order; kept in the folder of the run."""

    def look() -> tuple[str, list[Manifest]]:
        text = model.kubectl("describe", "mdep", model.name)
        found = model.kubectl.json("events", f"--field-selector=involvedObject.name={model.name}")["items"]
        return text, found

    wait_for(lambda: not missing(look()[0], story), seconds=SAID_SECONDS, what=f"all is told: {story}", describe=look)
    text, events = look()
    (model.folder / f"describe-{model.name}.txt").write_text(text)
    assert not disorder(text, events, story), text
    return text


def rows(text: str) -> list[Told]:
    """Reason and message of the Events in a description, in its order."""
    found = map(ROW.fullmatch, text.partition("\nEvents:")[2].splitlines())
    return [Told(one["reason"], one["message"]) for one in found if one]


def missing(text: str, story: Sequence[Told]) -> list[Told]:
    return [told for told in story if _place(rows(text), told) is None]


def disorder(text: str, events: Sequence[Manifest], story: Sequence[Told]) -> list[str]:
    """What stands before what it followed. `events`: the same, from which their seconds are known."""
    seconds = {(one["reason"], one["message"].strip()): str(one["lastTimestamp"]) for one in events}
    told = rows(text)
    places = [place for one in story if (place := _place(told, one)) is not None]
    found = []
    for before, after in itertools.pairwise(places):
        if before > after and seconds[told[before]] != seconds[told[after]]:
            found.append(f"{told[after].reason} stands before {told[before].reason}: {told[before].word}")
    return found


def _place(found: Sequence[Told], told: Told) -> int | None:
    places = (at for at, one in enumerate(found) if one.reason == told.reason and told.word in one.word)
    return next(places, None)
