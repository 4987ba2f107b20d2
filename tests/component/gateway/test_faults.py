"""What becomes of requests while parts of the gateway die, start and stop, and while a model changes its state."""

import asyncio
import signal
import time
from collections import Counter

import aiohttp
import pytest
from aiohttp import web
from dev.gateway import fake_api
from dev.gateway.fake_api import PODS, SLICES
from tests.component.gateway.harness import Gateway, echo, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

AWAKE = {"scaling": {"engine": "Builtin", "state": "Awake"}}


async def keep_asking(
    gateway: Gateway, port: int, over: asyncio.Event, seen: Counter[int] | None = None
) -> Counter[int]:
    """Ask again and again; how often each status came, counted in `seen` as they come. 0: no answer."""
    seen = Counter() if seen is None else seen
    while not over.is_set():
        try:
            seen[(await gateway.read(port))[0]] += 1
        except OSError:
            seen[0] += 1
        await asyncio.sleep(0.005)
    return seen


async def test_warm_traffic_does_not_notice_that_the_agent_dies(own: Gateway) -> None:
    port = await own.model("iris", status=AWAKE, replicas=1)
    small = await own.small_pod(echo)
    await own.show("a", small.address, of="iris", ready=True)
    await own.applied("iris", guarded=False)
    over = asyncio.Event()
    before: Counter[int] = Counter()
    asking = asyncio.create_task(keep_asking(own, port, over, before))
    own.kill_agent()
    enough = before[200] + 100
    await until(lambda: before[200] >= enough, "a hundred answers without an agent")
    own.envoy.kill()
    own.envoy.wait()
    over.set()
    await asking
    assert before.keys() <= {0, 200}
    assert before[0] <= 3, "only what was under way when Envoy died"
    own.envoy = own.run("envoy")
    for _ in range(600):
        try:
            assert (await own.read(port))[0] == 200
            break
        except OSError:
            await asyncio.sleep(0.05)
    else:
        raise AssertionError(f"Envoy did not start with the files that the agent left: {own.logs()}")
    over.clear()
    asking = asyncio.create_task(keep_asking(own, port, over))
    own.restart_agent()
    await own.until_ready()
    await own.applied("iris", guarded=False)
    over.set()
    assert (await asking).keys() == {200}


async def test_held_requests_outlive_the_agent(own: Gateway) -> None:
    port = await own.model("iris")
    asking = [asyncio.create_task(own.read(port, method="POST", data=bytes([n]) * 1000)) for n in range(10)]
    await own.until_held("iris", 10)
    own.kill_agent()
    own.restart_agent()
    await own.until_ready()
    await own.until_held("iris", 10)
    small = await own.small_pod(echo)
    await own.show("a", small.address, of="iris")
    answers = await asyncio.gather(*asking)
    assert [(status, body) for status, _, body in answers] == [(200, bytes([n]) * 1000) for n in range(10)]


async def test_dead_agent_is_a_503_at_the_deadline(own: Gateway) -> None:
    port = await own.model("iris", scaling={"activation": {"deadlineSeconds": 1}})
    own.kill_agent()
    began = time.monotonic()
    status, headers, body = await own.read(port)
    assert time.monotonic() - began < 10
    assert (status, headers["Retry-After"], headers["Content-Type"]) == (503, "1", "application/json")
    assert body.startswith(b'{"error":"gateway: ')


async def test_falling_asleep_and_waking_lose_nothing(gateway: Gateway) -> None:
    port = await gateway.model("iris", status=AWAKE, replicas=1)
    small = await gateway.small_pod(echo)
    await gateway.show("a", small.address, of="iris", ready=True)
    await gateway.applied("iris", guarded=False)
    over = asyncio.Event()
    asking = [asyncio.create_task(keep_asking(gateway, port, over)) for _ in range(4)]
    for number in range(5):
        await gateway.api.put(SLICES, fake_api.slice_of("iris", gateway.address))
        await gateway.applied("iris", guarded=True)
        await gateway.say("iris", scaling={"engine": "Builtin", "state": "Asleep"})
        await gateway.api.remove(PODS, "ml", f"{'ab'[number % 2]}")
        await gateway.show("ab"[(number + 1) % 2], small.address, of="iris")
        await gateway.show("ab"[(number + 1) % 2], small.address, of="iris", ready=True)
        await gateway.say("iris", **AWAKE)
        await gateway.api.remove(SLICES, "ml", "iris-gateway")
        await gateway.applied("iris", guarded=False)
    over.set()
    seen = sum(await asyncio.gather(*asking), Counter())
    assert seen.keys() == {200}, seen
    assert seen[200] > 50


async def test_match_of_a_candidate_without_pods_wakes_it_alone(gateway: Gateway) -> None:
    rollout = {"rollout": {"match": {"headers": [{"name": "x-canary", "value": "1"}]}}}
    status = {**AWAKE, "candidateRevision": "iris-2", "rollout": {"phase": "Held", "requestedWeight": 0}}
    port = await gateway.model("iris", status=status, replicas=1, **rollout)
    gateway.api.set_replicas("ml", "iris-2", 0)
    stable, candidate = [await gateway.small_pod(echo) for _ in range(2)]
    await gateway.show("a", stable.address, of="iris", ready=True)
    asking = asyncio.create_task(gateway.read(port, headers={"x-canary": "1"}))
    await until(lambda: gateway.api.scaled == [("ml", "iris-2", 1)])
    assert (await gateway.read(port))[1]["x-serinus-revision"] == "iris-1"
    await gateway.show("b", candidate.address, of="iris", revision="iris-2")
    assert (await asking)[1]["x-serinus-revision"] == "iris-2"


async def test_pod_that_is_gone_is_passed_over(gateway: Gateway) -> None:
    port = await gateway.model("iris", status=AWAKE, replicas=1)
    live, dead = await gateway.small_pod(echo), await gateway.small_pod(echo)
    for name, small in (("a", live), ("b", dead)):
        await gateway.show(name, small.address, of="iris", ready=True)
    await gateway.applied("iris", guarded=False)
    await dead.stop()
    answers = [await gateway.read(port, method="POST", data=b"x") for _ in range(20)]
    assert {(status, body) for status, _, body in answers} == {(200, b"x")}


async def test_full_pod_is_passed_over(gateway: Gateway) -> None:
    port = await gateway.model("iris", status=AWAKE, replicas=1)

    async def full(_: web.Request) -> web.StreamResponse:
        return web.Response(status=429)

    pods = [await gateway.small_pod(echo), await gateway.small_pod(full)]
    for number, small in enumerate(pods):
        await gateway.show(f"p{number}", small.address, of="iris", ready=True)
    await gateway.applied("iris", guarded=False)
    answers = [await gateway.read(port, method="POST", data=b"x") for _ in range(20)]
    assert {(status, body) for status, _, body in answers} == {(200, b"x")}


async def test_told_to_stop_it_serves_until_no_slice_names_it(own: Gateway) -> None:
    port = await own.model("iris")
    await own.api.put(SLICES, fake_api.slice_of("iris", own.address, "127.9.9.9"))
    asking = asyncio.create_task(own.read(port))
    await own.until_held("iris", 1)
    own.agent.send_signal(signal.SIGTERM)
    hook = own.run("wait")
    for _ in range(200):
        if await own.ready() == 503:
            break
        await asyncio.sleep(0.05)
    assert (await own.report()).draining
    await asyncio.sleep(0.5)
    assert (own.agent.poll(), hook.poll()) == (None, None)
    await own.api.put(SLICES, fake_api.slice_of("iris", "127.9.9.9"))
    small = await own.small_pod(echo)
    await own.show("a", small.address, of="iris")
    assert (await asking)[0] == 200
    assert await asyncio.to_thread(own.agent.wait, 20) == 0
    assert await asyncio.to_thread(hook.wait, 20) == 0


async def test_told_to_stop_it_ends_each_connection_with_its_next_answer(own: Gateway) -> None:
    """Clients that keep theirs would be on it when Envoy goes. An agent that comes back takes that back."""
    port = await own.model("iris", status=AWAKE, replicas=1)
    small = await own.small_pod(echo)
    await own.show("a", small.address, of="iris", ready=True)
    await own.applied("iris", guarded=False)
    await own.api.put(SLICES, fake_api.slice_of("iris", own.address))

    async def until_connections(word: str | None) -> None:
        async with aiohttp.ClientSession() as keeping:
            for _ in range(1000):
                async with keeping.get(f"http://{own.address}:{port}/") as answer:
                    assert answer.status == 200
                    if answer.headers.get("Connection") == word:
                        return
        raise AssertionError(f"never Connection: {word}; {own.logs()}")

    await until_connections(None)
    own.agent.send_signal(signal.SIGTERM)
    await until_connections("close")
    await own.api.put(SLICES, fake_api.slice_of("iris", "127.9.9.9"))
    assert await asyncio.to_thread(own.agent.wait, 20) == 0
    own.restart_agent()
    await own.until_ready()
    await until_connections(None)


async def test_connection_ends_between_requests_after_its_time(tmp_path_factory: pytest.TempPathFactory) -> None:
    gateway = Gateway(tmp_path_factory.mktemp("short"), SERINUS_CONNECTION_SECONDS="1")
    try:
        await gateway.start()
        port = await gateway.model("iris")
        reader, writer = await asyncio.open_connection(gateway.address, port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await gateway.until_held("iris", 1)
        await asyncio.sleep(1.5)
        small = await gateway.small_pod(echo)
        await gateway.show("a", small.address, of="iris")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), "being held is no reason to be cut"
        for _ in range(2):
            if b"connection: close" not in head.lower():
                writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in head.lower()
        writer.close()
    finally:
        await gateway.stop()
