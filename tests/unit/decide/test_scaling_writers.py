"""Who else writes the size, which pods go, and what the size means for the whole decision."""

from typing import Any

import pytest
from tests.unit.decide.loading import report
from tests.unit.decide.sizing import BEGUN, SPEC, STATUS, S, looked, pods, scaled, seen, sized, was
from tests.unit.decide.subjects import at, listed, observation, record, revision, spec, subject, workload

from serinus_api.conditions import Reason
from serinus_api.v1alpha1 import ModelDeploymentSpec
from serinus_operator.decide import decide, rest
from serinus_operator.decide.scaling import least_busy, size
from serinus_operator.decide.zero import Sleep
from serinus_operator.loads import ScalingMemory
from serinus_operator.places import ASLEEP, Traffic, ZeroMemory
from serinus_operator.state import Health, Memory, Observation, ScalerState, SourceLook, Verdict

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


def test_sleep_is_an_own_write_though_the_demand_asks_for_a_pod() -> None:
    """Such as processor time, which a pod uses without requests, too."""
    given = sized(seen(looked(report(4)), workload(1, 1)), now=10.0)
    asleep = rest.sized(subject(SPEC, STATUS), given, Sleep(Traffic(place=ASLEEP), ZeroMemory(), 0), at(10.0))
    assert given.size == 1
    assert asleep.size == 0
    later = sized(seen(None, workload(0, 0)), memory=asleep.memory, now=12.0)
    assert later.memory.writers.foreign == ()


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


def test_bound_below_pods_that_cannot_be_made_again_is_refused_with_the_reason() -> None:
    given = scaled(maxReplicas=2)
    stable = revision(given=given)
    known = observation(
        records={stable: record(given=given)},
        workloads={stable: pods(3)},
        entry_revision=stable,
        stable_source=SourceLook("another ETag"),
    )
    status = STATUS.model_copy(update={"stable_revision": stable, "revisions": (listed(stable),)})
    decision = decide(subject(given, status), known, Memory(), at(0), default_image="runtime:1")
    assert (decision.replicas, decision.size_of(stable)) == (2, 3)
    assert (decision.health, decision.verdict.reason) == (Health.STALLED, Reason.SOURCE_CHANGED)
    assert f"{stable} keeps 3 replicas, not the 2 of spec.scaling: another ETag" in decision.verdict.message
