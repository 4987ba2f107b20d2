"""From demand to a number of pods. Pure; called by `scaling.py`.

    each metric    asks for ceil(average / target) pods over the stable window and over a tenth of it; the largest wins
    rates          at most ready × 1000, at least floor(ready / 2)
    panic          the short window asks for twice the ready pods or more: for one stable window nothing shrinks
    delay          what was wanted within the scale-down delay is still wanted
    bounds         minReplicas and maxReplicas, last

A process that has just begun knows no past: with more than one ready pod it begins in a panic, so nothing shrinks
before it has seen one stable window (`surge_at_start`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from serinus_operator.loads import Surge

PANIC_SHARE = 0.1
"""The short window, as a share of the stable one."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How a size may change."""

    stable_seconds: float = 60.0
    delay_seconds: float = 0.0
    up: float = 1000.0
    down: float = 2.0
    panic_at: float = 2.0
    activation: int = 1
    """Fewest pods while there is any demand."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What one metric asks for."""

    stable: int
    """Pods, by the stable window."""
    panic: int
    """Pods, by the short one."""


def pods_for(average: float, target: float) -> int:
    """ceil(average / target): 18.2 over 4 are 5. A billionth above a whole number is a rounding of ours."""
    return math.ceil(average / target - 1e-9)


def share_floor(weight_percent: int, pods: int) -> int:
    """Pods of a revision before it gets a share of the traffic, of which the whole needs `pods`: 25 % of 10 are 3."""
    return math.ceil(weight_percent * pods / 100)


def surge_at_start(ready: int, now: float) -> Surge:
    """The memory of a process that has none."""
    return Surge(panic_since=now, peak=ready) if ready > 1 else Surge()


def wanted(
    rules: Rules, asks: Sequence[Ask], ready: int, surge: Surge, now: float, *, reachable: bool = True
) -> tuple[int, Surge]:
    """How many pods are wanted before the bounds, and what to remember. `reachable`: it gets traffic.

    The reference is Knative's pod autoscaler:

        S, P = each ask within floor(ready / down) … ceil(ready · up);  over = P_asked / ready ≥ panic_at
        panic: begins or goes on while over, ends one stable window after it was last over
        D = max(peak, S, P) in a panic, else S
    """
    present = max(1, ready)
    most = math.ceil(rules.up * present)
    least = math.floor(present / rules.down) if reachable else 0
    asked, surged = max(ask.stable for ask in asks), max(ask.panic for ask in asks)
    stable, short = (_activated(rules, pods, min(max(pods, least), most)) for pods in (asked, surged))
    if surged / present >= rules.panic_at:
        surge = replace(surge, panic_since=now)
    elif surge.panic_since is not None and surge.panic_since + rules.stable_seconds < now:
        surge = replace(surge, panic_since=None, peak=0)
    size = stable
    if surge.panic_since is not None:
        size = max(surge.peak, stable, short)
        surge = replace(surge, peak=size)
    if reachable and rules.delay_seconds > 0:
        recent = [(at, pods) for at, pods in surge.recent if at > now - rules.delay_seconds and pods > size]
        size, surge = (recent[0][1] if recent else size), replace(surge, recent=(*recent, (now, size)))
    return size, surge


def bounded(size: int, least: int, most: int) -> int:
    """The size within `least` and `most`."""
    return min(max(size, least), most)


def _activated(rules: Rules, asked: int, size: int) -> int:
    return max(size, rules.activation) if asked > 0 else size
