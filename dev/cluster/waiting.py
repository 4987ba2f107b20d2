"""Wait for a condition with a deadline; the only place in this package that sleeps."""

import time
from collections.abc import Callable

from dev.cluster.console import ClusterError

PAUSE_SECONDS = 0.05


def holds_within(condition: Callable[[], bool], seconds: float) -> bool:
    """True as soon as `condition` holds, False when `seconds` have passed without."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(PAUSE_SECONDS)
    return True


def until(
    condition: Callable[[], bool],
    *,
    what: str,
    seconds: float,
    broken: Callable[[], str | None] = lambda: None,
) -> None:
    """Wait for `condition`.

    Raises ClusterError when `seconds` have passed, or as soon as `broken` tells a reason why it can no longer come.
    """
    reason: list[str] = []

    def settled() -> bool:
        if condition():
            return True
        if words := broken():
            reason.append(words)
        return bool(reason)

    if not holds_within(settled, seconds):
        raise ClusterError(f"{what}: not within {seconds:.0f} s")
    if reason:
        raise ClusterError(f"{what}: {reason[0]}")
