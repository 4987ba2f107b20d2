"""Two hundred models that sleep: what they cost while nobody asks, and what happens when their last gateway is gone."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest
from tests.component.reconcile.zero import asleep, replicas, sleepy, stage, state
from tests.fakes.plane import Plane
from tests.fakes.world import World

from serinus_api import names
from serinus_operator.cluster.port import ENDPOINT_SLICE

MODELS = [f"m{number:03d}" for number in range(50)]


@pytest.fixture
async def fleet() -> AsyncIterator[tuple[World, Plane]]:
    async with stage(gateways=1) as (world, plane):
        plane.watches = False
        for name in MODELS:
            world.apply(sleepy(name))
        for name in MODELS:
            await world.ready(name, within=120)
        for name in MODELS:
            await asleep(world, name, within=120)
        await world.advance(10)
        yield world, plane


async def test_nothing_is_asked_and_nothing_is_written_while_all_sleep(fleet: tuple[World, Plane]) -> None:
    world, plane = fleet
    assert world.process
    calls, scraped, asked = len(world.cluster.calls), len(world.process.scraped), plane.asked
    await world.advance(600)
    assert (len(world.cluster.calls), len(world.process.scraped), plane.asked) == (calls, scraped, asked)


async def test_all_are_led_elsewhere_within_five_seconds_of_the_last_gateways_end(fleet: tuple[World, Plane]) -> None:
    world, plane = fleet
    since = len(world.cluster.calls)
    plane.remove_gateway("gateway-0")
    took = await world.until(lambda: not any(_names_gateways(world, name) for name in MODELS), within=10)
    assert took <= 5
    await world.until(lambda: all(replicas(world, name) == 1 for name in MODELS), within=10)
    assert all(state(world, name)[0] == "Waking" or state(world, name) == ("Awake", "Direct") for name in MODELS)
    await world.until(lambda: all(state(world, name) == ("Awake", "Direct") for name in MODELS), within=60)
    assert all(world.says("ScalingActive", "False", "GatewayUnavailable", name) for name in MODELS)
    await world.advance(10)
    writes = Counter((call.verb, call.kind) for call in world.changes(since))
    print(writes)
    settled = len(world.cluster.calls)
    await world.advance(60)
    assert len(world.cluster.calls) == settled


def _names_gateways(world: World, name: str) -> bool:
    return world.object(ENDPOINT_SLICE, names.gateway_slice_name(name, "IPv4")) is not None
