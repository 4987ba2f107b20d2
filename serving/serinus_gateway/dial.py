"""Asking pods: whether one answers, and how much it has to do. The agent does so only while something is held.

A pod is taken at its own word as soon as it has an address; neither the kubelet's probes nor endpoints that spread
through the cluster are waited for.
"""

from typing import Protocol

import aiohttp
from pydantic import ValidationError

from serinus_api.runtime import LOAD_PATH, LoadReport
from serinus_gateway.description import Endpoint
from serinus_gateway.world import Pod

ANSWER_SECONDS = 0.5


class Dialer(Protocol):
    """Asks pods."""

    async def answers(self, pod: Pod) -> bool:
        """Whether it takes requests."""

    async def load(self, pod: Pod) -> LoadReport | None:
        """What it has to do; None where it does not say."""


class HttpDialer:
    """Asks them over HTTP. Use as an async context manager."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=5),
            timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    async def __aenter__(self) -> "HttpDialer":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def answers(self, pod: Pod) -> bool:
        """See `Dialer.answers`."""
        if pod.http is None:
            return False
        status, _ = await self._get(pod.http, pod.ready_path)
        return status == 200

    async def load(self, pod: Pod) -> LoadReport | None:
        """See `Dialer.load`."""
        if pod.private is None:
            return None
        status, body = await self._get(pod.private, LOAD_PATH)
        if status != 200:
            return None
        try:
            return LoadReport.model_validate_json(body)
        except ValidationError:
            return None

    async def _get(self, endpoint: Endpoint, path: str) -> tuple[int, bytes]:
        """Status and body; status 0 where nothing answers."""
        try:
            async with self._session.get(f"http://{endpoint}{path}", allow_redirects=False) as answer:
                return answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0, b""
