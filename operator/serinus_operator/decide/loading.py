"""How long each pod of a revision has been on its way. Pure; called by `scaling.py` and `zero.py`.

Each has its own clock, from when it was first seen until it is ready: one that cannot come must not use up the time of
those that were made later, and one that begins again and again has no more time than the others.

    made at 0 s, unschedulable; another made at 590 s, loading; deadline 600 s
    at 700 s the youngest that loads has been on its way for 110 s: nothing is taken back
"""

from collections.abc import Collection, Mapping, Sequence

from serinus_operator.state import PodState, Progress


def begun(before: Mapping[str, float], pods: Sequence[PodState], now: float) -> dict[str, float]:
    """By UID, when each pod that is not ready was first seen so."""
    return {pod.uid: before.get(pod.uid, now) for pod in pods if pod.progress is not Progress.READY}


def youngest(
    known: Mapping[str, float], pods: Sequence[PodState], progress: Collection[Progress], now: float
) -> float | None:
    """Seconds of the pod that has had the least time of those that have come so far; None where there is none."""
    return min((now - known[pod.uid] for pod in pods if pod.progress in progress), default=None)
