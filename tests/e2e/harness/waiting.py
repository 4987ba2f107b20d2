"""Waiting for the cluster: look, again and again, until it is so or the time is over. Never a fixed pause.

The deadlines are those that are promised on a machine of two cores that does nothing else. Where it does, the variable
SERINUS_E2E_PATIENCE multiplies them; the times that were measured are printed at the end of the suite all the same.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PERIOD = 0.25
PATIENCE = float(os.environ.get("SERINUS_E2E_PATIENCE", "1"))


class LateError(AssertionError):
    """What was waited for did not come in time. The message says what was seen last."""


def wait_for(
    look: Callable[[], T | None],
    *,
    seconds: float,
    what: str,
    describe: Callable[[], object] | None = None,
    period: float = PERIOD,
) -> T:
    """The first truthy answer of `look`. LateError after `seconds`, with what `describe` (or `look`) sees then."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() >= deadline:
            seen = describe() if describe else found
            raise LateError(f"not within {seconds * PATIENCE:g} s: {what}; seen last: {seen}")
        threading.Event().wait(period)


def until(moment: float) -> None:
    """The chosen moment, in seconds from now, to the hundredth: what a story tries, not a wait for something."""
    watch = Stopwatch()
    wait_for(lambda: watch.seconds >= moment, seconds=moment + 5, what="the chosen moment", period=0.01)


def hold(look: Callable[[], object], *, seconds: float, what: str) -> None:
    """Assert that `look` stays truthy for `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert look(), f"did not last {seconds:g} s: {what}"
        threading.Event().wait(PERIOD)


class Stopwatch:
    """Seconds since it was made, and laps by name."""

    def __init__(self) -> None:
        self.start = time.monotonic()
        self.laps: dict[str, float] = {}

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.start

    def lap(self, name: str) -> None:
        self.laps.setdefault(name, round(self.seconds, 2))
