"""The receipt of a request's body: bounded in size and in time, decompressed.

Called by `app.py` for each request that has one.
"""

import time
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeAlias

from serinus_api.runtime import RuntimeLimits
from serinus_runtime.errors import BodyTooLarge, InvalidRequest, ReceiptTimeout, UnsupportedMedia

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Clock: TypeAlias = Callable[[], float]
Headers: TypeAlias = Mapping[bytes, bytes]

MIB = 1024 * 1024
_GZIP_OR_ZLIB = 47
"""zlib's word for: 32 KiB window, header of gzip or zlib, whichever comes."""
_PLAIN = (b"", b"identity")
_PACKED = (b"gzip", b"deflate")
_MULTIPART = b"multipart/"


class ClientGone(Exception):  # noqa: N818 - nobody is left to answer
    """The connection ended before the request was complete."""


async def read_body(
    headers: Headers, receive: Receive, limits: RuntimeLimits, began: float | None = None, clock: Clock = time.monotonic
) -> bytes:
    """The request's body, decompressed.

    Args:
        headers: Lower-case names.
        receive: ASGI's; the server wakes it now and then while a sender is slow (`connection.py`).
        limits: The bounds.
        began: When the request's first byte came, on `clock`; None: now.
        clock: Monotonic seconds.

    Raises:
        BodyTooLarge: announced, received or decompressed beyond the limit.
        ReceiptTimeout: not complete in `receipt_seconds` plus one second per MiB announced or received.
        UnsupportedMedia: multipart, or an encoding other than identity, gzip, deflate.
        InvalidRequest: the compressed data are broken.
        ClientGone: the connection ended.

    """
    packed = _is_packed(headers)
    announced = int(headers.get(b"content-length", 0))
    if announced > limits.max_body_bytes:
        raise _too_large(limits)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        began = clock() if began is None else began
        body = await _rest(body, receive, limits, announced, lambda: clock() - began)
    elif len(body) > limits.max_body_bytes:
        raise _too_large(limits)
    return _decompressed(body, limits) if packed else body


def _is_packed(headers: Headers) -> bool:
    """Whether the body is compressed; refuses what is never taken."""
    if headers.get(b"content-type", b"")[: len(_MULTIPART)].lower() == _MULTIPART:
        raise UnsupportedMedia("multipart bodies are not taken")
    encoding = headers.get(b"content-encoding")
    if encoding is None or encoding.lower() in _PLAIN:
        return False
    if encoding.lower() not in _PACKED:
        raise UnsupportedMedia("the content encodings taken are identity, gzip and deflate")
    return True


async def _rest(
    first: bytes, receive: Receive, limits: RuntimeLimits, announced: int, elapsed: Callable[[], float]
) -> bytes:
    """A body that comes in more than one piece."""
    pieces = [first]
    size = len(first)
    while True:
        if size > limits.max_body_bytes:
            raise _too_large(limits)
        if elapsed() > limits.receipt_seconds + max(announced, size) / MIB:
            raise ReceiptTimeout("the request was not received in time")
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if not message.get("more_body", False):
            break
    if size > limits.max_body_bytes:
        raise _too_large(limits)
    return b"".join(pieces)


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
