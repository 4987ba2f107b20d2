"""A candidate that gets its requests by the weights of an HTTPRoute, which a Gateway takes late, or not at all."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.component.reconcile.routed import DRIFTS, ROUTE, applied, attached, edited, in_steps, route, served
from tests.component.reconcile.test_canary import TWO, canary, phase, size, weight
from tests.component.reconcile.test_canary_scaled import scaled
from tests.fakes.outside import INFRA, backends, gateway, weights
from tests.fakes.plane import Plane
from tests.fakes.world import model

from serinus_operator.cluster.port import GATEWAY, HTTP_ROUTE, SERVICE, Manifest


async def test_good_candidate_takes_over_by_the_weights_of_the_route() -> None:
    async with served() as (world, plane, _, first, seen):
        world.apply(in_steps(model=TWO))
        await world.until(lambda: weight(world) == 25, within=200)
        second = world.status()["candidateRevision"]
        await world.until(lambda: applied(world) == 25)
        assert weights(world) == {"iris": 75, second: 25}
        assert world.status()["rollout"]["mechanism"] == "HTTPRoute"
        assert "the Service, get the stable revision" in world.status()["rollout"]["message"]
        await world.until(lambda: world.status()["rollout"].get("weightVerified") == "True")
        assert all([await plane.request() for _ in range(20)]), "from inside"
        assert not [pod for pod in plane.received if pod.startswith(second)]
        assert await world.ready(within=300) == second
        assert [w for w in dict.fromkeys(w for _, w in seen) if w] == [5, 25, 50, 100]
        await world.until(lambda: world.deployments() == [second])
        assert weights(world) == {"iris": 100}
        assert {world.status()["scaling"]["traffic"], world.entry()} == {"Direct", second}
        assert first not in world.deployments()


async def test_backends_stay_the_same_from_the_first_weight_to_the_last() -> None:
    async with served() as (world, _, _, first, _):
        sets: list[tuple[str, set[str]]] = []

        def note(_: str, manifest: Manifest) -> None:
            if manifest["kind"] == HTTP_ROUTE.kind:
                sets.append((phase(world), {ref["name"] for ref in backends(manifest)}))

        world.cluster.watchers.append(note)
        world.apply(in_steps(model=TWO))
        await world.until(lambda: phase(world) == "Baking", within=300)
        second = world.status()["stableRevision"]
        assert second != first
        in_it = [names for at, names in sets if at in ("Stepping", "Promoting")]
        assert in_it
        assert all(names == {"iris", second} for names in in_it)


async def test_candidate_gets_nothing_before_the_gateway_knows_its_service() -> None:
    async with served() as (world, _, outside, first, _):
        outside.silent = True
        world.apply(in_steps(model=TWO))
        await world.until(lambda: phase(world) == "Stepping", within=60)
        await world.advance(10)
        (second,) = set(world.deployments()) - {first}
        assert weights(world) == {"iris": 100, second: 0}
        assert weight(world) == 0
        outside.silent = False
        outside.sync()
        await world.until(lambda: weight(world) == 5, within=20)


async def test_bad_candidate_is_taken_back_by_the_route() -> None:
    async with served() as (world, plane, _, first, seen):
        world.apply(in_steps(model=TWO))
        await world.until(lambda: len(world.deployments()) == 2, within=60)
        (second,) = set(world.deployments()) - {first}
        plane.errors[second] = 0.5
        await world.until(lambda: world.says("Stalled", "True", "RolledBack"), within=300)
        assert max(w for _, w in seen) == 5
        await world.until(lambda: world.deployments() == [first])
        assert weights(world) == {"iris": 100}
        assert world.entry() == first


async def test_requests_with_the_header_reach_the_candidate_alone() -> None:
    match = {"match": {"headers": [{"name": "x-canary", "value": "1"}]}}
    async with served(rollout=match) as (world, plane, outside, _, _):
        world.apply(in_steps(model=TWO, rollout=match))
        await world.until(lambda: weight(world) == 5 == applied(world), within=200)
        second = world.status()["candidateRevision"]
        await world.until(lambda: len(outside.rules["iris"]) == 2)
        outside.seen.clear()
        before = sum(plane.matched.values())
        assert all([await outside.request(**{"x-canary": "1"}) for _ in range(30)])
        assert outside.seen[second] >= 30
        assert sum(plane.matched.values()) - before == 30, "they do not count as split"


async def test_step_does_not_count_before_the_gateway_has_taken_its_weight() -> None:
    async with served() as (world, _, outside, _, _):
        world.apply(in_steps(model=TWO))
        await world.until(lambda: weight(world) == 25 == applied(world), within=200)
        outside.silent = True
        await world.until(lambda: weight(world) == 50, within=100)
        await world.advance(25)  # longer than the pause
        assert (phase(world), weight(world), applied(world)) == ("Stepping", 50, None)
        assert world.status()["rollout"]["stepElapsedSeconds"] == 0
        assert world.says("RouteReady", "Unknown", "WaitingForGateway")


async def test_controller_that_is_silent_holds_the_rollout_at_nothing_and_it_goes_on_by_itself() -> None:
    async with served() as (world, plane, outside, first, _):
        world.apply(in_steps(model=TWO))
        await world.until(lambda: weight(world) == 25 == applied(world), within=200)
        outside.works = False
        edited(world, lambda spec: spec.update(hostnames=["other.example.com"]))
        await world.until(lambda: phase(world) == "Held", within=60)
        assert world.status()["rollout"]["held"]["reason"] == "GatewayUnavailable"
        await world.until(lambda: weights(world)["iris"] == 100, within=5)
        outside.works = True
        outside.sync()
        await world.advance(1)
        plane.lost.clear()  # nobody was there to take them
        await world.until(lambda: world.status()["stableRevision"] != first, within=400)


async def test_route_that_is_refused_in_a_step_leads_back_to_stable_within_five_seconds() -> None:
    async with served() as (world, plane, _, first, _):
        world.apply(in_steps(model=TWO))
        await world.until(lambda: weight(world) == 25 == applied(world), within=200)
        world.apply(gateway(admits="None"))
        await world.until(lambda: weights(world)["iris"] == 100, within=6)
        await world.until(lambda: phase(world) == "Held", within=3)
        assert world.says("RouteReady", "False", "NotAllowedByListeners")
        world.apply(gateway())
        await world.advance(1)
        plane.lost.clear()
        await world.until(lambda: world.status()["stableRevision"] != first, within=400)


@pytest.mark.parametrize("change", [d for d in DRIFTS if d.id in ("another backend", "no weight", "one more rule")])
async def test_edit_of_the_route_in_a_step_is_repaired_and_resets_no_step(change: Callable[[Manifest], Any]) -> None:
    async with served() as (world, plane, _, first, seen):
        world.apply(in_steps(model=TWO))
        await world.until(lambda: weight(world) == 25 == applied(world), within=200)
        spec = route(world)["spec"]
        edited(world, change)
        await world.until(lambda: route(world)["spec"] == spec, within=5)
        await world.advance(1)
        plane.lost.clear()
        await world.until(lambda: world.status()["stableRevision"] != first, within=400)
        stepped = [w for p, w in seen if p == "Stepping" and w]
        assert list(dict.fromkeys(stepped)) == sorted(set(stepped)) == [5, 25, 50]


async def test_blue_and_green_flip_behind_the_route() -> None:
    async with served() as (world, _, _, first, seen):
        world.apply(model(model=TWO, route=ROUTE, rollout={"strategy": "BlueGreen", "bakeSeconds": 20}))
        second = await world.ready(within=120)
        assert second != first
        assert {w for _, w in seen} == {0}
        assert weights(world) == {"iris": 100}


async def test_bake_that_fails_returns_through_the_route() -> None:
    longer = {"bakeSeconds": 300, "steps": [{"weight": 50, "pauseSeconds": 5}]}
    async with served() as (world, _, _, first, _):
        world.apply(in_steps(model=TWO, rollout=longer))
        await world.until(lambda: phase(world) == "Baking", within=200)
        await world.until(lambda: weights(world) == {"iris": 100} and world.entry() != first)
        world.annotate(abort="1")
        await world.until(lambda: world.says("Stalled", "True", "RolledBack"), within=60)
        assert world.entry() == world.status()["stableRevision"] == first


async def test_rollout_ends_though_the_gateway_is_gone_for_good() -> None:
    async with served() as (world, plane, outside, first, _):
        world.apply(in_steps(model=TWO))
        await world.until(lambda: weight(world) == 25 == applied(world), within=200)
        outside.works = False
        world.cluster.remove(GATEWAY, INFRA, "public")
        await world.until(lambda: phase(world) == "Held", within=30)
        world.annotate(abort="1")
        await world.until(lambda: phase(world) == "Aborted", within=60)
        await world.until(lambda: world.deployments() == [first])
        assert size(world, first) == 2
        assert world.says("RouteReady", "False", "GatewayNotFound")
        outside.works = True
        world.apply(gateway())
        await world.until(lambda: bool(outside.rules["iris"]))
        await world.advance(1)
        plane.lost.clear()


async def test_candidates_pods_stay_until_the_data_plane_has_let_go_of_them() -> None:
    async with served() as (world, _, outside, _, _):
        world.apply(in_steps(model=TWO))
        await world.until(lambda: weight(world) == 25 == applied(world), within=200)
        second = world.status()["candidateRevision"]
        outside.stuck = True
        world.annotate(abort="1")
        await world.until(lambda: weights(world)["iris"] == 100, within=10)
        await world.advance(20)
        assert second in world.deployments(), "requests still come to it"
        assert world.object(SERVICE, second)
        outside.stuck = False
        outside.sync()
        await world.until(lambda: second not in world.deployments(), within=30)


@pytest.mark.parametrize("comes", [True, False], ids=["comes", "goes"])
async def test_route_that_comes_or_goes_in_a_step_changes_who_splits_and_no_request_is_lost(comes: bool) -> None:
    async with attached(gateways=2) as (world, plane, outside):
        before, after = (canary, in_steps) if comes else (in_steps, canary)
        world.apply(before())
        first = await world.ready()
        await world.until(lambda: plane.leads_to("iris") == {"pod"})
        world.apply(before(model=TWO))
        await world.until(lambda: weight(world) == 25 == applied(world), within=200)
        seen: list[int] = []
        world.cluster.watchers.append(lambda *_: seen.append(weight(world)))
        asking = asyncio.ensure_future(asked(plane))
        world.apply(after(model=TWO))
        mechanism = "HTTPRoute" if comes else "Gateway"
        await world.until(
            lambda: world.status()["rollout"].get("mechanism") == mechanism and applied(world) == 25, within=60
        )
        assert phase(world) == "Stepping"
        await world.until(lambda: world.status()["stableRevision"] != first, within=400)
        await world.ready(within=60)
        await world.until(lambda: world.status()["scaling"]["traffic"] == "Direct")
        assert (world.object(HTTP_ROUTE, "iris") is not None) is comes
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert not plane.lost, plane.lost[:5]
        assert set(outside.rules) == ({"iris"} if comes else set())
        assert set(seen) >= {50, 100}


async def test_candidate_of_a_model_sized_by_demand_takes_over_by_the_route() -> None:
    async with served(scaled(route=ROUTE)) as (world, plane, _, first, seen):
        plane.seconds = {first: 0.1}
        world.apply(scaled(route=ROUTE, model=TWO))
        second = await world.ready(within=400)
        assert second != first
        assert [w for w in dict.fromkeys(w for _, w in seen) if w] == [5, 25, 50, 100]
        assert weights(world) == {"iris": 100}


async def asked(plane: Plane) -> None:
    """Requests from inside, one after the other."""
    while True:
        await plane.request()
        await asyncio.sleep(0.05)
