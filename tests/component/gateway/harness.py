"""A gateway as in a pod, two processes on this machine: the agent against a small API server, and Envoy.

Pods are small servers of the test, or real runtimes, on loopback addresses of their own with the ports of a pod.
"""

import asyncio
import json
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from dev.gateway import fake_api
from dev.gateway.fake_api import MODELS, PODS, FakeApi
from dev.gateway.processes import Programs, new_address

from serinus_api.gateway import GatewayReport
from serinus_api.runtime import HTTP_PORT, METRICS_PORT, READY_PATH, LoadReport
from serinus_operator.local.addresses import free_port

DEADLINE = 30.0
"""For anything to happen on a busy machine (seconds)."""


async def until(true: Callable[[], Any], what: str = "the condition") -> None:
    """Wait for a condition, asked a hundred times a second."""
    for _ in range(int(DEADLINE * 100)):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{what} never came to hold")


class SmallPod:
    """A server with the ports of a pod, that counts what it does at once."""

    def __init__(
        self,
        answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
        concurrency: int = 8,
        *,
        keeps: bool = True,
    ) -> None:
        """`keeps`: each request that came, to be looked at; too much for a hundred thousand."""
        self.keeps = keeps
        self.address = new_address()
        self.answer = answer
        self.concurrency = concurrency
        self.ready = True
        self.seen: list[web.Request] = []
        self.in_flight = self.most = self.refused = 0
        self.dialled = self.scraped = 0
        """How often the agent asked whether it answers, and for its load."""
        self._runners: list[web.ServerRunner] = []

    async def start(self) -> None:
        await self._listen(self._public, HTTP_PORT)
        await self._listen(self._private, METRICS_PORT)

    async def stop(self) -> None:
        for runner in self._runners:
            await runner.cleanup()

    async def _listen(self, handler: Any, port: int) -> None:
        server = web.Server(handler, handler_cancellation=True, access_log=None, auto_decompress=False)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, self.address, port).start()
        self._runners.append(runner)

    async def _public(self, request: web.Request) -> web.StreamResponse:
        if request.path == READY_PATH:
            self.dialled += 1
            return web.Response(status=200 if self.ready else 503)
        if self.keeps:
            self.seen.append(request)
        if self.in_flight >= 3 * self.concurrency:
            self.refused += 1
            return web.Response(status=429)
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        try:
            return await self.answer(request)
        finally:
            self.in_flight -= 1

    async def _private(self, _: web.Request) -> web.StreamResponse:
        self.scraped += 1
        busy = min(self.in_flight, self.concurrency)
        report = LoadReport(
            revision="", in_flight=busy, queued=self.in_flight - busy, arrivals={"split": len(self.seen)},
            busy_seconds=0.0,
        )  # fmt: skip
        return web.Response(text=report.model_dump_json(by_alias=True))


class Gateway:
    """Agent, Envoy and API server, with folder and ports of their own."""

    def __init__(self, folder: Path, *, beside: "Gateway | None" = None, **more: str) -> None:
        """`beside`: one of the same API server, which owns that. Each then listens on an address of its own."""
        self.folder = folder
        self._owns_api = beside is None
        self.api = beside.api if beside else FakeApi()
        self.programs = Programs(folder, **more)
        self.run = self.programs.start
        self.address, self.agent_port = self.programs.address, self.programs.agent_port
        self._pods: list[SmallPod] = []
        self.agent: subprocess.Popen[bytes]
        self.envoy: subprocess.Popen[bytes]

    async def start(self) -> None:
        if self._owns_api:
            await self.api.start()
        self.programs.kubeconfig.write_text(self.api.kubeconfig())
        self.envoy = self.run("envoy")
        self.agent = self.run("agent")
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=DEADLINE),
            auto_decompress=False,
        )
        await self.until_ready()

    async def stop(self) -> None:
        for process in (self.envoy, self.agent):
            process.kill()
            process.wait()
        await self.session.close()
        for small in self._pods:
            await small.stop()
        if self._owns_api:
            await self.api.stop()

    async def clear(self) -> None:
        """Take every object and pod away."""
        await self.api.clear()
        while self._pods:
            await self._pods.pop().stop()

    def kill_agent(self) -> None:
        self.agent.kill()
        self.agent.wait()

    def kill_envoy(self) -> None:
        self.envoy.kill()
        self.envoy.wait()

    def restart_agent(self) -> None:
        self.agent = self.run("agent")

    def logs(self) -> str:
        return self.programs.last_words()

    async def until_ready(self) -> None:
        for _ in range(int(DEADLINE * 20)):
            if await self.ready() == 200:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"the gateway never became ready: {self.logs()}")

    async def ready(self) -> int:
        """Status of the readiness page; 0 where nothing answers."""
        try:
            async with self.session.get(f"http://127.0.0.1:{self.agent_port}/readyz") as answer:
                return answer.status
        except aiohttp.ClientError:
            return 0

    async def report(self) -> GatewayReport:
        async with self.session.get(f"http://127.0.0.1:{self.agent_port}/load") as answer:
            return GatewayReport.model_validate_json(await answer.text())

    async def metrics(self) -> str:
        async with self.session.get(f"http://127.0.0.1:{self.agent_port}/metrics") as answer:
            return await answer.text()

    async def model(self, name: str, *, namespace: str = "ml", replicas: int = 0, **more: Any) -> int:
        """A model that Envoy knows; its port."""
        port = free_port()
        self.api.set_replicas(namespace, f"{name}-1", replicas)
        await self.api.put(MODELS, fake_api.model(name, port, namespace=namespace, **more))
        await self.applied(name, port=port)
        return port

    async def say(self, name: str, *, namespace: str = "ml", **status: Any) -> None:
        """Change a model's status."""
        live = json.loads(json.dumps(self.api.get(MODELS, namespace, name)))
        live["status"] |= status
        await self.api.put(MODELS, live)

    async def applied(self, name: str, *, guarded: bool | None = None, port: int | None = None) -> None:
        """Wait until Envoy has taken a model's routes."""
        for _ in range(int(DEADLINE * 20)):
            one = next((model for model in (await self.report()).models if model.name == name), None)
            as_wanted = one and one.applied and guarded in (None, one.guarded) and port in (None, one.port)
            if as_wanted and await self.ready() == 200:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{name} was never applied: {await self.report()}; {self.logs()}")

    async def held(self, name: str) -> int:
        return next(model.held for model in (await self.report()).models if model.name == name)

    async def until_held(self, name: str, number: int) -> None:
        for _ in range(int(DEADLINE * 50)):
            if await self.held(name) == number:
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"never {number} held: {await self.report()}; {self.logs()}")

    async def small_pod(self, answer: Callable[[web.Request], Awaitable[web.StreamResponse]], **more: Any) -> SmallPod:
        """A server that is up but that the API server does not know yet."""
        small = SmallPod(answer, **more)
        await small.start()
        self._pods.append(small)
        return small

    async def show(self, name: str, address: str, *, of: str, revision: str = "", **more: Any) -> None:
        """Let the API server know a pod."""
        revision = revision or f"{of}-1"
        await self.api.put(PODS, fake_api.pod(name, address, of=of, revision=revision, **more))

    def ask(self, port: int, path: str = "/", method: str = "GET", **more: Any) -> Any:
        """A request to a gateway port: a context manager, as aiohttp's."""
        return self.session.request(method, f"http://{self.address}:{port}{path}", **more)

    async def read(self, port: int, path: str = "/", **more: Any) -> tuple[int, Any, bytes]:
        """Status, headers and body of an answer."""
        async with self.ask(port, path, **more) as answer:
            return answer.status, answer.headers, await answer.read()


async def echo(request: web.Request) -> web.StreamResponse:
    """The body back."""
    return web.Response(body=await request.read())
