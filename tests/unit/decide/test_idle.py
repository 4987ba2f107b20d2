"""When a model may sleep: the published table of Knative's scaler, for a demand of zero."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus_operator.decide.idle import Idle, IdleRules, Rest, rest, spare

RULES = IdleRules()
LATE = IdleRules(retention=60.0)
LED = Idle("LedOver", 29.0, led_seconds=29.0, answers=True)

TABLE: dict[str, tuple[IdleRules, Idle, Rest]] = {
    "awake for almost a window, it keeps a pod and is looked at again": (
        RULES,
        Idle("Awake", 59.0),
        Rest(1, look_again=1.0),
    ),
    "awake for a window, its traffic is led over and nothing is scaled yet": (
        RULES,
        Idle("Awake", 60.0),
        Rest(1, lead_over=True),
    ),
    "idle for the grace period, with a gateway that answers, it sleeps": (
        RULES,
        replace(LED, seconds=30.0, led_seconds=0.0),
        Rest(0, lead_over=True),
    ),
    "idle for less than the grace period, led for less, it waits": (
        RULES,
        LED,
        Rest(1, lead_over=True, look_again=1.0),
    ),
    "idle for less, but led for the grace period, it sleeps": (
        RULES,
        replace(LED, led_seconds=30.0),
        Rest(0, lead_over=True),
    ),
    "idle for the grace period, it is still retained": (
        LATE,
        replace(LED, seconds=30.0),
        Rest(1, lead_over=True, look_again=30.0),
    ),
    "without retention it is not": (RULES, replace(LED, seconds=30.0), Rest(0, lead_over=True)),
    "idle for long, but the gateway does not answer: it waits": (
        RULES,
        replace(LED, seconds=90.0, answers=False),
        Rest(1, lead_over=True),
    ),
    "always behind the gateway, it need not be seen to answer": (
        RULES,
        replace(LED, seconds=30.0, answers=False, always_led=True),
        Rest(0, lead_over=True),
    ),
    "waking within its deadline, nothing is known and nothing is scaled": (RULES, Idle("Waking", 629.0), Rest(None)),
    "waking at the last moment of it": (RULES, Idle("Waking", 630.0), Rest(None)),
    "waking past it, it is given up": (RULES, Idle("Waking", 631.0), Rest(0)),
    "a model that may not sleep keeps a pod": (IdleRules(may_sleep=False), replace(LED, seconds=900.0), Rest(1)),
}


@pytest.mark.parametrize(("rules", "idle", "expected"), TABLE.values(), ids=TABLE.keys())
def test_rest(rules: IdleRules, idle: Idle, expected: Rest) -> None:
    assert rest(rules, idle) == expected


@pytest.mark.parametrize(
    ("ready", "reserve", "demand", "expected"),
    [
        (10, 10, 6, 117),
        (1, 10, 4, -1),
        (2, 211, 100, -285),
        (10, 0, 500, 0),
        (10, -1, 0, -1),
    ],
    ids=[
        "ten pods that bear 13.3 each have room",
        "one pod has not quite enough",
        "two pods lack the reserve",
        "no reserve is asked for",
        "the gateway always stays",
    ],
)
def test_room_beyond_the_demand(ready: int, reserve: float, demand: float, expected: int) -> None:
    assert spare(ready, 10 / 0.75, reserve, demand) == expected


@given(seconds=st.floats(0, 29.9), led=st.floats(0, 29.9), retention=st.floats(0, 100))
def test_model_never_sleeps_before_the_grace_period(seconds: float, led: float, retention: float) -> None:
    assert rest(replace(RULES, retention=retention), Idle("LedOver", seconds, led, answers=True)).size == 1
