"""The servers that are measured, as processes pinned to one core: ours, two bare ones, and BentoML as it comes."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import models
from bench.control_plane import DIES_WITH_US, environment
from bench.load import Request
from bench.procfs import cpu_seconds, family, proportional_mib
from serinus_api.runtime import CONFIG_ENV, ModelSource, RuntimeConfig
from serinus_operator.local.addresses import free_port

SERVER_CORE, CLIENT_CORE = 0, 1
START_SECONDS, STOP_SECONDS, POLL_SECONDS = 60.0, 20.0, 0.002
INFER = "/v2/models/m/infer"
TINY_INPUT = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [5.1, 3.5, 1.4, 0.2]}
TINY = Request(INFER, json.dumps({"inputs": [TINY_INPUT]}).encode(), {"Content-Type": "application/json"})
PREDICT = Request("/predict", b'{"inputs": {"x": [[5.1, 3.5, 1.4, 0.2]]}}', {"Content-Type": "application/json"})


@dataclass(frozen=True)
class Server:
    """How to start one server. `first` is the request that shows that it serves."""

    name: str
    command: tuple[str, ...]
    port: int
    first: Request
    variables: Mapping[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"
    core: int = SERVER_CORE


@dataclass(frozen=True)
class Process:
    """A server that runs."""

    server: Server
    pid: int

    def cpu_seconds(self) -> float:
        """CPU time of the server with its helpers."""
        return sum(cpu_seconds(pid) for pid in family(self.pid))

    def pin(self, core: int) -> None:
        """Move it to another core, with all its threads and helpers."""
        for pid in family(self.pid):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), {core})

    def memory_mib(self) -> float:
        """Proportional set size of the server with its helpers."""
        return sum(proportional_mib(pid) for pid in family(self.pid))


def ours(folder: Path, model: bytes) -> Server:
    """The runtime with its defaults: all limits, deadlines and metrics are on."""
    return runtime(folder, model, "127.0.0.1", (free_port(), free_port()), SERVER_CORE)


def runtime(folder: Path, model: bytes, host: str, ports: tuple[int, int], core: int) -> Server:
    """The same at some address. `ports`: of its models, and of its metrics."""
    mount, work = folder / "mount", folder / "work"
    for made in (mount, work):
        made.mkdir(parents=True, exist_ok=True)
    (mount / "model.onnx").write_bytes(model)
    config = RuntimeConfig(
        model_name="m",
        model_version="bench",
        source=ModelSource(uri="pvc://claim/model.onnx", path="model.onnx", digest=models.digest(model)),
        threads=1,
        drain_seconds=0,
        host=host,
        shadow_network="127.0.0.0/8",
        http_port=ports[0],
        metrics_port=ports[1],
        model_mount=str(mount),
        work_mount=str(work),
        termination_log=str(folder / "termination-log"),
    )
    told = config.model_dump_json(by_alias=True, exclude_none=True)
    command = (beside_python("serinus-runtime"), "serve")
    return Server("ours", command, ports[0], TINY, {CONFIG_ENV: told}, host, core)


def plain(kind: str, folder: Path, model: bytes) -> Server:
    """`bare` or `lean`, see `asgi.py`."""
    path, port = folder / f"{kind}.onnx", free_port()
    path.write_bytes(model)
    return Server(kind, (sys.executable, "-m", "bench.asgi", kind, str(port), str(path)), port, TINY)


def bento(folder: Path, model: bytes) -> Server:
    """`bentoml serve` of the same service, with nothing of ours around it."""
    told, port = ours(folder / "bento", model).variables, free_port()
    command = (beside_python("bentoml"), "serve", "serinus_runtime.service:Model", "--host", "127.0.0.1")
    return Server("BentoML", (*command, "--port", str(port)), port, PREDICT, {**told, "BENTOML_DO_NOT_TRACK": "true"})


def beside_python(name: str) -> str:
    """A program of our own virtual environment."""
    return str(Path(sys.executable).with_name(name))


@contextmanager
def running(server: Server, log: Path) -> Iterator[tuple[Process, float]]:
    """Start a server pinned to its core; gives it and the seconds from exec to its first right answer."""
    pinned = ("taskset", "--cpu-list", str(server.core))
    with log.open("ab") as output:
        started = time.perf_counter()
        child = subprocess.Popen(
            [*DIES_WITH_US, *pinned, *server.command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(**server.variables),
        )
    try:
        until_serving(server, child, log)
        yield Process(server, child.pid), time.perf_counter() - started
    finally:
        stop(child)


def until_serving(server: Server, child: "subprocess.Popen[bytes]", log: Path) -> None:
    """Ask until the first request is answered."""
    deadline = time.monotonic() + START_SECONDS
    while not answers(server):
        if child.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{server.name} does not serve:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(POLL_SECONDS)


def answers(server: Server) -> bool:
    """One request; whether it was answered with 200."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=5)
    try:
        connection.request(server.first.method, server.first.path, server.first.body, dict(server.first.headers))
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def stop(child: "subprocess.Popen[bytes]") -> None:
    """SIGTERM, then SIGKILL to it and to the helpers that it leaves."""
    helpers = [pid for pid in family(child.pid) if pid != child.pid] if child.poll() is None else []
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    for pid in helpers:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
