"""A model behind somebody else's gateway: Envoy Gateway takes its HTTPRoute, splits by it, and says what it refuses."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.e2e.harness.audit import Request, instant
from tests.e2e.harness.envoy_gateway import EnvoyGateway
from tests.e2e.harness.models import Model
from tests.e2e.harness.needs import lacking
from tests.e2e.harness.oip import infer_once
from tests.e2e.harness.waiting import Stopwatch, wait_for
from tests.e2e.harness.watching import watched
from tests.e2e.harness.world import World
from tests.e2e.test_canary import FORM, RATE, ROLLOUT, ROLLOUT_SECONDS, check_way, lived_through, reach, rollout, told
from tests.models import brittle, doubler

pytestmark = pytest.mark.own_node
CANARY_HEADER = {"x-canary": "1"}
MATCHED: dict[str, Any] = {**ROLLOUT, "match": {"headers": [{"name": "x-canary", "value": "1"}]}}
REPAIRED_SECONDS = 5.0
RESYNCS = 3
RESYNCS_SECONDS = 320.0
"""One a minute, and a fifth more or less."""


def routed(world: World, namespace: str, name: str, **spec: Any) -> tuple[Model, str]:
    """A model of one revision behind a Gateway of its own, and the address of that."""
    outside = EnvoyGateway.of(world)
    outside.gateway(namespace, "public")
    model = world.model(namespace, name)
    model.apply_onnx(doubler(2.0), route={"gatewayRef": {"name": "public"}}, **spec)
    model.wait_for("RouteReady", "True", "Accepted", seconds=60)
    model.wait_ready()
    url = outside.url(namespace, "public")
    wait_for(lambda: infer_once(url, name)[0] == 200, seconds=30, what="the Gateway leads to the model")
    return model, url


def route(model: Model) -> dict[str, Any]:
    return model.api.read("httproutes", model.namespace, model.name)


def revision_at(url: str, model: Model, headers: dict[str, str]) -> str | None:
    """Which revision answers a request with these headers."""
    address = urlsplit(url)
    assert address.hostname
    connection = http.client.HTTPConnection(address.hostname, address.port or 80, timeout=10)
    entry = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1.0, 2.0, 3.0, 4.0]}
    try:
        connection.request("POST", f"/v2/models/{model.name}/infer", json.dumps({"inputs": [entry]}), headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        return answer.headers["x-serinus-revision"]
    finally:
        connection.close()


def applied(model: Model, weight: int) -> None:
    wait_for(
        lambda: rollout(model).get("appliedWeight") == weight,
        seconds=ROLLOUT_SECONDS,
        what=f"{weight} % are in force",
        describe=lambda: told(model),
    )


@pytest.mark.long
def test_a_candidate_is_promoted_by_the_weights_of_another_gateway(world: World, namespace: str) -> None:
    model, url = routed(world, namespace, "abroad", rollout=MATCHED)
    first = model.stable
    ways = world.folder / f"{namespace}-ways.txt"
    spec = {"route": {"gatewayRef": {"name": "public"}}, "rollout": MATCHED}
    with watched(model, ways, FORM), model.probe(rate=RATE, url=url) as outside, model.probe() as inside:
        model.apply_onnx(doubler(3.0), "three", **spec)
        applied(model, 10)
        candidate = model.status()["candidateRevision"]
        assert rollout(model)["mechanism"] == "HTTPRoute"
        assert {revision_at(url, model, CANARY_HEADER) for _ in range(20)} == {candidate}
        reach(model, "Promoting", "Baking")
        promoted = model.incarnations(candidate)
        model.wait_ready(seconds=ROLLOUT_SECONDS)
    outside.assert_none_lost()
    inside.assert_none_lost()
    assert (model.stable, first != candidate) == (candidate, True)
    assert promoted
    assert promoted <= model.incarnations(candidate), "a promoted pod was restarted"
    check_way(lived_through(ways))
    assert "True" in {line.split()[-1] for line in ways.read_text().splitlines() if line.startswith("Stepping")}
    (rule,) = route(model)["spec"]["rules"]
    assert [ref["name"] for ref in rule["backendRefs"]] == [model.name]
    world.figures.note("a canary through Envoy Gateway", sent=outside.sent, lost=0, **outside.by_revision())


@pytest.mark.long
def test_a_candidate_that_fails_behind_another_gateway_is_taken_back(world: World, namespace: str) -> None:
    model, url = routed(world, namespace, "unlucky", rollout=ROLLOUT)
    first = model.stable
    spec = {"route": {"gatewayRef": {"name": "public"}}, "rollout": ROLLOUT}
    with model.probe(rate=RATE, url=url) as outside:
        model.apply_onnx(brittle(), "brittle", **spec)
        model.wait_for("Ready", "False", "AnalysisFailed", "taken back", seconds=ROLLOUT_SECONDS)
        reach(model, "Aborted", "Stable")
        over = len(outside.records)
        wait_for(lambda: len(outside.records) > over + 100, seconds=30, what="requests go on")
    assert not [record for record in outside.lost if record["revision"] == first]
    assert not [record for record in outside.records[over:] if record["error"]]
    assert outside.lost, "the candidate got no request"
    assert model.stable == first


@pytest.mark.long
def test_a_route_is_left_alone_while_nothing_happens(world: World, namespace: str) -> None:
    """What the operator renders has every default that the API server fills in: it never finds a difference."""
    model, _ = routed(world, namespace, "untouched")
    before, began = route(model), instant()
    wait_for(
        lambda: resyncs(world, began) > RESYNCS,
        seconds=RESYNCS_SECONDS,
        what=f"everything was looked at {RESYNCS} times",
        describe=lambda: resyncs(world, began),
        period=5,
    )
    after = route(model)
    assert after["spec"] == before["spec"]
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"], after
    assert not [one for one in operators(world, began, namespace) if one.mutating and one.resource == "httproutes"]


def resyncs(world: World, since: str) -> int:
    """How often the operator has looked at everything anew; for that it lists all kinds. Routes it lists more often."""
    return sum((one.verb, one.resource) == ("list", "poddisruptionbudgets") for one in operators(world, since))


def operators(world: World, since: str, namespace: str | None = None) -> list[Request]:
    """What the shared operator has asked the API server."""
    if world.audit is None:
        lacking("what the operator asks is found in the API server's audit log, which this cluster does not show")
    return world.audit.requests(world.main_release().user, since, namespace=namespace)


def test_an_edited_route_is_restored_in_seconds(world: World, namespace: str) -> None:
    model, url = routed(world, namespace, "edited")
    before = route(model)["spec"]
    elsewhere = [{"backendRefs": [{"name": "elsewhere", "port": 80}]}]
    edits = {"its rules": {"rules": elsewhere}, "a host": {"hostnames": ["other.example.com"]}}
    for what, edit in edits.items():
        model.api.patch("httproutes", namespace, model.name, {"spec": edit})
        clock = Stopwatch()
        wait_for(lambda: route(model)["spec"] == before, seconds=REPAIRED_SECONDS, what=f"{what} are as before")
        world.figures.note("a route repaired", what=what, within=clock.seconds)
    model.kubectl.delete("httproute", model.name)
    wait_for(
        lambda: model.api.get("httproutes", namespace, model.name), seconds=REPAIRED_SECONDS, what="there is a route"
    )
    model.wait_ready()
    wait_for(lambda: infer_once(url, model.name)[0] == 200, seconds=30, what="the Gateway leads to the model again")


def test_a_listener_that_admits_only_its_own_namespace_is_named_with_the_remedy(world: World, namespace: str) -> None:
    outside = EnvoyGateway.of(world)
    infra = world.namespace("infra")
    outside.gateway(infra, "public")
    model = world.model(namespace, "stranger")
    model.apply_onnx(doubler(2.0), route={"gatewayRef": {"name": "public", "namespace": infra}})
    model.wait_for("RouteReady", "False", "NotAllowedByListeners", f"admits namespace {infra} alone", seconds=60)
    model.wait_for("Ready", "False", "NotAllowedByListeners", f"labels that namespace {namespace} has")
    model.wait_for("Available", "True", "Serving")
    outside.gateway(infra, "public", admits="All")
    model.wait_for("RouteReady", "True", "Accepted")
    model.wait_ready()
    assert infer_once(outside.url(infra, "public"), model.name)[0] == 200


def test_a_route_of_somebody_else_stays_and_ours_goes_with_its_field(world: World, namespace: str) -> None:
    EnvoyGateway.of(world).gateway(namespace, "public")
    theirs = {"parentRefs": [{"name": "public"}], "rules": [{"backendRefs": [{"name": "elsewhere", "port": 80}]}]}
    kind = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute"}
    model = world.model(namespace, "taken")
    model.kubectl.apply({**kind, "metadata": {"name": "taken"}, "spec": theirs})
    model.apply_onnx(doubler(2.0), route={"gatewayRef": {"name": "public"}})
    model.wait_for("Ready", "False", "NameConflict", "HTTPRoute taken", seconds=90)
    assert route(model)["spec"]["rules"][0]["backendRefs"][0]["name"] == "elsewhere"
    model.kubectl.delete("httproute", "taken")
    model.wait_ready()
    model.apply_onnx(doubler(2.0))
    wait_for(lambda: not model.api.get("httproutes", namespace, "taken"), seconds=30, what="the route is gone")
    model.wait_ready()
