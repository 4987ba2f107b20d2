"""The load generator: `wrk` from Debian, one thread on a core of its own, keep-alive, closed loop."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

NUMBER = re.compile(r"^Requests/sec:\s+(\S+)$", re.MULTILINE)
DONE = re.compile(r"^\s+(\d+) requests in ", re.MULTILINE)
SHARE = r"^\s+{}%\s+([\d.]+)(us|ms|s)$"
FAILED = re.compile(r"^\s+(?:Socket errors: .*|Non-2xx or 3xx responses: .*)$", re.MULTILINE)
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True)
class Request:
    """What is sent over and over."""

    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"


@dataclass(frozen=True)
class Load:
    """What came of it. Times in seconds."""

    per_second: float
    requests: int
    p50: float
    p99: float


def script(request: Request, folder: Path, name: str) -> Path:
    """The request as a script of wrk; its body lies beside it."""
    body, path = folder / f"{name}.body", folder / f"{name}.lua"
    body.write_bytes(request.body)
    headers = "\n".join(f'wrk.headers["{key}"] = "{value}"' for key, value in request.headers.items())
    path.write_text(f'wrk.method = "{request.method}"\n{headers}\nwrk.body = io.open("{body}", "rb"):read("*a")\n')
    return path


def run(
    port: int, path: str, lua: Path, *, connections: int, seconds: float, core: int, host: str = "127.0.0.1"
) -> Load:
    """Load a server for so long. Raises RuntimeError when any request failed."""
    command = ["taskset", "--cpu-list", str(core), "wrk", "--threads", "1", "--connections", str(connections)]
    command += ["--duration", f"{seconds:.0f}s", "--latency", "--script", str(lua), f"http://{host}:{port}{path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return read(done.stdout, path)


def read(text: str, path: str) -> Load:
    """What wrk says. Pure. Raises RuntimeError when any request failed."""
    if failed := FAILED.search(text):
        raise RuntimeError(f"{path}: {failed[0].strip()}")
    rate, requests = NUMBER.search(text), DONE.search(text)
    assert rate
    assert requests
    return Load(float(rate[1]), int(requests[1]), latency(text, 50), latency(text, 99))


def latency(text: str, percent: int) -> float:
    """What so many of a hundred requests took at most (seconds)."""
    found = re.search(SHARE.format(percent), text, re.MULTILINE)
    assert found
    return float(found[1]) * _SECONDS[found[2]]
