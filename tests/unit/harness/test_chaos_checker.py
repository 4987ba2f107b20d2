"""The checker of the chaos tier finds each kind of breach, and none in a rollout that went well."""

import copy
from typing import Any

import pytest
from tests.chaos.checker import breaches, lives

Object = dict[str, Any]


def model(version: int, generation: int = 2, observed: int | None = None, *true: str, **status: Any) -> Object:
    conditions = [{"type": kind, "status": "True"} for kind in true]
    seen = generation if observed is None else observed
    meta = {"generation": generation, "resourceVersion": str(version)}
    return {"metadata": meta, "status": {"observedGeneration": seen, "conditions": conditions, **status}}


def at(version: int, phase: str, weight: int, step: int = 0) -> Object:
    rollout = {"phase": phase, "requestedWeight": weight, "stepIndex": step}
    return model(version, stableRevision="a", candidateRevision="b", rollout=rollout)


def deployment(version: int, name: str, replicas: int) -> Object:
    return {"metadata": {"name": name, "resourceVersion": str(version)}, "spec": {"replicas": replicas}}


GOOD = [
    model(1, 2, 1, "Ready", stableRevision="a"),
    at(2, "Stepping", 5, 0),
    at(4, "Held", 0, 0),
    at(5, "Stepping", 5, 0),
    at(6, "Stepping", 50, 1),
    at(8, "Promoting", 100, 1),
    model(9, stableRevision="b", rollout={"phase": "Baking", "requestedWeight": 100}),
    model(12, 2, 2, "Ready", stableRevision="b", rollout={"phase": "Stable"}),
]
WORKLOADS = [deployment(3, "b", 1), deployment(7, "a", 1), deployment(10, "a", 0), deployment(11, "b", 2)]


def with_(place: int, one: Object) -> list[Object]:
    history = copy.deepcopy(GOOD)
    history.insert(place, one)
    return history


def test_good_rollout_breaks_nothing() -> None:
    assert breaches(GOOD, WORKLOADS) == []
    (life,) = lives(GOOD)
    assert (life.stable, life.candidate, life.steps) == ("a", "b", [0, 0, 1])


BAD = {
    "a weight that falls": (with_(5, at(7, "Stepping", 5, 1)), "weights went back"),
    "a step taken twice": (with_(5, at(7, "Stepping", 50, 0)), "steps went back"),
    "a rollout begun twice": (
        [*GOOD[:5], model(7, stableRevision="a", candidateRevision="c", rollout={"phase": "Stepping"}), *GOOD[1:]],
        "b was begun 2 times against a",
    ),
    "a generation that falls": (with_(8, model(13, 2, 1)), "observedGeneration fell from 2 to 1"),
    "a generation of the future": (with_(8, model(13, 2, 3)), "observedGeneration is 3, the object's is 2"),
    "working and given up": (with_(3, model(3, 2, 2, "Reconciling", "Stalled")), "Reconciling and Stalled together"),
    "ready and given up": (with_(3, model(3, 2, 2, "Ready", "Stalled")), "Ready and Stalled together"),
}


@pytest.mark.parametrize("what", BAD)
def test_breach_is_found(what: str) -> None:
    history, words = BAD[what]
    assert any(words in breach for breach in breaches(history, WORKLOADS)), breaches(history, WORKLOADS)


def test_stable_revision_at_zero_is_found_while_it_has_requests() -> None:
    assert breaches(GOOD, [deployment(5, "a", 0)]) == ["a is stable with 95 % of the requests, and was scaled to zero"]
    assert breaches(GOOD, [deployment(8, "a", 0)]) == []
