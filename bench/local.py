"""`python -m bench local`: how long a user of local mode waits. Makes the lines of the report.

The command is started as a user starts it, in a folder with the iris example and one replica, and asked over its entry
port from the moment on that the process was started.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dev.cluster.console import step
from dev.demo.local.serving import DIRECT, Serving, program

from bench.report import Line, bounded
from serinus_operator.local.addresses import free_port

ROOT = Path(__file__).parents[1]
FIRST, IMPROVED = ROOT / "examples" / "iris.yaml", ROOT / "examples" / "iris" / "improved.yaml"
GROUP = "local"
ANSWER_AIM, EDIT_AIM, HELP_AIM, DEMO_AIM = 3.0, 3.0, 0.3, 120.0
PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.005
FLOWER = {"name": "features", "datatype": "FP32", "shape": [1, 4], "data": [6.7, 3.1, 4.7, 1.5]}
BODY = json.dumps({"inputs": [FLOWER]}).encode()


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    starts: int = 5
    helps: int = 10
    demo: bool = True


def measure(size: Size) -> list[Line]:
    """Start, ask, edit, end, in turns; then the rest."""
    answers, edits = [], []
    for number in range(1, size.starts + 1):
        with step(f"start {number} of {size.starts}"):
            answer, edit = start_and_edit()
        answers.append(answer)
        edits.append(edit)
    with step("serinus --help"):
        helps = [seconds(help_) for _ in range(size.helps)]
    lines = [
        line("start → first answer, one small model", answers, ANSWER_AIM),
        line("edit → the new revision answers", edits, EDIT_AIM),
        line("serinus --help", helps, HELP_AIM),
    ]
    if size.demo:
        with step("make demo"):
            lines.append(line("make demo, after set-up", [seconds(demo)], DEMO_AIM))
    return lines


def start_and_edit() -> tuple[float, float]:
    """Seconds from the start to the first answer, and from the edit to the first answer of the new revision."""
    with tempfile.TemporaryDirectory(prefix="serinus-bench-") as name:
        folder = Path(name)
        manifest, serving = folder / "iris.yaml", Serving(folder, free_port())
        manifest.write_text(with_one_replica(FIRST))
        try:
            began = time.monotonic()
            serving.start()
            first = revision_other_than(serving, None)
            started = time.monotonic() - began
            began = time.monotonic()
            manifest.write_text(with_one_replica(IMPROVED))
            revision_other_than(serving, first)
            edited = time.monotonic() - began
            serving.interrupt()
        finally:
            serving.kill()
    return started, edited


def with_one_replica(example: Path) -> str:
    return example.read_text().replace("replicas: 2", "replicas: 1")


def revision_other_than(serving: Serving, known: str | None) -> str:
    """Ask until a revision that is not the known one answers. Raises RuntimeError when none does."""
    request = urllib.request.Request(f"http://{serving.address}/v2/models/iris/infer", BODY)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            with DIRECT.open(request, timeout=PATIENCE_SECONDS) as answer:
                revision = str(json.load(answer)["model_version"])
        except (urllib.error.URLError, ConnectionError):
            revision = None
        if revision not in (None, known):
            return str(revision)
        time.sleep(POLL_SECONDS)
    raise RuntimeError("\n".join(["no answer of a new revision; `serinus run` printed last:", *serving.last_lines()]))


def help_() -> None:
    subprocess.run([program(), "--help"], check=True, capture_output=True)


def demo() -> None:
    """The whole story. Raises RuntimeError when it did not come to its end."""
    done = subprocess.run([sys.executable, "-m", "dev.demo"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"make demo ended with {done.returncode}: {done.stderr.strip()}")


def seconds(act: Callable[[], None]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def line(what: str, measured: Sequence[float], at_most: float) -> Line:
    """The median, and the range of more than one."""
    middle = statistics.median(measured)
    among = f" ({min(measured):.2f} to {max(measured):.2f} in {len(measured)})" if len(measured) > 1 else ""
    return bounded(GROUP, what, f"{middle:.2f} s{among}", number=middle, at_most=at_most, raw={"seconds": measured})
