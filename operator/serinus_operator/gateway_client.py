"""How gateways and Services are asked over HTTP: what a gateway holds, and whether a Service answers. I/O."""

import aiohttp
from pydantic import ValidationError

from serinus_api.gateway import AGENT_PORT, LOAD_PATH, GatewayReport
from serinus_api.runtime import LIVE_PATH

ANSWER_SECONDS = 1.0
SERVICE_PORT = 80
SERVER_FAULT = 500


class GatewayClient:
    """One connection pool for gateways; a connection of its own for each probe, so that kube-proxy chooses anew."""

    def __init__(self, agent_port: int = AGENT_PORT, service_port: int = SERVICE_PORT) -> None:
        self._agent_port = agent_port
        self._service_port = service_port
        self._timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    async def load(self, address: str) -> GatewayReport | None:
        """What a gateway says of all models; None where it does not answer in time."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, trust_env=False)
        try:
            async with self._session.get(_url(address, self._agent_port, LOAD_PATH)) as response:
                return GatewayReport.model_validate_json(await response.read())
        except (aiohttp.ClientError, TimeoutError, ValidationError):
            return None

    async def probe(self, address: str) -> bool:
        """Whether a Service's address answers. The path is one that no server counts as a request."""
        connector = aiohttp.TCPConnector(force_close=True)
        try:
            async with (
                aiohttp.ClientSession(timeout=self._timeout, connector=connector, trust_env=False) as session,
                session.get(_url(address, self._service_port, LIVE_PATH)) as response,
            ):
                return response.status < SERVER_FAULT
        except (aiohttp.ClientError, TimeoutError):
            return False


def _url(address: str, port: int, path: str) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{port}{path}"
