"""uvicorn's httptools connection with the rules that a pod facing strangers needs.

Made by `server.py`, one for each TCP connection. Adds to uvicorn's: a limit on headers, a deadline for receiving a
request, an end of life for connections that came around the gateway, JSON errors, and an end that drops no request
which has begun to arrive. A sweep once a second does what would otherwise take a timer for each request.
"""

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Any, cast

import orjson
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from serinus_api.runtime import HEADER_VIA, RuntimeConfig
from serinus_runtime.corked import Corked

BEGAN = "serinus.began"
"""Key in the ASGI scope: when the request's first byte came (monotonic seconds)."""
MAX_HEADERS = 100
_VIA = HEADER_VIA.encode()


class HeadersRefused(Exception):  # noqa: N818 - stops the parser; the answer is the connection's `refusal`
    """More headers than allowed."""


@dataclass
class ConnectionRules:
    """What all connections of a port share."""

    max_header_bytes: int
    receipt_seconds: float
    connection_seconds: float
    draining: bool = False

    @classmethod
    def of(cls, config: RuntimeConfig) -> "ConnectionRules":
        """The rules that a configuration asks for."""
        limits = config.limits
        return cls(limits.max_header_bytes, limits.receipt_seconds, config.connection_seconds)


class Connection(HttpToolsProtocol):
    """One connection."""

    def __init__(self, rules: ConnectionRules, config: Config, server_state: ServerState, **more: Any) -> None:
        super().__init__(config, server_state, **more)
        self.rules = rules
        self.refusal = (400, "not a valid HTTP request")
        self.receiving: float | None = None
        """Since when a request is being received; None between requests."""
        self.in_headers = False
        self.idle_since = time.monotonic()
        self.ends_at = self.idle_since + rules.connection_seconds * random.uniform(0.8, 1.2)  # noqa: S311 - only spreads
        self._piece = 0
        """Bytes of the present read."""
        self._first_piece = 0
        """Bytes of the read in which the request began."""
        self._beside_body = 0
        """Bytes read since the request began, or since the last piece of body: headers or trailers."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        self.corked = Corked(transport)
        super().connection_made(cast("asyncio.Transport", self.corked))

    def data_received(self, data: bytes) -> None:
        """Parse, and end a connection that sends headers or trailers without end."""
        self._piece = len(data)
        self._beside_body += self._piece
        super().data_received(data)
        if self.receiving is not None and self._beside_body > self.rules.max_header_bytes:
            self._refuse_headers()
            self.send_400_response("")

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self.in_headers = True
        self.receiving = time.monotonic()
        self._first_piece = self._piece
        self._beside_body = 0
        self.scope[BEGAN] = self.receiving  # type: ignore[literal-required]

    def on_headers_complete(self) -> None:
        """Refuse long headers before the application sees them; decide whether the connection lives on."""
        self.in_headers = False
        limit = self.rules.max_header_bytes
        long = self._first_piece + self._beside_body > limit and self._size_of_headers() > limit
        if long or len(self.headers) > MAX_HEADERS:
            self._refuse_headers()
            raise HeadersRefused
        super().on_headers_complete()
        aged = self.receiving is not None and self.receiving > self.ends_at
        if self.rules.draining or (aged and not self._came_through_gateway()):
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._beside_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The last byte of a request."""
        self.receiving = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is out."""
        self.corked.flush()
        self.idle_since = time.monotonic()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what never became a request, and end the connection."""
        if self.transport.is_closing():
            return
        answering = self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
        if not answering:
            status, text = self.refusal
            body = orjson.dumps({"error": text})
            head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
            self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()

    def sweep(self, now: float) -> None:
        """Once a second: end what takes too long. A body that is late is the application's to refuse, so wake it."""
        answered = self.cycle is None or self.cycle.response_complete
        if self.receiving is None:
            if answered and now - self.idle_since > self.timeout_keep_alive + 1:
                self.transport.abort()
        elif now - self.receiving > self.rules.receipt_seconds:
            if self.in_headers or answered:
                self.refusal = (408, "the request was not received in time")
                self.send_400_response("")
            else:
                self.cycle.message_event.set()

    def drain(self) -> None:
        """The answer under way, if any, is the last on this connection."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """End an idle connection now, and any other after the answer to what has begun to arrive."""
        if not self.in_headers:
            super().shutdown()

    def _refuse_headers(self) -> None:
        limit = self.rules.max_header_bytes
        self.refusal = (431, f"the request's headers exceed {limit} bytes or {MAX_HEADERS} fields")

    def _size_of_headers(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _came_through_gateway(self) -> bool:
        return any(name == _VIA for name, _ in self.headers)
