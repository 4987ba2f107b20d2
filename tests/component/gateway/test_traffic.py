"""What passes through the gateway unchanged, from zero: bodies, streams, upgrades; and what does not pass at all."""

import asyncio
import hashlib
import io
import os
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from tests.component.gateway.harness import Gateway, echo, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1024 * 1024


async def digest(request: web.Request) -> web.StreamResponse:
    """Size and hash of what came, by pieces."""
    seen, size = hashlib.sha256(), 0
    async for piece in request.content.iter_any():
        seen.update(piece)
        size += len(piece)
    return web.Response(text=f"{size} {seen.hexdigest()}")


@pytest.mark.parametrize("size", [2 * MIB, 20 * MIB], ids=["2 MiB", "20 MiB"])
@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "chunked"])
async def test_large_body_waits_and_arrives_whole(gateway: Gateway, size: int, chunked: bool) -> None:
    port = await gateway.model("iris")
    body = os.urandom(size)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, size, 100_000):
            yield body[start : start + 100_000]

    asking = asyncio.create_task(gateway.read(port, method="POST", data=pieces() if chunked else io.BytesIO(body)))
    await gateway.until_held("iris", 1)
    small = await gateway.small_pod(digest)
    await gateway.show("a", small.address, of="iris")
    assert await asking_text(asking) == f"{size} {hashlib.sha256(body).hexdigest()}"
    assert ("Transfer-Encoding" in small.seen[0].headers) == chunked


async def asking_text(asking: "asyncio.Task[tuple[int, object, bytes]]") -> str:
    status, _, body = await asking
    assert status == 200, body
    return body.decode()


async def test_large_answer_arrives_whole_from_zero(gateway: Gateway) -> None:
    port = await gateway.model("iris")
    body = os.urandom(5 * MIB)
    asking = asyncio.create_task(gateway.read(port))
    await gateway.until_held("iris", 1)

    async def tell(_: web.Request) -> web.StreamResponse:
        return web.Response(body=io.BytesIO(body))

    small = await gateway.small_pod(tell)
    await gateway.show("a", small.address, of="iris")
    assert (await asking)[2] == body


async def test_events_arrive_one_by_one_from_zero(gateway: Gateway) -> None:
    port = await gateway.model("iris")
    asking = asyncio.create_task(gateway.ask(port).__aenter__())
    await gateway.until_held("iris", 1)
    go = asyncio.Semaphore(0)

    async def tell(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number in range(3):
            await go.acquire()
            await response.write(f"data: {number}\n\n".encode())
        return response

    small = await gateway.small_pod(tell)
    await gateway.show("a", small.address, of="iris")
    go.release()
    async with await asking as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        for number in range(3):
            assert await answer.content.readuntil(b"\n\n") == f"data: {number}\n\n".encode()
            go.release()


async def test_websocket_from_zero(gateway: Gateway) -> None:
    port = await gateway.model("iris")

    async def talk(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_bytes(message.data[::-1])
        return socket

    async def ask() -> list[bytes]:
        async with gateway.session.ws_connect(f"http://{gateway.address}:{port}/live") as socket:
            said = []
            for word in (b"one", bytes(range(256)) * 1000):
                await socket.send_bytes(word)
                said.append((await socket.receive()).data)
            return said

    asking = asyncio.create_task(ask())
    await gateway.until_held("iris", 1)
    small = await gateway.small_pod(talk)
    await gateway.show("a", small.address, of="iris")
    assert await asking == [b"eno", (bytes(range(256)) * 1000)[::-1]]


async def test_what_a_client_says_passes_but_for_our_own_headers(gateway: Gateway) -> None:
    port = await gateway.model("iris")
    small = await gateway.small_pod(echo)
    await gateway.show("a", small.address, of="iris", ready=True)
    given = {
        "Host": "some.where.example:81",
        "Authorization": "Bearer secret",
        "X-Mine": "1",
        "X-Forwarded-For": "10.9.8.7",
        "User-Agent": "test",
        "x-serinus-via": "shadow",
        "X-Serinus-Revision": "other",
        "x-serinus-destination": "127.0.0.1:1",
        "x-serinus-cold-start": "1",
        "x_serinus_destination": "127.0.0.1:1",
        "x-envoy-upstream-rq-timeout-ms": "1",
        "x-envoy-original-dst-host": "127.0.0.1:1",
        "x-envoy-retry-on": "5xx",
    }
    path = "/v2/models/a%2Fb//../infer?x=%20&y;z"
    status, headers, _ = await gateway.read(port, path, headers=given)
    assert status == 200
    seen = small.seen[0].headers
    assert small.seen[0].raw_path == path.replace("//../", "/") or small.seen[0].raw_path == path
    ours = {name.lower(): value for name, value in seen.items() if name.lower().startswith(("x-serinus", "x_serinus"))}
    assert ours.keys() == {"x-serinus-via", "x-serinus-revision", "x-serinus-destination"}
    assert (ours["x-serinus-via"], ours["x-serinus-revision"]) == ("split", "iris-1")
    for name in ("Host", "Authorization", "X-Mine", "X-Forwarded-For", "User-Agent"):
        assert seen[name] == given[name]
    added = {name.lower() for name in seen} - {name.lower() for name in given} - {"accept", "accept-encoding"}
    assert added == {"x-forwarded-proto"}
    assert not [name for name in seen if name.lower().startswith("x-envoy")]
    assert not [name for name in headers if name.lower().startswith("x-envoy")]
    assert "envoy" not in headers.get("Server", "").lower()
    assert "x-serinus-cold-start" not in headers, "a pod was there when it came"


POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
SMUGGLED = {
    "length and chunks": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nhello",
    "a chunk without a size": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    "a header without a name": b"GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n",
    "a space before the colon": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "an unknown coding": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: cow\r\n\r\n0\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "a NUL in a header": b"GET / HTTP/1.1\r\nHost: a\r\nX-One: 1\x00\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", SMUGGLED.values(), ids=SMUGGLED)
async def test_doubtful_request_is_refused_and_no_pod_sees_it(gateway: Gateway, request_bytes: bytes) -> None:
    port = await gateway.model("iris")
    small = await gateway.small_pod(echo)
    await gateway.show("a", small.address, of="iris", ready=True)
    reader, writer = await asyncio.open_connection(gateway.address, port)
    writer.write(request_bytes)
    async with asyncio.timeout(10):
        answer = await reader.read(65536)
    writer.close()

    status = int(answer.split()[1])
    assert status in (400, 501), answer
    assert b"HTTP/1.1 200" not in answer
    assert all(request.body_exists for request in small.seen), "at most the head of a body that turned out bad"


async def test_folded_header_becomes_one_line(gateway: Gateway) -> None:
    """RFC 9112, 5.2: a proxy refuses it, or puts a space in place of the fold; it must not become a header."""
    port = await gateway.model("iris")
    small = await gateway.small_pod(echo)
    await gateway.show("a", small.address, of="iris", ready=True)
    reader, writer = await asyncio.open_connection(gateway.address, port)
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nX-One: 1\r\n  x-serinus-via: shadow\r\n\r\n")
    assert (await reader.readuntil(b"\r\n")).split()[1] == b"200"
    writer.close()
    seen = small.seen[0].headers
    assert " ".join(seen["x-one"].split()) == "1 x-serinus-via: shadow"
    assert seen.getall("x-serinus-via") == ["split"]


async def test_port_alone_names_the_model(gateway: Gateway) -> None:
    """No header leads to the model of another port, nor to one of another namespace."""
    first, second = await gateway.model("one"), await gateway.model("two", namespace="other")
    pods = [await gateway.small_pod(echo) for _ in range(2)]
    await gateway.show("one", pods[0].address, of="one")
    await gateway.show("two", pods[1].address, of="two", namespace="other")
    named = [{"Host": host} for host in ("two.other.svc", "one", f"{gateway.address}:{second}")]
    named += [{"x-serinus-model": str(second)}, {"x_serinus_model": str(second)}, {"x-serinus-revision": "two-1"}]
    named += [{":authority": "two.other.svc"}, {"x-envoy-original-path": "/check/other/two/two-1"}]
    for headers in named:
        assert (await gateway.read(first, headers=headers))[0] in (200, 400), headers
    assert len(pods[0].seen) >= len(named) - 1, "at most the odd name is refused"
    assert pods[1].seen == []
    assert (await gateway.read(second))[0] == 200
    assert len(pods[1].seen) == 1


async def test_client_that_leaves_takes_its_request_along(gateway: Gateway) -> None:
    port = await gateway.model("iris")
    ended = asyncio.Event()

    async def wait(_: web.Request) -> web.StreamResponse:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return web.Response()

    small = await gateway.small_pod(wait)
    await gateway.show("a", small.address, of="iris")
    asking = asyncio.create_task(gateway.read(port))
    await until(lambda: small.seen)
    asking.cancel()
    async with asyncio.timeout(10):
        await ended.wait()


async def test_answer_that_breaks_off_breaks_off_for_the_client(gateway: Gateway) -> None:
    port = await gateway.model("iris")

    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport
        request.transport.close()
        return response

    small = await gateway.small_pod(half)
    await gateway.show("a", small.address, of="iris")
    async with gateway.ask(port) as answer:
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
