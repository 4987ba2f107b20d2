"""The runtime as a process: started with a configuration, asked over HTTP, told to stop by signals.

Shared by the component tests of the runtime. Every wait is for a condition and has a deadline.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from serinus_api.runtime import CONFIG_ENV, LOAD_PATH, LoadReport, ModelSource, Phase, PreflightReport, RuntimeConfig
from serinus_runtime.cgroup import own_control_group
from serinus_runtime.preflight import preflight
from serinus_runtime.progress import Progress
from serinus_runtime.report import TerminationMessage

DEADLINE = 30.0
"""For anything to happen on a busy machine (seconds)."""
COMMAND = str(Path(sys.executable).with_name("serinus-runtime"))
REVISION = "m-1a2b3c4d"
INFER = "/v2/models/m/infer"


@dataclass
class Answer:
    """A response, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The message of an error, whose body has nothing else."""
        document = self.json()
        assert list(document) == ["error"]
        assert self.headers["content-type"] == "application/json"
        message = document["error"]
        assert isinstance(message, str)
        return message


def place(folder: Path, model: bytes, name: str = "model.onnx", **more: Any) -> RuntimeConfig:
    """A configuration that serves `model` from a volume below `folder`; `more` are fields of the configuration."""
    mount = folder / "mount"
    mount.mkdir(parents=True, exist_ok=True)
    (mount / name).write_bytes(model)
    return configuration(folder, ModelSource(uri=f"pvc://claim/{name}", path=name), **more)


def configuration(folder: Path, source: ModelSource, **more: Any) -> RuntimeConfig:
    """A configuration for one process without privileges, with all its files below `folder`."""
    plain: dict[str, Any] = {
        "model_name": "m",
        "model_version": REVISION,
        "source": source,
        "model_mount": str(folder / "mount"),
        "work_mount": str(folder / "work"),
        "termination_log": str(folder / "termination"),
        "host": "127.0.0.1",
        "http_port": 0,
        "metrics_port": 0,
        "drain_seconds": 0,
        "threads": 1,
    }
    return RuntimeConfig.model_validate(plain | more)


def environment(config: RuntimeConfig) -> dict[str, str]:
    """What a process of the runtime finds in its environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BENTOML", "SERINUS"))}
    return kept | {CONFIG_ENV: config.model_dump_json(by_alias=True)}


class RuntimeProcess:
    """A running `serinus-runtime serve`, or another command that speaks like it."""

    def __init__(self, config: RuntimeConfig, *command: str) -> None:
        self.config = config
        self._process = subprocess.Popen(
            command or (COMMAND, "serve"), env=environment(config), stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        self._told = threading.Condition()
        self.lines: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.http_port = self.metrics_port = 0

    def __enter__(self) -> Self:
        listening = self.wait_for_line("Listening")
        self.http_port, self.metrics_port = listening["http_port"], listening["metrics_port"]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_ready(self) -> Self:
        self.wait_for_line("Ready")
        return self

    def wait_for_line(self, message: str) -> dict[str, Any]:
        """The first log line with this message."""

        def seen() -> dict[str, Any] | None:
            return next((line for line in self.lines if line["message"] == message), None)

        with self._told:
            found = self._told.wait_for(lambda: seen() or not self._reader.is_alive(), DEADLINE)
            line = seen()
        assert found, f"no {message!r} in {self.lines}"
        assert line, f"the process ended without {message!r}: {self.lines}"
        return line

    def signal(self, number: int = signal.SIGTERM) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """The exit code, once it has ended."""
        code = self._process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return code

    def connect(self) -> HTTPConnection:
        """A new connection to the public port."""
        return HTTPConnection("127.0.0.1", self.http_port, timeout=DEADLINE)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request on a connection of its own; `_` in a header's name is a dash."""
        return self._ask(self.http_port, method, path, body, **headers)

    def ask_private(self, path: str) -> Answer:
        """A page of the second port."""
        return self._ask(self.metrics_port, "GET", path, None)

    def _ask(self, port: int, method: str, path: str, body: bytes | None, **headers: str) -> Answer:
        connection = HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
        try:
            return ask(connection, method, path, body, **headers)
        finally:
            connection.close()

    def infer(self, document: Any, path: str = INFER, **headers: str) -> Answer:
        """One inference in JSON."""
        return self.ask("POST", path, json.dumps(document).encode(), **headers)

    def load(self) -> LoadReport:
        """What the operator reads."""
        return LoadReport.model_validate_json(self.ask_private(LOAD_PATH).body)

    def phase(self) -> Phase | None:
        """How far the termination message says that it is."""
        return read_phase(self.config)

    def _read(self) -> None:
        assert self._process.stderr is not None
        for raw in self._process.stderr:
            try:
                line = json.loads(raw)
            except ValueError:
                line = {"message": raw.decode(errors="replace").rstrip()}
            with self._told:
                self.lines.append(line)
                self._told.notify_all()
        with self._told:
            self._told.notify_all()


def ask(connection: HTTPConnection, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
    """One request on an open connection."""
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


def read_phase(config: RuntimeConfig) -> Phase | None:
    """How far a process has come by its termination message; None before that is there, or while it is empty."""
    path = Path(config.termination_log)
    return read_report(config).phase if path.exists() and path.read_bytes() else None


def read_report(config: RuntimeConfig) -> PreflightReport:
    """The termination message that a process with this configuration has left."""
    return PreflightReport.model_validate_json(Path(config.termination_log).read_bytes())


def wait_until(condition: Callable[[], bool]) -> None:
    """Until `condition` holds, asked a hundred times a second."""
    pause = threading.Event()
    for _ in range(int(DEADLINE * 100)):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("the condition never came to hold")


@dataclass
class Verdict:
    """The end of a preflight."""

    code: int
    report: PreflightReport
    log: str


def judge(config: RuntimeConfig) -> Verdict:
    """A preflight inside of this process, which has ONNX Runtime loaded already."""
    code = preflight(config, Progress(TerminationMessage(config.termination_log), own_control_group()))
    return Verdict(code, read_report(config), "")


def run_preflight(config: RuntimeConfig, **options: Any) -> Verdict:
    """Run `serinus-runtime preflight` to its end."""
    done = subprocess.run(
        (COMMAND, "preflight"), env=environment(config), capture_output=True, text=True, timeout=DEADLINE, **options
    )
    assert not done.stdout
    return Verdict(done.returncode, read_report(config), done.stderr)
