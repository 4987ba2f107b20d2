"""The size of the revision that serves: by demand, and held when nothing is known; and in which words."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.decide.loading import latencies, report
from tests.unit.decide.sizing import BEGUN, STATUS, S, looked, pods, scaled, seen, sized, was
from tests.unit.decide.subjects import pod, spec, workload

from serinus_api.conditions import ConditionType, Reason
from serinus_api.v1alpha1 import Condition, ModelDeploymentStatus
from serinus_operator.decide.scaling import Sizing
from serinus_operator.loads import ScalingMemory
from serinus_operator.state import Observation, Progress, SourceLook, Verdict

# Demand


def test_size_follows_the_demand_and_says_why() -> None:
    found = sized(seen(looked(report(18), report(), report())), status=was(3))
    assert (found.size, found.status and found.status.desired_replicas) == (5, 5)
    assert found.status
    assert found.status.message == "3 → 5: concurrency 18 over target 4 in the last 60 s"
    assert found.status.reason == "Concurrency"
    assert found.finding
    assert (found.finding.status, found.finding.verdict.reason) == ("True", Reason.METRICS_AVAILABLE)


def test_message_stays_while_the_number_does() -> None:
    found = sized(seen(looked(report(11), report(), report())), status=was(3, "2 → 3: concurrency 12 over target 4"))
    assert found.status
    assert (found.size, found.status.message) == (3, "2 → 3: concurrency 12 over target 4")


def test_what_the_gateways_hold_counts_as_demand() -> None:
    assert sized(seen(looked(report(), held=30), pods(1))).size == 8


def test_rise_seen_in_the_short_window_is_told_with_it() -> None:
    memory = BEGUN
    for second in range(0, 60, 2):
        found = sized(seen(looked(report(1), second=second), pods(1)), memory=memory, now=second)
        memory = found.memory
    found = sized(seen(looked(report(20), second=60.0), pods(1)), memory=memory, status=was(1), now=60)
    assert found.status
    assert found.status.message == "1 → 2: concurrency 7.3 over target 4 in the last 6 s"
    assert found.memory.outcome
    assert found.memory.outcome.panic


@pytest.mark.parametrize(
    ("bounds", "demand", "live", "expected", "message", "reason"),
    [
        (
            {"maxReplicas": 4},
            30,
            2,
            4,
            "2 → 4: concurrency 30 over target 4 in the last 60 s asks for 8; maxReplicas is 4",
            "MaxReplicas",
        ),
        (
            {"minReplicas": 2},
            0,
            3,
            2,
            "3 → 2: concurrency 0 over target 4 in the last 60 s; minReplicas is 2",
            "MinReplicas",
        ),
        ({"minReplicas": 1}, 0, 2, 1, "2 → 1: concurrency 0 over target 4 in the last 60 s", "Concurrency"),
    ],
    ids=["the most", "the fewest", "by demand"],
)
def test_bounds_are_named(
    bounds: dict[str, int], demand: int, live: int, expected: int, message: str, reason: str
) -> None:
    found = sized(
        seen(looked(report(demand), *[report()] * (live - 1)), pods(live)), given=scaled(**bounds), status=was(live)
    )
    assert found.status
    assert (found.size, found.status.message, found.status.reason) == (expected, message, reason)


def test_outcome_keeps_what_was_wanted_before_the_bounds() -> None:
    found = sized(seen(looked(report(30)), pods(1)), given=scaled(maxReplicas=4))
    assert found.memory.outcome
    assert (found.memory.outcome.desired, found.memory.outcome.wanted) == (4, 8)


METRICS: dict[str, tuple[dict[str, Any], int]] = {
    "concurrency alone": ({"metrics": [{"type": "Concurrency", "target": 4}]}, 3),
    "concurrency is never more than a pod takes in": ({"metrics": [{"type": "Concurrency", "target": 100}]}, 2),
    "without a metric, what a pod takes in": ({"metrics": []}, 2),
    "room is left in each pod": (
        {"metrics": [{"type": "Concurrency", "target": 4}], "targetUtilizationPercent": 50},
        5,
    ),
    "requests per second": ({"metrics": [{"type": "RequestsPerSecond", "target": 10}]}, 5),
    "processor time": ({"metrics": [{"type": "CPUUtilization", "target": 50}]}, 6),
    "the largest wins": (
        {"metrics": [{"type": "Concurrency", "target": 4}, {"type": "RequestsPerSecond", "target": 10}]},
        5,
    ),
}


@pytest.mark.parametrize(("more", "expected"), METRICS.values(), ids=METRICS.keys())
def test_metric(more: dict[str, Any], expected: int) -> None:
    """10 requests at once, 50 in a second, 1.5 processors where a pod asks for half a one."""
    given = scaled(**more).model_copy(
        update={"runtime": spec(runtime={"resources": {"requests": {"cpu": "500m"}}}).runtime}
    )
    first = sized(seen(looked(report(10, cpu_seconds=7.0)), pods(1)), given=given)
    told = report(10, arrivals=100, busy=20.0, cpu_seconds=10.0, uptime_seconds=1002.0)
    assert sized(seen(looked(told, second=2.0), pods(1)), given=given, memory=first.memory, now=2).size >= expected - 3
    memory = first.memory
    for second in range(2, 80, 2):
        told = report(
            10, arrivals=50 * second, busy=10.0 * second, cpu_seconds=7 + 1.5 * second, uptime_seconds=1000.0 + second
        )
        found = sized(seen(looked(told, second=float(second)), pods(1)), given=given, memory=memory, now=second)
        memory = found.memory
    assert found.size == expected


def answering(milliseconds: str, in_flight: int, ready: int, *, settled: bool = True) -> Sizing:
    given = scaled(metrics=[{"type": "LatencyP95Milliseconds", "target": 100}])
    memory = ScalingMemory(revision=S, settled_at=-100.0 if settled else 0.0)
    first = sized(seen(looked(*[report(in_flight)] * ready), pods(ready)), given=given, memory=memory)
    told = report(in_flight, latency_counts=latencies(**{milliseconds: 100}), uptime_seconds=1002.0)
    load = looked(*[told] * ready, second=2.0)
    memory = replace(first.memory, settled_at=memory.settled_at)
    return sized(seen(load, pods(ready)), given=given, memory=memory, status=was(ready), now=2)


def test_latency_above_its_target_asks_for_pods_in_proportion() -> None:
    found = answering("t3160", in_flight=8, ready=2)
    assert found.size == 7
    assert found.status
    assert found.status.message == "2 → 7: 95th percentile 312.1 ms over target 100 ms in the last 60 s"


@pytest.mark.parametrize(
    ("milliseconds", "in_flight", "settled", "expected"),
    [("t3160", 1, True, 2), ("t750", 8, True, 2), ("t100", 8, True, 1), ("t100", 8, False, 2)],
    ids=[
        "a request that has a pod to itself gets no faster by another",
        "a little below the target all stays",
        "far below it one pod goes",
        "but not before one window after the last change",
    ],
)
def test_latency_that_needs_no_more_pods(milliseconds: str, in_flight: int, settled: bool, expected: int) -> None:
    assert answering(milliseconds, in_flight, 2, settled=settled).size == expected


def test_requests_that_nobody_answers_are_no_reason_to_shrink() -> None:
    """Pods that hang answer nothing: without a time there is no percentile, and yet they are not idle."""
    given = scaled(metrics=[{"type": "LatencyP95Milliseconds", "target": 100}])
    memory, live = BEGUN, 4
    for second in range(0, 200, 2):
        found = sized(
            seen(looked(*[report(2)] * live, second=float(second)), pods(live)), given=given, memory=memory, now=second
        )
        memory, live = found.memory, found.size
        assert live == 4, second
    idle = sized(seen(looked(*[report()] * 4, second=300.0), pods(4)), given=given, memory=memory, now=300)
    assert idle.size == 2


# Held


def held_cases() -> dict[str, tuple[Observation, dict[str, Any]]]:
    idle = looked(report(), report(), report())
    return {
        "no pod was asked yet": (seen(None), {}),
        "no pod answers": (seen(looked(None, None, None)), {}),
        "all say nonsense": (seen(looked(report(-1), report(-1), report(-1))), {}),
        "one of three does not answer": (seen(looked(report(), report(), None)), {}),
        "one pod loads": (seen(looked(report(), report()), pods(2, 1)), {}),
        "one pod's container is made": (seen(looked(report(), report()), pods(2, 1, Progress.CREATING)), {}),
        "the source has changed under the revision": (seen(idle, stable_source=SourceLook("another ETag")), {}),
        "no pod is ready": (seen(looked(), pods(0, 3)), {}),
        "the process has just begun": (seen(idle), {"memory": ScalingMemory()}),
    }


@pytest.mark.parametrize(("known", "more"), held_cases().values(), ids=held_cases().keys())
def test_nothing_shrinks_while(known: Observation, more: dict[str, Any]) -> None:
    assert sized(known, **more).size == 3


def test_silence_of_all_pods_holds_at_once() -> None:
    first = sized(seen(looked(*[report()] * 8), pods(8)))
    assert first.size == 4
    silent = sized(seen(looked(*[None] * 4, second=2.0), pods(4)), memory=first.memory, now=2.0)
    assert silent.size == 4


def test_one_look_is_one_step() -> None:
    """The pods that go are events, and each event is a pass."""
    load = looked(*[report()] * 8)
    first = sized(seen(load, pods(8)))
    again = sized(seen(load, pods(4)), memory=first.memory, status=was(4), now=0.5)
    assert (first.size, again.size) == (4, 4)
    assert sized(seen(looked(*[report()] * 4, second=2.0), pods(4)), memory=again.memory, now=2.0).size == 2


def test_idle_pods_shrink_by_half_otherwise() -> None:
    assert sized(seen(looked(report(), report(), report()))).size == 1


def test_pod_that_loads_forbids_no_growth() -> None:
    assert sized(seen(looked(report(30), report()), pods(2, 1))).size == 8


def test_pod_that_loads_is_protected_until_its_deadline_and_no_longer() -> None:
    memory = BEGUN
    for second, expected in ((0.0, 3), (598.0, 3), (600.0, 1)):
        found = sized(seen(looked(report(), report(), second=second), pods(2, 1)), memory=memory, now=second)
        memory = found.memory
        assert found.size == expected, second


def test_pod_that_began_late_is_protected_for_its_own_time() -> None:
    """One that nobody can place has used up its deadline; one that was made after it has not."""
    stuck = Verdict(Reason.UNSCHEDULABLE, "0/1 nodes are available")
    memory = BEGUN
    for second, names, expected in (
        (0.0, (), 3),
        (590.0, ("late",), 4),
        (700.0, ("late",), 4),
        (1189.0, ("late",), 4),
        (1190.0, ("late",), 1),
    ):
        found = [pod(Progress.READY, name=f"p{n}") for n in range(2)] + [pod(Progress.WAITING, stuck, name="stuck")]
        found += [pod(Progress.STARTING, name=name) for name in names]
        load = looked(report(), report(), second=second)
        result = sized(seen(load, workload(2, len(found), *found)), memory=memory, now=second)
        memory = result.memory
        assert result.size == expected, second


def test_pod_that_begins_again_and_again_has_no_more_time_than_others() -> None:
    memory = BEGUN
    for second in range(0, 640, 20):
        how = (Progress.STARTING, Progress.FAILING)[second // 20 % 2]
        found = sized(seen(looked(report(), report(), second=second), pods(2, 1, how)), memory=memory, now=second)
        memory = found.memory
        assert found.size == (3 if how is Progress.STARTING and second < 600 else 1), second


def test_pod_that_crashes_is_not_protected() -> None:
    crashing = pod(Progress.FAILING, Verdict(Reason.CRASH_LOOP, "x"), name="q0")
    work = workload(2, 3, pod(Progress.READY, name="p0"), pod(Progress.READY, name="p1"), crashing)
    assert sized(seen(looked(report(), report()), work)).size == 1


@pytest.mark.parametrize(("live", "expected"), [(12, 10), (1, 2), (5, 5)], ids=["too many", "too few", "within"])
def test_bounds_hold_also_when_nothing_is_known(live: int, expected: int) -> None:
    assert sized(seen(None, pods(live)), given=scaled(minReplicas=2)).size == expected


def test_silence_is_told_after_ten_seconds_and_ends_with_the_first_answer() -> None:
    memory, status = BEGUN, STATUS
    verdicts = []
    for second in range(0, 16, 2):
        load = looked(None, None, None, second=second) if 0 < second < 14 else looked(*[report(6)] * 3, second=second)
        found = sized(seen(load), memory=memory, status=status, now=second)
        memory = found.memory
        assert found.finding
        verdicts.append((found.finding.status, str(found.finding.verdict.reason)))
        kept = Condition(
            type=ConditionType.SCALING_ACTIVE,
            status=found.finding.status,
            reason=found.finding.verdict.reason,
            message=found.finding.verdict.message,
            last_transition_time="2026-05-01T09:00:00Z",
        )
        status = STATUS.model_copy(update={"conditions": (kept,)})
        assert found.size >= 3
    active, silent = ("True", "MetricsAvailable"), ("False", "MetricsUnavailable")
    assert verdicts == [active] * 6 + [silent, active]


def crashing(status: ModelDeploymentStatus, second: float, memory: ScalingMemory = BEGUN) -> Sizing:
    down = Verdict(Reason.CRASH_LOOP, "exit code 3")
    work = workload(0, 3, *(pod(Progress.FAILING, down, name=f"p{n}") for n in range(3)))
    return sized(seen(looked(second=second), work), memory=memory, status=status, now=second)


def test_pods_that_all_crash_tell_nothing_and_hold_the_size() -> None:
    first = sized(seen(looked(*[report(4)] * 3)))
    early, late = (crashing(was(3), second, first.memory) for second in (8.0, 12.0))
    assert early.finding
    assert late.finding
    assert (early.size, late.size) == (3, 3)
    assert (late.finding.status, late.finding.verdict.reason) == ("False", Reason.METRICS_UNAVAILABLE)
    assert "is ready, so none tells its load" in late.finding.verdict.message
    assert early.finding.status != "False"


def test_model_that_wakes_is_not_blamed_for_having_no_pod_yet() -> None:
    before = was(1).scaling
    assert before
    waking = STATUS.model_copy(update={"scaling": before.model_copy(update={"state": "Waking"})})
    finding = crashing(waking, 60.0).finding
    assert finding
    assert finding.status != "False"


def test_model_that_has_woken_is_given_time_to_be_asked() -> None:
    """What its pods told before the sleep is long ago."""
    first = sized(seen(looked(*[report(4)])))
    asleep = sized(seen(None, workload(0, 0)), memory=first.memory, now=100.0)
    woken = sized(seen(None, workload(1, 1, pod(Progress.READY, name="p0"))), memory=asleep.memory, now=101.0)
    assert woken.finding
    assert woken.finding.status != "False"
    silent = sized(seen(None, workload(1, 1, pod(Progress.READY, name="p0"))), memory=woken.memory, now=112.0)
    assert silent.finding
    assert silent.finding.verdict.reason is Reason.METRICS_UNAVAILABLE


def test_message_of_silence_names_the_remedy_and_no_figure_that_moves() -> None:
    first = sized(seen(None), now=1.0).memory
    one, two = (sized(seen(None), memory=first, now=second).finding for second in (20.0, 40.0))
    assert one == two
    assert one
    assert "the size stays as it is" in one.verdict.message
    assert "NetworkPolicy" in one.verdict.message


def test_runtime_that_does_not_tell_its_processor_time_is_no_idle_one() -> None:
    metrics = [{"type": "CPUUtilization", "target": 50}, {"type": "Concurrency", "target": 4}]
    given = scaled(metrics=metrics).model_copy(
        update={"runtime": spec(runtime={"resources": {"requests": {"cpu": "500m"}}}).runtime}
    )
    found = sized(seen(looked(report(), report(), report())), given=given)
    assert found.size == 3
    assert found.finding
    assert found.finding.verdict.reason is Reason.METRICS_UNAVAILABLE
    assert "CPUUtilization" in found.finding.verdict.message
    assert sized(seen(looked(*[report(10)] * 3)), given=given).size == 8, "the other metric may ask for more"


@given(
    st.lists(
        st.one_of(st.none(), st.integers(-2, 40)),
        min_size=1,
        max_size=40,
    )
)
def test_missing_data_never_shrinks_and_bounds_always_hold(loads: list[int | None]) -> None:
    memory, live = BEGUN, 3
    for tick, load in enumerate(loads):
        told = [report(load) if load is not None else None] * live
        known = seen(looked(*told, second=2.0 * tick), pods(live))
        found = sized(known, memory=memory, now=2.0 * tick)
        assert 1 <= found.size <= 10
        if load is None or load < 0:
            assert found.size >= live
        memory, live = found.memory, found.size


def test_pods_that_cannot_come_are_told_where_the_size_is() -> None:
    waiting = pod(Progress.WAITING, Verdict(Reason.UNSCHEDULABLE, "0/1 nodes are available"), name="q0")
    work = workload(1, 2, pod(Progress.READY, name="p0"), waiting)
    found = sized(seen(looked(report(8)), work)).finding
    assert found
    assert found.verdict.message == "1 of the 2 pods that the load asks for are ready: 0/1 nodes are available"
