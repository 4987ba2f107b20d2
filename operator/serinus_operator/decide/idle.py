"""When a model without demand may sleep, and when the gateway may leave the way. Pure.

The rules alone, as Knative has them; who leads the traffic over, and who asks, comes with the gateway.

    state       how long                                                          answer
    ──────────  ────────────────────────────────────────────────────────────────  ─────────────────────────────
    Waking      up to the deadline and half a minute                              as it is: nothing is known yet
                longer                                                            0
    Awake       less than a stable window                                         1, look again when it is over
                a stable window                                                   1, lead the traffic over
    LedOver     grace and retention are over, or retention, and it has been led   0, once the gateway is seen to answer
                through the gateway for the grace period
                less                                                              1
"""

import math
from dataclasses import dataclass
from typing import Literal

GIVE_UP_SECONDS = 30.0
"""Past its deadline a model that does not wake gets this long."""


@dataclass(frozen=True, slots=True)
class IdleRules:
    """What the spec says of sleep; seconds."""

    window: float = 60.0
    grace: float = 30.0
    retention: float = 0.0
    deadline: float = 600.0
    may_sleep: bool = True


@dataclass(frozen=True, slots=True)
class Idle:
    """A model whose demand is zero."""

    state: Literal["Waking", "Awake", "LedOver"]
    seconds: float
    """In that state."""
    led_seconds: float = 0.0
    """For which its traffic has gone through the gateway."""
    answers: bool = False
    """The gateway has been seen to answer at the model's address."""
    always_led: bool = False
    """Its traffic always goes through the gateway, so there is nothing to be seen."""


@dataclass(frozen=True, slots=True)
class Rest:
    """What to do with it."""

    size: int | None
    """None: as it is."""
    lead_over: bool = False
    look_again: float | None = None
    """Seconds."""


def rest(rules: IdleRules, idle: Idle) -> Rest:
    """The answer, by the table above."""
    if not rules.may_sleep:
        return Rest(1)
    if idle.state == "Waking":
        return Rest(0) if idle.seconds > rules.deadline + GIVE_UP_SECONDS else Rest(None)
    if idle.state == "Awake":
        left = rules.window - idle.seconds
        return Rest(1, look_again=left) if left > 0 else Rest(1, lead_over=True)
    waited = idle.seconds >= max(rules.grace, rules.retention)
    led = idle.seconds >= rules.retention and idle.led_seconds >= rules.grace
    if not waited and not led:
        return Rest(1, lead_over=True, look_again=max(rules.grace, rules.retention) - idle.seconds)
    if idle.always_led or idle.answers:
        return Rest(0, lead_over=True)
    return Rest(1, lead_over=True)


def spare(ready: int, bears: float, reserve: float, demand: float) -> int:
    """Requests at once that the ready pods could take beyond the demand and a reserve: floor(ready · bears - both).

    Not below 0: the gateway may leave the way. A reserve of 0 never holds it there, one below 0 always does (-1).
    """
    if reserve == 0:
        return 0
    return math.floor(ready * bears - reserve - demand) if reserve > 0 else -1
