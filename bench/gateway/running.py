"""The gateway that is measured: `serinus-gateway agent` and `envoy` as in a pod, and a small API server for them.

No cluster, so no kube-proxy, no operator and no other load: whoever measures puts the models and pods in.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from dev.gateway.fake_api import FakeApi
from dev.gateway.processes import Programs

from bench.control_plane import DIES_WITH_US
from serinus_api.gateway import LOAD_PATH, READY_PATH, GatewayReport, ModelTraffic

START_SECONDS = 120.0
LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Gateway:
    """A gateway that runs, with the process ids of its two programs."""

    api: FakeApi
    agent: int
    envoy: int
    address: str
    """Where its models' ports are."""
    _programs: Programs
    _session: aiohttp.ClientSession

    async def report(self) -> GatewayReport:
        """What the operator asks every second."""
        async with self._session.get(self._url(LOAD_PATH)) as answer:
            return GatewayReport.model_validate_json(await answer.text())

    async def ready(self) -> bool:
        """What the kubelet asks every two seconds."""
        async with self._session.get(self._url(READY_PATH)) as answer:
            return answer.status == 200

    async def until(self, models: int, good: Callable[[ModelTraffic], bool] = lambda _: True) -> None:
        """Wait until Envoy has taken so many models, each of them good. Raises RuntimeError when it does not."""
        try:
            async with asyncio.timeout(START_SECONDS):
                while True:
                    if await self._settled(models, good):
                        return
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError as error:
            raise RuntimeError(f"the gateway is not ready:\n{self._programs.last_words()}") from error

    async def _settled(self, models: int, good: Callable[[ModelTraffic], bool]) -> bool:
        try:
            known = (await self.report()).models if await self.ready() else None
        except aiohttp.ClientError:
            return False
        return known is not None and len(known) == models and all(one.applied and good(one) for one in known)

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._programs.agent_port}{path}"


@contextlib.asynccontextmanager
async def gateway(folder: Path, api: FakeApi, *, pinned: Iterable[str] = ()) -> AsyncIterator[Gateway]:
    """Start both programs, for an API server that listens already; ends them. `pinned`: what starts them."""
    programs = prepared(folder, api)
    async with aiohttp.ClientSession(trust_env=False) as session:
        with contextlib.ExitStack() as stack:
            started = []
            for command in ("envoy", "agent"):
                process = programs.start(command, (*DIES_WITH_US, *pinned))
                stack.callback(process.wait)
                stack.callback(process.kill)  # a drain would only take time
                started.append(process.pid)
            envoy, agent = started
            yield Gateway(api, agent, envoy, programs.address, programs, session)


def prepared(folder: Path, api: FakeApi) -> Programs:
    """The folder of a gateway, with what it needs to reach the API server."""
    folder.mkdir()
    programs = Programs(folder)
    programs.kubeconfig.write_text(api.kubeconfig())
    return programs


@contextlib.asynccontextmanager
async def api_server() -> AsyncIterator[FakeApi]:
    """The small API server."""
    api = FakeApi()
    await api.start()
    try:
        yield api
    finally:
        await api.stop()
