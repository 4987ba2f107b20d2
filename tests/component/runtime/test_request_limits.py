"""What a pod facing strangers refuses, over real sockets: too much, too slow, too long, too many."""

import gzip
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse

import pytest
from tests import models
from tests.component.runtime.harness import DEADLINE, INFER, Answer, RuntimeProcess, ask, place, wait_until

from serinus_api.runtime import RuntimeLimits

GOOD = {"inputs": [{"name": "rounds", "datatype": "INT64", "shape": [1], "data": [1]}]}
LONG = {"inputs": [{"name": "rounds", "datatype": "INT64", "shape": [1], "data": [10**9]}]}
MAX_BODY = 100_000


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeProcess]:
    """Small limits, so that reaching them is quick."""
    limits = RuntimeLimits(
        max_concurrency=1,
        max_queue=1,
        request_timeout_seconds=5,
        max_body_bytes=MAX_BODY,
        receipt_seconds=1,
        max_header_bytes=8192,
    )
    config = place(tmp_path_factory.mktemp("strict"), models.slow(), limits=limits)
    with RuntimeProcess(config) as process:
        yield process.wait_until_ready()


@pytest.fixture(autouse=True)
def still_serves(strict: RuntimeProcess) -> Iterator[None]:
    """Whatever a test does, the next request is served, and nothing is left in flight."""
    yield
    assert strict.infer(GOOD).status == 200
    assert strict.load().in_flight == 0
    assert strict.load().queued == 0


@contextmanager
def raw(process: RuntimeProcess, *pieces: bytes) -> Iterator[socket.socket]:
    """A socket on which bytes were sent."""
    with socket.create_connection(("127.0.0.1", process.http_port), timeout=DEADLINE) as sock:
        for piece in pieces:
            sock.sendall(piece)
        yield sock


def read_answer(sock: socket.socket) -> Answer:
    """The next response on a raw socket."""
    response = HTTPResponse(sock)
    response.begin()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


def test_an_announced_body_is_refused_before_it_is_sent(strict: RuntimeProcess) -> None:
    head = f"POST {INFER} HTTP/1.1\r\nhost: h\r\ncontent-length: {MAX_BODY + 1}\r\nexpect: 100-continue\r\n\r\n"
    with raw(strict, head.encode()) as sock:
        answer = read_answer(sock)  # and no 100 before it
    assert (answer.status, answer.error) == (413, f"the body is larger than {MAX_BODY} bytes")
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("size", [MAX_BODY + 1, 20_000_000], ids=["one byte too many", "far too many"])
def test_a_client_that_sends_a_large_body_anyway_reads_its_413(strict: RuntimeProcess, size: int) -> None:
    answer = strict.ask("POST", INFER, bytes(size))
    assert (answer.status, answer.error) == (413, f"the body is larger than {MAX_BODY} bytes")


def test_a_chunked_body_is_refused_once_it_is_too_large(strict: RuntimeProcess) -> None:
    chunk = b"1000\r\n" + bytes(0x1000) + b"\r\n"
    head = f"POST {INFER} HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    with raw(strict, head, *[chunk] * (MAX_BODY // 0x1000 + 1)) as sock:
        answer = read_answer(sock)
    assert (answer.status, answer.error) == (413, f"the body is larger than {MAX_BODY} bytes")


def test_a_body_that_unpacks_to_too_much_is_refused(strict: RuntimeProcess) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < MAX_BODY
    answer = strict.ask("POST", INFER, bomb, content_encoding="gzip")
    assert (answer.status, answer.error) == (413, f"the body is larger than {MAX_BODY} bytes")


def test_a_body_may_be_compressed(strict: RuntimeProcess) -> None:
    body = gzip.compress(json.dumps(GOOD).encode())
    assert strict.ask("POST", INFER, body, content_encoding="gzip").status == 200


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"content_encoding": "br"}, "the content encodings taken are identity, gzip and deflate"),
        ({"content_type": "multipart/form-data; boundary=b"}, "multipart bodies are not taken"),
    ],
)
def test_other_media_are_refused(strict: RuntimeProcess, headers: dict[str, str], message: str) -> None:
    answer = strict.ask("POST", INFER, b"{}", **headers)
    assert (answer.status, answer.error) == (415, message)


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "text/plain", "image/png"])
def test_the_content_type_decides_nothing(strict: RuntimeProcess, kind: str) -> None:
    assert strict.infer(GOOD, content_type=kind).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([f"h{i}: 1" for i in range(101)], id="101 fields"),
        pytest.param(["h: " + "a" * 8200], id="one long field"),
        pytest.param(["h: " + "a" * 500] * 20, id="twenty fields"),
        pytest.param(["h: " + "a" * 1_000_000], id="a megabyte"),
    ],
)
def test_headers_beyond_the_limit_are_refused(strict: RuntimeProcess, headers: list[str]) -> None:
    lines = "\r\n".join(["GET /v2 HTTP/1.1", "host: h", *headers])
    with raw(strict) as sock:
        sender = threading.Thread(target=send_and_forget, args=(sock, f"{lines}\r\n\r\n".encode()))
        sender.start()
        answer = read_answer(sock)
        sender.join()
    assert (answer.status, answer.error) == (431, "the request's headers exceed 8192 bytes or 100 fields")


def send_and_forget(sock: socket.socket, data: bytes) -> None:
    try:
        sock.sendall(data)
    except OSError:
        return  # it was refused before all was sent


def test_a_header_without_end_is_refused(strict: RuntimeProcess) -> None:
    with raw(strict, b"GET /v2 HTTP/1.1\r\nhost: h\r\nx: ") as sock:
        sender = threading.Thread(target=send_and_forget, args=(sock, b"a" * 50_000_000))
        sender.start()
        answer = read_answer(sock)
        sender.join()
    assert answer.status == 431


def test_trailers_without_end_are_refused(strict: RuntimeProcess) -> None:
    head = f"POST {INFER} HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\nx: ".encode()
    with raw(strict, head) as sock:
        sender = threading.Thread(target=send_and_forget, args=(sock, b"a" * 50_000_000))
        sender.start()
        answer = read_answer(sock)
        sender.join()
    assert answer.status == 431


def test_headers_within_the_limit_pass_also_in_many_pieces(strict: RuntimeProcess) -> None:
    request = b"GET /v2 HTTP/1.1\r\nhost: h\r\nconnection: close\r\nx: " + b"a" * 7000 + b"\r\n\r\n"
    with raw(strict, *(request[start : start + 50] for start in range(0, len(request), 50))) as sock:
        assert read_answer(sock).status == 200


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"PO", id="in the first line"),
        pytest.param(b"POST /v2 HTTP/1.1\r\nhost: h\r\nx-slo", id="in the headers"),
        pytest.param(f"POST {INFER} HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\n{{".encode(), id="in the body"),
        pytest.param(f"POST {INFER} HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\n".encode(), id="before the body"),
        pytest.param(
            f"POST {INFER} HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{{\r\n".encode(),
            id="between chunks",
        ),
    ],
)
def test_a_sender_that_stops_is_given_up(strict: RuntimeProcess, sent: bytes) -> None:
    with raw(strict, sent) as sock:
        answer = read_answer(sock)
        assert sock.recv(1) == b""
    assert (answer.status, answer.error) == (408, "the request was not received in time")
    assert answer.headers["connection"] == "close"


def test_a_sender_that_drips_is_given_up_too(strict: RuntimeProcess) -> None:
    body = json.dumps(GOOD).encode().ljust(10_000)
    head = f"POST {INFER} HTTP/1.1\r\nhost: h\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    gone = threading.Event()
    with raw(strict, head) as sock:

        def drip() -> None:
            for byte in body:
                send_and_forget(sock, bytes([byte]))
                if gone.wait(0.02):
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        answer = read_answer(sock)
        gone.set()
        dripping.join()
    assert answer.status == 408


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /v2 HTTP/1.1\r\nhost: h\r\nbad header\r\n\r\n",
        b"POST /v2 HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\n",
        b"POST /v2 HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST /v2 HTTP/1.1\r\nhost: h\r\ncontent-length: -1\r\n\r\n",
        b"POST /v2 HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        "GET /é HTTP/1.1\r\nhost: h\r\n\r\n".encode(),
    ],
)
def test_what_is_not_http_is_400(strict: RuntimeProcess, sent: bytes) -> None:
    with raw(strict, sent) as sock:
        answer = read_answer(sock)
    assert (answer.status, answer.error) == (400, "not a valid HTTP request")


def test_places_and_queue_are_bounded_and_waiting_has_an_end(strict: RuntimeProcess) -> None:
    before = strict.load().arrivals["direct"]
    with ThreadPoolExecutor() as pool, ExitStack() as stack:
        waiting = [pool.submit(strict.infer, LONG) for _ in range(2)]
        until_busy(strict, in_flight=1, queued=1)
        connection = strict.connect()
        stack.callback(connection.close)
        refused = ask(connection, "POST", INFER, json.dumps(GOOD).encode())
        assert (refused.status, refused.headers["retry-after"]) == (429, "1")
        assert refused.error == "1 requests are in flight and 1 wait; try again later"
        large = strict.ask("POST", INFER, bytes(MAX_BODY))
        assert large.status == 429
        assert strict.ask("GET", "/v2/health/ready").status == 200
        assert ask(connection, "GET", "/v2/health/live").status == 200  # a refusal does not cost the connection
        late = [task.result() for task in waiting]
    assert [answer.status for answer in late] == [503, 503]
    words = {answer.error for answer in late}
    assert "the request was not answered in time" in words
    assert words <= {"the request was not answered in time", "the request waited too long for its turn"}
    until_busy(strict, in_flight=0, queued=0)
    assert strict.load().arrivals["direct"] == before + 4
    page = strict.ask_private("/metrics").body.decode()
    assert f'serinus_requests_rejected_total{{revision="{strict.config.model_version}"}} 2\n' in page


def until_busy(process: RuntimeProcess, in_flight: int, queued: int) -> None:
    """Wait for that load."""

    def reached() -> bool:
        load = process.load()
        return (load.in_flight, load.queued) == (in_flight, queued)

    wait_until(reached)


def test_a_client_that_leaves_is_no_fault(strict: RuntimeProcess) -> None:
    head = f"POST {INFER} HTTP/1.1\r\nhost: h\r\ncontent-length: 99\r\n\r\n{{".encode()
    lines = len(strict.lines)
    with raw(strict, head):
        pass
    assert strict.infer(GOOD).status == 200
    assert len(strict.lines) == lines
