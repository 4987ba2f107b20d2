"""Rows of the failure table on what dies: a gateway of two, the agent while it writes, a pod under a request. See
`rows.py`. What would be done by kubelet, operator and kube-proxy is done here, in that order.
"""

import asyncio
import json
import random
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from dev.gateway import fake_api
from dev.gateway.fake_api import MODELS, PODS, SLICES
from tests.component.gateway.harness import Gateway, echo, until
from tests.component.gateway.rows import AWAKE, FULL, Stream, note, seeded

from serinus_operator.local.addresses import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOTAL = 30_000
"""Requests in full: none lost of so many is at most 0.01 % with 95 % confidence."""


class Pair:
    """Two gateways in front of one model with two pods that have places for all."""

    def __init__(self, first: Gateway, second: Gateway, chance: random.Random) -> None:
        self.all = first, second
        self.led: list[Gateway] = []
        """Those that clients are led to."""
        self._chance = chance

    @property
    def first(self) -> Gateway:
        return self.all[0]

    def choose(self) -> Gateway:
        return self._chance.choice(self.led)

    async def lead(self, *gateways: Gateway) -> None:
        """What the operator writes, and kube-proxy follows."""
        await self.first.api.put(SLICES, fake_api.slice_of("pair", *(one.address for one in gateways)))
        self.led = list(gateways)

    async def model(self) -> int:
        """Guarded, as on its way to sleep or back."""
        port = await self.first.model("pair", replicas=2, runtime={"maxConcurrency": 64})
        for number in range(2):
            small = await self.first.small_pod(echo, concurrency=64)
            await self.first.show(f"p{number}", small.address, of="pair", ready=True)
        for one in self.all:
            await one.applied("pair", port=port)
        await self.lead(*self.all)
        return port


@pytest_asyncio.fixture(loop_scope="module")
async def pair(own: Gateway, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    other = Gateway(tmp_path_factory.mktemp("other"), beside=own)
    try:
        await other.start()
        yield Pair(own, other, seeded("one_of_two"))
    finally:
        await other.stop()


async def test_one_of_two_gateways_that_is_told_to_stop_loses_nothing(pair: Pair) -> None:
    port = await pair.model()
    leaving, staying = pair.all
    async with Stream(pair.choose, port, rate=100, keep=True) as stream:
        await stream.until_sent(100)
        leaving.agent.send_signal(signal.SIGTERM)
        hook = leaving.run("wait")
        await until_unready(leaving)
        await stream.until_sent(50)
        await pair.lead(staying)
        assert await asyncio.to_thread(hook.wait, 60) == 0
        assert await asyncio.to_thread(leaving.agent.wait, 60) == 0
        leaving.envoy.terminate()
        await asyncio.to_thread(leaving.envoy.wait, 60)
        await stream.until_sent(TOTAL - len(stream.asked) if FULL else 100)
    assert stream.lost == []
    note("SIGTERM to one of two gateways", **stream.figures())


async def until_unready(gateway: Gateway) -> None:
    for _ in range(1000):
        if await gateway.ready() != 200:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"still ready: {gateway.logs()}")


async def test_one_of_two_gateways_that_is_killed_loses_what_was_in_it(pair: Pair) -> None:
    port, chance = await pair.model(), seeded("one_of_two")
    rounds = 20 if FULL else 2
    doomed: set[int] = set()
    async with Stream(pair.choose, port, rate=100) as stream:
        for number in range(rounds):
            dying, staying = pair.all if number % 2 else pair.all[::-1]
            await stream.until_sent(chance.randint(50, 100))
            answered = {one.number for one in stream.asked if one.ended}
            for process in (dying.envoy, dying.agent):
                process.kill()
                await asyncio.to_thread(process.wait)
            doomed |= {one.number for one in stream.asked if one.gateway is dying} - answered
            await pair.lead(staying)
            dying.envoy, dying.agent = dying.run("envoy"), dying.run("agent")
            await dying.until_ready()
            await dying.applied("pair", port=port)
            await pair.lead(*pair.all)
        await stream.until_sent(max(50, TOTAL - len(stream.asked)) if FULL else 50)
    assert {one.number for one in stream.lost} <= doomed, [one for one in stream.lost if one.number not in doomed]
    if FULL:
        assert len(stream.lost) <= len(stream.asked) / 1000
    note("SIGKILL of one of two gateways", kills=rounds, in_it=len(doomed), **stream.figures())


async def test_agent_killed_while_it_writes_never_leaves_envoy_without_a_configuration(own: Gateway) -> None:
    """It is started again and again; models come and go all the while, and a warm one is asked."""
    chance, rounds, repairs = seeded("without_a_configuration"), 40 if FULL else 3, []
    port = await own.model("warm", status=AWAKE, replicas=1)
    small = await own.small_pod(echo)
    await own.show("w", small.address, of="warm", ready=True)
    await own.applied("warm", guarded=False)
    over = asyncio.Event()
    changing = asyncio.create_task(keep_changing(own, chance, over))
    async with Stream(lambda: own, port, rate=50) as stream:
        for _ in range(rounds):
            await stream.until_sent(chance.randint(1, 40))
            began = time.monotonic()
            own.kill_agent()
            for file in sorted((own.folder / "envoy").glob("*ds/*")):
                assert file.suffix == ".json", "nothing unfinished where Envoy looks"
                assert json.loads(file.read_text())["resources"] is not None
            own.restart_agent()
            await own.until_ready()
            repairs.append(round(time.monotonic() - began, 2))
        over.set()
        await changing
    assert stream.lost == []
    await own.applied("warm", guarded=False)
    note("agent killed while it writes", kills=rounds, slowest_repair_seconds=max(repairs), **stream.figures())


async def keep_changing(gateway: Gateway, chance: random.Random, over: asyncio.Event) -> None:
    """Put and take models, so that there is always something to write."""
    ports = [free_port() for _ in range(20)]
    there: set[int] = set()
    while not over.is_set():
        number = chance.randrange(len(ports))
        if number in there:
            await gateway.api.remove(MODELS, "ml", f"m{number}")
        else:
            await gateway.api.put(MODELS, fake_api.model(f"m{number}", ports[number]))
        there ^= {number}
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("guarded", [True, False], ids=["on the way to sleep", "warm"])
async def test_long_request_ends_though_its_pod_was_scaled_away(tmp_path: Path, guarded: bool) -> None:
    """35 s in full, 3 s else, and beyond the life of a connection; the model falls asleep behind it."""
    gateway, end = Gateway(tmp_path, SERINUS_CONNECTION_SECONDS="1"), asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        await end.wait()
        return await echo(request)

    try:
        await gateway.start()
        port = await gateway.model("long", status=AWAKE, replicas=1, runtime={"requestTimeoutSeconds": 120})
        small = await gateway.small_pod(answer)
        await gateway.show("a", small.address, of="long", ready=True)
        if guarded:
            await gateway.api.put(SLICES, fake_api.slice_of("long", gateway.address))
        await gateway.applied("long", guarded=guarded)
        asking = asyncio.create_task(gateway.read(port, method="POST", data=b"long", timeout=None))
        await until(lambda: small.seen)
        going = gateway.api.get(PODS, "ml", "a")
        gone = {**going["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
        await gateway.api.put(PODS, {**going, "metadata": gone})
        await gateway.say("long", scaling={"engine": "Builtin", "state": "Asleep"})
        await gateway.applied("long", guarded=True)
        later: Any = asyncio.create_task(gateway.read(port, timeout=None))
        await gateway.until_held("long", 1)
        done, _ = await asyncio.wait([asking], timeout=35 if FULL else 3)
        assert not done, "neither cut nor refused"
        end.set()
        status, _, body = await asking
        assert (status, body) == (200, b"long")
        await gateway.api.remove(PODS, "ml", "a")
        fresh = await gateway.small_pod(echo)
        await gateway.show("b", fresh.address, of="long")
        assert (await later)[0] == 200
        assert len(small.seen) == 1, "what came later did not go to a pod that ends"
    finally:
        await gateway.stop()
