"""`serinus run` as a process of its own: start it, ask its entry port what there is, end it as Ctrl-C does.

Made by `scene.py`. Its output goes to a file, which is shown where something goes wrong.
"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from dev.demo.narration import DemoError

from serinus_operator.local.child import die_with

PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.05
END_SECONDS = 30.0
TAIL = 30
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Whatever proxy the environment names, it does not lead to this machine."""


@dataclass(frozen=True)
class Row:
    """One model, as `GET /` of the entry port lists it."""

    told: dict[str, Any]

    @property
    def generation(self) -> int:
        """How often its manifest has changed."""
        return int(self.told["generation"])

    @property
    def revision(self) -> str:
        """The revision that serves."""
        return str(self.told["revision"])

    @property
    def replicas(self) -> str:
        """Pods ready of pods wanted: `2/2`."""
        return str(self.told["replicas"])

    @property
    def weight(self) -> str:
        """Percent of the requests for the stable revision, and in a rollout for both: `75/25%`."""
        return str(self.told["weight"])

    @property
    def state(self) -> str:
        """`Awake`, `Waking` or `Asleep`."""
        return str(self.told["state"])

    def condition(self, kind: str) -> dict[str, str]:
        """One condition, if it speaks of the present manifest; empty otherwise."""
        for one in self.told["conditions"]:
            if one["type"] == kind and one.get("observedGeneration") == self.generation:
                return dict(one)
        return {}

    def holds(self, kind: str) -> bool:
        """Whether a condition is True for the present manifest."""
        return self.condition(kind).get("status") == "True"

    @property
    def pods(self) -> dict[str, str]:
        """The revision of each pod that runs and stays."""
        return {pod["name"]: pod["revision"] for pod in self.told["pods"] if pod["revision"] and not pod["terminating"]}

    @property
    def addresses(self) -> list[str]:
        """Where its pods listen."""
        return [pod["address"] for pod in self.told["pods"] if pod["address"]]

    def has_pods(self, revision: str) -> bool:
        """Whether a pod of the revision is left, be it one that ends."""
        return any(pod["revision"] == revision for pod in self.told["pods"])


class Serving:
    """One run of the command in a folder, over the manifest there; it keeps its state there, too."""

    def __init__(self, folder: Path, port: int) -> None:
        self.arguments = ["run", "-f", "iris.yaml", "--port", str(port)]
        self.folder, self.port = folder, port
        self._log = folder / "serinus.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where the model answers."""
        return f"127.0.0.1:{self.port}/models/default/iris"

    def start(self) -> None:
        """Run it, with its output in a file."""
        with self._log.open("wb") as output:
            self._process = self._open(output)

    def run(self) -> int:
        """Run it on this terminal, to its end; the exit code. Ctrl-C is passed on, each time."""
        self._process = self._open(None)
        while True:
            try:
                return self._process.wait()
            except KeyboardInterrupt:
                self._process.send_signal(signal.SIGINT)

    def _open(self, output: IO[bytes] | None) -> subprocess.Popen[bytes]:
        """In a session of its own, so that Ctrl-C is ours to pass on. It dies with this process."""
        parent = os.getpid()
        return subprocess.Popen(
            [program(), *self.arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output and subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: die_with(parent) if sys.platform == "linux" else None,
        )

    def ask(self, *arguments: str) -> list[str]:
        """What another verb of the command prints."""
        done = subprocess.run(
            [program(), *arguments], cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE_SECONDS
        )
        if done.returncode != 0:
            raise self._fault(f"`serinus {' '.join(arguments)}` ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout.splitlines()

    def interrupt(self) -> int:
        """Ctrl-C; the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise self._fault(f"it was still there {END_SECONDS:.0f} s after Ctrl-C") from error

    def kill(self) -> None:
        """Make sure that it is gone."""
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def row(self) -> Row | None:
        """The model as it is now; None before the port answers or knows it."""
        try:
            with DIRECT.open(f"http://127.0.0.1:{self.port}/", timeout=5) as answer:
                models = json.load(answer)["models"]
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return None
        return next((Row(model) for model in models if model["name"] == "iris"), None)

    def wait(self, words: str, holds: Callable[[Row], bool]) -> Row:
        """Ask until something holds. DemoError when it does not in a minute, or when the command has ended."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            row = self.row()
            if row and holds(row):
                return row
            assert self._process is not None
            if self._process.poll() is not None:
                raise self._fault(f"it ended with {self._process.returncode}")
            if time.monotonic() > deadline:
                raise self._fault(f"{words}: not within {PATIENCE_SECONDS:.0f} s; found: {row and row.told}")
            time.sleep(POLL_SECONDS)

    def last_lines(self, count: int = TAIL) -> list[str]:
        """The end of what it printed."""
        return self._log.read_text(errors="replace").splitlines()[-count:]

    def _fault(self, words: str) -> DemoError:
        return DemoError("\n  ".join([f"serinus run: {words}; it printed last:", *self.last_lines()]))


def program() -> str:
    """The command `serinus` of this environment."""
    return str(Path(sys.executable).with_name("serinus"))
