"""When Envoy may choose pods by itself, and which model has a port."""

from dataclasses import replace

import pytest

from serinus_gateway.description import Endpoint, HeaderMatch
from serinus_gateway.plan import displaced, plan
from serinus_gateway.world import ModelView, Pod

KNOWN = frozenset({"ml/iris-1", "ml/iris-2"})


def pod(revision: str, *, ready: bool = True, address: str = "10.0.0.7") -> Pod:
    http = Endpoint(address, 8080) if address else None
    return Pod(f"{revision}-{address}", f"{revision}-{address}", revision, http, http, ready)


AWAKE = ModelView("ml", "iris", "u", 20000, "iris-1", pods=(pod("iris-1"),), created="2026-01-01T00:00:00Z")
CANARY = replace(AWAKE, candidate="iris-2", weight=30, match=(HeaderMatch("x-canary", "1"),))

GUARDED = {
    "awake": (AWAKE, KNOWN, [False]),
    "going to sleep, or waking": (replace(AWAKE, settled=False), KNOWN, [True]),
    "without a pod": (replace(AWAKE, pods=()), KNOWN, [True]),
    "with a pod that is not ready": (replace(AWAKE, pods=(pod("iris-1", ready=False),)), KNOWN, [True]),
    "with a pod without an address": (replace(AWAKE, pods=(pod("iris-1", address=""),)), KNOWN, [True]),
    "with pods of another revision": (replace(AWAKE, pods=(pod("iris-2"),)), KNOWN, [True]),
    "with pods that Envoy does not know yet": (AWAKE, frozenset[str](), [True]),
    "a canary that is warm": (replace(CANARY, pods=(pod("iris-1"), pod("iris-2"))), KNOWN, [False, False]),
    "a canary without pods": (CANARY, KNOWN, [False, True]),
}


@pytest.mark.parametrize(("view", "known", "expected"), GUARDED.values(), ids=GUARDED)
def test_check_is_on_unless_plainly_awake(view: ModelView, known: frozenset[str], expected: list[bool]) -> None:
    (model,) = plan([view], known).models
    assert [share.guarded for share in model.shares] == expected


def test_pods_are_shown_to_envoy_before_the_check_goes_off() -> None:
    (model,) = plan([AWAKE], frozenset()).models
    assert (model.shares[0].guarded, model.shares[0].has_cluster) == (True, True)


def test_weights_sum_to_a_hundred_and_the_match_goes_with_the_candidate() -> None:
    (model,) = plan([CANARY], KNOWN).models
    assert [(share.revision, share.weight) for share in model.shares] == [("iris-1", 70), ("iris-2", 30)]
    assert model.match == CANARY.match
    (model,) = plan([replace(CANARY, candidate="iris-1")], KNOWN).models
    assert [(share.weight, model.match) for share in model.shares] == [(100, ())]


def test_older_of_two_models_keeps_the_port() -> None:
    younger = replace(AWAKE, namespace="a", created="2026-01-02T00:00:00Z")
    fleet = plan([younger, AWAKE], KNOWN)
    assert [model.key for model in fleet.models] == [("ml", "iris")]
    assert displaced([younger, AWAKE], fleet) == (("a", "iris"),)
