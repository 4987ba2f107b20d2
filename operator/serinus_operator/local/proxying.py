"""One request, from the entry port to a pod and back. Bodies are streamed and nothing is kept.

Called by `entry.py`, which knows the models. Small on purpose: the Envoy gateway of a later issue replaces it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from serinus_api.runtime import HEADER_VIA
from serinus_operator.local.backends import Backend

CONNECT_SECONDS = 5.0
PIECE_BYTES = 1 << 18
HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    }
)
"""Headers that speak of one connection (RFC 9110, 7.6.1)."""
NOT_FORWARDED = HOP_BY_HOP | {"expect", HEADER_VIA}
"""`Expect` is answered here; how a request came is ours to say, and here it comes directly."""
ADDED_BY_CLIENT = (hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE)


class NoBackend(Exception):  # noqa: N818  # named by what is found
    """No pod took the request; nothing of it was sent."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A request with the path that the pod sees, and how to choose the pod.

    `choose` is called with the pods that refused the connection, and returns another one or None.
    """

    request: web.BaseRequest
    path: str
    choose: Callable[[frozenset[Backend]], Backend | None]


def new_session() -> aiohttp.ClientSession:
    """Connections to pods: as many as there are requests, none held longer than a pod holds it."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=15),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        read_bufsize=PIECE_BYTES,
        skip_auto_headers=ADDED_BY_CLIENT,
    )


async def forward(session: aiohttp.ClientSession, passage: Passage) -> web.StreamResponse:
    """The pod's answer, already on its way. A pod that does not accept is passed over: nothing was sent to it.

    Raises NoBackend, or `aiohttp.ClientError` where a pod ended before it answered.
    """
    refused: frozenset[Backend] = frozenset()
    while backend := passage.choose(refused):
        try:
            upstream = await _send(session, passage, backend)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            refused |= {backend}
            continue
        async with upstream:
            return await _answer(passage.request, upstream)
    raise NoBackend


async def _send(session: aiohttp.ClientSession, passage: Passage, backend: Backend) -> aiohttp.ClientResponse:
    request = passage.request
    return await session.request(
        request.method,
        URL(f"http://{backend.host}:{backend.port}{passage.path}", encoded=True),
        headers=end_to_end(request.headers, NOT_FORWARDED),
        data=request.content.iter_any() if request.body_exists else None,
        allow_redirects=False,
    )


async def _answer(request: web.BaseRequest, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
    """Pass the answer on piece by piece. One that breaks off breaks off here too, so that nobody takes it for whole."""
    response = web.StreamResponse(
        status=upstream.status, reason=upstream.reason, headers=end_to_end(upstream.headers, HOP_BY_HOP)
    )
    await response.prepare(request)
    try:
        async for piece in upstream.content.iter_any():
            await response.write(piece)
    except (aiohttp.ClientError, TimeoutError):
        if request.transport:
            request.transport.abort()
        return response
    await response.write_eof()
    return response


def end_to_end(headers: CIMultiDictProxy[str], left_out: frozenset[str]) -> CIMultiDict[str]:
    """The headers that are passed on; also those that `Connection` names stay behind."""
    named = {name.strip().lower() for line in headers.getall(hdrs.CONNECTION, ()) for name in line.split(",")}
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        if name.lower() not in left_out and name.lower() not in named:
            kept.add(name, value)
    return kept


def told(status: int, error: str, **more: Any) -> web.Response:
    """An answer of the entry port itself, in the form of the Open Inference Protocol: `{"error": …}`."""
    headers = {"Retry-After": "1"} if status == 503 else None
    return web.json_response({"error": error, **more}, status=status, headers=headers, dumps=readable)


def readable(value: Any) -> str:
    """JSON for people, too."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
