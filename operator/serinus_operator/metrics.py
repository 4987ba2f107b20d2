"""What serving pods say of themselves on their second port. I/O; one short request per pod, none for idle models."""

import asyncio
from collections.abc import Callable, Sequence

import aiohttp
from pydantic import ValidationError

from serinus_api.runtime import LOAD_PATH, METRICS_PORT, LoadReport
from serinus_operator.cluster.port import Manifest

SCRAPE_SECONDS = 1.0
SOURCE_SECONDS = 20.0
"""A pod looks at its source once a minute, so asking it more often than this tells nothing new."""


Locate = Callable[[Manifest], tuple[str, int] | None]
"""Host and second port of a pod, or None before it has an address."""


def pod_address(pod: Manifest) -> tuple[str, int] | None:
    """A pod of a cluster: its own address, and the port that every pod has."""
    address = pod.get("status", {}).get("podIP")
    return (address, METRICS_PORT) if address else None


class PodMetrics:
    """Asks pods for their load reports over one connection pool."""

    def __init__(self, locate: Locate = pod_address) -> None:
        self._locate = locate
        self._session: aiohttp.ClientSession | None = None
        self._sources: dict[str, tuple[float, str | None]] = {}  # by pod UID: when asked, and the answer

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    async def load(self, pod: Manifest) -> LoadReport | None:
        """The pod's report, or None where it does not answer: unknown is not zero."""
        place = self._locate(pod)
        if place is None:
            return None
        address, port = place
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=SCRAPE_SECONDS)
            connector = aiohttp.TCPConnector(limit=0)  # waiting for a connection would count as a pod's silence
            self._session = aiohttp.ClientSession(timeout=timeout, connector=connector, trust_env=False)
        host = f"[{address}]" if ":" in address else address
        try:
            async with self._session.get(f"http://{host}:{port}{LOAD_PATH}") as response:
                return LoadReport.model_validate_json(await response.read())
        except (aiohttp.ClientError, TimeoutError, ValidationError):
            return None

    async def source_changed(self, pods: Sequence[Manifest]) -> str | None:
        """What any of these pods has found different at its source; None where none has, or none answers."""
        answers = await asyncio.gather(*(self._source(pod) for pod in pods))
        return next((answer for answer in answers if answer), None)

    async def _source(self, pod: Manifest) -> str | None:
        """One pod's answer, at most `SOURCE_SECONDS` old."""
        now = asyncio.get_running_loop().time()
        self._sources = {uid: known for uid, known in self._sources.items() if now - known[0] < SOURCE_SECONDS}
        uid = pod["metadata"]["uid"]
        if uid not in self._sources:
            report = await self.load(pod)
            self._sources[uid] = (now, report.source_changed if report else None)
        return self._sources[uid][1]
