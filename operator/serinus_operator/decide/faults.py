"""Whether a candidate is broken, by what its pods show; its answers are for the analysis. Pure; for `sightings`.

    the candidate's pod                                 it is given up
    ──────────────────────────────────────────────────  ─────────────────────────────────
    its own program ended, or was out of memory         at once
    was ready, runs, and has not been ready since       after `LOST_SECONDS`
    runs, and never was ready                           after `startupDeadlineSeconds`
    is gone, waits for a node, an image or its source   never: others are at fault, it is held

Never while a pod of the revision that it is compared with ends or is lost as well: then the node or the network is at
fault. What was seen is lost by a restart, and is waited for anew.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from serinus_api.conditions import Reason
from serinus_operator.state import Observation, PodState, Progress

LOST_SECONDS = 20.0
"""Six probes of readiness and some: a pod that is slow for a moment is back by then."""
FAULTS = frozenset({Reason.CRASH_LOOP, Reason.OUT_OF_MEMORY, Reason.LOAD_FAILED, Reason.CANDIDATE_NOT_READY})
RUNS = (Progress.STARTING, Progress.FAILING)


@dataclass(frozen=True, slots=True)
class Lapses:
    """What was seen of the pods of all revisions, by UID."""

    served: frozenset[str] = frozenset()
    """Were ready once."""
    since: Mapping[str, float] = field(default_factory=dict)
    """Run and are not ready: since when."""


def observed(before: Lapses, observation: Observation, now: float) -> Lapses:
    """With one more look; of pods that are gone nothing is kept."""
    pods = [pod for workload in observation.workloads.values() for pod in workload.pods]
    ready = {pod.uid for pod in pods if pod.progress is Progress.READY}
    return Lapses(
        served=frozenset(ready | {pod.uid for pod in pods if pod.uid in before.served}),
        since={pod.uid: before.since.get(pod.uid, now) for pod in pods if pod.progress in RUNS},
    )


def fault(
    observation: Observation, candidate: str, stable: str, lapses: Lapses, deadline: float, now: float
) -> tuple[Reason, str] | None:
    """Why the candidate cannot go on, in one word and a sentence; None: it may."""
    if any(_ended(pod) or (pod.uid in lapses.since and pod.uid in lapses.served) for pod in _pods(observation, stable)):
        return None
    for pod in _pods(observation, candidate):
        if (reason := _ended(pod)) and pod.verdict:
            return reason, f"pod {pod.name}: {pod.verdict.message}"
    for pod in _pods(observation, candidate):
        lost = pod.uid in lapses.served
        limit = LOST_SECONDS if lost else deadline
        if now - lapses.since.get(pod.uid, now) >= limit:
            words = "was ready, and has not been" if lost else "runs, and has not been ready"
            return Reason.CANDIDATE_NOT_READY, f"pod {pod.name} {words} for {limit:.0f} s"
    return None


def _ended(pod: PodState) -> Reason | None:
    """What the pod's own program ended of."""
    reason = pod.verdict.reason if pod.verdict and pod.progress is Progress.FAILING else None
    return reason if reason in FAULTS else None


def _pods(observation: Observation, revision: str) -> Iterable[PodState]:
    workload = observation.workloads.get(revision)
    return workload.pods if workload else ()
