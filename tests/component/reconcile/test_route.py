"""The HTTPRoute of a model: it is made, taken, repaired, and goes; what stands in its way is told."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.component.reconcile.routed import DRIFTS, ROUTE, attached, edited, route, routed
from tests.component.reconcile.zero import sleepy
from tests.fakes.outside import INFRA, gateway, gateway_class, weights
from tests.fakes.world import NAMESPACE

from serinus_operator.cluster.errors import Denied, Missing
from serinus_operator.cluster.port import GATEWAY, GATEWAY_CLASS, HTTP_ROUTE, MODEL_DEPLOYMENT, Manifest


async def test_route_is_made_taken_and_then_left_alone() -> None:
    async with attached() as (world, _, outside):
        world.apply(routed())
        await world.ready()
        assert world.says("RouteReady", "True", "Accepted")
        assert route(world)["spec"]["hostnames"] == ["iris.example.com"]
        assert weights(world) == {"iris": 100}
        assert await outside.request()
        since = len(world.cluster.calls)
        await world.advance(300)
        assert world.cluster.calls[since:] == []
        await world.restart()
        await world.advance(300)
        assert world.cluster.calls[since:] == []


async def test_class_that_supports_no_timeout_is_told_and_serves() -> None:
    async with attached() as (world, _, _):
        world.apply(gateway_class("HTTPRouteResponseHeaderModification"))
        world.cluster.edit(
            GATEWAY_CLASS,
            "",
            "example",
            lambda live: live.update(status={"supportedFeatures": ["HTTPRouteMethodMatching"]}),
        )
        world.apply(routed())
        await world.ready()
        assert world.says("RouteReady", "True", "UnsupportedFeature")
        assert "timeouts" not in route(world)["spec"]["rules"][0]


async def test_model_is_not_ready_before_its_gateway_has_taken_the_route() -> None:
    async with attached() as (world, _, outside):
        outside.works = False
        world.apply(routed())
        await world.until(lambda: world.says("RouteReady", "Unknown", "WaitingForGateway"))
        await world.until(lambda: world.says("Ready", "False", "WaitingForGateway"))
        assert world.says("Reconciling", "True", "WaitingForGateway")
        assert world.says("Available", "True", "Serving")
        await world.until(lambda: world.says("Stalled", "True", "WaitingForGateway"), within=700)
        outside.works = True
        outside.sync()
        await world.ready(within=10)


async def test_gateway_that_is_not_there_is_named_until_it_is() -> None:
    async with attached() as (world, _, _):
        world.cluster.remove(GATEWAY, INFRA, "public")
        world.apply(routed())
        await world.until(lambda: world.says("RouteReady", "False", "GatewayNotFound"))
        assert "infra/public" in world.condition("RouteReady")["message"]
        world.apply(gateway())
        await world.ready(within=15)


async def test_listener_that_does_not_admit_the_namespace_is_told_with_what_to_change() -> None:
    async with attached() as (world, _, _):
        world.apply(gateway(admits="Same"))
        world.apply(routed())
        await world.until(lambda: world.says("RouteReady", "False", "NotAllowedByListeners"))
        said = world.condition("RouteReady")["message"]
        assert "listener web admits namespace infra alone" in said
        assert "allowedRoutes.namespaces.from to All" in said
        assert "namespace ml" in said
        world.apply(gateway(admits="All"))
        await world.ready(within=15)


async def test_cluster_without_the_gateway_api_is_told_and_the_model_serves() -> None:
    async with attached() as (world, plane, _):
        faults = [world.cluster.fail(Missing("not found"), verb=v, kind="HTTPRoute") for v in ("list", "create")]
        world.apply(routed())
        await world.until(lambda: world.says("RouteReady", "False", "GatewayAPIMissing"))
        await world.until(lambda: world.says("Available", "True", "Serving"))
        assert "remove spec.route" in world.condition("RouteReady")["message"]
        await world.until(lambda: plane.leads_to("iris") == {"pod"})
        assert await plane.request()
        assert not [call for call in world.cluster.calls if call.kind == "HTTPRoute"]
        for fault in faults:
            fault.lift()
        await world.ready(within=30)  # the CRDs came, and nobody had to restart anything


async def test_right_that_is_missing_is_told() -> None:
    async with attached() as (world, _, _):
        fault = world.cluster.fail(Denied("list", HTTP_ROUTE.resource), verb="list", kind="HTTPRoute")
        world.apply(routed())
        await world.until(lambda: world.says("RouteReady", "False", "RBACDenied"))
        assert "httproutes.gateway.networking.k8s.io" in world.condition("RouteReady")["message"]
        fault.lift()
        await world.ready(within=30)


async def test_gateways_that_may_not_be_read_are_unknown_and_no_hindrance() -> None:
    async with attached() as (world, _, _):
        world.cluster.fail(Denied("get", GATEWAY.resource), verb="get", kind="Gateway")
        world.apply(routed())
        await world.ready()
        assert world.says("RouteReady", "True", "Accepted")
        assert "timeouts" not in route(world)["spec"]["rules"][0], "what is not known to be supported is not asked for"


async def test_route_of_somebody_else_is_left_alone() -> None:
    async with attached() as (world, _, _):
        theirs = {"parentRefs": [{"name": "public", "namespace": INFRA}], "rules": [{"backendRefs": []}]}
        meta = {"namespace": NAMESPACE, "name": "iris"}
        world.apply({"apiVersion": HTTP_ROUTE.api_version, "kind": HTTP_ROUTE.kind, "metadata": meta, "spec": theirs})
        world.apply(routed())
        await world.until(lambda: world.says("Ready", "False", "NameConflict"))
        assert route(world)["spec"]["rules"][0]["backendRefs"] == []
        world.cluster.remove(HTTP_ROUTE, NAMESPACE, "iris")
        await world.ready(within=40)


async def test_route_goes_when_the_spec_asks_for_none_even_if_the_operator_was_away() -> None:
    async with attached() as (world, _, _):
        world.apply(routed())
        await world.ready()
        assert world.process
        await world.process.kill()
        world.cluster.edit(MODEL_DEPLOYMENT, NAMESPACE, "iris", lambda live: live["spec"].pop("route"))
        world.start()
        await world.until(lambda: world.object(HTTP_ROUTE, "iris") is None)
        await world.ready()
        assert not world.condition("RouteReady")


async def test_route_goes_with_its_model() -> None:
    async with attached() as (world, _, _):
        world.apply(routed())
        await world.ready()
        world.delete()
        await world.until(lambda: world.object(HTTP_ROUTE, "iris") is None)
        await world.advance(60)
        assert world.children() == []


@pytest.mark.parametrize("change", DRIFTS)
async def test_edit_by_hand_is_repaired_within_five_seconds(change: Callable[[Manifest], Any]) -> None:
    async with attached() as (world, _, _):
        world.apply(routed())
        await world.ready()
        before = route(world)["spec"]
        edited(world, change)
        assert route(world)["spec"] != before
        await world.until(lambda: route(world)["spec"] == before, within=5)
        await world.ready(within=10)


async def test_route_without_our_labels_or_gone_is_restored_within_five_seconds() -> None:
    async with attached() as (world, _, _):
        world.apply(routed())
        await world.ready()
        labels = route(world)["metadata"]["labels"]
        world.cluster.edit(HTTP_ROUTE, NAMESPACE, "iris", lambda live: live["metadata"].update(labels={}))
        await world.until(lambda: route(world)["metadata"]["labels"] == labels, within=5)
        world.cluster.remove(HTTP_ROUTE, NAMESPACE, "iris")
        await world.until(lambda: world.object(HTTP_ROUTE, "iris") is not None, within=5)


async def test_sleeping_model_wakes_by_a_request_through_its_route() -> None:
    async with attached(gateways=2) as (world, plane, outside):
        manifest = sleepy()
        manifest["spec"]["route"] = ROUTE
        world.apply(manifest)
        await world.until(lambda: world.status().get("scaling", {}).get("state") == "Asleep", within=60)
        await world.until(lambda: plane.leads_to("iris") == {"gateway"})
        assert route(world)["spec"]["rules"][0]["timeouts"] == {"request": "660s"}
        assert await outside.request()
