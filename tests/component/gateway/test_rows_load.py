"""Rows of the failure table on load: from zero to many pods, and more than the pods can bear. See `rows.py`."""

import asyncio
import functools
import itertools
from collections import Counter
from typing import Any

import pytest
from aiohttp import web
from bench.procfs import memory_mib
from tests.component.gateway.harness import Gateway, SmallPod, echo, until
from tests.component.gateway.rows import FULL, Stream, note
from tests.unit.decide.sizing import looked, pods, scaled, seen, sized

from serinus_api.runtime import LoadReport

pytestmark = pytest.mark.asyncio(loop_scope="module")

LEAK_MIB = 40.0
"""What a process may have more after the overload than during it: none of it is kept per request."""


def working(seconds: float) -> Any:
    """A pod's answer that takes a while."""

    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await echo(request)

    return answer


async def test_hundred_clients_from_zero_to_ten_pods_that_do_one_at_a_time(gateway: Gateway) -> None:
    """200 requests in all; the pods come one after another, as many as the model may have."""
    port = await gateway.model("many", runtime={"maxConcurrency": 1})
    small = [await gateway.small_pod(working(0.05), concurrency=1) for _ in range(10)]

    async def client() -> list[int]:
        return [(await gateway.read(port, method="POST", data=b"x"))[0] for _ in range(2)]

    asking = [asyncio.create_task(client()) for _ in range(100)]
    await gateway.until_held("many", 100)
    await until(lambda: gateway.api.scaled == [("ml", "many-1", 1)], "one wake for all")
    for number, one in enumerate(small):
        await gateway.show(f"p{number}", one.address, of="many")
        await until(functools.partial(len, one.seen), f"pod {number} is used")
    statuses = itertools.chain.from_iterable(await asyncio.gather(*asking))
    assert list(statuses) == [200] * 200
    assert [one.most for one in small] == [1] * 10, "no pod above its limit"
    assert sum(one.refused for one in small) == 0
    note("100 clients from zero, 10 pods of 1", sent=200, lost=0, by_pod=[len(one.seen) for one in small])


async def test_what_is_held_behind_one_pod_is_told_and_asks_for_pods(gateway: Gateway) -> None:
    """100 held, none of them in the pod: the report says so, and the operator's decision grows by it."""
    port = await gateway.model("queue", runtime={"maxConcurrency": 1}, replicas=1)
    stuck = asyncio.Event()

    async def wait(request: web.Request) -> web.StreamResponse:
        await stuck.wait()
        return await echo(request)

    one = await gateway.small_pod(wait, concurrency=1)
    await gateway.show("p0", one.address, of="queue", ready=True)
    asking = [asyncio.create_task(gateway.read(port)) for _ in range(101)]
    await gateway.until_held("queue", 100)
    (model,) = [told for told in (await gateway.report()).models if told.name == "queue"]
    assert (model.held, model.in_flight, len(one.seen)) == (100, 101, 1)
    assert [revision.held for revision in model.revisions] == [100]

    idle = LoadReport(revision="queue-1", in_flight=0, queued=0, arrivals={"direct": 0}, busy_seconds=0.0)
    wide = scaled(maxReplicas=50)
    assert sized(seen(looked(idle), pods(1)), given=wide).size == 1
    assert sized(seen(looked(idle, held=model.held), pods(1)), given=wide).size == 25, "100 at 4 a pod"

    stuck.set()
    assert {status for status, _, _ in await asyncio.gather(*asking)} == {200}
    assert one.most == 1


async def test_overload_keeps_memory_flat_and_ends_with_its_cause(own: Gateway) -> None:
    """200 requests/s against two places, clients leave after 1 s; 5 minutes in full, 12 s else."""
    bound, seconds = 50, 300 if FULL else 12
    activation = {"activation": {"maxPendingRequests": bound}}
    port = await own.model("busy", runtime={"maxConcurrency": 2}, replicas=1, scaling=activation)
    one = await own.small_pod(working(0.2), concurrency=2)
    await own.show("p0", one.address, of="busy")
    most = 0
    async with Stream(lambda: own, port, rate=200, patience=1.0) as stream:
        await stream.until_sent(200 * seconds // 4)
        before = memory(own)
        for _ in range(10):
            await stream.until_sent(200 * seconds * 3 // 40)
            most = max(most, await own.held("busy"))
        after = memory(own)
    await own.until_held("busy", 0)
    assert (await own.read(port))[0] == 200, "as soon as it is over, the next one is answered"
    assert one.most <= 2
    assert 0 < most <= bound
    outcomes = Counter(asked.status for asked in stream.asked)
    assert outcomes.keys() <= {200, 503, None}
    assert outcomes[200], "overloaded, but not for nobody"
    assert outcomes[503], outcomes
    refused = [asked.headers for asked in stream.asked if asked.status == 503]
    assert {(told["Retry-After"], told["Content-Type"]) for told in refused} == {("1", "application/json")}
    (model,) = (await own.report()).models
    assert (model.held, model.in_flight) == (0, 0), "every place is free again"
    grown = {name: after[name] - before[name] for name in before}
    assert max(grown.values()) < LEAK_MIB, grown
    note(
        "overload, 200 requests/s on 2 places", seconds=seconds, most_held=most, memory_mib=after, grown_mib=grown,
        sent_to_pod=len(one.seen), answered=outcomes[200], refused=outcomes[503], left=outcomes[None],
    )  # fmt: skip


def memory(gateway: Gateway) -> dict[str, float]:
    """Resident memory of both programs (MiB)."""
    return {"agent": memory_mib(gateway.agent.pid)[0], "envoy": memory_mib(gateway.envoy.pid)[0]}


async def test_one_request_outwaits_a_long_load(gateway: Gateway) -> None:
    """One request and then silence: the pod takes 60 s to load in full, 3 s else."""
    port = await gateway.model("slow")
    small: SmallPod = await gateway.small_pod(echo)
    small.ready = False
    asking = asyncio.create_task(gateway.read(port, timeout=None))
    await gateway.until_held("slow", 1)
    await gateway.show("a", small.address, of="slow")
    done, _ = await asyncio.wait([asking], timeout=60 if FULL else 3)
    assert not done
    assert small.dialled > 1
    small.ready = True
    status, headers, _ = await asking
    assert status == 200
    note("one request, a long load", cold_milliseconds=headers["x-serinus-cold-start"], dialled=small.dialled)
    assert gateway.api.scaled == [("ml", "slow-1", 1)], "one wake, however long it takes"
