"""What serving pods say on their second port, and what they are told there. I/O; one short request per pod, none for
idle models."""

import asyncio
from collections.abc import Callable, Sequence

import aiohttp

from serinus_api.runtime import LOAD_PATH, METRICS_PATH, METRICS_PORT, SHADOW_PATH, LoadReport
from serinus_operator import answers
from serinus_operator.cluster.port import Manifest
from serinus_operator.decide.copies import Loan
from serinus_operator.state import SourceLook

SCRAPE_SECONDS = 1.0
REPORT_BYTES = 64 * 1024
"""A report has two or three thousand."""
PAGE_BYTES = 1024 * 1024
"""A page has some hundred thousand when there are many codes."""
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

    def __init__(self, locate: Locate = pod_address, locate_public: Locate | None = None) -> None:
        """`locate_public`: where a pod answers requests, where no Service leads to it."""
        self._locate = locate
        self._locate_public = locate_public
        self._session: aiohttp.ClientSession | None = None
        self._sources: dict[str, tuple[float, LoadReport | None]] = {}  # by pod UID: when asked, and the answer

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    async def load(self, pod: Manifest) -> LoadReport | None:
        """The pod's report, or None where it does not answer: unknown is not zero."""
        place = self._locate(pod)
        if place is None:
            return None
        return await answers.fetch(self._connections(), *place, LOAD_PATH, LoadReport, most=REPORT_BYTES)

    async def page(self, pod: Manifest) -> str | None:
        """The pod's metrics page, or None where it does not answer."""
        place = self._locate(pod)
        if place is None:
            return None
        body = await answers.fetch_bytes(self._connections(), *place, METRICS_PATH, most=PAGE_BYTES)
        return None if body is None else body.decode(errors="replace")

    async def lend(self, loan: Loan) -> None:
        """Tell a pod what to copy. One that does not listen copies nothing, once its last order is over."""
        place = self._locate(loan.pod)
        target = self._locate_public(loan.target) if self._locate_public and loan.target else None
        if place is None or (self._locate_public and loan.target and target is None):
            return
        order = loan.order.model_copy(update={"host": target[0], "port": target[1]}) if target else loan.order
        body = order.model_dump_json(by_alias=True, exclude_none=True).encode()
        await answers.put(self._connections(), *place, SHADOW_PATH, body)

    def _connections(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = answers.session(SCRAPE_SECONDS)
        return self._session

    async def look(self, pods: Sequence[Manifest]) -> SourceLook | None:
        """What these pods have found at their source; None where none has found a change and not all have answered."""
        answers = await asyncio.gather(*(self._source(pod) for pod in pods))
        changed = next((answer.source_changed for answer in answers if answer and answer.source_changed), None)
        return SourceLook(changed) if changed or (answers and all(answers)) else None

    async def _source(self, pod: Manifest) -> LoadReport | None:
        """One pod's answer, at most `SOURCE_SECONDS` old."""
        now = asyncio.get_running_loop().time()
        self._sources = {uid: known for uid, known in self._sources.items() if now - known[0] < SOURCE_SECONDS}
        uid = pod["metadata"]["uid"]
        if uid not in self._sources:
            self._sources[uid] = (now, await self.load(pod))
        return self._sources[uid][1]
