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


SIZE = 3


def pods(version: int, name: str, ready: int) -> Object:
    return {**deployment(version, name, SIZE), "status": {"readyReplicas": ready}}


def sized(*history: Object) -> list[Object]:
    return [{**one, "spec": {"replicas": SIZE}} for one in history]


TAKEN_BACK = sized(
    at(10, "Stepping", 50, 1),
    at(12, "Aborting", 50, 1),
    at(14, "Aborting", 34, 1),
    at(18, "Aborting", 0, 1),
    model(20, stableRevision="a", rollout={"phase": "Aborted"}),
)
ENOUGH = [pods(1, "b", 2), pods(9, "a", 2), pods(16, "a", 3)]


def test_way_back_with_stables_pods_before_its_requests_breaks_nothing() -> None:
    assert breaches(TAKEN_BACK, ENOUGH) == []


def test_candidate_without_a_ready_pod_gives_up_its_share_at_once() -> None:
    assert breaches(TAKEN_BACK, [pods(9, "a", 1), pods(8, "b", 2), pods(11, "b", 0)]) == []


MISSING = {
    "a pod that comes too late": ([*ENOUGH[:2], pods(19, "a", 3)], "b went down to 0 % while a had 2 of the 3 pods"),
    "a pod that has gone": ([*ENOUGH[:2], pods(13, "a", 1), pods(16, "a", 3)], "to 34 % while a had 1 of the 2 pods"),
    "none at all": (ENOUGH[:1], "b went down to 34 % while a had 0 of the 2 pods"),
}


@pytest.mark.parametrize("what", MISSING)
def test_weight_that_falls_before_stable_has_the_pods_for_it_is_found(what: str) -> None:
    workloads, words = MISSING[what]
    assert any(words in breach for breach in breaches(TAKEN_BACK, workloads)), breaches(TAKEN_BACK, workloads)


def test_weight_that_falls_with_the_end_of_the_way_back_is_found() -> None:
    history = [TAKEN_BACK[0], TAKEN_BACK[-1]]
    (breach,) = breaches(history, [pods(1, "b", 2), pods(9, "a", 2)])
    assert breach.startswith("b went down to 0 % while a had 2 of the 3 pods")


def test_weight_that_falls_too_early_for_a_third_revision_is_found() -> None:
    history = sized(at(10, "Stepping", 50, 1), at(14, "Superseding", 0, 1))
    (breach,) = breaches(history, [pods(1, "b", 2), pods(9, "a", 2)])
    assert breach.startswith("b went down to 0 % while a had 2 of the 3 pods")


def test_whole_of_a_model_that_scales_is_what_it_says() -> None:
    scaled = [{**one, "spec": {"scaling": {}}} for one in TAKEN_BACK]
    for one in scaled:
        one["status"] = {**one["status"], "scaling": {"desiredReplicas": 6}}
    assert "b went down to 34 % while a had 2 of the 4 pods for the rest" in breaches(scaled, ENOUGH)
