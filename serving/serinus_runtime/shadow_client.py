"""One keep-alive connection to the candidate, over which copies go one after the other. Used by `shadow.py`.

An asyncio protocol of its own and no client library: what it costs must be known to the microsecond, because it is
spent on the event loop that answers users.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import httptools

MAX_ANSWER = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Response:
    """What came back."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Exchange(asyncio.Protocol):
    """Asks, and waits for the answer. `spend` is told the seconds that were worked on the event loop."""

    def __init__(self, spend: Callable[[float], None]) -> None:
        self._spend = spend
        self._transport: asyncio.WriteTransport | None = None
        self._waiting: asyncio.Future[Response] | None = None
        self._begin()

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, head: bytes, body: bytes) -> "asyncio.Future[Response]":
        """Send a request; the future fails with ConnectionError when the connection ends before its answer."""
        assert self._transport
        self._waiting = asyncio.get_running_loop().create_future()
        self._begin()
        started = time.perf_counter()
        self._transport.write(head + body)
        self._spend(time.perf_counter() - started)
        return self._waiting

    def close(self) -> None:
        """Break off."""
        if self._transport:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio's."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio's."""
        self._transport = None
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(ConnectionError("the connection ended before the answer"))

    def data_received(self, data: bytes) -> None:
        """As asyncio's."""
        started = time.perf_counter()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()
        self._spend(time.perf_counter() - started)

    def on_header(self, name: bytes, value: bytes) -> None:
        """As httptools'."""
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        """As httptools'."""
        self._size += len(body)
        if self._size > MAX_ANSWER:
            self.close()
        else:
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        """As httptools'."""
        if not self._parser.should_keep_alive():
            self.close()
        if self._waiting and not self._waiting.done() and self._size <= MAX_ANSWER:
            status: int = self._parser.get_status_code()
            self._waiting.set_result(Response(status, self._headers, b"".join(self._pieces)))

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[bytes, bytes] = {}
        self._pieces: list[bytes] = []
        self._size = 0
