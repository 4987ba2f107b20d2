"""Models behind a Gateway of the cluster's own: what the stories of their routes have in common."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import pytest
from tests.component.reconcile.test_canary import canary, under_requests
from tests.component.reconcile.zero import stage
from tests.fakes.outside import INFRA, Outside, gateway, gateway_class
from tests.fakes.plane import Plane
from tests.fakes.world import NAMESPACE, World, config_map, model

from serinus_operator.cluster.port import HTTP_ROUTE, Manifest

ROUTE: dict[str, Any] = {"gatewayRef": {"name": "public", "namespace": INFRA}, "hostnames": ["iris.example.com"]}
PER_SECOND = 20.0
Served: TypeAlias = tuple[World, Plane, Outside, str, list[tuple[str, int]]]
"""With the first revision, and the phases and weights that the status goes through."""


def routed(**spec: Any) -> Manifest:
    return model(route=ROUTE, **spec)


def in_steps(**spec: Any) -> Manifest:
    return canary(route=ROUTE, **spec)


def route(world: World) -> Manifest:
    found = world.object(HTTP_ROUTE, "iris")
    assert found
    return found


def applied(world: World) -> int | None:
    """None: what was asked for is not known to be in force."""
    return (world.status().get("rollout") or {}).get("appliedWeight")


def edited(world: World, change: Callable[[Manifest], Any]) -> None:
    world.cluster.edit(HTTP_ROUTE, NAMESPACE, "iris", lambda live: change(live["spec"]))


@asynccontextmanager
async def attached(*, gateways: int = 0) -> AsyncIterator[tuple[World, Plane, Outside]]:
    """A cluster with a Gateway, and as a rule without ours."""
    async with stage(gateways=gateways) as (world, plane):
        outside = Outside(world, plane)
        world.apply(config_map("iris-model-2", b"model two"))
        world.apply(gateway_class("HTTPRouteRequestTimeout"))
        world.apply(gateway())
        yield world, plane, outside


@asynccontextmanager
async def served(first_one: Manifest | None = None, **spec: Any) -> AsyncIterator[Served]:
    """A model with one revision, under requests from outside; none of them is lost."""
    async with attached() as (world, plane, outside):
        world.apply(first_one or in_steps(**spec))
        first = await world.ready()
        await world.until(lambda: "iris" in outside.rules and plane.leads_to("iris") == {"pod"})
        async with under_requests(world, outside.request, PER_SECOND) as seen:
            yield world, plane, outside, first, seen
        assert not plane.lost, plane.lost[:5]


DRIFTS: list[Any] = [
    pytest.param(lambda s: s["rules"][0]["backendRefs"][0].update(name="elsewhere"), id="another backend"),
    pytest.param(lambda s: s["rules"][0]["backendRefs"][0].update(weight=0), id="no weight"),
    pytest.param(lambda s: s.update(rules=[]), id="no rules"),
    pytest.param(lambda s: s.update(hostnames=["other.example.com"]), id="another host"),
    pytest.param(lambda s: s["parentRefs"][0].update(name="other"), id="another Gateway"),
    pytest.param(lambda s: s["parentRefs"][0].update(sectionName="web"), id="one listener alone"),
    pytest.param(lambda s: s["rules"].append({"backendRefs": []}), id="one more rule"),
    pytest.param(lambda s: s["rules"][0]["filters"].pop(), id="no filter"),
    pytest.param(lambda s: s["rules"][0].update(retry={"attempts": 9}), id="retries"),
]
