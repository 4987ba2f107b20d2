"""From what is seen to the situation, and from the place to what is written. The ways themselves: `test_sleep.py`."""

import math
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.decide.loading import report, sample
from tests.unit.decide.sleeping import PODS, after, gateways, model, seen, sleepy, step
from tests.unit.decide.subjects import pod, spec, subject, workload

from serinus_api.v1alpha1 import ModelDeploymentStatus, ScalingStatus
from serinus_operator.decide import zero
from serinus_operator.places import (
    ASLEEP,
    AWAKE,
    IDLING,
    LEAVING,
    RETURNING,
    STRANDED,
    WAKING,
    EntryState,
    GatewayLook,
    ZeroMemory,
)
from serinus_operator.state import Observation, Progress, SourceLook, Subject


def test_idle_window_begins_with_the_process_and_ends_in_the_hand_over() -> None:
    assert after(model(), (100, seen(100)), (105, seen(105))).traffic.place == AWAKE
    assert after(model(), (100, seen(100)), (106, seen(106))).traffic.place == LEAVING


def test_request_of_a_millisecond_between_two_looks_is_seen_in_the_count() -> None:
    result = after(model(), (100, seen(100)), (104, seen(104, arrivals=6)), (107, seen(107, arrivals=6)))
    assert result.traffic.place == AWAKE
    assert result.memory.last_request == 104


def test_pod_that_came_since_the_last_look_has_its_first_requests_counted() -> None:
    before = seen(100)
    fresh = replace(before, load=sample(102, report(arrivals=5), report(arrivals=1)))
    assert after(model(), (100, before), (102, fresh)).memory.last_request == 102


@pytest.mark.parametrize(
    "more",
    [
        {"load": sample(104, None)},
        {"load": sample(104), "ready": 1},
        {"load": sample(104, report(in_flight=1))},
        {"load": sample(104, report(in_flight=-1, arrivals=5))},
        {"load": sample(104, report(busy=math.nan, arrivals=5))},
    ],
    ids=[
        "a pod is silent",
        "a ready pod was not asked",
        "a request is in flight",
        "a pod lies",
        "a pod tells nonsense",
    ],
)
def test_idle_time_is_not_counted_over_what_is_not_known(more: dict[str, Any]) -> None:
    result = after(model(), (100, seen(100)), (104, seen(104, **more)), (107, seen(107)))
    assert result.traffic.place == AWAKE


@pytest.mark.parametrize(
    ("given", "more", "settled"),
    [
        (model(), {"stable_source": SourceLook("ETag")}, True),
        (model(), {"entry_revision": "other"}, True),
        (model(), {"gateway_port": None}, True),
        (model(), {}, False),
        (model(given=sleepy(minReplicas=1, scaleToZero=None)), {}, True),
        (model(given=sleepy(scaleToZero={"retentionSeconds": 60})), {}, True),
        (model(given=sleepy(scaleDownDelaySeconds=60)), {}, True),
    ],
    ids=["source changed", "Service not ours", "no port left", "rollout", "minReplicas 1", "retention", "delay"],
)
def test_model_stays_awake(given: Subject, more: dict[str, Any], settled: bool) -> None:
    result = after(given, (100, seen(100, **more)), (120, seen(120, **more)), settled=settled)
    assert result.traffic.place == AWAKE
    assert not result.traffic.proxied


@pytest.mark.parametrize("progress", [Progress.CREATING, Progress.STARTING])
def test_pod_whose_container_is_made_loads_already(progress: Progress) -> None:
    look = seen(100, workloads={"r": workload(0, 1, pod(progress))})
    given = model(WAKING, sleepy().model_copy(update={"runtime": spec(runtime={"startupDeadlineSeconds": 60}).runtime}))
    begun = step(given, look, ZeroMemory("u1:r/Waking-Proxied", since=0.0), 100)
    assert begun.traffic.place == WAKING, "100 s after it began to wake, its pod is made"
    assert step(given, replace(look, gateways=gateways(159)), begun.memory, 159).traffic.place == WAKING
    assert step(given, replace(look, gateways=gateways(160)), begun.memory, 160).traffic.place == ASLEEP


def test_pod_that_begins_to_load_late_has_its_own_time() -> None:
    given = model(WAKING, sleepy().model_copy(update={"runtime": spec(runtime={"startupDeadlineSeconds": 60}).runtime}))

    def look(now: float, *names: str) -> Observation:
        loads = workload(0, len(names), *(pod(Progress.STARTING, name=name) for name in names))
        return seen(now, workloads={"r": loads}, load=sample(now))

    assert after(given, (100, look(100, "p")), (150, look(150, "p", "q")), (209, look(209, "p", "q"))).size == 2
    late = after(given, (100, look(100, "p")), (150, look(150, "p", "q")), (210, look(210, "p", "q")))
    assert late.traffic.place == ASLEEP


def test_gateways_are_asked_about_a_model_only_when_it_is_about_to_sleep_or_on_the_way() -> None:
    assert not after(model(), (100, seen(100)), (105, seen(105))).traffic.follow
    unasked = gateways(107, at=None, traffic=())
    assert after(model(), (100, seen(100)), (107, seen(107, gateways=unasked))).traffic.follow
    assert not step(model(ASLEEP), seen(107, replicas=0, ready=0), ZeroMemory(), 107).traffic.follow


def test_slices_name_the_ready_gateways_and_are_left_alone_while_none_is() -> None:
    given, none = model(ASLEEP), gateways(100, pods=0, none_since=98.0)
    assert step(given, seen(100, replicas=0, ready=0), ZeroMemory(), 100).traffic.gateways == PODS
    assert step(given, seen(100, replicas=0, ready=0, gateways=none), ZeroMemory(), 100).traffic.gateways is None
    gone = gateways(100, pods=0, none_since=95.0)
    result = step(given, seen(100, replicas=0, ready=0, gateways=gone), ZeroMemory(), 100)
    assert result.traffic.place == STRANDED
    assert result.traffic.gateways == ()
    assert result.size == 1


def test_selector_is_changed_only_where_a_slice_of_ours_has_addresses() -> None:
    given = model(ASLEEP)
    bare = step(given, seen(100, replicas=0, ready=0), ZeroMemory(), 100)
    led = step(given, seen(100, replicas=0, ready=0, entry=EntryState(gateways=2)), ZeroMemory(), 100)
    assert (bare.traffic.proxied, led.traffic.proxied) == (False, True)


def test_sleep_ends_the_grace_period_only_when_all_have_said_nothing_after_it() -> None:
    given = model(IDLING)
    assert after(given, (100, seen(100)), (102, seen(102))).traffic.place == IDLING
    assert after(given, (100, seen(100)), (104, seen(104))).traffic.place == ASLEEP
    old = seen(104, load=sample(101, report(arrivals=5)))
    assert after(given, (100, seen(100)), (104, old)).traffic.place == IDLING
    unknown = seen(104, gateways=gateways(104, in_flight=None))
    assert after(given, (100, seen(100)), (104, unknown)).traffic.place == IDLING


def test_request_in_a_gateway_or_a_pod_leads_back() -> None:
    given = model(IDLING)
    assert after(given, (100, seen(100)), (102, seen(102, arrivals=6))).traffic.place == RETURNING
    assert after(given, (100, seen(100)), (102, seen(102, gateways=gateways(102, held=1)))).traffic.place == RETURNING


def test_what_gateways_said_while_it_slept_is_no_word_on_what_they_hold_now() -> None:
    given, before = model(WAKING), ZeroMemory("u1:r/Waking-Proxied", since=100.0)
    assert step(given, seen(101, gateways=gateways(99.5)), before, 101, wanted=1).traffic.place == WAKING
    assert step(given, seen(101, gateways=gateways(100.5)), before, 101, wanted=1).traffic.place == RETURNING


@pytest.mark.parametrize("given", [1, 2, 5])
def test_replicas_of_a_sleeper_are_a_wake_and_are_not_taken_back(given: int) -> None:
    result = step(model(ASLEEP), seen(100, replicas=given, ready=0), ZeroMemory(), 100)
    assert (result.traffic.place, result.size) == (WAKING, given)
    assert step(model(WAKING), seen(100, replicas=given, ready=given), ZeroMemory(), 100).size == given


def test_wake_of_the_operators_own_begins_with_the_first_size() -> None:
    given = model(ASLEEP, sleepy(activation={"initialReplicas": 3}))
    result = step(
        given, seen(100, replicas=0, ready=0, gateways=gateways(100, pods=0, none_since=90)), ZeroMemory(), 100
    )
    assert (result.traffic.place, result.size) == (STRANDED, 3)


def test_place_that_no_operator_writes_is_led_back_the_safe_way() -> None:
    odd = ScalingStatus(engine="Builtin", state="Asleep", traffic="Direct")
    assert zero.place_of(subject(sleepy(), ModelDeploymentStatus(scaling=odd))) == RETURNING


def test_awake_model_that_may_sleep_has_at_least_one_pod() -> None:
    assert step(model(), seen(100), ZeroMemory(), 100, wanted=0).size == 1
    assert step(model(), seen(100), ZeroMemory(), 100, wanted=4).size == 4


def fail_hand_over(memory: ZeroMemory, now: float) -> zero.Sleep:
    """One look on the way, and one at which the gateways do not answer."""
    on_the_way = step(model(LEAVING), seen(now), memory, now)
    failed = step(model(LEAVING), seen(now + 1, gateways=gateways(now + 1, answered=False)), on_the_way.memory, now + 1)
    assert failed.traffic.place == AWAKE
    return failed


def test_failed_hand_over_is_tried_again_after_longer_and_longer_pauses() -> None:
    first = fail_hand_over(ZeroMemory(), 100)
    assert first.memory.not_before == 101 + 5
    assert not first.finding, "one may be a moment's overload"
    assert step(model(), seen(105), first.memory, 105).traffic.place == AWAKE
    second = fail_hand_over(first.memory, 200)
    assert second.memory.not_before == 201 + 10
    assert second.finding
    assert "Service iris" in second.finding.verdict.message
    memory = second.memory
    for number in range(8):
        memory = fail_hand_over(memory, 1000.0 * (number + 1)).memory
    assert memory.not_before == 8001 + 300


def test_hand_over_that_succeeds_forgets_those_that_failed() -> None:
    memory = fail_hand_over(fail_hand_over(ZeroMemory(), 100).memory, 200).memory
    on_the_way = step(model(LEAVING), seen(300), memory, 300)
    entry = EntryState(address="10.1.1.1", pods=1, gateways=2)
    look = seen(301, gateways=gateways(301, answered=True), entry=entry)
    taken = step(model(LEAVING), look, on_the_way.memory, 301)
    assert (taken.traffic.place, taken.memory.vain, taken.finding) == (IDLING, 0, None)


def test_missing_gateway_is_said_before_it_is_needed() -> None:
    look = seen(100, gateways=GatewayLook())
    finding = step(model(), look, ZeroMemory(), 100).finding
    assert finding
    assert "no gateway" in finding.verdict.message
    assert "spec.scaling.minReplicas" in finding.verdict.message


def test_wake_that_takes_its_time_is_no_trouble_until_the_deadline() -> None:
    given = model(WAKING)
    early = step(given, seen(100, ready=0, gateways=gateways(100, held=1)), ZeroMemory(), 100)
    assert early.enough == 0
    late = step(given, seen(900, ready=0, gateways=gateways(900, held=1)), early.memory, 900)
    assert (late.traffic.place, late.enough) == (WAKING, 1)


@pytest.mark.parametrize("progress", [Progress.FAILING, Progress.WAITING], ids=["failing", "kept by something outside"])
def test_wake_whose_pods_are_in_trouble_is_told_at_once(progress: Progress) -> None:
    pods = {"r": workload(0, 1, pod(progress, name="p0"))}
    look = seen(100, ready=0, gateways=gateways(100, held=1), workloads=pods)
    assert step(model(WAKING), look, ZeroMemory(), 100).enough == 1


def test_pods_that_could_not_start_in_time_are_taken_back() -> None:
    """A burst asked for ten, and there is room for three: the model must not stay on its way for ever."""
    pods = {"r": workload(3, 10, *(pod(Progress.READY, name=f"p{n}") for n in range(3)))}
    began = step(model(WAKING), seen(100, ready=3, workloads=pods), ZeroMemory(), 100, wanted=1)
    assert began.size == 10
    late = step(model(WAKING), seen(800, ready=3, workloads=pods), began.memory, 800, wanted=1)
    assert (late.traffic.place, late.size) == (RETURNING, 1)
