"""When a model without demand sleeps: the published table of Knative's scaler, put to what really decides.

Each row is a row of that table, in which the window is 60 s, the grace period 30 s and the deadline 600 s. What comes
of it is the place and the size. Three things are otherwise here, on purpose, and their rows say so:

    retention       counts from the last request, not from the end of the window: it makes the window longer
    a silent Service ends the hand-over, and is told, where Knative goes on asking
    the deadline    has no half minute on top of it: what loads late has a deadline of its own
"""

from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.decide.loading import report, sample
from tests.unit.decide.sizing import looked, pods, scaled, sized
from tests.unit.decide.sizing import seen as load
from tests.unit.decide.sleeping import after, gateways, model, seen, sleepy, step
from tests.unit.decide.subjects import pod, spec, workload

from serinus_operator.places import (
    ASLEEP,
    AWAKE,
    IDLING,
    LEAVING,
    RETURNING,
    WAKING,
    EntryState,
    Place,
    ZeroMemory,
)
from serinus_operator.state import Observation, Progress

GIVEN = {"stableWindowSeconds": 60, "scaleToZero": {"gracePeriodSeconds": 30}}
RETAINED = {"stableWindowSeconds": 60, "scaleToZero": {"gracePeriodSeconds": 30, "retentionSeconds": 120}}
AT_BOTH = EntryState(address="10.1.1.1", pods=1, gateways=2)


def idle(place: Place, seconds: float, given: dict[str, Any] | None = None, **more: Any) -> tuple[Place, int]:
    """Place and size of a model that has been in a place, and without requests, for so many seconds."""
    subject = model(place, sleepy(**(given or GIVEN)))
    result = after(subject, (100, seen(100, **more)), (100 + seconds, seen(100 + seconds, **more)))
    return result.traffic.place, result.size


def handing_over(answered: bool | None, seconds: float) -> tuple[Place, int]:
    """Of a model whose gateways have been asked to answer through the Service for so long."""
    begun, now = 100.0, 100.0 + seconds
    subject = model(LEAVING, sleepy(**GIVEN))
    looks = [(at, seen(at, gateways=gateways(at, answered=answered), entry=AT_BOTH)) for at in (begun, now)]
    result = after(subject, *looks)
    return result.traffic.place, result.size


def waking(seconds: float) -> tuple[Place, int]:
    """Of a model whose pod has loaded for so many seconds, with nothing held any more."""
    subject = model(WAKING, sleepy(**GIVEN))
    loads = {"r": workload(0, 1, pod(Progress.STARTING))}
    looks = [(at, seen(at, ready=0, load=sample(at), workloads=loads)) for at in (100.0, 100.0 + seconds)]
    result = after(subject, *looks)
    return result.traffic.place, result.size


def asked_before(seconds: float) -> tuple[Place, int]:
    """Of a model that has been led over for the grace period, and was last asked so long before that."""
    subject, memory = model(IDLING, sleepy(**GIVEN)), ZeroMemory()
    memory = step(subject, seen(100), memory, 100).memory
    before = ZeroMemory(memory.place, 100.0, 100.0, memory.arrivals, last_request=100.0 - seconds)
    result = step(subject, seen(130), before, 130)
    return result.traffic.place, result.size


def woken(replicas: int, wanted: int) -> tuple[Place, int]:
    """Of a model that wakes with two pods at first."""
    subject = model(WAKING, sleepy(**GIVEN, activation={"initialReplicas": 2}))
    look = seen(100, replicas=replicas, ready=0, gateways=gateways(100, held=1, in_flight=1))
    result = step(subject, look, ZeroMemory(), 100, wanted=wanted)
    return result.traffic.place, result.size


Found = tuple[Place, int]
ROWS: dict[str, tuple[Callable[[], Found], Found]] = {
    "awake for almost a window, one pod stays": (lambda: idle(AWAKE, 59), (AWAKE, 1)),
    "awake for almost a window, of ten pods one stays": (lambda: idle(AWAKE, 59, replicas=10, ready=10), (AWAKE, 1)),
    "awake for a window, its traffic is led over and nothing is scaled yet": (lambda: idle(AWAKE, 60), (LEAVING, 1)),
    "seen to answer, the gateways alone are led to": (lambda: handing_over(True, 1), (IDLING, 1)),
    "led over and idle for the grace period, it sleeps": (lambda: idle(IDLING, 30), (ASLEEP, 0)),
    "led over and idle for almost the grace period, it waits": (lambda: idle(IDLING, 29), (IDLING, 1)),
    "led over for the grace period, and asked a moment before that: it sleeps": (
        lambda: asked_before(1),
        (ASLEEP, 0),
    ),
    "idle for a window and the grace period, it is still retained": (lambda: idle(AWAKE, 90, RETAINED), (AWAKE, 1)),
    "idle for the retention period, it is led over": (lambda: idle(AWAKE, 120, RETAINED), (LEAVING, 1)),
    "without retention it is led over long before": (lambda: idle(AWAKE, 90), (LEAVING, 1)),
    "not seen to answer yet, the gateways are asked again": (lambda: handing_over(None, 29), (LEAVING, 1)),
    "not seen to answer for half a minute, it is led back": (lambda: handing_over(None, 30), (AWAKE, 1)),
    "seen not to answer, it is led back": (lambda: handing_over(False, 1), (AWAKE, 1)),
    "behind the gateways already, they need not be seen to answer once more": (
        lambda: idle(IDLING, 30, gateways=gateways(130, answered=None)),
        (ASLEEP, 0),
    ),
    "waking within its deadline, nothing is scaled": (lambda: waking(599), (WAKING, 1)),
    "waking past its deadline, it is given up": (lambda: waking(600), (ASLEEP, 0)),
    "waking with two pods at first, of which one is wanted, it keeps both": (lambda: woken(2, 1), (WAKING, 2)),
    "waking from none, it gets its two first pods": (lambda: woken(0, 1), (WAKING, 2)),
}


@pytest.mark.parametrize(("found", "expected"), ROWS.values(), ids=ROWS.keys())
def test_row_of_the_table(found: Callable[[], Found], expected: Found) -> None:
    assert found() == expected


def size(known: Observation, **given: Any) -> int:
    return sized(known, given=scaled(**given)).size


def idle_pods(number: int) -> Observation:
    return load(looked(*[report()] * number), pods(number))


BOUNDS: dict[str, tuple[Callable[[], int], int]] = {
    "ten idle pods, and two are the fewest: half of them go at a time": (lambda: size(idle_pods(10), minReplicas=2), 5),
    "four idle pods, and two are the fewest": (lambda: size(idle_pods(4), minReplicas=2), 2),
    "three idle pods, and two are the fewest": (lambda: size(idle_pods(3), minReplicas=2), 2),
    "one idle pod of a model that may not sleep": (lambda: size(idle_pods(1)), 1),
    "an unknown demand holds twelve pods": (lambda: size(load(None, pods(12)), maxReplicas=20), 12),
    "an unknown demand holds none": (lambda: size(load(None, pods(0)), minReplicas=0), 0),
    "ten are wanted, and eight are the most": (lambda: size(load(looked(report(40)), pods(1)), maxReplicas=8), 8),
}


@pytest.mark.parametrize(("found", "expected"), BOUNDS.values(), ids=BOUNDS.keys())
def test_bounds_of_the_table(found: Callable[[], int], expected: int) -> None:
    assert found() == expected


@pytest.mark.parametrize(
    ("ready", "in_flight", "place"),
    [(1, 4, RETURNING), (1, 5, WAKING), (2, 5, RETURNING), (2, 9, WAKING), (10, 40, RETURNING)],
    ids=[
        "one pod that takes in four, and four requests",
        "one pod that takes in four, and five requests",
        "two pods, and five requests",
        "two pods, and nine requests",
        "ten pods, and forty requests",
    ],
)
def test_gateways_leave_the_way_when_the_ready_pods_can_take_what_comes(
    ready: int, in_flight: int, place: Place
) -> None:
    """Where Knative counts a burst capacity, which is a reserve beside the demand, ours is the pods' own limit."""
    given = sleepy(**GIVEN).model_copy(update={"runtime": spec(runtime={"maxConcurrency": 4}).runtime})
    look = seen(100, replicas=ready, ready=ready, gateways=gateways(100, in_flight=in_flight, pods=1))
    assert step(model(WAKING, given), look, ZeroMemory(), 100, wanted=1).traffic.place == place
