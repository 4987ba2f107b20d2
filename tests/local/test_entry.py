"""The entry port over pods that are small servers of the test: where requests go, and what comes of each."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from tests.local.front import Front
from tests.local.stage import Stage, model_of, polled, under_load
from tests.models.good import doubler

from serinus_operator.cluster.port import POD
from serinus_operator.local.entry import Entry
from serinus_operator.local.pages import locate
from serinus_operator.local.stats import Rates, Stats

KEY = ("default", "m")
ADDRESSES = {
    "a host": ("iris.localhost", "/v2", ("default", "iris")),
    "a host with a port and a query": ("iris.localhost:8080", "/v2?a=%2f", ("default", "iris")),
    "a host with a namespace": ("iris.lab.localhost.", "/", ("lab", "iris")),
    "capitals": ("Iris.LocalHost", "/models/x/y", ("default", "iris")),
    "too many labels": ("a.b.c.localhost", "/models/x/y", None),
    "a path": ("127.0.0.1:8080", "/models/lab/iris/v2/health?a", ("lab", "iris")),
    "a path that ends with the name": ("localhost", "/models/lab/iris", ("lab", "iris")),
    "no model": ("localhost", "/models/lab", None),
    "an empty name": ("localhost", "/models//iris/v2", None),
    "another host": ("iris.example", "/v2", None),
    "no host": ("", "/v2", None),
}


@pytest.mark.parametrize(("host", "path", "expected"), ADDRESSES.values(), ids=ADDRESSES)
def test_address_names_a_model(host: str, path: str, expected: tuple[str, str] | None) -> None:
    assert locate(host, path) == expected


def test_rates_are_those_of_the_last_ten_seconds() -> None:
    rates = Rates()
    assert rates.stats(KEY) == Stats(0.0, None)
    rates.add(100.0, {KEY: 5}, {KEY: 1.5})
    assert rates.stats(KEY) == Stats(0.5, 1.5), "a model that was not there a second ago began at 0"
    for second in range(1, 10):
        rates.add(100.0 + second, {KEY: 5 + 2 * second}, {})
    assert rates.stats(KEY) == Stats(2.3, None)
    rates.add(110.0, {KEY: 25}, {})
    assert rates.stats(KEY) == Stats(2.0, None), "the first five are older"
    rates.add(111.0, {KEY: 3}, {})
    assert rates.stats(KEY) == Stats(0.3, None), "Envoy was started again"
    rates.add(112.0, {}, {})
    assert rates.stats(KEY) == Stats(0.0, None), "the model is gone"


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    front = Front(tmp_path)
    await front.start()
    yield front
    await front.close()


def saying(text: str) -> Callable[[web.Request], Any]:
    async def say(_: web.Request) -> web.Response:
        return web.Response(text=text)

    return say


async def echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def test_request_and_answer_pass_unchanged_but_for_the_connection(front: Front) -> None:
    seen: dict[str, Any] = {}

    async def note(request: web.Request) -> web.Response:
        seen.update(method=request.method, target=request.raw_path, headers=request.headers, body=await request.read())
        headers = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Content-Encoding", "gzip")]
        return web.Response(status=418, body=b"\x1f\x8bnot really", headers=headers)

    await front.serve(note)
    given = {"X-One": "1", "X-Hop": "2", "Connection": "keep-alive, x-hop", "x-serinus-via": "match"}
    url = front.url("/v2/models/a%2Fb/infer?x=%20&y")
    async with front.direct.post(url, data=b"bytes", headers=given) as answer:
        assert answer.status == 418
        assert answer.headers["x-serinus-revision"] == front.get()["status"]["stableRevision"]
        assert answer.headers.getall("Set-Cookie") == ["a=1", "b=2"]
        assert await answer.read() == b"\x1f\x8bnot really"
    assert (seen["method"], seen["body"]) == ("POST", b"bytes")
    assert seen["target"] == "/v2/models/a%2Fb/infer?x=%20&y"
    assert (seen["headers"]["Content-Length"], seen["headers"]["X-One"]) == ("5", "1")
    assert seen["headers"]["x-serinus-via"] == "split", "how it came is not the client's to say"
    assert "X-Hop" not in seen["headers"]


@pytest.mark.parametrize(
    ("path", "host", "target"),
    [
        ("/models/default/m", None, "/"),
        ("/models/default/m?a", None, "/?a"),
        ("/v2?a=1", "m.localhost:80", "/v2?a=1"),
        ("/models/default/n/v2", "M.default.LocalHost.", "/models/default/n/v2"),
    ],
)
async def test_model_is_found_by_path_and_by_host(front: Front, path: str, host: str | None, target: str) -> None:
    async def where(request: web.Request) -> web.Response:
        return web.Response(text=request.raw_path)

    await front.serve(where)
    url = f"http://127.0.0.1:{front.entry.port}{path}"
    async with front.direct.get(url, headers={"Host": host} if host else {}) as answer:
        assert (answer.status, await answer.text()) == (200, target)


async def test_bodies_stream_both_ways_at_once(front: Front) -> None:
    async def upper(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        async for piece in request.content.iter_any():
            await response.write(piece.upper())
        return response

    await front.serve(upper)
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def talk() -> AsyncIterator[bytes]:
        for word in (b"one", b"two", b"three"):
            yield word
            if word != b"three":
                assert await heard.get() == word.upper()

    async with front.direct.post(front.url("/"), data=talk(), headers={"Host": "m.localhost"}) as answer:
        async for piece in answer.content.iter_any():
            heard.put_nowait(piece)
    assert heard.get_nowait() == b"THREE"


async def test_large_body_passes_whole(front: Front) -> None:
    await front.serve(echo)
    body = bytes(range(256)) * 80_000
    async with front.direct.post(front.url("/v2"), data=io.BytesIO(body)) as answer:
        assert await answer.read() == body


async def test_requests_go_to_all_pods(front: Front) -> None:
    await front.serve(saying("a"), saying("b"))
    said = [await (await front.direct.get(front.url("/"))).text() for _ in range(40)]
    assert set(said) == {"a", "b"}


async def test_pod_that_accepts_nothing_is_passed_over_with_the_body_whole(front: Front) -> None:
    await front.serve(None, echo, None)
    for n in range(12):
        async with front.direct.post(front.url("/"), data=f"body {n}".encode()) as answer:
            assert (answer.status, await answer.text()) == (200, f"body {n}")


async def test_model_that_has_never_served_tells_its_condition(front: Front) -> None:
    """As long as the gateway does not know it, the pages say so."""
    spec = {"runtime": {"nodeSelector": {"gpu": "yes"}}}
    await front.apply({**model_of("file:///a.onnx"), "spec": {"model": {"uri": "file:///a.onnx"}, **spec}})
    await front.stalled()
    for url, headers in ((front.url("/v2"), {}), (front.url("/v2"), {"Host": "m.localhost"})):
        async with front.direct.get(url, headers=headers) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            body = await answer.json()
        assert body["reason"] == "NotInLocalMode"
        assert body["error"].startswith("no pod of m is ready: NotInLocalMode: spec.runtime.nodeSelector")


async def test_without_a_ready_pod_the_gateway_tells_the_condition_at_once(front: Front) -> None:
    """A model that may not sleep is not woken, and nobody waits for what only others can mend."""
    await front.serve(echo)
    front.unready()

    async def told() -> bool:
        async with front.direct.get(front.url("/v2")) as answer:
            if answer.status != 503 or "no pod of m is ready" not in await answer.text():
                return False
            assert answer.headers["Retry-After"] == "1"
            assert (await answer.json())["reason"]
            return True

    await polled(told, "503 with the reason")


async def test_unknown_addresses_are_told_what_there_is(front: Front) -> None:
    await front.serve(echo)
    port = front.entry.port
    known = [[f"http://m.localhost:{port}", f"http://127.0.0.1:{port}/models/default/m"]]
    for path, host in (
        ("/nothing", "127.0.0.1"),
        ("/v2", "absent.localhost"),
        ("/models/default/m/v2", "absent.localhost"),
        ("/models/lab/m/v2", "127.0.0.1"),
        ("/models/default/mm/v2", "127.0.0.1"),
    ):
        async with front.direct.get(f"http://127.0.0.1:{port}{path}", headers={"Host": host}) as answer:
            assert answer.status == 404
            assert (await answer.json())["models"] == known


async def test_root_lists_the_models_with_their_state(front: Front) -> None:
    await front.serve(echo)
    async with front.direct.get(f"http://127.0.0.1:{front.entry.port}/") as answer:
        (row,) = (await answer.json())["models"]
    assert (row["namespace"], row["name"], row["ready"], row["reason"]) == ("default", "m", "True", "Ready")
    assert (row["state"], row["replicas"], len(row["pods"])) == ("Awake", "1/1", 1)


async def test_answer_that_breaks_off_breaks_off_for_the_client_too(front: Front) -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport
        request.transport.close()
        return response

    await front.serve(half)
    answer = await front.direct.get(front.url("/"))
    with pytest.raises(aiohttp.ClientPayloadError):
        await answer.read()


async def test_pod_that_ends_before_it_answers_is_told_and_not_asked_again(front: Front) -> None:
    asked = 0

    async def die(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        await request.read()
        assert request.transport
        request.transport.abort()
        return web.Response()

    await front.serve(die)
    async with front.direct.post(front.url("/"), data=b"x") as answer:
        assert answer.status == 503
        assert "reset before headers" in (await answer.json())["error"]
    assert asked == 1


async def test_client_that_leaves_takes_its_request_along(front: Front) -> None:
    arrived, ended = asyncio.Event(), asyncio.Event()

    async def wait(_: web.Request) -> web.Response:
        arrived.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return web.Response()

    await front.serve(wait)
    asking = asyncio.create_task(front.direct.get(front.url("/")))
    await arrived.wait()
    asking.cancel()
    async with asyncio.timeout(30):
        await ended.wait()


async def test_stop_lets_a_request_end(front: Front) -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    async def wait(_: web.Request) -> web.Response:
        arrived.set()
        await go.wait()
        return web.Response(text="done")

    await front.serve(wait)
    asking = asyncio.create_task(front.direct.get(front.url("/")))
    await arrived.wait()
    stopping = asyncio.create_task(front.entry.stop())

    async def closed() -> bool:
        return not await _accepts(front.entry.port)

    await polled(closed, "nothing more is accepted")
    assert not stopping.done()
    go.set()
    assert await (await asking).text() == "done"
    await stopping


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def test_port_that_is_taken_is_an_error_of_the_system(front: Front) -> None:
    other = Entry(front.instance, port=front.entry.port)
    with pytest.raises(OSError, match="in use"):
        await other.start()
    await other.stop()


async def test_statistics_are_those_of_the_requests_that_came(front: Front) -> None:
    await front.serve(saying("ok"))
    for _ in range(5):
        await (await front.direct.get(front.url("/"))).read()

    async def counted() -> bool:
        seen = front.entry.stats(*KEY)
        return seen.requests_per_second == 0.5 and seen.p95_milliseconds is not None

    await polled(counted, "five requests, and how long they took")
    assert front.entry.stats("default", "other") == Stats(0.0, None)


async def test_no_request_is_lost_while_a_revision_is_replaced(fronted: Stage) -> None:
    stage = fronted
    runtime = {"resources": {"limits": {"memory": "512Mi"}}}
    await stage.apply(model_of(stage.file("two.onnx", doubler(2.0)), replicas=2, runtime=runtime))
    await stage.ready()
    url = stage.url("/v2/models/m/infer")
    body = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [3.0] * 4}]})

    async def ask() -> tuple[str, float]:
        async with stage.session.post(url, data=body) as answer:
            said = await answer.json()
            assert answer.status == 200, said
            return answer.headers["x-serinus-revision"], said["outputs"][0]["data"][0]

    over = asyncio.Event()
    load = [asyncio.create_task(under_load(ask, over)) for _ in range(2)]
    await stage.apply(model_of(stage.file("five.onnx", doubler(5.0)), replicas=1, runtime=runtime))
    await stage.ready()
    await stage.until(lambda: len(stage.cluster.select(POD)) == 1)
    over.set()
    results = await asyncio.gather(*load)
    assert [faults for _, faults in results] == [[], []]
    assert {said for answers, _ in results for _, said in answers} == {6.0, 15.0}
    assert len({revision for answers, _ in results for revision, _ in answers}) == 2
    big = {"Content-Type": "application/json"}
    async with stage.session.post(url, data=io.BytesIO(bytes(17 << 20)), headers=big) as answer:
        assert answer.status == 413
