"""What share of the requests a candidate gets through the gateway, of how many: counted, not estimated.

`SERINUS_FULL=1` sends 100,000 at each weight; `-s` shows what came where.
"""

import asyncio
import os
from collections import Counter

import aiohttp
import pytest
from aiohttp import web
from dev.gateway import fake_api
from dev.gateway.fake_api import SLICES
from tests.component.gateway.harness import Gateway

from serinus_operator.decide.statistics import deviations, share

pytestmark = pytest.mark.asyncio(loop_scope="module")

REQUESTS = 100_000 if os.environ.get("SERINUS_FULL") else 1_000
SURE_PERCENT = 99.99
AT_ONCE = 8
HEADER = {"x-canary": "1"}


async def marks(request: web.Request) -> web.StreamResponse:
    """How the gateway marked the request."""
    return web.Response(text=request.headers["x-serinus-via"])


async def ask(
    gateway: Gateway, port: int, count: int, headers: dict[str, str] | None = None
) -> Counter[tuple[str, str]]:
    """So many requests on a few kept connections: the revision that answered, and the mark."""
    seen: Counter[tuple[str, str]] = Counter()
    left = iter(range(count))

    async def one_connection(session: aiohttp.ClientSession) -> None:
        for _ in left:
            async with session.get(f"http://{gateway.address}:{port}/", headers=headers) as answer:
                assert answer.status == 200
                seen[answer.headers["x-serinus-revision"], await answer.text()] += 1

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(one_connection(session) for _ in range(AT_ONCE)))
    return seen


@pytest.mark.parametrize("weight", [1, 10, 33])
async def test_candidate_gets_its_share_and_the_matched(gateway: Gateway, weight: int) -> None:
    match = {"rollout": {"match": {"headers": [{"name": "X-Canary", "value": "1"}]}}}
    rollout = {"phase": "Stepping", "requestedWeight": weight}
    scaling = {"engine": "Builtin", "state": "Awake"}
    status = {"scaling": scaling, "candidateRevision": "iris-2", "rollout": rollout}
    port = await gateway.model("iris", status=status, replicas=1, **match)
    for number in (1, 2):
        small = await gateway.small_pod(marks, keeps=False)
        await gateway.show(f"p{number}", small.address, of="iris", revision=f"iris-{number}", ready=True)
    await gateway.api.put(SLICES, fake_api.slice_of("iris", gateway.address))
    await gateway.applied("iris", guarded=False)
    seen = await ask(gateway, port, REQUESTS, {"x-serinus-via": "match"})
    print(f"{weight} %: {dict(seen)}")
    assert set(seen) <= {("iris-1", "split"), ("iris-2", "split")}, "a client's own mark counts for nothing"
    found = share(seen["iris-2", "split"], REQUESTS, deviations(SURE_PERCENT))
    assert found.low <= weight / 100 <= found.high
    assert await ask(gateway, port, 50, HEADER) == {("iris-2", "match"): 50}
    (model,) = (await gateway.report()).models
    assert [(one.name, one.weight) for one in model.revisions] == [("iris-1", 100 - weight), ("iris-2", weight)]
    assert sum(one.forwarded for one in model.revisions) == REQUESTS + 50 == model.arrivals
    assert model.in_flight == 0
