"""The command as a process: real pods, real signals, and what a script reads of it."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.local.going import write
from tests.local.stage import model_of
from tests.models.bad import truncated
from tests.models.good import doubler

from serinus_operator.local.addresses import free_port

DEADLINE_SECONDS = 120.0
COMMAND = (sys.executable, "-c", "from serinus_operator.cli.app import main; main()")


class Command:
    """One process, whose JSON lines are read as they come."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[dict[str, Any]] = []
        self.faults = ""
        """Standard error, where it was asked for and the command has ended."""

    async def until(self, **facts: Any) -> dict[str, Any]:
        """Read until a line has these facts."""
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE_SECONDS):
            async for line in self.process.stdout:
                self.said.append(json.loads(line))
                if facts.items() <= self.said[-1].items():
                    return self.said[-1]
        raise AssertionError(f"it ended without {facts}: {self.said}")

    async def end(self) -> int:
        async with asyncio.timeout(DEADLINE_SECONDS):
            out, faults = await self.process.communicate()
            self.said += [json.loads(line) for line in out.splitlines()]
            self.faults = (faults or b"").decode()
            return self.process.returncode or 0


def hear_interrupts() -> None:
    """A shell lets what it starts in the background ignore Ctrl-C, and so would our child if the tests run there."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@asynccontextmanager
async def command(folder: Path, *words: str, stdin: int | None = None, stderr: bool = False) -> AsyncIterator[Command]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *words,
        cwd=folder,
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE if stderr else None,
        preexec_fn=hear_interrupts,
    )
    try:
        yield Command(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def run_words(file: Path, *more: str) -> tuple[str, ...]:
    return ("run", "-f", file.name, "--port", str(free_port()), "--output", "json", *more)


async def test_model_that_ends_its_process_leaves_the_other_serving(tmp_path: Path) -> None:
    (tmp_path / "two.onnx").write_bytes(doubler())
    crashing = model_of("file://two.onnx", "crashing")
    crashing["spec"]["runtime"]["env"] = [{"name": "PYTHONHOME", "value": "/nowhere"}]
    file = write(tmp_path / "m.yaml", model_of("file://two.onnx", "good"), crashing)
    async with command(tmp_path, *run_words(file)) as run:
        await run.until(event="condition", name="good", type="Ready", status="True")
        if not any(line.get("reason") == "Serving" for line in run.said):
            await run.until(event="condition", name="good", reason="Serving")
        if not any(line.get("reason") == "CrashLoop" for line in run.said):
            await run.until(event="condition", name="crashing", reason="CrashLoop")
        good = [line for line in run.said if line.get("name") == "good" and line.get("type") == "Available"]
        assert good[-1]["status"] == "True"
        run.process.send_signal(signal.SIGTERM)
        assert await run.end() == 0
        assert run.said[-1]["event"] == "drained"
        assert any(pod.startswith("default/good-") for pod in run.said[-1]["stopped"])


async def test_once_ends_with_one_and_the_reason_of_a_bad_model(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(truncated())
    file = write(tmp_path / "m.yaml", model_of("file://bad.onnx", "bad"))
    async with command(tmp_path, *run_words(file, "--once")) as run:
        assert await run.end() == 1
    stalled = next(line for line in run.said if line["event"] == "stalled")
    assert stalled["reason"] == "LoadFailed"
    assert not (tmp_path / ".serinus" / "control.sock").exists()


async def test_ctrl_c_drains_and_the_next_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "two.onnx").write_bytes(doubler())
    file = write(tmp_path / "m.yaml", model_of("file://two.onnx", "good"))
    async with command(tmp_path, *run_words(file)) as run:
        await run.until(event="answers")
        async with command(tmp_path, "get", "good", "-o", "json") as get:
            out, _ = await get.process.communicate()
            told = json.loads(out)
            assert told["metadata"]["name"] == "good"
        host, port = told["status"]["url"].removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /v2/models/good HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        assert (await reader.readline()).split()[1] == b"200"
        writer.close()
        run.process.send_signal(signal.SIGINT)
        assert await run.end() == 0
        (pod,) = run.said[-1]["stopped"]
    async with command(tmp_path, *run_words(file, "--once")) as again:
        assert await again.end() == 0
    assert any(line.get("result") == "unchanged" for line in again.said)
    assert not any(line.get("reason") == "Preflight" for line in again.said), "its revision was kept"
    assert os.path.basename(pod).startswith("good-")


async def test_logs_are_followed_to_the_end_of_the_pod(tmp_path: Path) -> None:
    (tmp_path / "two.onnx").write_bytes(doubler())
    file = write(tmp_path / "m.yaml", model_of("file://two.onnx", "good"))

    async def line_with(reader: asyncio.StreamReader | None, words: str) -> str:
        assert reader is not None
        async with asyncio.timeout(DEADLINE_SECONDS):
            async for line in reader:
                if words in line.decode():
                    return line.decode()
        raise AssertionError(f"no line with {words!r}")

    async with command(tmp_path, *run_words(file)) as run:
        await run.until(event="answers")
        async with command(tmp_path, "logs", "-f", "good") as logs:
            await line_with(logs.process.stdout, "Ready")
            run.process.send_signal(signal.SIGTERM)
            await line_with(logs.process.stdout, "Stopped")
            assert await run.end() == 0
            assert logs.process.returncode is None, "it goes on until Ctrl-C"
            logs.process.send_signal(signal.SIGINT)
            async with asyncio.timeout(DEADLINE_SECONDS):
                assert await logs.process.wait() == 0


async def test_standard_input_is_served_and_not_watched(tmp_path: Path) -> None:
    (tmp_path / "two.onnx").write_bytes(doubler())
    listed = {"apiVersion": "v1", "kind": "List", "items": [model_of("file://two.onnx", "piped")]}
    words = ("run", "-f", "-", "--port", str(free_port()), "--output", "json")
    async with command(tmp_path, *words, stdin=asyncio.subprocess.PIPE) as run:
        assert run.process.stdin is not None
        run.process.stdin.write(json.dumps(listed).encode())
        run.process.stdin.close()
        applied = await run.until(event="applied", name="piped")
        assert (applied["file"], applied["line"]) == ("<stdin>", 1)
        answers = await run.until(event="answers")
        assert answers["name"] == "piped"
        run.process.send_signal(signal.SIGINT)
        assert await run.end() == 0
