"""Asking gateways and Services: an answer, or None; never an error, never somebody else."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from serinus_api.gateway import GatewayReport, ModelTraffic
from serinus_operator import gateway_client
from serinus_operator.gateway_client import GatewayClient

TRAFFIC = ModelTraffic(namespace="ml", name="iris", port=20001, held=3, in_flight=5, arrivals=9, applied=True)
REPORT = GatewayReport(ready=True, draining=False, models=(TRAFFIC,))
WORDS = REPORT.model_dump_json(by_alias=True)


class Server:
    """A gateway's agent and a Service in one."""

    def __init__(self) -> None:
        self.status, self.text, self.headers = 200, WORDS, {}
        self.asked: list[str] = []
        self.port = 0

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        return web.Response(status=self.status, text=self.text, headers=self.headers)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    found = Server()
    app = web.Application()
    app.router.add_get("/{path:.*}", found.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.port = runner.addresses[0][1]
    yield found
    await runner.cleanup()


@pytest.fixture
async def client(server: Server) -> AsyncIterator[GatewayClient]:
    found = GatewayClient(agent_port=server.port, service_port=server.port)
    yield found
    await found.close()


async def test_report_is_read(server: Server, client: GatewayClient) -> None:
    assert await client.load("127.0.0.1") == REPORT
    assert server.asked == ["/load"]


@pytest.mark.parametrize(
    ("status", "text"),
    [(200, ""), (200, "<html>"), (200, "{}"), (200, WORDS[:40]), (500, WORDS), (302, WORDS)],
    ids=["nothing", "a page", "another object", "half a report", "an error with a report", "a redirection"],
)
async def test_answer_of_another_kind_is_none(server: Server, client: GatewayClient, status: int, text: str) -> None:
    server.status, server.text, server.headers = status, text, {"Location": "/elsewhere"}
    assert await client.load("127.0.0.1") is None
    assert server.asked == ["/load"]


async def test_report_of_ten_thousand_models_is_read_and_a_larger_body_is_not(
    server: Server, client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = TRAFFIC.model_copy(update={"namespace": "n" * 63, "name": "m" * 63})
    many = GatewayReport(ready=True, draining=False, models=(longest,) * 10_000).model_dump_json(by_alias=True)
    assert len(many) <= gateway_client.REPORT_BYTES
    monkeypatch.setattr(gateway_client, "REPORT_BYTES", len(WORDS) - 1)
    assert await client.load("127.0.0.1") is None


async def test_gateway_that_is_gone_is_none() -> None:
    client = GatewayClient(agent_port=1, service_port=1)
    assert await client.load("127.0.0.1") is None
    assert await client.probe("127.0.0.1") is False
    await client.close()


@pytest.mark.parametrize(
    ("status", "answered"),
    [(200, True), (404, True), (307, True), (500, False), (503, False)],
    ids=["fine", "no such path", "a redirection, which is not followed", "an error", "nobody there"],
)
async def test_service_answers(server: Server, client: GatewayClient, status: int, answered: bool) -> None:
    server.status, server.headers = status, {"Location": "/elsewhere"}
    assert await client.probe("127.0.0.1") is answered
    assert len(server.asked) == 1
