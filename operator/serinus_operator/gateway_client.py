"""How gateways and Services are asked over HTTP: what a gateway holds, and whether a Service answers. I/O."""

import aiohttp

from serinus_api.gateway import AGENT_PORT, LOAD_PATH, GatewayReport
from serinus_api.runtime import LIVE_PATH
from serinus_operator import answers

ANSWER_SECONDS = 1.0
REPORT_BYTES = 8 * 1024 * 1024
"""A report has some 300 for each model of the cluster, and ten thousand models are all that a gateway can have."""
SERVICE_PORT = 80
SERVER_FAULT = 500


class GatewayClient:
    """One connection pool for gateways; a connection of its own for each probe, so that kube-proxy chooses anew."""

    def __init__(self, agent_port: int = AGENT_PORT, service_port: int = SERVICE_PORT) -> None:
        self._agent_port = agent_port
        self._service_port = service_port
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    async def load(self, address: str) -> GatewayReport | None:
        """What a gateway says of all models; None where it does not answer in time."""
        if self._session is None:
            self._session = answers.session(ANSWER_SECONDS)
        return await answers.fetch(
            self._session, address, self._agent_port, LOAD_PATH, GatewayReport, most=REPORT_BYTES
        )

    async def probe(self, address: str) -> bool:
        """Whether a Service's address answers. The path is one that no server counts as a request."""
        host = f"[{address}]" if ":" in address else address
        timeout, connector = aiohttp.ClientTimeout(total=ANSWER_SECONDS), aiohttp.TCPConnector(force_close=True)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, connector=connector, trust_env=False) as session,
                session.get(f"http://{host}:{self._service_port}{LIVE_PATH}", allow_redirects=False) as response,
            ):
                return response.status < SERVER_FAULT
        except (aiohttp.ClientError, TimeoutError):
            return False
