"""Falling asleep and waking on a cluster in memory: no request is lost, and nothing is written that nobody needs."""

import asyncio

from tests.component.reconcile.zero import (
    FIRST,
    SECOND,
    WITH_GATEWAYS,
    asleep,
    awake,
    replicas,
    sleepy,
    stage,
    state,
)
from tests.fakes.world import NAMESPACE, SETTINGS, World

from serinus_api import names
from serinus_operator.cluster.port import ENDPOINT_SLICE, EVENT, SERVICE, Manifest


def warnings(world: World) -> list[str]:
    """What Events warned of."""
    return [event["message"] for event in world.cluster.of(EVENT) if event["type"] == "Warning"]


async def test_model_sleeps_when_nobody_asks_and_the_next_request_wakes_it() -> None:
    async with stage() as (world, plane):
        world.apply(sleepy())
        await world.ready()
        assert replicas(world) == 1
        await asleep(world)
        assert state(world) == ("Asleep", "Proxied")
        assert world.says("Ready", "True", "Asleep")
        assert world.says("Available", "True", "Asleep")
        before = warnings(world)
        assert await plane.request()
        await awake(world)
        assert warnings(world) == before, "a wake that is in order is no reason to warn"
        assert replicas(world) == 1
        assert world.says("Ready", "True", "Ready")
        assert not plane.lost


async def test_service_leads_to_the_gateways_of_the_models_own_port_while_it_sleeps() -> None:
    async with stage() as (world, _):
        world.apply(sleepy())
        await world.ready()
        await asleep(world)
        found = world.object(ENDPOINT_SLICE, names.gateway_slice_name("iris", "IPv4"))
        assert found
        assert [endpoint["addresses"] for endpoint in found["endpoints"]] == [[FIRST], [SECOND]]
        assert found["ports"] == [
            {"name": "http", "port": world.status()["gatewayPort"], "protocol": "TCP", "appProtocol": "http"}
        ]
        service = world.object(SERVICE, "iris")
        assert service
        assert service["spec"]["selector"][names.LABEL_PROXIED] == "true"
        assert service["spec"]["selector"][names.LABEL_REVISION] == world.status()["stableRevision"]


async def test_model_that_is_awake_again_leaves_no_trace_of_the_gateways() -> None:
    async with stage() as (world, plane):
        world.apply(sleepy())
        await world.ready()
        port = world.status()["gatewayPort"]
        await asleep(world)
        assert await plane.request()
        await awake(world)
        await world.until(lambda: not world.object(ENDPOINT_SLICE, names.gateway_slice_name("iris", "IPv4")))
        service = world.object(SERVICE, "iris")
        assert service
        assert names.LABEL_PROXIED not in service["spec"]["selector"]
        assert world.status()["gatewayPort"] == port


async def test_each_step_is_in_the_status_before_it_is_taken() -> None:
    async with stage() as (world, _):
        told: list[str] = []

        def look(event: str, manifest: Manifest) -> None:
            acting = world.cluster.acting
            if acting and manifest["kind"] in ("Deployment", "EndpointSlice", "Service"):
                told.append(f"{event} {manifest['kind']} in {'/'.join(state(world))}")

        world.apply(sleepy())
        await world.ready()
        world.cluster.watchers.append(look)
        await asleep(world)
        assert told == [
            "ADDED EndpointSlice in Awake/HandOver",
            "MODIFIED Service in Awake/Proxied",
            "MODIFIED Deployment in Asleep/Proxied",
        ]


async def test_sleeping_models_cost_no_scrape_and_no_write() -> None:
    async with stage() as (world, plane):
        world.apply(sleepy())
        await world.ready()
        await asleep(world)
        await world.advance(5)
        assert world.process
        calls, scraped, asked = len(world.cluster.calls), len(world.process.scraped), plane.asked
        await world.advance(600)
        assert (len(world.cluster.calls), len(world.process.scraped), plane.asked) == (calls, scraped, asked)


async def test_state_its_time_and_the_last_request_are_told() -> None:
    async with stage() as (world, plane):
        world.apply(sleepy())
        await world.ready()
        await world.advance(4)
        assert await plane.request()
        asked = world.now().timestamp()
        await asleep(world)
        told = world.status()["scaling"]
        assert told["lastRequestTime"] <= told["since"]
        assert told["lastRequestTime"] >= asked
        assert told["message"].startswith("Awake → Asleep: ")
        events = {e["reason"]: e["message"] for e in world.cluster.objects.values() if e["kind"] == "Event"}
        assert events["Asleep"].startswith("Asleep, 0 replicas")


async def test_requests_all_the_while_keep_a_model_awake() -> None:
    async with stage() as (world, plane):
        world.apply(sleepy())
        await world.ready()
        await world.advance(1)
        for _ in range(60):
            assert await plane.request()
            assert state(world)[0] == "Awake"
            await world.advance(1)
        assert not plane.lost


async def test_request_during_the_grace_period_keeps_the_pods() -> None:
    async with stage() as (world, plane):
        world.apply(sleepy(scaleToZero={"gracePeriodSeconds": 20}))
        await world.ready()
        await world.until(lambda: state(world) == ("Awake", "Proxied"), within=60)
        await world.advance(2)
        pods = world.kubelet.pods(world.status()["stableRevision"])
        assert await plane.request()
        await awake(world)
        assert world.kubelet.pods(world.status()["stableRevision"]) == pods
        assert not plane.lost


async def test_requests_at_every_moment_around_the_decision_are_answered() -> None:
    for tenths in range(0, 140, 10):
        async with stage() as (world, plane):
            world.apply(sleepy())
            await world.ready()
            await world.until(lambda: state(world) == ("Awake", "HandOver"), within=60)
            await world.advance(tenths / 10)
            answers = await asyncio.gather(*(plane.request() for _ in range(3)))
            assert all(answers), f"{tenths / 10} s after the hand-over began: {plane.lost}"
            await world.advance(3)
            assert await plane.request()
        assert not plane.lost


async def test_flips_under_load_lose_nothing() -> None:
    async with stage() as (world, plane):
        plane.load_seconds = 1.0
        world.apply(sleepy(scaleToZero={"gracePeriodSeconds": 1}))
        await world.ready()
        requests: list[asyncio.Task[bool]] = []
        for _ in range(20):
            await asleep(world)
            for _ in range(40):
                requests.append(asyncio.create_task(plane.request()))
                await world.advance(0.05)
        await asyncio.gather(*requests)
        assert (plane.lost, plane.answered) == ([], 20 * 40)


async def test_scale_up_by_hand_at_the_moment_of_going_to_sleep_is_kept() -> None:
    for milliseconds in range(0, 60, 4):
        async with stage() as (world, plane):
            world.apply(sleepy())
            await world.ready()
            revision = world.status()["stableRevision"]
            await world.until(lambda: state(world) == ("Asleep", "Proxied"), within=60)
            await world.advance(milliseconds / 1000)
            plane.scale(revision, 5)
            await world.advance(0.3)
            assert state(world)[0] == "Waking"
            assert replicas(world) == 5
            await awake(world)


async def test_conflict_on_the_way_to_sleep_cancels_it() -> None:
    async with stage() as (world, plane):
        world.apply(sleepy())
        await world.ready()
        revision = world.status()["stableRevision"]

        def touched(_: str, manifest: Manifest) -> None:
            if manifest["kind"] == names.KIND and state(world)[0] == "Asleep" and replicas(world) == 1:
                plane.scale(revision, 3)  # after the status said Asleep, before the size was written

        world.cluster.watchers.append(touched)
        await world.until(lambda: state(world)[0] == "Waking", within=60)
        world.cluster.watchers.remove(touched)
        sizes = [c.body for c in world.cluster.calls if c.verb == "scale" and c.changed]
        assert sizes == []
        assert replicas(world) == 3


async def test_model_that_loads_slowly_is_not_ended_before_it_is_ready() -> None:
    async with stage() as (world, plane):
        world.apply(sleepy())
        await world.ready()
        await asleep(world)
        plane.load_seconds = 50.0
        answer = asyncio.create_task(plane.request())
        await world.advance(45)
        assert state(world) == ("Waking", "Proxied")
        assert replicas(world) == 1
        assert await answer
        await awake(world)


async def test_model_that_never_loads_sleeps_again_after_its_deadline_and_the_status_says_so() -> None:
    async with stage() as (world, plane):
        world.apply(sleepy())
        await world.ready()
        await asleep(world)
        plane.never = True
        revision = world.status()["stableRevision"]
        plane.scale(revision, 1)
        await world.advance(50)
        assert (state(world)[0], replicas(world)) == ("Waking", 1)
        await world.until(lambda: replicas(world) == 0, within=30)
        assert world.says("Ready", "False", "WakeFailed")
        assert world.status()["scaling"]["state"] == "Asleep"
        plane.never = False
        assert await plane.request()
        await awake(world)
        assert world.is_ready()


async def test_pods_that_do_not_tell_their_load_are_not_put_to_sleep() -> None:
    async with stage() as (world, plane):
        world.apply(sleepy())
        await world.ready()
        plane.doubt = True
        await world.advance(300)
        assert (state(world), replicas(world)) == (("Awake", "Direct"), 1)


async def test_operator_that_comes_back_goes_on_from_what_it_finds() -> None:
    async with stage() as (world, plane):
        world.apply(sleepy())
        await world.ready()
        await asleep(world)
        assert world.process
        await world.process.kill()
        assert await plane.request()  # the gateway wakes it without an operator
        assert (state(world)[0], replicas(world)) == ("Asleep", 1)
        world.start(WITH_GATEWAYS)
        took = await world.until(lambda: state(world)[0] == "Waking", within=20)
        assert took <= 15 + 3  # the Lease of the dead one ends first
        await awake(world)
        assert not plane.lost


async def test_last_gateway_that_is_gone_leads_sleepers_back_to_pods() -> None:
    async with stage() as (world, plane):
        for number in range(8):
            world.apply(sleepy(f"m{number}"))
        for number in range(8):
            await world.ready(f"m{number}")
        for number in range(8):
            await asleep(world, f"m{number}")
        plane.remove_gateway("gateway-0")
        await world.until(lambda: _addresses(world, "m7") == [[SECOND]], within=5)
        plane.remove_gateway("gateway-1")
        took = await world.until(lambda: all(replicas(world, f"m{n}") == 1 for n in range(8)), within=10)
        assert took <= 7
        assert world.says("ScalingActive", "False", "GatewayUnavailable", "m7")
        for number in range(8):
            await awake(world, f"m{number}")
            await world.advance(1)
            assert await plane.request(f"m{number}")


def _addresses(world: object, name: str) -> list[list[str]]:
    found = world.object(ENDPOINT_SLICE, names.gateway_slice_name(name, "IPv4"))  # type: ignore[attr-defined]
    return [endpoint["addresses"] for endpoint in found["endpoints"]] if found else []


async def test_gateway_that_takes_no_requests_is_found_out_before_it_matters() -> None:
    async with stage() as (world, plane):
        for gateway in plane.gateways.values():
            gateway.answers = False
        world.apply(sleepy())
        await world.ready()
        await world.until(lambda: world.says("ScalingActive", "False", "GatewayUnavailable"), within=60)
        assert "NetworkPolicy" in world.condition("ScalingActive")["message"]
        assert state(world) == ("Awake", "Direct")
        assert replicas(world) == 1


async def test_candidate_of_a_sleeping_model_is_tried_and_takes_over_awake() -> None:
    async with stage() as (world, plane):
        world.apply(sleepy())
        before = await world.ready()
        await asleep(world)
        world.apply(sleepy() | {"spec": {**sleepy()["spec"], "runtime": {"maxConcurrency": 3}}})
        await world.until(lambda: world.status()["stableRevision"] != before, within=60)
        assert await plane.request()
        await awake(world)
        assert replicas(world) == 1
        await asleep(world)
        assert not plane.lost


async def test_spec_that_forbids_sleep_wakes_the_model() -> None:
    async with stage() as (world, plane):
        world.apply(sleepy())
        await world.ready()
        await asleep(world)
        world.apply(sleepy(minReplicas=2, scaleToZero=None))
        await awake(world)
        assert replicas(world) == 2
        assert await plane.request()


async def test_operator_without_gateways_leads_back_what_another_has_put_to_sleep() -> None:
    async with stage() as (world, plane):
        world.apply(sleepy())
        await world.ready()
        await asleep(world)
        await world.restart(SETTINGS)
        await awake(world)
        assert await plane.request()


async def test_hand_that_takes_the_last_pod_of_a_model_that_is_awake_gets_it_back() -> None:
    async with stage() as (world, plane):
        world.apply(sleepy())
        await world.ready()
        plane.scale(world.status()["stableRevision"], 0)
        await world.until(lambda: replicas(world) == 1)


async def test_slice_that_somebody_deleted_is_made_again() -> None:
    async with stage() as (world, plane):
        world.apply(sleepy())
        await world.ready()
        await asleep(world)
        name = names.gateway_slice_name("iris", "IPv4")
        world.cluster.remove(ENDPOINT_SLICE, NAMESPACE, name)
        await world.until(lambda: world.object(ENDPOINT_SLICE, name) is not None, within=5)
        await world.advance(2)
        assert await plane.request()


async def test_ports_are_not_shared() -> None:
    async with stage() as (world, _):
        for number in range(8):
            world.apply(sleepy(f"m{number}"))
        for number in range(8):
            await world.ready(f"m{number}")
        ports = [world.status(f"m{number}")["gatewayPort"] for number in range(8)]
        assert len(set(ports)) == 8
        await world.restart(WITH_GATEWAYS)
        await world.advance(30)
        assert [world.status(f"m{number}")["gatewayPort"] for number in range(8)] == ports
