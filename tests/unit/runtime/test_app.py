"""The ASGI callable with a stand-in for the model: faults, clients that leave, slow neighbours."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest

from serinus_api.runtime import ModelSource, RuntimeConfig, RuntimeLimits
from serinus_runtime.app import Application, guarded
from serinus_runtime.codec import EncodedAnswer
from serinus_runtime.connection import ConnectionRules
from serinus_runtime.limits import Gate
from serinus_runtime.metrics import Metrics
from serinus_runtime.plane import Plane
from serinus_runtime.server import Message, Port, Scope, Send, listen
from serinus_runtime.shadow import Shadow

INFER = "/v2/models/m/infer"


class Model:
    """Answers with what it was made with, or raises it."""

    def __init__(self, answer: EncodedAnswer | Exception) -> None:
        self.answer = answer

    async def infer(self, body: bytes, header_length: int | None, timeout: Callable[[], float]) -> EncodedAnswer:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Neighbour:
    """Stands for BentoML."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()
        self.bodies: list[bytes] = []
        self.fault: Exception | None = None

    async def answer(self, scope: Scope, body: bytes, send: Send, plane: Plane) -> None:
        self.bodies.append(body)
        self.asked.set()
        await self.go_on.wait()
        await send({"type": "http.response.start", "status": 201, "headers": [(b"a", b"b")]})
        if self.fault:
            raise self.fault
        await send({"type": "http.response.body", "body": b"done"})


class Client:
    """Asks an application in-process."""

    def __init__(self, answer: EncodedAnswer | Exception | None = None, **limits: int) -> None:
        config = RuntimeConfig(
            model_name="m",
            model_version="m-1",
            source=ModelSource(uri="pvc://c/model.onnx", path="model.onnx"),
            limits=RuntimeLimits(**limits),
        )
        self.gate = Gate(config.limits.max_concurrency, config.limits.max_queue)
        self.metrics = Metrics("m-1", self.gate)
        self.neighbour = Neighbour()
        self.app = Application(config, self.gate, self.metrics, self.neighbour, Shadow(config))
        if answer is not None:
            self.app.plane = cast("Plane", Model(answer))

    async def ask(self, method: str, path: str, *messages: Message, **headers: str) -> list[Message]:
        """Everything that the application sends."""
        waiting = list(messages) or [{"type": "http.request", "body": b"{}", "more_body": False}]
        sent: list[Message] = []

        async def receive() -> Message:
            return waiting.pop(0) if waiting else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        await self.app({"type": "http", "method": method, "path": path, "headers": pairs}, receive, send)
        return sent

    def count(self, code: int, via: str = "direct") -> bool:
        label = f'serinus_request_duration_seconds_count{{code="{code}",via="{via}",revision="m-1"}} 1'
        return label in self.metrics.render()


GOOD = EncodedAnswer(b"{}", None)


@asynccontextmanager
async def served(client: Client) -> AsyncIterator[int]:
    """The application on a port of its own; its number."""
    listener = listen("127.0.0.1", 0)
    port = Port(guarded(client.app, "m-1"), listener, ConnectionRules(8192, 5.0, 60.0))
    running = asyncio.create_task(port.run_port())
    try:
        await port.listening.wait()
        yield port.number
    finally:
        port.end()
        await running


async def exchange(port: int, method: str, path: str) -> tuple[bytes, bytes]:
    """Head and body of an answer, read until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"{method} {path} HTTP/1.1\r\nhost: m\r\ncontent-length: 2\r\n\r\n{{}}".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        return head.lower(), body
    finally:
        writer.close()


async def test_a_fault_of_ours_is_a_500_without_a_word_of_it(caplog: pytest.LogCaptureFixture) -> None:
    client = Client(ValueError("secret"))
    async with served(client) as port:
        head, body = await exchange(port, "POST", INFER)
    assert head.startswith(b"http/1.1 500 ")
    assert body == b'{"error":"internal error"}'
    for header in (b"connection: close", b"content-type: application/json", b"x-serinus-revision: m-1"):
        assert header in head
    assert "secret" in caplog.text
    assert client.count(500)


async def test_a_fault_in_mid_answer_breaks_the_connection_off(caplog: pytest.LogCaptureFixture) -> None:
    client = Client(GOOD)
    client.neighbour.fault = ValueError("secret")
    client.neighbour.go_on.set()
    async with served(client) as port:
        head, body = await exchange(port, "POST", "/predict")
    assert head.startswith(b"http/1.1 201 ")
    assert b"0\r\n\r\n" not in body, "the client would take it for the whole answer"
    assert "secret" in caplog.text


async def test_a_client_that_leaves_is_counted_and_not_answered() -> None:
    client = Client(GOOD)
    piece: Message = {"type": "http.request", "body": b"{", "more_body": True}
    assert await client.ask("POST", INFER, piece, x_serinus_via="split") == []
    assert client.count(499, "split")


@pytest.mark.parametrize(
    ("sent", "counted"), [("split", "split"), ("match", "match"), ("other", "direct"), ("", "direct")]
)
async def test_requests_are_counted_by_how_they_came(sent: str, counted: str) -> None:
    client = Client(GOOD)
    start, _ = await client.ask("POST", INFER, x_serinus_via=sent)
    assert start["status"] == 200
    assert client.metrics.arrivals[counted] == 1
    assert client.count(200, counted)


async def test_binary_answers_say_where_the_json_ends() -> None:
    start, body = await Client(EncodedAnswer(b"{}1234", 2)).ask("POST", INFER)
    assert (b"inference-header-content-length", b"2") in start["headers"]
    assert (b"content-type", b"application/octet-stream") in start["headers"]
    assert body["body"] == b"{}1234"


async def test_a_neighbour_is_bounded_in_number_and_in_time() -> None:
    client = Client(GOOD, max_concurrency=1, max_queue=0, request_timeout_seconds=1)
    first = asyncio.create_task(client.ask("POST", "/predict"))
    await client.neighbour.asked.wait()
    assert client.gate.in_flight == 1
    start, body, *_ = await client.ask("POST", "/predict")
    assert start["status"] == 429
    assert list(json.loads(body["body"])) == ["error"]
    start, body = await first
    assert (start["status"], body["body"]) == (503, b'{"error":"the request was not answered in time"}')
    assert client.gate.in_flight == 0
    assert client.count(503)


async def test_a_neighbours_answer_passes_with_the_revision() -> None:
    client = Client(GOOD)
    client.neighbour.go_on.set()
    start, body = await client.ask("POST", "/predict", x_serinus_via="match")
    assert (start["status"], body["body"]) == (201, b"done")
    assert start["headers"] == [(b"a", b"b"), (b"x-serinus-revision", b"m-1")]
    assert client.neighbour.bodies == [b"{}"]
    assert client.count(201, "match")


async def test_a_neighbour_that_is_only_looked_at_counts_for_nothing() -> None:
    client = Client(GOOD)
    client.neighbour.go_on.set()
    await client.ask("GET", "/schema.json")
    assert sum(client.metrics.arrivals.values()) == 0
    assert "_count" not in client.metrics.render()


async def test_a_pod_that_drains_wants_no_new_traffic_but_its_model_still_answers() -> None:
    client = Client(GOOD)
    client.neighbour.go_on.set()
    client.app.draining = True
    for path in ("/v2/health/ready", "/readyz"):
        start, _ = await client.ask("GET", path)
        assert start["status"] == 503, path
    start, body = await client.ask("GET", "/v2/models/m/ready")
    assert (start["status"], json.loads(body["body"])["ready"]) == (200, True)
    start, _ = await client.ask("POST", INFER)
    assert start["status"] == 200


@pytest.mark.parametrize("path", [INFER, "/predict", "/v2/models/m"])
async def test_before_the_model_is_loaded_the_answer_is_503(path: str) -> None:
    client = Client()
    start, body, *_ = await client.ask("GET" if path == "/v2/models/m" else "POST", path)
    assert (start["status"], body["body"]) == (503, b'{"error":"the model is loading"}')
    assert (b"retry-after", b"1") in start["headers"]


async def test_a_body_that_is_not_read_is_taken_and_dropped_for_a_while() -> None:
    client = Client(GOOD, max_body_bytes=10)
    pieces: list[Message] = [
        {"type": "http.request", "body": b"x" * 99, "more_body": more} for more in (True, True, False)
    ]
    start, body, end = await client.ask("POST", INFER, *pieces, content_length="297")
    assert start["status"] == 413
    assert (body["more_body"], end) == (True, {"type": "http.response.body", "body": b""})
