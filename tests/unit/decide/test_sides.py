"""Two revisions share the requests, and each has the pods for what it gets, and for what it is about to get."""

from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.decide.loading import NOTHING
from tests.unit.decide.sizing import scaled
from tests.unit.decide.subjects import at, listed, observation, pod, spec, subject, workload

from serinus_api.runtime import LATENCY_BUCKETS, LoadReport
from serinus_api.v1alpha1 import ModelDeploymentStatus, RolloutPhase, RolloutStatus, ScalingStatus
from serinus_operator.decide import sides
from serinus_operator.decide.scaling import Sizing
from serinus_operator.loads import LoadSample, PodLoad, ScalingMemory, WholeMemory
from serinus_operator.state import Memory, Observation, Progress, ScalerState, WorkloadState

WINDOW = 6
RUNTIME = spec(runtime={"resources": {"requests": {"cpu": "1"}}}).runtime


@dataclass
class Revision:
    """Its pods, and what comes to them: requests a second, and seconds that each takes."""

    ready: int
    arrivals: float = 0.0
    seconds: float = 0.5
    replicas: int | None = None
    matched: float = 0.0
    copied: float = 0.0
    silent: bool = False

    def workload(self) -> WorkloadState:
        size = self.ready if self.replicas is None else self.replicas
        return workload(self.ready, size, *(pod(Progress.READY, name=f"p{n}") for n in range(self.ready)))

    def loads(self, name: str, at: float) -> list[PodLoad]:
        """All of it on the first pod: sums are all that counts."""
        ways = {"match": self.matched, "shadow": self.copied, "split": self.arrivals - self.matched - self.copied}
        told = {via: round(at * rate) for via, rate in ways.items()}
        answers, bucket = round(at * self.arrivals), bisect_left(LATENCY_BUCKETS, self.seconds)
        first = LoadReport(
            revision=name,
            in_flight=0,
            queued=0,
            arrivals=told,
            busy_seconds=at * self.arrivals * self.seconds,
            uptime_seconds=1000.0 + at,
            cpu_seconds=at * self.arrivals * self.seconds,
            latency_counts=tuple(answers if n == bucket else 0 for n in range(len(NOTHING))),
        )
        idle = first.model_copy(
            update={"arrivals": {}, "busy_seconds": 0.0, "cpu_seconds": 0.0, "latency_counts": NOTHING}
        )
        reports = [first, *[idle] * (self.ready - 1)] if self.ready else []
        return [PodLoad(f"{name}-{n}", f"{name}-{n}", name, None if self.silent else r) for n, r in enumerate(reports)]


def watched(
    *looks: dict[str, Revision],
    status: ModelDeploymentStatus | None = None,
    desired: int = 4,
    memory: Memory | None = None,
    start: float = 0.0,
    acted_on: bool = True,
    known: dict[str, Any] | None = None,
    **scaling: Any,
) -> Sizing:
    """What one look after the other, two seconds apart, comes to. One pod bears one request at once."""
    metrics = [{"type": "Concurrency", "target": 1}]
    asked = scaled(**{"metrics": metrics, "stableWindowSeconds": WINDOW, "maxReplicas": 40, **scaling})
    asked = asked.model_copy(update={"runtime": RUNTIME})
    told = ScalingStatus(engine="Builtin", state="Awake", desired_replicas=desired)
    given = subject(asked, (status or STATUS).model_copy(update={"scaling": told}))
    kept, now = memory or Memory(), start
    for look in looks:
        now += 2.0
        seen = observed(now, look, **(known or {}))
        sizing = sides.size(given, seen, kept, at(now), acted_on=acted_on)
        if acted_on:
            memories = (
                {name: need.memory for name, need in sizing.needs.of.items() if need.memory} if sizing.needs else {}
            )
            stable = given.status.stable_revision or ""
            kept = replace(kept, scaling=memories.pop(stable, sizing.memory), sides=memories)
    return sizing


def observed(now: float, look: dict[str, Revision], **more: Any) -> Observation:
    pods = tuple(load for name, one in look.items() for load in one.loads(name, now))
    return observation(
        workloads={name: one.workload() for name, one in look.items()}, load=LoadSample(now, pods), **more
    )


STATUS = ModelDeploymentStatus(
    stable_revision="s",
    candidate_revision="c",
    revisions=(listed("s"),),
    rollout=RolloutStatus(phase=RolloutPhase.STEPPING, attempt=1, step_weight=25, requested_weight=25),
)
LONG = 12
"""Looks that are more than two windows: what holds a size in the first one is over."""


def wholes(sizing: Sizing) -> dict[str, int]:
    assert sizing.needs
    return {name: need.whole for name, need in sizing.needs.of.items()}


def owns(sizing: Sizing) -> dict[str, int]:
    assert sizing.needs
    return {name: need.own for name, need in sizing.needs.of.items()}


def test_slow_candidate_needs_more_for_every_request_and_stable_does_not() -> None:
    """The example of the module: 0.4 s at stable, 1.2 s at the candidate, ten requests a second in all."""
    look = {"s": Revision(3, arrivals=7.5, seconds=0.4), "c": Revision(3, arrivals=2.5, seconds=1.2)}
    found = watched(*[look] * 2 * LONG, stableWindowSeconds=12)
    assert wholes(found) == {"s": 4, "c": 12}
    assert owns(found) == {"s": 3, "c": 3}
    assert (found.size, found.needs and found.needs.size("c", 50, tried=True)) == (4, 6)


@pytest.mark.parametrize(
    ("metric", "target", "expected"),
    [
        ("CPUUtilization", 100, {"s": 8, "c": 24}),
        ("RequestsPerSecond", 4, {"s": 5, "c": 5}),
        ("LatencyP95Milliseconds", 500, {"s": 6, "c": 24}),
    ],
)
def test_each_metric_tells_the_two_apart_by_what_it_measures(
    metric: str, target: int, expected: dict[str, int]
) -> None:
    """Twenty requests a second in all. A request that has a pod to itself gets no faster."""
    look = {"s": Revision(6, arrivals=15, seconds=0.4), "c": Revision(6, arrivals=5, seconds=1.2)}
    found = watched(*[look] * 2 * LONG, metrics=[{"type": metric, "target": target}], desired=6, stableWindowSeconds=12)
    assert wholes(found) == expected


def test_hot_candidate_grows_alone_while_stable_is_idle() -> None:
    """Requests with the asked headers, all of them slow."""
    look = {"s": Revision(1, arrivals=0.5, seconds=0.1), "c": Revision(2, arrivals=9, seconds=1, matched=9)}
    found = watched(*[look] * LONG, desired=2)
    assert found.needs is not None
    assert found.needs.matched == 90
    assert found.needs.size("c", 5, tried=True) >= 9
    assert found.needs.size("s", 95, tried=False) == 1


@pytest.mark.parametrize("seconds", [0.4, 1.2])
def test_copies_are_a_load_on_the_candidate_and_no_part_of_what_is_divided(seconds: float) -> None:
    copies = Revision(4, arrivals=10.0, copied=10.0, seconds=seconds)
    found = watched(*[{"s": Revision(4, arrivals=10.0, seconds=0.4), "c": copies}] * 2 * LONG, stableWindowSeconds=12)
    assert wholes(found) == {"s": 4, "c": 10 * seconds}
    assert owns(found) == {"s": 4, "c": 10 * seconds}


def test_candidate_that_few_asked_costs_what_stable_does() -> None:
    look = {"s": Revision(4, arrivals=10, seconds=0.4), "c": Revision(1, arrivals=0.5, seconds=4)}
    assert wholes(watched(*[look] * LONG)) == {"s": 5, "c": 5}


def test_few_requests_in_all_are_sized_by_what_is_borne() -> None:
    look = {"s": Revision(2, arrivals=0.5, seconds=3), "c": Revision(1, arrivals=0.5, seconds=3)}
    assert wholes(watched(*[look] * LONG)) == {"s": 3, "c": 3}


def test_what_a_request_cost_is_remembered_when_none_comes_any_more() -> None:
    """While it bakes, the one before must be able to take all of it again: at its own cost."""
    before = {"s": Revision(4, arrivals=10, seconds=0.4), "c": Revision(12, arrivals=10, seconds=1.2)}
    after = {"s": Revision(4), "c": Revision(12, arrivals=10, seconds=1.2)}
    found = watched(*[before] * 6, *[after] * LONG, desired=8)
    assert wholes(found) == {"s": 4, "c": 12}


def test_nothing_shrinks_in_the_first_window_of_a_process() -> None:
    idle = {"s": Revision(5), "c": Revision(5)}
    assert wholes(watched(idle, desired=10)) == {"s": 10, "c": 10}
    assert owns(watched(idle, desired=10)) == {"s": 5, "c": 5}
    assert wholes(watched(*[idle] * LONG, desired=10)) == {"s": 1, "c": 1}


def test_nothing_shrinks_while_a_revision_does_not_tell() -> None:
    quiet = {"s": Revision(4, arrivals=2), "c": Revision(1, silent=True)}
    assert wholes(watched(*[quiet] * LONG, desired=8)) == {"s": 8, "c": 8}
    unknown = {"s": Revision(4, silent=True), "c": Revision(1, silent=True)}
    found = watched(*[unknown] * LONG, desired=8)
    assert (wholes(found), owns(found)) == ({"s": 8, "c": 8}, {"s": 4, "c": 1})
    assert found.finding is not None
    assert found.finding.verdict.reason == "MetricsUnavailable"


def test_sudden_rise_is_seen_in_a_tenth_of_the_window() -> None:
    calm = {"s": Revision(4, arrivals=10, seconds=0.4), "c": Revision(1, arrivals=2, seconds=0.4)}
    assert wholes(watched(*[calm] * 24, stableWindowSeconds=20))["s"] == 5
    counted = {"s": (48 * 10 + 2 * 30) / 50, "c": (48 * 2 + 2 * 10) / 50}  # two seconds of three and five times as much
    rise = {name: replace(one, arrivals=counted[name]) for name, one in calm.items()}
    assert wholes(watched(*[calm] * 24, rise, stableWindowSeconds=20))["s"] == 16


def test_bounds_are_for_the_whole_and_stable_keeps_the_fewest() -> None:
    busy = {"s": Revision(4, arrivals=50, seconds=1), "c": Revision(1)}
    assert wholes(watched(*[busy] * LONG, maxReplicas=7)) == {"s": 7, "c": 7}
    idle = {"s": Revision(4), "c": Revision(1)}
    found = watched(*[idle] * LONG, minReplicas=3)
    assert (wholes(found), owns(found)) == ({"s": 3, "c": 3}, {"s": 3, "c": 0})
    assert found.needs is not None
    assert found.needs.size("c", 25, tried=True) == 1, "it has its share of the fewest"


def test_foreign_autoscaler_leaves_both_as_they_are() -> None:
    look = {"s": Revision(4, arrivals=50, seconds=1), "c": Revision(2, arrivals=50, seconds=1)}
    foreign = {"scalers": ScalerState(foreign="HorizontalPodAutoscaler x")}
    found = watched(*[look] * LONG, known=foreign, desired=6)
    assert found.needs is not None
    assert (found.needs.size("s", 100, tried=False), found.needs.size("c", 100, tried=True)) == (4, 2)
    assert (found.size, found.finding and found.finding.verdict.reason) == (6, "ReplicaOwnershipConflict")


def test_spec_that_is_not_acted_on_keeps_both_and_lets_the_way_back_grow() -> None:
    look = {"s": Revision(5), "c": Revision(5)}
    found = watched(look, desired=10, acted_on=False)
    assert found.needs is not None
    assert (found.size, found.needs.size("s", 50, tried=False), found.needs.size("c", 5, tried=True)) == (10, 5, 5)
    assert found.needs.size("s", 100, tried=False) == 10


def test_deployment_of_stable_that_is_missing_costs_the_candidate_nothing() -> None:
    found = watched({"c": Revision(9)}, desired=4)
    assert found.needs is not None
    assert (found.size, found.needs.size("c", 25, tried=True), found.needs.size("s", 75, tried=False)) == (4, 9, 3)


def test_outside_a_rollout_there_is_one_size() -> None:
    look = {"s": Revision(3, arrivals=8, seconds=0.5)}
    alone = ModelDeploymentStatus(stable_revision="s", revisions=(listed("s"),))
    found = watched(*[look] * LONG, status=alone)
    assert (found.needs, found.size) == (None, 4)


def test_rollout_begins_from_the_size_of_now_whatever_the_last_one_needed() -> None:
    before = WholeMemory(30, sample=None)
    memory = Memory(scaling=ScalingMemory(revision="s", begun=0.0, whole=before))
    alone = ModelDeploymentStatus(stable_revision="s", revisions=(listed("s"),))
    look = {"s": Revision(3, arrivals=8, seconds=0.5)}
    settled = watched(*[look] * LONG, status=alone, memory=memory)
    assert settled.memory.whole is None
    tried = {**look, "c": Revision(1)}
    again = watched(tried, desired=4, memory=Memory(scaling=settled.memory), start=2.0 * LONG)
    assert wholes(again) == {"s": 4, "c": 4}


@pytest.mark.parametrize("engine", ["HPA", "KEDA"])
def test_other_engines_size_what_they_always_did(engine: str) -> None:
    look = {"s": Revision(3), "c": Revision(1)}
    cpu = [{"type": "CPUUtilization", "target": 80}]
    alone = ModelDeploymentStatus(stable_revision="s", revisions=(listed("s"),))
    assert watched(look, status=alone, engine=engine, metrics=cpu).needs is None


REVISION = st.builds(
    Revision,
    ready=st.integers(0, 5),
    arrivals=st.floats(0, 200),
    seconds=st.floats(0, 20),
    replicas=st.integers(0, 9),
    silent=st.booleans(),
)


@settings(max_examples=200, deadline=None)
@given(
    looks=st.lists(st.fixed_dictionaries({"s": REVISION}, optional={"c": REVISION, "p": REVISION}), max_size=8),
    last=st.fixed_dictionaries({"s": REVISION, "c": REVISION}),
    bounds=st.tuples(st.integers(0, 4), st.integers(4, 12)),
    percent=st.integers(1, 100),
)
def test_whatever_is_seen_sizes_keep_to_their_bounds_and_hold_the_share(
    looks: list[dict[str, Revision]], last: dict[str, Revision], bounds: tuple[int, int], percent: int
) -> None:
    """Counters that go back, pods that come and go or say nothing, sizes that nobody asked for."""
    rollout = RolloutStatus(phase=RolloutPhase.STEPPING, attempt=1, step_weight=25, previous_revision="p")
    status = STATUS.model_copy(update={"rollout": rollout})
    least, most = bounds
    found = watched(*looks, last, status=status, minReplicas=least, maxReplicas=most)
    needs = found.needs
    assert needs is not None
    assert max(1, least) <= found.size <= most
    for name in ("s", "c"):
        if needs.of[name].fixed:
            continue  # sizes that nobody asked for, again and again: somebody else writes them
        size = needs.size(name, percent, tried=name == "c")
        assert 1 <= size <= most
        assert needs.holds(name, size, tried=name == "c") >= percent * (100 - needs.matched) // 100
