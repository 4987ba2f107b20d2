"""The entry port over pods that are small servers of the test: where requests go, and what comes of each."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from tests.local.stage import Stage, model_of, under_load
from tests.models.good import doubler

from serinus_operator.cluster.port import MODEL_DEPLOYMENT, POD
from serinus_operator.cluster.process import ProcessCluster
from serinus_operator.local.entry import Entry, locate
from serinus_operator.local.instance import Backend
from serinus_operator.local.stats import SAMPLES, Stats, Window

ADDRESSES = {
    "a host": ("iris.localhost", "/v2", ("default", "iris", "/v2")),
    "a host with a port and a query": ("iris.localhost:8080", "/v2?a=%2f", ("default", "iris", "/v2?a=%2f")),
    "a host with a namespace": ("iris.lab.localhost.", "/", ("lab", "iris", "/")),
    "capitals": ("Iris.LocalHost", "/models/x/y", ("default", "iris", "/models/x/y")),
    "a path": ("127.0.0.1:8080", "/models/lab/iris/v2/health?a", ("lab", "iris", "/v2/health?a")),
    "a path that ends with the name": ("localhost", "/models/lab/iris", ("lab", "iris", "/")),
    "a query behind the name": ("localhost", "/models/lab/iris?a", ("lab", "iris", "/?a")),
    "no model": ("localhost", "/models/lab", None),
    "an empty name": ("localhost", "/models//iris/v2", None),
    "another host": ("iris.example", "/v2", None),
    "no host": ("", "/v2", None),
}


@pytest.mark.parametrize(("host", "path", "expected"), ADDRESSES.values(), ids=ADDRESSES)
def test_address_names_a_model(host: str, path: str, expected: tuple[str, str, str] | None) -> None:
    assert locate(host, path) == expected


def test_window_tells_rate_and_percentile_of_ten_seconds() -> None:
    window = Window()
    assert window.stats(0.0) == Stats(0.0, None)
    for n in range(1, 21):
        window.add(100.0, n / 1000)
    assert window.stats(100.0) == Stats(2.0, pytest.approx(19.0))
    assert window.stats(110.5) == Stats(0.0, None)
    for _ in range(3 * SAMPLES):
        window.add(200.0, 0.001)
    assert window.stats(200.0).requests_per_second == 3 * SAMPLES / 10


class Front:
    """An entry port whose pods are servers of the test."""

    def __init__(self) -> None:
        self.cluster = ProcessCluster(None)
        self.behind: list[Backend] = []
        instance: Any = SimpleNamespace(
            cluster=self.cluster, backends=lambda *_: tuple(self.behind), pods=lambda *_: ()
        )
        self.entry = Entry(instance, port=0)
        self._runners: list[web.AppRunner] = []

    async def start(self) -> None:
        await self.cluster.user_apply(model_of("file:///a.onnx"))
        await self.entry.start()
        self.session = aiohttp.ClientSession(f"http://127.0.0.1:{self.entry.port}", auto_decompress=False)

    async def stop(self) -> None:
        await self.session.close()
        await self.entry.stop()
        for runner in self._runners:
            await runner.cleanup()

    async def pod(self, answer: Callable[[web.Request], Any], name: str = "p") -> Backend:
        application = web.Application(client_max_size=1 << 30)
        application.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(application, auto_decompress=False, handler_cancellation=True, shutdown_timeout=0.1)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        backend = Backend("127.0.0.1", runner.addresses[0][1], "m-1", name)
        self.behind.append(backend)
        return backend

    def absent(self) -> Backend:
        """A pod that accepts nothing."""
        backend = Backend("127.0.0.1", 1, "m-1", "absent")
        self.behind.append(backend)
        return backend

    def say(self, *conditions: dict[str, str]) -> None:
        live = self.cluster.find(MODEL_DEPLOYMENT, "default", "m")
        assert live is not None
        self.cluster.put_status(
            MODEL_DEPLOYMENT, "default", "m", live["metadata"]["uid"], {"conditions": list(conditions)}
        )


@pytest.fixture
async def front() -> AsyncIterator[Front]:
    front = Front()
    await front.start()
    yield front
    await front.stop()


async def test_request_and_answer_pass_unchanged_but_for_the_connection(front: Front) -> None:
    seen: dict[str, Any] = {}

    async def echo(request: web.Request) -> web.Response:
        seen.update(method=request.method, target=request.raw_path, headers=request.headers, body=await request.read())
        headers = [
            ("x-serinus-revision", "m-1"),
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
            ("Content-Encoding", "gzip"),
        ]
        return web.Response(status=418, reason="Teapot", body=b"\x1f\x8bnot really", headers=headers)

    await front.pod(echo)
    given = {"X-One": "1", "X-Hop": "2", "Connection": "keep-alive, x-hop", "TE": "trailers", "x-serinus-via": "split"}
    path = "/models/default/m/v2/models/a%2Fb/infer?x=%20&y"
    async with front.session.post(path, data=b"bytes", headers=given) as answer:
        assert (answer.status, answer.reason) == (418, "Teapot")
        assert answer.headers["x-serinus-revision"] == "m-1"
        assert answer.headers.getall("Set-Cookie") == ["a=1", "b=2"]
        assert await answer.read() == b"\x1f\x8bnot really"
    assert (seen["method"], seen["body"]) == ("POST", b"bytes")
    assert seen["target"] == "/v2/models/a%2Fb/infer?x=%20&y"
    assert seen["headers"]["Content-Length"] == "5"
    assert seen["headers"]["X-One"] == "1"
    assert not {"X-Hop", "TE", "x-serinus-via"} & set(seen["headers"])


async def test_bodies_stream_both_ways_at_once(front: Front) -> None:
    async def upper(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        async for piece in request.content.iter_any():
            await response.write(piece.upper())
        return response

    await front.pod(upper)
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def talk() -> AsyncIterator[bytes]:
        for word in (b"one", b"two", b"three"):
            yield word
            if word != b"three":
                assert await heard.get() == word.upper()

    async with asyncio.timeout(10), front.session.post("/", data=talk(), headers={"Host": "m.localhost"}) as answer:
        async for piece in answer.content.iter_any():
            heard.put_nowait(piece)
    assert heard.get_nowait() == b"THREE"


async def test_large_body_passes_whole(front: Front) -> None:
    async def size(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    await front.pod(size)
    async with front.session.post("/models/default/m/v2", data=io.BytesIO(bytes(20_000_000))) as answer:
        assert await answer.text() == "20000000"


async def test_requests_go_to_the_pods_in_turn(front: Front) -> None:
    for name in ("a", "b"):
        await front.pod(saying(name), name)
    said = [await (await front.session.get("/models/default/m/")).text() for _ in range(6)]
    assert sorted(said) == ["a"] * 3 + ["b"] * 3
    assert all(one != other for one, other in pairwise(said))


def saying(text: str) -> Callable[[web.Request], Any]:
    async def say(_: web.Request) -> web.Response:
        return web.Response(text=text)

    return say


async def test_pod_that_accepts_nothing_is_passed_over_with_the_body_whole(front: Front) -> None:
    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    front.absent()
    await front.pod(echo)
    front.absent()
    for n in range(6):
        async with front.session.post("/models/default/m/", data=f"body {n}".encode()) as answer:
            assert (answer.status, await answer.text()) == (200, f"body {n}")


async def test_without_a_ready_pod_the_condition_is_told(front: Front) -> None:
    front.say({"type": "Ready", "status": "False", "reason": "LoadFailed", "message": "not a model"})
    for make_absent in (False, True):
        if make_absent:
            front.absent()
        async with front.session.get("/v2", headers={"Host": "m.localhost"}) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            body = await answer.json()
        assert body["reason"] == "LoadFailed"
        assert body["error"] == "no pod of m is ready: LoadFailed: not a model"


async def test_unknown_addresses_are_told_what_there_is(front: Front) -> None:
    port = front.entry.port
    known = [[f"http://m.localhost:{port}", f"http://127.0.0.1:{port}/models/default/m"]]
    for path, host in (("/nothing", "127.0.0.1"), ("/v2", "absent.localhost"), ("/models/lab/m/v2", "127.0.0.1")):
        async with front.session.get(path, headers={"Host": host}) as answer:
            assert answer.status == 404
            assert (await answer.json())["models"] == known


async def test_root_lists_the_models_with_their_state(front: Front) -> None:
    front.say({"type": "Ready", "status": "True", "reason": "Serving", "message": "m-1 answers"})
    async with front.session.get("/") as answer:
        (row,) = (await answer.json())["models"]
    assert (row["namespace"], row["name"], row["ready"], row["reason"]) == ("default", "m", "True", "Serving")
    assert (row["requestsPerSecond"], row["p95Milliseconds"], row["pods"]) == (0.0, None, [])


async def test_answer_that_breaks_off_breaks_off_for_the_client_too(front: Front) -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport
        request.transport.close()
        return response

    await front.pod(half)
    answer = await front.session.get("/models/default/m/")
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

    await front.pod(die)
    async with front.session.post("/models/default/m/", data=b"x") as answer:
        assert answer.status == 502
        assert "ended before it answered" in (await answer.json())["error"]
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

    await front.pod(wait)
    asking = asyncio.create_task(front.session.get("/models/default/m/"))
    await arrived.wait()
    asking.cancel()
    async with asyncio.timeout(5):
        await ended.wait()


async def test_stop_lets_a_request_end(front: Front) -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    async def wait(_: web.Request) -> web.Response:
        arrived.set()
        await go.wait()
        return web.Response(text="done")

    await front.pod(wait)
    asking = asyncio.create_task(front.session.get("/models/default/m/"))
    await arrived.wait()
    stopping = asyncio.create_task(front.entry.stop())
    await asyncio.sleep(0)
    go.set()
    assert await (await asking).text() == "done"
    await stopping


async def test_port_that_is_taken_is_an_error_of_the_system(front: Front) -> None:
    other = Entry(front.entry._instance, port=front.entry.port)
    with pytest.raises(OSError, match="in use"):
        await other.start()
    await other.stop()


async def test_statistics_are_those_of_answered_requests(front: Front) -> None:
    await front.pod(saying("ok"))
    for _ in range(5):
        await (await front.session.get("/models/default/m/")).read()
    seen = front.entry.stats("default", "m")
    assert seen.requests_per_second == 0.5
    assert seen.p95_milliseconds is not None
    assert front.entry.stats("default", "other") == Stats(0.0, None)


async def test_no_request_is_lost_while_a_revision_is_replaced(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    await stage.start()
    entry = Entry(stage.instance, port=0)
    await entry.start()
    try:
        await stage.apply(model_of(stage.file("two.onnx", doubler(2.0)), replicas=2))
        await stage.ready()
        url = f"http://127.0.0.1:{entry.port}/models/default/m/v2/models/m/infer"
        body = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [3.0] * 4}]})

        async def ask() -> tuple[str, float]:
            async with stage.session.post(url, data=body) as answer:
                said = await answer.json()
                assert answer.status == 200, said
                return answer.headers["x-serinus-revision"], said["outputs"][0]["data"][0]

        over = asyncio.Event()
        load = [asyncio.create_task(under_load(ask, over)) for _ in range(2)]
        await stage.apply(model_of(stage.file("five.onnx", doubler(5.0)), replicas=1))
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
    finally:
        await entry.stop()
        await stage.close()
