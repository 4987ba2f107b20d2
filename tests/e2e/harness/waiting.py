"""Waiting for the cluster: look, again and again, until it is so or the time is over. Never a fixed pause."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
PERIOD = 0.25


class LateError(AssertionError):
    """What was waited for did not come in time. The message says what was seen last."""


def wait_for(
    look: Callable[[], T | None], *, seconds: float, what: str, describe: Callable[[], object] | None = None
) -> T:
    """The first truthy answer of `look`. LateError after `seconds`, with what `describe` (or `look`) sees then."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() >= deadline:
            seen = describe() if describe else found
            raise LateError(f"not within {seconds:g} s: {what}; seen last: {seen}")
        threading.Event().wait(PERIOD)


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


@contextmanager
def within(seconds: float, what: str) -> Iterator[Stopwatch]:
    """Assert that the block took at most `seconds`."""
    watch = Stopwatch()
    yield watch
    assert watch.seconds <= seconds, f"{what} took {watch.seconds:.1f} s, more than {seconds:g} s"
