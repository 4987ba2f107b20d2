"""Requests for a model that sleeps: held, woken for, released; bounded, and given up with a reason. Envoy is real."""

import asyncio
import time
from pathlib import Path

import pytest
from dev.gateway.fake_api import PODS
from tests.component.gateway.harness import Gateway, echo, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_first_request_wakes_the_model_and_is_answered_by_its_pod(gateway: Gateway) -> None:
    port = await gateway.model("iris", scaling={"activation": {"initialReplicas": 3}})
    small = await gateway.small_pod(echo)
    asking = asyncio.create_task(gateway.read(port, "/v2/x?a=1", method="POST", data=b"hello"))
    await until(lambda: gateway.api.scaled)
    assert gateway.api.scaled == [("ml", "iris-1", 3)]
    await gateway.show("a", small.address, of="iris")
    status, headers, body = await asking
    assert (status, body) == (200, b"hello")
    assert headers["x-serinus-revision"] == "iris-1"
    assert 0 < int(headers["x-serinus-cold-start"]) < 30_000
    (seen,) = small.seen
    assert (seen.raw_path, seen.headers["x-serinus-via"]) == ("/v2/x?a=1", "split")
    assert gateway.api.scaled == [("ml", "iris-1", 3)], "one wake for all"


async def test_held_to_answered_takes_little_more_than_the_pod(gateway: Gateway) -> None:
    port = await gateway.model("iris")
    small = await gateway.small_pod(echo)
    small.ready = False
    await gateway.show("a", small.address, of="iris")
    asking = asyncio.create_task(gateway.read(port))
    await gateway.until_held("iris", 1)
    small.ready, began = True, time.perf_counter()
    assert (await asking)[0] == 200
    assert time.perf_counter() - began < 1.0


async def test_beyond_the_bound_is_refused_at_once_and_a_leaver_frees_its_place(gateway: Gateway) -> None:
    port = await gateway.model("bound", scaling={"activation": {"maxPendingRequests": 2}})
    waiting = [asyncio.create_task(gateway.read(port)) for _ in range(2)]
    await gateway.until_held("bound", 2)
    began = time.perf_counter()
    status, headers, body = await gateway.read(port)
    assert time.perf_counter() - began < 1
    assert (status, headers["Retry-After"], headers["Content-Type"]) == (503, "1", "application/json")
    assert b'"reason": "TooManyPending"' in body
    waiting[0].cancel()
    await gateway.until_held("bound", 1)
    third = asyncio.create_task(gateway.read(port))
    await gateway.until_held("bound", 2)
    small = await gateway.small_pod(echo)
    await gateway.show("a", small.address, of="bound")
    assert [status for status, _, _ in await asyncio.gather(waiting[1], third)] == [200, 200]
    text = await gateway.metrics()
    for outcome, count in (("rejected", 1), ("left", 1), ("released", 2)):
        labels = f'model="bound",namespace="ml",outcome="{outcome}",revision="bound-1"'
        assert f"serinus_gateway_checks_total{{{labels}}} {count}.0" in text
    assert 'serinus_gateway_cold_start_seconds_count{phase="load"}' in text


async def test_crowd_is_served_from_both_ends(gateway: Gateway) -> None:
    """The newest, whose client is sure to be there, and the oldest, that none waits in vain."""
    port = await gateway.model(
        "crowd", runtime={"maxConcurrency": 1}, scaling={"activation": {"maxPendingRequests": 4}}
    )
    waiting = []
    for number in range(4):
        waiting.append(asyncio.create_task(gateway.read(port, f"/{number}")))
        await gateway.until_held("crowd", number + 1)
    assert (await gateway.read(port))[0] == 503
    small = await gateway.small_pod(echo, concurrency=1)
    await gateway.show("a", small.address, of="crowd")
    assert [status for status, _, _ in await asyncio.gather(*waiting)] == [200] * 4
    assert [request.path for request in small.seen] == ["/3", "/0", "/2", "/1"]


async def test_all_models_together_have_a_bound_too(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, SERINUS_MAX_PENDING="3")
    try:
        await gateway.start()
        ports = [await gateway.model(name) for name in ("a", "b")]
        waiting = [asyncio.create_task(gateway.read(port)) for port in (*ports, ports[0])]
        await gateway.until_held("a", 2)
        await gateway.until_held("b", 1)
        status, _, body = await gateway.read(ports[1])
        assert (status, b"wait in this gateway" in body) == (503, True)
        for task in waiting:
            task.cancel()
    finally:
        await gateway.stop()


async def test_size_that_somebody_else_set_is_left_alone(gateway: Gateway) -> None:
    port = await gateway.model("iris", replicas=5)
    asking = asyncio.create_task(gateway.read(port))
    await gateway.until_held("iris", 1)
    small = await gateway.small_pod(echo)
    await gateway.show("a", small.address, of="iris")
    assert (await asking)[0] == 200
    assert gateway.api.scaled == []


async def test_pods_of_others_are_never_a_destination(gateway: Gateway) -> None:
    port = await gateway.model("iris", scaling={"activation": {"deadlineSeconds": 2}})
    foreign = await gateway.small_pod(echo)
    await gateway.show("a", foreign.address, of="iris", namespace="other")
    await gateway.show("b", foreign.address, of="other")
    await gateway.show("c", foreign.address, of="iris", revision="iris-2")
    stranger = gateway.api.get(PODS, "ml", "c")
    labels = {**stranger["metadata"]["labels"], "serinus.dev/role": "preflight", "serinus.dev/revision": "iris-1"}
    await gateway.api.put(PODS, {**stranger, "metadata": {**stranger["metadata"], "name": "d", "labels": labels}})
    named = {"x-serinus-destination": f"{foreign.address}:8080", "X_Serinus_Destination": f"{foreign.address}:8080"}
    status, _, _ = await gateway.read(port, headers=named)
    assert status == 503
    assert foreign.seen == []


async def test_requests_held_for_a_revision_that_is_replaced_go_to_its_successor(gateway: Gateway) -> None:
    """Such as one that never loads, until its user brings another. The old one is not woken any more."""
    port = await gateway.model("iris")
    asking = [asyncio.create_task(gateway.read(port)) for _ in range(3)]
    await gateway.until_held("iris", 3)
    await until(lambda: gateway.api.scaled == [("ml", "iris-1", 1)])
    gateway.api.set_replicas("ml", "iris-2", 1)
    small = await gateway.small_pod(echo)
    await gateway.show("b", small.address, of="iris", revision="iris-2", ready=True)
    gateway.api.set_replicas("ml", "iris-1", 0)
    await gateway.say("iris", stableRevision="iris-2")
    answers = await asyncio.gather(*asking)
    assert [(status, headers["x-serinus-revision"]) for status, headers, _ in answers] == [(200, "iris-2")] * 3
    assert gateway.api.scaled == [("ml", "iris-1", 1)]
    assert await gateway.held("iris") == 0
