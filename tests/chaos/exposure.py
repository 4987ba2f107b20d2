"""How much of the traffic a candidate got, by weight, and how much it was to get at most. No code of the operator.

A request is counted at the greatest weight that was asked for or in force at any moment from its sending to its
answer, as the status said: what is asked for is written before a gateway hears of it, and what is in force after.
"""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from scipy.stats import binom
from tests.e2e.harness.models import Model
from tests.e2e.harness.prober import Record
from tests.e2e.harness.waiting import PERIOD

ALL = 100
CHANCE = 1e-5
"""How seldom chance alone may give a candidate so many requests at one weight."""


@dataclass(frozen=True)
class Sight:
    """The status once: read at some moment between the two."""

    begun: float
    ended: float
    most: int
    """Percent that the candidate may have got."""


@dataclass(frozen=True)
class Share:
    """Requests that had an answer at one weight, and how many of them the candidate gave."""

    weight: int
    answered: int
    given: int

    @property
    def chance(self) -> float:
        """How probable so many, or more, are when each goes to the candidate by this weight: the binomial tail."""
        return float(binom.sf(self.given - 1, self.answered, self.weight / 100))

    def __str__(self) -> str:
        return f"{self.given} of {self.answered} at {self.weight} %"


def shares(records: Iterable[Record], sights: Sequence[Sight], candidate: str) -> list[Share]:
    """What the candidate got, by weight. Without the requests that nobody said who answered."""
    found: dict[int, list[bool]] = {}
    for record in records:
        if record.get("revision"):
            found.setdefault(_most(record, sights), []).append(record["revision"] == candidate)
    return [Share(weight, len(given), sum(given)) for weight, given in sorted(found.items())]


def _most(record: Record, sights: Sequence[Sight]) -> int:
    """From the last sight before it was sent to the first one after it was answered."""
    sent, answered = record["sent"], record["sent"] + record["seconds"]
    before = [one for one in sights if one.ended <= sent][-1:]
    during = [one for one in sights if one.ended > sent and one.begun < answered]
    after = [one for one in sights if one.begun >= answered][:1]
    return max(one.most for one in (*before, *during, *after))


def most(rollout: dict[str, Any], before: int) -> int:
    """What the candidate may get by this status; while nobody knows what is in force, what it was `before` as well.

    One that is promoted gets everything without a weight, and on the way back does until it is all taken back.
    """
    requested, applied = int(rollout.get("requestedWeight") or 0), rollout.get("appliedWeight")
    phase = rollout.get("phase")
    if phase == "Baking" or (phase == "Aborting" and before == ALL):
        return ALL
    return max(requested, before if rollout and applied is None else int(applied or 0))


@contextmanager
def seen(model: Model) -> Iterator[list[Sight]]:
    """The status again and again while the block runs."""
    sights: list[Sight] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            begun = time.monotonic()
            rollout = model.status().get("rollout") or {}
            sights.append(Sight(begun, time.monotonic(), most(rollout, sights[-1].most if sights else 0)))
            over.wait(PERIOD)

    thread = threading.Thread(target=look, name="exposure", daemon=True)
    thread.start()
    try:
        yield sights
    finally:
        over.set()
        thread.join()
