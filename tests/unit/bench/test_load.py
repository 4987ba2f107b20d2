"""What wrk is told, and what is read from its words."""

from pathlib import Path

import pytest
from bench.load import Load, Request, read, script

SAID = """Running 2s test @ http://127.0.0.1:1/
  1 threads and 64 connections
  Latency Distribution
     50%   35.00us
     75%    1.20ms
     99%    1.01s
  5000 requests in 2.00s, 1.00MB read
Requests/sec:   2499.50
Transfer/sec:      0.5MB
"""


def test_rate_and_percentiles_are_read_in_seconds() -> None:
    assert read(SAID, "/") == Load(per_second=2499.5, requests=5000, p50=pytest.approx(35e-6), p99=pytest.approx(1.01))


@pytest.mark.parametrize(
    "failure", ["  Socket errors: connect 0, read 3, write 0, timeout 0", "  Non-2xx or 3xx responses: 7"]
)
def test_run_with_a_failed_request_is_no_figure(failure: str) -> None:
    with pytest.raises(RuntimeError, match=failure.strip()):
        read(SAID.replace("Requests/sec", f"{failure}\nRequests/sec"), "/")


def test_script_sends_the_request_as_it_is(tmp_path: Path) -> None:
    path = script(Request("/", b"{}", {"A": "b"}, "PUT"), tmp_path, "one")
    text = path.read_text()
    assert 'wrk.method = "PUT"' in text
    assert 'wrk.headers["A"] = "b"' in text
    assert (tmp_path / "one.body").read_bytes() == b"{}"
