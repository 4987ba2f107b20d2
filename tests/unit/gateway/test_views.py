"""From manifests to views: what is read of them, and that an odd one hurts nobody."""

from typing import Any

import pytest
from dev.gateway.fake_api import model, pod

from serinus_api.runtime import CONFIG_ENV, ModelSource, PreflightReport, RuntimeConfig, RuntimeLimits
from serinus_gateway.description import Endpoint
from serinus_gateway.views import view_of
from serinus_gateway.world import Activation, Trouble

AWAKE = {"scaling": {"state": "Awake"}}
CANARY = {**AWAKE, "candidateRevision": "m-2", "rollout": {"phase": "Stepping", "requestedWeight": 5}}

SETTLED = {
    "awake": (AWAKE, False, True),
    "of fixed size": ({"scaling": None}, False, True),
    "asleep": ({"scaling": {"state": "Asleep"}}, False, False),
    "waking": ({"scaling": {"state": "Waking"}}, True, False),
    "awake, but the gateway is in the path": (AWAKE, True, False),
    "in a canary, with the gateway in the path": (CANARY, True, True),
}


@pytest.mark.parametrize(("status", "in_path", "expected"), SETTLED.values(), ids=SETTLED)
def test_settled_is_awake_with_the_gateway_out_of_the_path(
    status: dict[str, Any], in_path: bool, expected: bool
) -> None:
    view = view_of(model("m", 20000, status=status), (), in_path=in_path)
    assert view
    assert view.settled == expected


def test_model_without_port_or_revision_or_with_an_end_is_none_of_ours() -> None:
    assert view_of(model("m", 20000, status={"gatewayPort": None}), (), in_path=False) is None
    assert view_of(model("m", 20000, status={"stableRevision": None}), (), in_path=False) is None
    ending = model("m", 20000)
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert view_of(ending, (), in_path=False) is None


def test_defaults_are_those_of_the_contract() -> None:
    view = view_of(model("m", 20000), (), in_path=False)
    assert view
    assert view.activation == Activation(500, 600, 1)


def test_candidate_counts_only_while_it_has_traffic() -> None:
    match = {"rollout": {"match": {"headers": [{"name": "x-canary", "value": "1"}]}}}
    view = view_of(model("m", 20000, status=CANARY, **match), (), in_path=True)
    assert view
    assert (view.candidate, view.weight, len(view.match)) == ("m-2", 5, 1)
    for phase in ("Baking", "Aborted", "SomethingNew"):
        status = {**CANARY, "rollout": {"phase": phase, "requestedWeight": 5}}
        view = view_of(model("m", 20000, status=status, **match), (), in_path=True)
        assert view
        assert (view.candidate, view.match) == (None, ())


def test_share_of_a_candidate_on_its_way_out_falls_by_weight_and_matches_nothing_any_more() -> None:
    match = {"rollout": {"match": {"headers": [{"name": "x-canary", "value": "1"}]}}}
    for phase, matches in (("Promoting", 1), ("Aborting", 0), ("Superseding", 0)):
        status = {**CANARY, "rollout": {"phase": phase, "requestedWeight": 5}}
        view = view_of(model("m", 20000, status=status, **match), (), in_path=True)
        assert view
        assert (view.candidate, view.weight, len(view.match)) == ("m-2", 5, matches)


def test_pod_says_itself_how_much_it_does_at_once() -> None:
    config = RuntimeConfig(
        model_name="m",
        model_version="m-1",
        source=ModelSource(uri="file:///x"),
        limits=RuntimeLimits(max_concurrency=3),
    )
    told = pod("p", "10.0.0.7", of="m", revision="m-1", ready=True)
    told["spec"] = {"containers": [{"env": [{"name": CONFIG_ENV, "value": config.model_dump_json(by_alias=True)}]}]}
    odd = pod("q", "fd00::7", of="m", revision="m-1")
    odd["spec"] = {"containers": [{"env": [{"name": CONFIG_ENV, "value": "{"}]}]}
    view = view_of(model("m", 20000, runtime={"maxConcurrency": 5}), (told, odd), in_path=False)
    assert view
    first, second = view.pods
    assert (first.concurrency, first.ready, first.http) == (3, True, Endpoint("10.0.0.7", 8080))
    assert (second.concurrency, second.ready, str(second.http)) == (5, False, "[fd00::7]:8080")


def test_pods_that_end_have_ended_or_are_elsewhere_do_not_count() -> None:
    ending, failed = (pod(name, "10.0.0.7", of="m", revision="m-1", ready=True) for name in "ab")
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    failed["status"]["phase"] = "Failed"
    foreign = pod("c", "10.0.0.8", of="m", revision="m-1", namespace="other", ready=True)
    view = view_of(model("m", 20000), (ending, failed, foreign), in_path=False)
    assert view
    assert view.pods == ()


LAST_WORDS = PreflightReport(phase="Loading", reason="LoadFailed", message="no such operator").model_dump_json()
STATUSES: dict[str, tuple[dict[str, Any], Trouble]] = {
    "no node": (
        {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}]},
        Trouble("NotSchedulable", "0/3 nodes"),
    ),
    "no image": (
        {"containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull", "message": "404"}}}]},
        Trouble("ErrImagePull", "404"),
    ),
    "no good model": (
        {
            "containerStatuses": [
                {
                    "lastState": {"terminated": {"message": LAST_WORDS}},
                    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                }
            ]
        },
        Trouble("LoadFailed", "no such operator"),
    ),
    "nothing but slowness": (
        {"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]},
        Trouble("NotReady", "no pod has become ready in time"),
    ),
}


@pytest.mark.parametrize(("status", "expected"), STATUSES.values(), ids=STATUSES)
def test_trouble_is_told_by_whoever_knows_best(status: dict[str, Any], expected: Trouble) -> None:
    stuck = {**pod("p", "", of="m", revision="m-1"), "status": status}
    view = view_of(model("m", 20000), (stuck,), in_path=False)
    assert view
    assert view.trouble_of("m-1") == expected


def test_without_pods_the_condition_is_told() -> None:
    conditions = [{"type": "Ready", "status": "False", "reason": "RBACDenied", "message": "no"}]
    view = view_of(model("m", 20000, status={"conditions": conditions}), (), in_path=False)
    assert view
    assert view.trouble_of("m-1") == Trouble("RBACDenied", "no")
