"""How much this pod takes in at once: places in flight, a bounded queue, and the receipt of a body.

Used by `app.py` and `dispatch.py`, on the event loop only.
"""

import asyncio
import time
import zlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeAlias

from serinus_api.runtime import RuntimeLimits
from serinus_runtime.errors import (
    BodyTooLarge,
    InvalidRequest,
    Overloaded,
    ReceiptTimeout,
    Unavailable,
    UnsupportedMedia,
)

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Clock: TypeAlias = Callable[[], float]

MIB = 1024 * 1024
_GZIP_OR_ZLIB = 47
"""zlib's word for: 32 KiB window, header of gzip or zlib, whichever comes."""


class ClientGone(Exception):  # noqa: N818 - nobody is left to answer
    """The connection ended before the request was complete."""


class Gate:
    """`concurrency` places in flight, and `queue` requests that wait for one, first come first served."""

    def __init__(self, concurrency: int, queue: int, clock: Clock = time.monotonic) -> None:
        self._concurrency = concurrency
        self._queue = queue
        self._clock = clock
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._busy = 0.0
        self._since = clock()
        self.in_flight = 0
        self.rejected = 0

    @property
    def queued(self) -> int:
        """Requests that wait for a place."""
        return len(self._waiting)

    def check_room(self) -> None:
        """Refuse before a body is read what could not even queue.

        Raises:
            Overloaded: places and queue are full.

        """
        if self.in_flight >= self._concurrency and len(self._waiting) >= self._queue:
            self.rejected += 1
            raise Overloaded(f"{self._concurrency} requests are in flight and {self._queue} wait; try again later")

    async def enter(self, timeout: float) -> None:
        """Take a place, waiting for one at most `timeout` seconds; `leave` gives it back.

        Raises:
            Overloaded: places and queue are full.
            Unavailable: no place became free in time.

        """
        if self.in_flight < self._concurrency:
            self._count(+1)
            return
        self.check_room()
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout(timeout):
                await place
        except (TimeoutError, asyncio.CancelledError) as error:
            if place.done() and not place.cancelled():
                self.leave()  # the place came in the same instant
            elif place in self._waiting:
                self._waiting.remove(place)
            if isinstance(error, TimeoutError):
                raise Unavailable("the request waited too long for its turn") from error
            raise

    def leave(self) -> None:
        """Give a place back; who has waited longest gets it."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._count(-1)

    def busy_seconds(self) -> float:
        """The integral of requests in flight over time: two requests of one second each are 2.0, at once or not."""
        self._count(0)
        return self._busy

    def _count(self, change: int) -> None:
        now = self._clock()
        self._busy += self.in_flight * (now - self._since)
        self._since = now
        self.in_flight += change


async def read_body(
    headers: Mapping[bytes, bytes], receive: Receive, limits: RuntimeLimits, began: float, clock: Clock
) -> bytes:
    """The request's body, decompressed.

    Args:
        headers: Lower-case names.
        receive: ASGI's; the server wakes it now and then while a sender is slow (`connection.py`).
        limits: The bounds.
        began: When the request's first byte came, on `clock`.
        clock: Monotonic seconds.

    Raises:
        BodyTooLarge: announced, received or decompressed beyond the limit.
        ReceiptTimeout: not complete in `receipt_seconds` plus one second per MiB announced or received.
        UnsupportedMedia: multipart, or an encoding other than identity, gzip, deflate.
        InvalidRequest: the compressed data are broken.
        ClientGone: the connection ended.

    """
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding not in (b"identity", b"", b"gzip", b"deflate"):
        raise UnsupportedMedia("the content encodings taken are identity, gzip and deflate")
    if headers.get(b"content-type", b"").lstrip().lower().startswith(b"multipart/"):
        raise UnsupportedMedia("multipart bodies are not taken")
    announced = int(headers.get(b"content-length", b"0"))
    if announced > limits.max_body_bytes:
        raise _too_large(limits)
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece = message.get("body", b"")
        size += len(piece)
        if size > limits.max_body_bytes:
            raise _too_large(limits)
        pieces.append(piece)
        if not message.get("more_body", False):
            break
        if clock() - began > limits.receipt_seconds + max(announced, size) / MIB:
            raise ReceiptTimeout("the request was not received in time")
    body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    return body if encoding in (b"identity", b"") else _decompressed(body, limits)


def _decompressed(body: bytes, limits: RuntimeLimits) -> bytes:
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        data = inflater.decompress(body, limits.max_body_bytes + 1)
    except zlib.error as error:
        raise InvalidRequest("the compressed body is broken") from error
    if len(data) > limits.max_body_bytes:
        raise _too_large(limits)
    if not inflater.eof or inflater.unused_data:
        raise InvalidRequest("the compressed body is broken")
    return data


def _too_large(limits: RuntimeLimits) -> BodyTooLarge:
    return BodyTooLarge(f"the body is larger than {limits.max_body_bytes} bytes")
