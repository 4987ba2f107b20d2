"""What the pods of each revision did in one stretch of time, from counters that only rise. Pure; feeds `analysis`.

    readings ─► record ─► Ledger.window   since the last verdict
                       ─► Ledger.step     since the weight was last moved

A process seen for the first time tells where counting begins, and nothing else. A counter that is lower than before
belongs to a process that was started anew: all that it shows came after. So nothing is ever guessed, and what is lost
is at most what a pod did between its last reading and its end. After a restart of the operator the ledger is empty.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import zip_longest

FORGET_SECONDS = 300.0
"""A process that was not read for so long is gone."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of answers. Copies for the shadow are in none of them but `compared` and `agreed`; 429 is in none."""

    answers: int = 0
    errors: int = 0
    """Answers with a code of 500 and above."""
    latency: tuple[int, ...] = ()
    """Successful answers by `LATENCY_BUCKETS`, and one more for those beyond them; not cumulative."""
    split: int = 0
    """Answers to requests that the weights sent here."""
    invalid: int = 0
    """Answers with a NaN or an infinite number."""
    outputs: tuple[int, ...] = ()
    """Output values, one of each answer, by the bins of the sketch."""
    compared: int = 0
    """Copied requests that both revisions answered."""
    agreed: int = 0
    """Those of them whose outputs were equal within the tolerance."""
    checked: int = 0
    """Answers whose outputs were looked at: `invalid` is a part of these."""

    def plus(self, other: "Tally") -> "Tally":
        """Both together."""
        return _tally([_added(mine, theirs, 1) for mine, theirs in _pairs(self, other)])

    def since(self, before: "Tally") -> "Tally":
        """What came after `before`; everything, where any count has fallen."""
        grown = [_added(mine, theirs, -1) for mine, theirs in _pairs(self, before)]
        fallen = any(count < 0 for part in grown for count in (part if isinstance(part, tuple) else (part,)))
        return self if fallen else _tally(grown)


Counts = int | tuple[int, ...]


def _tally(parts: list[Counts]) -> Tally:
    return Tally(*parts)  # type: ignore[arg-type]  # in the order of the fields


def _pairs(one: Tally, other: Tally) -> list[tuple[Counts, Counts]]:
    return [(getattr(one, part.name), getattr(other, part.name)) for part in fields(Tally)]


def _added(mine: Counts, theirs: Counts, sign: int) -> Counts:
    if isinstance(mine, tuple) and isinstance(theirs, tuple):
        return tuple(a + sign * b for a, b in zip_longest(mine, theirs, fillvalue=0))
    assert isinstance(mine, int)
    assert isinstance(theirs, int)
    return mine + sign * theirs


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters of one process at one moment."""

    process: str
    revision: str
    counters: Tally
    witness: bool = False
    """Counted by a process of another revision: it does not tell that one of this revision can be read."""
    difference: float = 0.0
    """Largest difference between outputs of the two revisions that a witness has seen so far."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The counts of the present window and step, by revision."""

    window: Mapping[str, Tally] = field(default_factory=dict)
    step: Mapping[str, Tally] = field(default_factory=dict)
    window_since: float = 0.0
    """Monotonic time of the last verdict, or of the beginning."""
    standing: Tally = field(default_factory=Tally)
    """What stable did in the last step, to compare with when it gets no traffic any more."""
    read_at: Mapping[str, float] = field(default_factory=dict)
    """By revision, when one of its processes last answered."""
    last: Mapping[str, tuple[Reading, float]] = field(default_factory=dict)
    """By process, its last reading and when that was."""

    def difference(self, revision: str) -> float:
        """The largest that a witness of the revision has seen since its requests are copied."""
        return max((seen.difference for seen, _ in self.last.values() if seen.revision == revision), default=0.0)


def record(ledger: Ledger, readings: Iterable[Reading], now: float) -> Ledger:
    """The ledger with one more round of readings."""
    window, step, read_at = dict(ledger.window), dict(ledger.step), dict(ledger.read_at)
    last = {name: seen for name, seen in ledger.last.items() if now - seen[1] < FORGET_SECONDS}
    for reading in readings:
        if before := last.get(reading.process):
            growth = reading.counters.since(before[0].counters)
            window[reading.revision] = window.get(reading.revision, Tally()).plus(growth)
            step[reading.revision] = step.get(reading.revision, Tally()).plus(growth)
        last[reading.process] = (reading, now)
        if not reading.witness:
            read_at[reading.revision] = now
    return replace(ledger, window=window, step=step, read_at=read_at, last=last)


def next_window(ledger: Ledger, now: float) -> Ledger:
    """The ledger after a verdict: the step goes on, its next window begins."""
    return replace(ledger, window={}, window_since=now)


def after_promotion(ledger: Ledger, old: str, now: float) -> Ledger:
    """The ledger of the bake: what the old revision did in the last step is all that there is to compare with."""
    return replace(next_step(ledger, now), standing=ledger.step.get(old, Tally()))


def next_step(ledger: Ledger, now: float) -> Ledger:
    """The ledger after the weight was moved; where the processes stand is still known."""
    return replace(ledger, window={}, step={}, window_since=now, standing=Tally())
