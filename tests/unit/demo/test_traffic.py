"""The demo's account of its requests, against a real server on the loopback interface."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from dev.demo.shell import wait_until
from dev.demo.traffic import Tally, traffic

from serinus_api.runtime import HEADER_REVISION

FAULTY = "demo-3"


class Model(BaseHTTPRequestHandler):
    """Answers as a model of revision `r1` does, and fails for one request if told so."""

    protocol_version = "HTTP/1.1"
    fault: str | None = None

    def do_POST(self) -> None:
        """Answer an inference."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))["id"]
        faulty = asked == FAULTY
        given = "demo-0" if faulty and self.fault == "another id" else asked
        body = json.dumps({"id": given, "outputs": [{"name": "label", "data": ["setosa"]}]}).encode()
        self.send_response(503 if faulty and self.fault == "status" else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header(HEADER_REVISION, "r1")
        self.end_headers()
        if faulty and self.fault == "reset":
            self.close_connection = True
            return
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    model = type("FaultyModel", (Model,), {"fault": getattr(request, "param", None)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), model)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def sent(address: str, number: int) -> Tally:
    with traffic(address, [5.1, 3.5, 1.4, 0.2]) as tally:
        assert wait_until(lambda: tally.sent >= number, 10)
    return tally


def test_tally_is_complete_when_every_request_was_answered(address: str) -> None:
    tally = sent(address, 6)
    assert tally.complete()
    assert tally.answers == {("r1", "setosa"): tally.sent}
    assert tally.revisions == ["r1"]


@pytest.mark.parametrize(
    ("address", "words"),
    [("status", "503"), ("another id", "the answer of demo-0"), ("reset", "ClientPayloadError")],
    indirect=["address"],
)
def test_tally_names_the_request_that_was_lost(address: str, words: str) -> None:
    tally = sent(address, 6)
    assert not tally.complete()
    assert len(tally.lost) == 1
    assert tally.lost[0].startswith("number 3 after")
    assert words in tally.lost[0]


def test_tally_of_nothing_is_not_complete() -> None:
    assert not Tally().complete()
