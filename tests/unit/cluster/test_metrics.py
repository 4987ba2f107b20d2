"""Asking pods for their load: an answer, or None; never an error, never for long."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from tests.unit.decide.sizing import BEGUN, looked, seen, sized

from serinus_api.conditions import Reason
from serinus_api.runtime import LoadReport, ShadowOrder
from serinus_operator import metrics
from serinus_operator.decide.copies import Loan
from serinus_operator.metrics import PodMetrics
from serinus_operator.state import SourceLook

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
REPORT = LoadReport(revision="iris-1", in_flight=1, queued=0, arrivals={"direct": 7}, busy_seconds=1.5)


class PodServer:
    """The second port of all pods of a test."""

    def __init__(self) -> None:
        self.answer: Answer = self.report
        self.changed: str | None = None
        self.asked = 0
        self.orders: list[ShadowOrder] = []

    async def take(self, request: web.Request) -> web.Response:
        self.orders.append(ShadowOrder.model_validate_json(await request.read()))
        return web.Response(text="{}")

    async def report(self, _: web.Request) -> web.Response:
        told = REPORT.model_copy(update={"source_changed": self.changed})
        return web.Response(text=told.model_dump_json(by_alias=True))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        return await self.answer(request)


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PodServer]:
    found = PodServer()
    app = web.Application()
    app.router.add_get("/load", found.handle)
    app.router.add_put("/shadow", found.take)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setattr(metrics, "METRICS_PORT", runner.addresses[0][1])
    yield found
    await runner.cleanup()


@pytest.fixture
async def pods() -> AsyncIterator[PodMetrics]:
    found = PodMetrics()
    yield found
    await found.close()


def pod(uid: str = "u1", address: str | None = "127.0.0.1") -> dict[str, Any]:
    return {"metadata": {"name": f"pod-{uid}", "uid": uid}, "status": {"podIP": address} if address else {}}


async def test_report_is_read(server: PodServer, pods: PodMetrics) -> None:
    assert await pods.load(pod()) == REPORT


async def test_pod_without_an_address_is_not_asked(server: PodServer, pods: PodMetrics) -> None:
    assert await pods.load(pod(address=None)) is None
    assert server.asked == 0


@pytest.mark.parametrize("text", ["", "<html>", "{}", '{"revision": 3}'])
async def test_answer_of_another_kind_is_unknown(server: PodServer, pods: PodMetrics, text: str) -> None:
    async def odd(_: web.Request) -> web.Response:
        return web.Response(text=text)

    server.answer = odd
    assert await pods.load(pod()) is None


async def test_redirection_is_not_followed(server: PodServer, pods: PodMetrics) -> None:
    """Whoever runs a pod must not choose whom the operator talks to."""

    async def elsewhere(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/load"})

    server.answer = elsewhere
    assert await pods.load(pod()) is None
    assert server.asked == 1


async def test_body_without_an_end_is_not_read_to_the_end(server: PodServer, pods: PodMetrics) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while sent < 64 * 1024 * 1024:
            await response.write(b" " * 65536)
            sent += 65536
        return response

    server.answer = endless
    assert await pods.load(pod()) is None
    assert sent < 16 * 1024 * 1024


async def test_packed_body_is_not_unpacked(server: PodServer, pods: PodMetrics) -> None:
    async def packed(_: web.Request) -> web.Response:
        body = gzip.compress(REPORT.model_dump_json(by_alias=True).encode())
        return web.Response(body=body, headers={"Content-Encoding": "gzip"})

    server.answer = packed
    assert await pods.load(pod()) is None


WORDS = REPORT.model_dump_json(by_alias=True)
NONSENSE = {
    "requests in flight below zero": WORDS.replace('"inFlight":1', '"inFlight":-1'),
    "more of them than a float can hold": WORDS.replace('"inFlight":1', f'"inFlight":{10**400}'),
    "busy time that is no number": WORDS.replace('"busySeconds":1.5', '"busySeconds":NaN'),
    "endless busy time": WORDS.replace('"busySeconds":1.5', '"busySeconds":Infinity'),
    "busy time too large for a float": WORDS.replace('"busySeconds":1.5', '"busySeconds":1e999'),
    "busy time below zero": WORDS.replace('"busySeconds":1.5', '"busySeconds":-0.5'),
    "arrivals below zero": WORDS.replace('"direct":7', '"direct":-7'),
    "a word for a number": WORDS.replace('"inFlight":1', '"inFlight":"many"'),
    "half a report": WORDS[: len(WORDS) // 2],
    "another encoding": "\ufeff" + WORDS,
    "a page": "<html>busy</html>",
    "brackets without end": "[" * 5000,
    "nothing": "",
}


@pytest.mark.parametrize("status", [200, 503])
@pytest.mark.parametrize("text", NONSENSE.values(), ids=NONSENSE.keys())
async def test_nonsense_over_http_holds_the_size_and_is_told(
    server: PodServer, pods: PodMetrics, text: str, status: int
) -> None:
    """From the wire to the decision: for half a minute no answer is of any use, and three pods stay three."""
    assert text != WORDS

    async def odd(_: web.Request) -> web.Response:
        return web.Response(text=text, status=status)

    server.answer = odd
    told = await pods.load(pod())
    memory = BEGUN
    for second in range(0, 30, 2):
        found = sized(seen(looked(told, told, told, second=float(second))), memory=memory, now=float(second))
        memory = found.memory
        assert found.size == 3
    assert found.finding
    assert (found.finding.status, found.finding.verdict.reason) == ("False", Reason.METRICS_UNAVAILABLE)


async def test_good_report_with_a_bad_status_is_unknown(server: PodServer, pods: PodMetrics) -> None:
    async def failing(_: web.Request) -> web.Response:
        return web.Response(text=WORDS, status=500)

    server.answer = failing
    assert await pods.load(pod()) is None


async def test_pod_that_hangs_is_unknown_after_a_second(
    server: PodServer, pods: PodMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert metrics.SCRAPE_SECONDS <= 1.0
    monkeypatch.setattr(metrics, "SCRAPE_SECONDS", 0.05)

    async def hang(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    server.answer = hang
    assert await pods.load(pod()) is None


async def test_pod_that_is_gone_is_unknown(pods: PodMetrics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "METRICS_PORT", 1)
    assert await pods.load(pod()) is None


async def test_any_pod_whose_source_changed_speaks_for_all(server: PodServer, pods: PodMetrics) -> None:
    assert await pods.look([pod("a")]) == SourceLook()
    server.changed = "another ETag"
    assert await pods.look([pod("a"), pod("b", None), pod("c")]) == SourceLook("another ETag")


async def test_pod_that_does_not_answer_leaves_the_source_unknown(server: PodServer, pods: PodMetrics) -> None:
    assert await pods.look([pod("a"), pod("b", None)]) is None
    assert await pods.look([]) is None


async def test_same_pod_is_not_asked_again_at_once(
    server: PodServer, pods: PodMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await pods.look([pod("a"), pod("b")])
    assert server.asked == 2
    monkeypatch.setattr(metrics, "SOURCE_SECONDS", 0.0)
    server.changed = "another ETag"
    assert await pods.look([pod("a"), pod("b")]) == SourceLook("another ETag")
    assert server.asked == 4


ORDER = ShadowOrder(revision="iris-2", percent=10, seconds=10)


async def test_pod_is_told_what_to_copy(server: PodServer, pods: PodMetrics) -> None:
    await pods.lend(Loan(pod(), ORDER, pod("c")))
    assert server.orders == [ORDER], "the Service of the candidate is known by its name"


async def test_pod_without_services_is_told_where_the_candidate_is(server: PodServer) -> None:
    local = PodMetrics(metrics.pod_address, lambda one: ("127.1.0.9", 7000) if one["metadata"]["uid"] == "c" else None)
    try:
        await local.lend(Loan(pod(), ORDER, pod("c")))
        await local.lend(Loan(pod(), ORDER, pod("unknown")))
        await local.lend(Loan(pod(), ORDER.model_copy(update={"percent": 0}), None))
    finally:
        await local.close()
    assert [(order.host, order.port, order.percent) for order in server.orders] == [
        ("127.1.0.9", 7000, 10),
        (None, 80, 0),
    ]


async def test_pod_that_cannot_be_told_is_no_error(pods: PodMetrics, monkeypatch: pytest.MonkeyPatch) -> None:
    await pods.lend(Loan(pod(address=None), ORDER, None))
    monkeypatch.setattr(metrics, "METRICS_PORT", 1)
    await pods.lend(Loan(pod(), ORDER, None))
