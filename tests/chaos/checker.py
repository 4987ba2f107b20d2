"""What must have held at every moment of a rollout, by the objects as a watch told them. No code of the operator here.

The history is what `kubectl get -w -o json` printed for the ModelDeployment and for its Deployments, in their order.
"""

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]
UPWARDS = ("Stepping", "Held", "Promoting")
BACK = ("Aborting", "Superseding", "Aborted")
PARTS = 100


@dataclass
class Life:
    """One rollout: a stable revision and the candidate for it."""

    stable: str
    candidate: str
    weights: list[int] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)


def breaches(models: Iterable[Object], workloads: Iterable[Object] = ()) -> list[str]:
    """Everything that did not hold, in words; empty when all did."""
    seen = list(models)
    pods = list(workloads)
    return [*_words(seen), *_courses(seen), *_stable_kept(seen, pods), *_ways_back(seen, pods)]


def _words(models: list[Object]) -> Iterator[str]:
    """Conditions and generations tell no lie."""
    observed = 0
    for model in models:
        status, generation = model.get("status", {}), model["metadata"]["generation"]
        now = status.get("observedGeneration", 0)
        if now < observed:
            yield f"observedGeneration fell from {observed} to {now}"
        if now > generation:
            yield f"observedGeneration is {now}, the object's is {generation}"
        observed = max(observed, now)
        true = {c["type"] for c in status.get("conditions", ()) if c["status"] == "True"}
        if {"Reconciling", "Stalled"} <= true:
            yield f"Reconciling and Stalled together at generation {generation}"
        if {"Ready", "Stalled"} <= true:
            yield f"Ready and Stalled together at generation {generation}"


def lives(models: Iterable[Object]) -> list[Life]:
    """The rollouts, in their order."""
    found: list[Life] = []
    for model in models:
        status = model.get("status", {})
        rollout = status.get("rollout") or {}
        stable, candidate, phase = status.get("stableRevision"), status.get("candidateRevision"), rollout.get("phase")
        if not (stable and candidate and phase in (*UPWARDS, "Aborting")):
            continue
        if not found or (found[-1].stable, found[-1].candidate) != (stable, candidate):
            found.append(Life(stable, candidate))
        life = found[-1]
        if phase == "Aborting":
            continue
        life.weights.append(int(rollout.get("requestedWeight") or 0))
        if phase == "Stepping":
            life.steps.append(int(rollout.get("stepIndex") or 0))
    return found


def _courses(models: list[Object]) -> Iterator[str]:
    """A weight falls only on the way back, or to nothing while it is held; no step is taken twice."""
    for life in lives(models):
        if life.steps != sorted(life.steps):
            yield f"{life.candidate}: steps went back: {life.steps}"
        above = [weight for weight in life.weights if weight]
        if above != sorted(above):
            yield f"{life.candidate}: weights went back: {life.weights}"
    pairs = [(life.stable, life.candidate) for life in lives(models)]
    for pair in {pair for pair in pairs if pairs.count(pair) > 1}:
        yield f"{pair[1]} was begun {pairs.count(pair)} times against {pair[0]}"


def _stable_kept(models: list[Object], workloads: list[Object]) -> Iterator[str]:
    """While a revision is stable and has requests to answer, its Deployment is neither gone nor at zero."""
    stable = [(int(m["metadata"]["resourceVersion"]), m.get("status", {})) for m in models]
    for workload in workloads:
        name, version = workload["metadata"]["name"], int(workload["metadata"]["resourceVersion"])
        said = [status for at, status in stable if at <= version]
        if not said or said[-1].get("stableRevision") != name:
            continue
        rollout = said[-1].get("rollout") or {}
        weight = int(rollout.get("requestedWeight") or 0) if said[-1].get("candidateRevision") else 0
        if workload["spec"]["replicas"] == 0 and weight < PARTS:
            yield f"{name} is stable with {PARTS - weight} % of the requests, and was scaled to zero"


def _ways_back(models: list[Object], workloads: list[Object]) -> Iterator[str]:
    """When a candidate is taken back, or makes room for a third revision, stable has its pods before its requests.

    Unless nobody else has any.
    """
    for before, now in itertools.pairwise(models):
        status, rollout = now.get("status", {}), now.get("status", {}).get("rollout") or {}
        stable, candidate = status.get("stableRevision"), before.get("status", {}).get("candidateRevision")
        least = int(rollout.get("requestedWeight") or 0)
        if rollout.get("phase") not in BACK or not candidate or least >= _given(before, stable):
            continue
        version = int(now["metadata"]["resourceVersion"])
        have, wanted = _ready(workloads, stable, version), math.ceil((PARTS - least) * _whole(now) / PARTS)
        if have < wanted and _ready(workloads, candidate, version):
            yield f"{candidate} went down to {least} % while {stable} had {have} of the {wanted} pods for the rest"


def _given(model: Object, stable: str | None) -> int:
    """The weight of the candidate against this stable revision."""
    status = model.get("status", {})
    same = status.get("stableRevision") == stable
    return int((status.get("rollout") or {}).get("requestedWeight") or 0) if same else 0


def _whole(model: Object) -> int:
    """Pods with which a revision can take every request."""
    spec = model.get("spec", {})
    size = model["status"].get("scaling", {}).get("desiredReplicas") if "scaling" in spec else spec.get("replicas")
    return int(size or 1)


def _ready(workloads: list[Object], name: str | None, version: int) -> int:
    """Ready pods of a revision at a moment."""
    named = (one for one in workloads if one["metadata"]["name"] == name)
    said = [one for one in named if int(one["metadata"]["resourceVersion"]) <= version]
    return int(said[-1].get("status", {}).get("readyReplicas") or 0) if said else 0
