"""Many models that sleep: what they cost while nobody asks, and what happens when their last gateway is gone.

One of them has fallen asleep, the others are its doubles: an operator finds them as one that ran before left them.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.component.reconcile.zero import WITH_GATEWAYS, asleep, replicas, sleepy, stage, state
from tests.fakes.plane import Plane
from tests.fakes.world import World

from serinus_api import names
from serinus_operator.cluster.port import ENDPOINT_SLICE


@asynccontextmanager
async def fleet(size: int) -> AsyncIterator[tuple[World, Plane, list[str]]]:
    """So many sleepers, and an operator that has just begun."""
    models = [f"m{number:03d}" for number in range(size)]
    async with stage(gateways=1) as (world, plane):
        plane.watches = False
        world.apply(sleepy(models[0]))
        await world.ready(models[0])
        await asleep(world, models[0])
        await world.advance(5)
        assert world.process
        await world.process.kill()
        port = world.status(models[0])["gatewayPort"]
        for number, name in enumerate(models[1:], 1):
            world.cluster.double(models[0], name, **{f'"gatewayPort": {port}': f'"gatewayPort": {port - number}'})
            _lead(world, name)
        begun = len(world.cluster.calls)
        world.start(WITH_GATEWAYS)
        await world.advance(60)
        assert world.changes(begun) == [], "they are found as they were left"
        yield world, plane, models


def _lead(world: World, name: str) -> None:
    """Its slice leads to the port that it has."""
    port = world.status(name)["gatewayPort"]
    slice_name = names.gateway_slice_name(name, "IPv4")
    world.cluster.edit(ENDPOINT_SLICE, "ml", slice_name, lambda live: live["ports"][0].update(port=port))


async def test_nothing_is_asked_and_nothing_is_written_while_all_sleep() -> None:
    async with fleet(200) as (world, plane, models):
        assert world.process
        calls = len(world.cluster.calls)
        await world.advance(600)
        assert (len(world.cluster.calls), world.process.scraped, plane.asked) == (calls, [], plane.asked)
        assert all(state(world, name) == ("Asleep", "Proxied") for name in models)


async def test_all_are_led_elsewhere_within_five_seconds_of_the_last_gateways_end() -> None:
    async with fleet(24) as (world, plane, models):
        since = len(world.cluster.calls)
        plane.remove_gateway("gateway-0")
        took = await world.until(lambda: not any(_names_gateways(world, name) for name in models), within=10)
        assert took <= 5
        assert all(replicas(world, name) == 1 for name in models)
        await world.until(lambda: all(state(world, name) == ("Awake", "Direct") for name in models), within=60)
        assert all(world.says("ScalingActive", "False", "GatewayUnavailable", name) for name in models)
        await world.advance(10)
        writes = Counter((call.verb, call.kind) for call in world.changes(since))
        for kind in ("Service", "EndpointSlice", "Deployment"):
            assert sum(count for (_, of), count in writes.items() if of == kind) == len(models), writes
        assert writes["status", names.KIND] <= 3 * len(models), writes
        settled = len(world.cluster.calls)
        await world.advance(60)
        assert len(world.cluster.calls) == settled


def _names_gateways(world: World, name: str) -> bool:
    return world.object(ENDPOINT_SLICE, names.gateway_slice_name(name, "IPv4")) is not None
