"""The receipt of bodies."""

import gzip
import zlib
from collections.abc import Iterable

import pytest

from serinus_api.runtime import RuntimeLimits
from serinus_runtime.body import ClientGone, Receive, read_body
from serinus_runtime.errors import BodyTooLarge, InvalidRequest, ReceiptTimeout, RequestRefused, UnsupportedMedia

LIMITS = RuntimeLimits(max_body_bytes=1000, receipt_seconds=10)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def sender(pieces: Iterable[bytes], *, ends: bool = True) -> tuple[Receive, list[bytes]]:
    """An ASGI `receive` that gives these pieces, and what it has given."""
    rest = list(pieces)
    given: list[bytes] = []

    async def receive() -> dict[str, object]:
        if not rest:
            return {"type": "http.disconnect"}
        given.append(rest.pop(0))
        return {"type": "http.request", "body": given[-1], "more_body": bool(rest) or not ends}

    return receive, given


async def read(pieces: Iterable[bytes], **headers: str) -> bytes:
    receive, _ = sender(pieces)
    encoded = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return await read_body(encoded, receive, LIMITS, 0.0, Clock())


async def test_pieces_become_one_body() -> None:
    assert await read([b"ab", b"", b"c"]) == b"abc"
    assert await read([b""]) == b""
    assert await read([b"a" * 1000], content_length="1000") == b"a" * 1000


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress], ids=["gzip", "deflate"])
async def test_a_compressed_body_is_opened(compress: object) -> None:
    assert callable(compress)
    packed = compress(b"a" * 1000)
    assert await read([packed[:5], packed[5:]], content_encoding="gzip") == b"a" * 1000


async def test_an_announced_size_is_refused_before_a_byte_is_read() -> None:
    receive, given = sender([b"a" * 1001])
    with pytest.raises(BodyTooLarge, match="larger than 1000 bytes"):
        await read_body({b"content-length": b"1001"}, receive, LIMITS, 0.0, Clock())
    assert not given


async def test_a_body_without_a_size_is_refused_as_soon_as_it_is_too_large() -> None:
    receive, given = sender([b"a" * 600] * 3)
    with pytest.raises(BodyTooLarge):
        await read_body({}, receive, LIMITS, 0.0, Clock())
    assert len(given) == 2


@pytest.mark.parametrize(
    ("pieces", "headers", "error", "words"),
    [
        pytest.param(
            [gzip.compress(b"a" * 1001)], {"content_encoding": "gzip"}, BodyTooLarge, "larger than 1000", id="a bomb"
        ),
        pytest.param([b"nonsense"], {"content_encoding": "gzip"}, InvalidRequest, "is broken", id="not compressed"),
        pytest.param(
            [gzip.compress(b"a" * 99)[:-9]], {"content_encoding": "gzip"}, InvalidRequest, "is broken", id="cut off"
        ),
        pytest.param(
            [gzip.compress(b"a") * 2], {"content_encoding": "gzip"}, InvalidRequest, "is broken", id="two in one"
        ),
        pytest.param([b"a"], {"content_encoding": "br"}, UnsupportedMedia, "identity, gzip and deflate", id="brotli"),
        pytest.param([b"a"], {"content_encoding": "gzip, gzip"}, UnsupportedMedia, "identity, gzip", id="gzip twice"),
        pytest.param(
            [b"a"], {"content_type": "Multipart/Form-Data; boundary=x"}, UnsupportedMedia, "multipart", id="multipart"
        ),
    ],
)
async def test_bodies_are_refused(
    pieces: list[bytes], headers: dict[str, str], error: type[RequestRefused], words: str
) -> None:
    with pytest.raises(error, match=words):
        await read(pieces, **headers)


async def test_a_sender_that_leaves_gets_no_answer() -> None:
    receive, _ = sender([b"a"], ends=False)
    with pytest.raises(ClientGone):
        await read_body({}, receive, LIMITS, 0.0, Clock())


@pytest.mark.parametrize(
    ("seconds", "announced", "late"),
    [(10.0, 0, False), (10.1, 0, True), (10.9, 1000 * 1024**2, False), (1010.1, 1000 * 1024**2, True)],
)
async def test_a_sender_has_ten_seconds_and_one_for_each_mebibyte(seconds: float, announced: int, late: bool) -> None:
    clock = Clock()
    clock.now = seconds
    receive, _ = sender([b"a", b"b"])
    limits = LIMITS.model_copy(update={"max_body_bytes": 2**40})
    headers = {b"content-length": b"%d" % announced}
    if late:
        with pytest.raises(ReceiptTimeout, match="not received in time") as caught:
            await read_body(headers, receive, limits, 0.0, clock)
        assert caught.value.status == 408
    else:
        assert await read_body(headers, receive, limits, 0.0, clock) == b"ab"
