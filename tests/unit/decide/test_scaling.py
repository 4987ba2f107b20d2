"""The size of the revision that serves: by demand, held when nothing is known, left to others; and in which words."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.decide.loading import latencies, report, sample
from tests.unit.decide.subjects import at, listed, observation, pod, record, revision, spec, subject, workload

from serinus_api.conditions import ConditionType, Reason
from serinus_api.runtime import LoadReport
from serinus_api.v1alpha1 import Condition, ModelDeploymentSpec, ModelDeploymentStatus, ScalingStatus
from serinus_operator.decide import decide
from serinus_operator.decide.scaling import Sizing, least_busy, size
from serinus_operator.loads import LoadSample, ScalingMemory, Surge
from serinus_operator.state import Health, Memory, Observation, Progress, ScalerState, Verdict, WorkloadState


def scaled(**more: Any) -> ModelDeploymentSpec:
    """Full use of a target of 4 requests at once, 1 to 10 pods."""
    scaling = {"targetUtilizationPercent": 100, "metrics": [{"type": "Concurrency", "target": 4}], **more}
    return spec(replicas=None, scaling=scaling)


SPEC = scaled()
S = revision(given=SPEC)
STATUS = ModelDeploymentStatus(stable_revision=S, revisions=(listed(S),))
BEGUN = ScalingMemory(revision=S, surge=Surge())


def pods(ready: int, coming: int = 0) -> WorkloadState:
    """A Deployment with so many ready pods, and so many that start."""
    found = [pod(Progress.READY, name=f"p{n}") for n in range(ready)]
    found += [pod(Progress.STARTING, name=f"q{n}") for n in range(coming)]
    return workload(ready, ready + coming, *found)


def seen(load: LoadSample | None = None, work: WorkloadState | None = None, **known: Any) -> Observation:
    return observation(workloads={S: work or pods(3)}, load=load, **known)


def looked(*reports: LoadReport | None, second: float = 0.0, held: int = 0) -> LoadSample:
    return sample(second, *reports, held=held, revision=S)


def sized(
    seen_now: Observation,
    *,
    given: ModelDeploymentSpec = SPEC,
    memory: ScalingMemory = BEGUN,
    status: ModelDeploymentStatus = STATUS,
    now: float = 0.0,
) -> Sizing:
    return size(subject(given, status), seen_now, memory, at(now))


def was(desired: int, message: str = "as it was", reason: str = "Concurrency") -> ModelDeploymentStatus:
    scaling = ScalingStatus(engine="Builtin", state="Awake", desired_replicas=desired, reason=reason, message=message)
    return STATUS.model_copy(update={"scaling": scaling})


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


# Held


def held_cases() -> dict[str, tuple[Observation, dict[str, Any]]]:
    idle = looked(report(), report(), report())
    return {
        "no pod was asked yet": (seen(None), {}),
        "no pod answers": (seen(looked(None, None, None)), {}),
        "all say nonsense": (seen(looked(report(-1), report(-1), report(-1))), {}),
        "one of three does not answer": (seen(looked(report(), report(), None)), {}),
        "one pod loads": (seen(looked(report(), report()), pods(2, 1)), {}),
        "the source has changed under the revision": (seen(idle, source_changed="another ETag"), {}),
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


def test_message_of_silence_names_the_remedy_and_no_figure_that_moves() -> None:
    one, two = (sized(seen(None), now=second).finding for second in (20.0, 40.0))
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


# Other writers


def test_foreign_scaler_is_a_conflict_and_nothing_is_written() -> None:
    scalers = ScalerState(foreign="HorizontalPodAutoscaler mine")
    found = sized(seen(looked(*[report(30)] * 3), scalers=scalers), status=was(5))
    assert found.size == 3
    assert found.finding
    assert found.finding.verdict.reason is Reason.REPLICA_OWNERSHIP_CONFLICT
    assert "HorizontalPodAutoscaler mine" in found.finding.verdict.message


def test_one_write_of_a_hand_is_corrected_and_a_second_writer_is_a_conflict() -> None:
    memory, sizes = BEGUN, []
    for tick, live in enumerate((3, 8, 3, 8, 3, 8, 8)):
        known = seen(looked(*[report(4)] * 3, second=2.0 * tick), workload(3, live, *pods(3).pods))
        found = sized(known, memory=memory, now=2.0 * tick)
        memory = found.memory
        sizes.append((found.size, found.finding and found.finding.verdict.reason is Reason.REPLICA_OWNERSHIP_CONFLICT))
    assert [conflict for _, conflict in sizes] == [False] * 3 + [True] * 4
    assert [size for size, _ in sizes[3:]] == [8, 3, 8, 8], "nothing is written against the other one"
    later = sized(seen(looked(*[report(4)] * 3, second=400.0)), memory=memory, now=400.0)
    assert later.finding
    assert later.finding.status == "True"


def test_own_writes_are_not_foreign_however_late_they_are_seen() -> None:
    memory = BEGUN
    for tick, (demand, live) in enumerate(((20, 3), (24, 3), (28, 5), (28, 6), (28, 7), (28, 7))):
        known = seen(looked(report(demand), report(), report(), second=2.0 * tick), workload(3, live, *pods(3).pods))
        memory = sized(known, memory=memory, now=2.0 * tick).memory
    assert memory.writers.foreign == ()


ENGINE: dict[str, tuple[ScalerState, str, Reason]] = {
    "its kind is unknown": (ScalerState(missing=True), "False", Reason.ENGINE_UNAVAILABLE),
    "its controller has no figures": (
        ScalerState(present="KEDA", problem="unable to get metrics for resource cpu"),
        "False",
        Reason.METRICS_UNAVAILABLE,
    ),
    "another one points to the same Deployment": (
        ScalerState(present="KEDA", foreign="HorizontalPodAutoscaler x"),
        "False",
        Reason.REPLICA_OWNERSHIP_CONFLICT,
    ),
    "it is not made yet": (ScalerState(), "Unknown", Reason.STARTING),
    "it works": (ScalerState(present="KEDA", desired=4), "True", Reason.METRICS_AVAILABLE),
}


@pytest.mark.parametrize(("scalers", "status", "reason"), ENGINE.values(), ids=ENGINE.keys())
def test_other_engine_writes_the_size_and_is_watched(scalers: ScalerState, status: str, reason: Reason) -> None:
    given = scaled(engine="KEDA", metrics=[{"type": "CPUUtilization", "target": 80}])
    found = sized(seen(scalers=scalers), given=given)
    assert found.size == 3
    assert found.finding
    assert (found.finding.status, found.finding.verdict.reason) == (status, reason)
    assert found.status
    assert found.status.engine == "KEDA"
    assert found.status.desired_replicas == (scalers.desired or 3)


def test_engine_is_left_only_when_its_object_is_gone() -> None:
    known = seen(looked(*[report(30)] * 3), scalers=ScalerState(present="HPA"))
    found = sized(known)
    assert found.status
    assert (found.size, found.status.engine) == (3, "HPA")
    fixed = size(subject(spec(), STATUS), known, ScalingMemory(), at(0))
    assert fixed.status
    assert (fixed.size, fixed.status.engine) == (2, "HPA")


# Victims


def test_least_busy_pods_go_first_and_a_silent_one_stays() -> None:
    found = sized(seen(looked(report(1), report(0), report(0)), pods(3)))
    assert found.size == 1
    assert found.leaving == ("p1", "p2")
    silent = sized(seen(looked(report(2), None, report(1)), pods(3)))
    assert least_busy(pods(3), silent.memory, 2) == ("p2",)


def test_pods_with_the_same_to_do_are_not_told_apart() -> None:
    assert sized(seen(looked(report(), report(), report()))).leaving == ()


# In the whole decision


def decided(known: Observation, given: ModelDeploymentSpec = SPEC, memory: Memory | None = None) -> Any:
    known = observation(records={S: record(given=SPEC)}, workloads=known.workloads, load=known.load, entry_revision=S)
    return decide(subject(given, STATUS), known, memory or Memory(), at(0), default_image="i")


def test_model_stays_ready_while_it_grows() -> None:
    memory = Memory(scaling=BEGUN)
    decision = decided(seen(looked(report(30), report()), pods(2, 1)), memory=memory)
    assert (decision.health, decision.replicas) == (Health.SETTLED, 8)
    assert decision.verdict == Verdict(Reason.READY, f"{S} serves with 1 to 10 replicas")
    assert decision.memory.scaling.history.points


def test_model_without_its_fewest_pods_is_not_ready() -> None:
    decision = decided(seen(None, pods(1, 1)), scaled(minReplicas=2))
    assert (decision.health, decision.verdict.message) == (Health.WORKING, f"1 of 2 replicas of {S} are ready")


def test_model_that_may_sleep_keeps_one_pod_as_long_as_it_is_awake() -> None:
    decision = decided(seen(looked(report(0)), pods(1)), scaled(minReplicas=0))
    assert decision.replicas == 1


def test_first_revision_begins_with_the_fewest_pods() -> None:
    decision = decide(subject(scaled(minReplicas=2)), observation(), Memory(), at(0), default_image="i")
    assert decision.replicas == 2
    assert decision.scaling
    assert (decision.scaling.engine, decision.scaling.desired_replicas) == ("Builtin", 2)


def test_deployment_that_was_deleted_comes_back_at_its_size() -> None:
    assert sized(observation(), status=was(6)).size == 6


def test_paused_model_keeps_its_size_and_its_words() -> None:
    status = was(3)
    paused = SPEC.model_copy(update={"paused": True})
    known = observation(records={S: record(given=SPEC)}, workloads={S: pods(3)}, entry_revision=S)
    decision = decide(subject(paused, status), known, Memory(), at(0), default_image="i")
    assert decision.scaling == status.scaling
    assert decision.frozen
