"""When a candidate is broken: what its pods show, how long, and what stable's show at the same time."""

import pytest
from tests.unit.decide.subjects import observation

from serinus_api.conditions import Reason
from serinus_operator.decide.faults import LOST_SECONDS, Lapses, fault, observed
from serinus_operator.state import Observation, PodState, Progress, Verdict, WorkloadState

DEADLINE = 600.0
READY = (Progress.READY, None)
STARTING = (Progress.STARTING, None)
CRASHED = (Progress.FAILING, Reason.CRASH_LOOP)
OUT_OF_MEMORY = (Progress.FAILING, Reason.OUT_OF_MEMORY)
NO_SOURCE = (Progress.FAILING, Reason.NOT_FOUND)
EVICTED = (Progress.ENDED, Reason.POD_LOST)
NO_NODE = (Progress.WAITING, Reason.UNSCHEDULABLE)
Shown = tuple[Progress, Reason | None]


def seen(stable: Shown, candidate: Shown) -> Observation:
    """One pod of each revision."""
    workloads = {}
    for name, (progress, reason) in (("v1", stable), ("v2", candidate)):
        pod = PodState(f"{name}-0", f"uid-{name}", progress, Verdict(reason, "its words") if reason else None)
        ready = int(progress is Progress.READY)
        workloads[name] = WorkloadState(name, 1, ready, updated=True, problem=None, pods=(pod,))
    return observation(workloads=workloads)


def found(before: tuple[Shown, Shown], after: tuple[Shown, Shown], seconds: float) -> tuple[Reason, str] | None:
    """After the pods have been like this, and then like that for some seconds."""
    lapses = observed(observed(Lapses(), seen(*before), 0.0), seen(*after), 1.0)
    lapses = observed(lapses, seen(*after), 1.0 + seconds)
    return fault(seen(*after), "v2", "v1", lapses, DEADLINE, 1.0 + seconds)


@pytest.mark.parametrize(
    ("after", "seconds", "reason"),
    [
        pytest.param((READY, READY), 9999.0, None, id="pods that answer"),
        pytest.param((READY, CRASHED), 0.0, Reason.CRASH_LOOP, id="a program that ended, at once"),
        pytest.param((READY, OUT_OF_MEMORY), 0.0, Reason.OUT_OF_MEMORY, id="one that was killed for its memory"),
        pytest.param((CRASHED, CRASHED), 0.0, None, id="not while stable's ends as well"),
        pytest.param((STARTING, CRASHED), 0.0, None, id="nor while stable's was lost"),
        pytest.param((READY, STARTING), LOST_SECONDS - 1, None, id="a pod that is slow for a moment"),
        pytest.param((READY, STARTING), LOST_SECONDS, Reason.CANDIDATE_NOT_READY, id="one that is lost"),
        pytest.param((READY, NO_SOURCE), LOST_SECONDS - 1, None, id="a source that is missing for a moment"),
        pytest.param((READY, EVICTED), 9999.0, None, id="a pod that its node has ended is nobody's fault"),
        pytest.param((READY, NO_NODE), 9999.0, None, id="nor is one without a node"),
    ],
)
def test_candidate_that_answered_is_broken_by(
    after: tuple[Shown, Shown], seconds: float, reason: Reason | None
) -> None:
    verdict = found((READY, READY), after, seconds)
    assert (verdict[0] if verdict else None) == reason


def test_pod_that_never_answered_has_its_full_time() -> None:
    assert found((READY, STARTING), (READY, STARTING), DEADLINE - 2) is None
    assert found((READY, STARTING), (READY, STARTING), DEADLINE) == (
        Reason.CANDIDATE_NOT_READY,
        "pod v2-0 runs, and has not been ready for 600 s",
    )


def test_pod_that_came_back_begins_anew() -> None:
    lapses = Lapses()
    for second, shown in ((0.0, READY), (1.0, STARTING), (15.0, READY), (16.0, STARTING)):
        lapses = observed(lapses, seen(READY, shown), second)
    assert fault(seen(READY, STARTING), "v2", "v1", lapses, DEADLINE, 30.0) is None


def test_nothing_is_kept_of_pods_that_are_gone() -> None:
    lapses = observed(Lapses(), seen(READY, STARTING), 0.0)
    assert observed(lapses, observation(workloads={}), 1.0) == Lapses()
