"""From what is seen to the situation, and from the place to what is written. The ways themselves: `test_sleep.py`."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.decide.loading import report, sample
from tests.unit.decide.subjects import at, observation, pod, spec, subject, workload

from serinus_api.conditions import Reason
from serinus_api.gateway import ModelTraffic
from serinus_api.v1alpha1 import ModelDeploymentSpec, ModelDeploymentStatus, ScalingStatus
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
    GatewayPod,
    Place,
    ZeroMemory,
)
from serinus_operator.state import Observation, Progress, SourceLook, Subject

PODS = (GatewayPod("g0", ("10.0.0.1",)), GatewayPod("g1", ("10.0.0.2", "fd00::2")))
PORT = 20017


def sleepy(**scaling: Any) -> ModelDeploymentSpec:
    given = {"minReplicas": 0, "stableWindowSeconds": 6, "scaleToZero": {"gracePeriodSeconds": 3}, **scaling}
    return spec(replicas=None, scaling=given)


def model(place: Place = AWAKE, given: ModelDeploymentSpec | None = None) -> Subject:
    scaling = ScalingStatus(engine="Builtin", state=place.state, traffic=place.mode)  # type: ignore[arg-type]
    return subject(given or sleepy(), ModelDeploymentStatus(stable_revision="r", scaling=scaling, gateway_port=PORT))


def gateways(now: float, *, held: int = 0, in_flight: int | None = 0, pods: int = 2, **more: Any) -> GatewayLook:
    said = ModelTraffic(
        namespace="ml", name="iris", port=PORT, held=held, in_flight=in_flight, arrivals=9, guarded=True, applied=True
    )
    known: dict[str, Any] = {"installed": True, "pods": PODS[:pods], "at": now, "traffic": (said,) * pods}
    return GatewayLook(**{**known, **more})


def seen(now: float, arrivals: int = 5, *, replicas: int = 1, ready: int = 1, **more: Any) -> Observation:
    reports = [report(arrivals=arrivals)] * ready
    known: dict[str, Any] = {
        "workloads": {"r": workload(ready, replicas, *(pod(Progress.READY, name=f"p{n}") for n in range(ready)))},
        "entry_revision": "r",
        "load": sample(now, *reports),
        "gateways": gateways(now),
        "entry": EntryState(address="10.1.1.1", pods=ready),
        "gateway_port": PORT,
    }
    return observation(**{**known, **more})


def step(
    given: Subject, look: Observation, memory: ZeroMemory, now: float, *, wanted: int = 0, settled: bool = True
) -> zero.Sleep:
    return zero.step(given, look, memory, at(now), wanted=wanted, settled=settled)


def after(given: Subject, *looks: tuple[float, Observation], settled: bool = True) -> zero.Sleep:
    """What several passes come to, with the memory handed on and the status unchanged."""
    memory = ZeroMemory()
    for now, look in looks:
        result = step(given, look, memory, now, settled=settled)
        memory = result.memory
    return result


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
    [{"load": sample(104, None)}, {"load": sample(104), "ready": 1}, {"load": sample(104, report(in_flight=1))}],
    ids=["a pod is silent", "a ready pod was not asked", "a request is in flight"],
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
    assert step(model(WAKING), look, ZeroMemory(), 100).memory.loading_since == 100


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


def test_failed_hand_over_is_said_and_not_tried_again_at_once() -> None:
    given = model(LEAVING)
    failed = after(given, (100, seen(100)), (101, seen(101, gateways=gateways(101, answered=False))))
    assert failed.traffic.place == AWAKE
    later = step(model(), seen(130), failed.memory, 130)
    assert later.traffic.place == AWAKE
    assert later.finding
    assert later.finding.verdict.reason is Reason.GATEWAY_UNAVAILABLE
    assert step(model(), seen(170), later.memory, 170).traffic.place == LEAVING


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
