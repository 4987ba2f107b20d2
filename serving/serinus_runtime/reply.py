"""How an answer is written to an ASGI server: status, headers, JSON, and the end of a request that was not read.

Used by `app.py`; every answer of the public port that is ours passes here.
"""

import asyncio
import contextlib
from typing import TypeAlias

import orjson

from serinus_api.runtime import HEADER_REVISION
from serinus_runtime.errors import ReceiptTimeout, RequestRefused
from serinus_runtime.server import Message, Receive, Send

Header: TypeAlias = tuple[bytes, bytes]

CLOSE: Header = (b"connection", b"close")
JSON: Header = (b"content-type", b"application/json")
OCTETS: Header = (b"content-type", b"application/octet-stream")
HEADER_LENGTH = b"inference-header-content-length"
_LINGER_SECONDS = 2.0
_MAX_ERROR = 1000


class Reply:
    """Writes answers that name the revision."""

    def __init__(self, revision: str) -> None:
        self._revision = (HEADER_REVISION.encode(), revision.encode())

    async def send(self, send: Send, status: int, body: bytes, *headers: Header, more: bool = False) -> None:
        """A whole answer; with `more` it is complete for the client, but the server does not end the exchange yet."""
        length = (b"content-length", b"%d" % len(body))
        start = {"type": "http.response.start", "status": status, "headers": [*headers, length, self._revision]}
        await send(start)
        await send({"type": "http.response.body", "body": body, "more_body": more})

    async def refuse(self, send: Send, refusal: RequestRefused, unread: Receive | None) -> None:
        """Answer with the error, `{"error": message}`.

        A body that was not read (`unread` would) is taken and dropped for a while: a connection that is closed under a
        sender loses the answer too.
        """
        body = orjson.dumps({"error": refusal.message[:_MAX_ERROR]})
        if unread is None:
            await self.send(send, refusal.status, body, JSON, *refusal.headers)
        elif isinstance(refusal, ReceiptTimeout):
            await self.send(send, refusal.status, body, JSON, CLOSE)
        else:
            await self.send(send, refusal.status, body, JSON, CLOSE, *refusal.headers, more=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LINGER_SECONDS):
                    while (await unread()).get("more_body", False):
                        pass
            await send({"type": "http.response.body", "body": b""})

    def mark(self, start: Message) -> Message:
        """The start of somebody else's answer, with the revision added."""
        return {**start, "headers": [*start.get("headers", ()), self._revision]}
