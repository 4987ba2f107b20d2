"""Real processes, really killed: nothing is left, and the next instance goes on from the folder."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.local.stage import Stage, model_of
from tests.models.good import doubler

from serinus_operator.cluster.port import Manifest
from serinus_operator.local.lock import StateInUse

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 60.0


@asynccontextmanager
async def alone(folder: Path, manifest: Manifest) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.local.alone", str(folder / "state"), json.dumps(manifest),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, cwd=ROOT,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def told(process: asyncio.subprocess.Process, phase: str | None, *, ready: bool) -> None:
    """Wait until it says so."""
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE_SECONDS):
        async for line in process.stdout:
            said: dict[str, Any] = json.loads(line)
            if (said["phase"], said["ready"]) == (phase, ready):
                return
    raise AssertionError("it ended before")


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def gone(pid: int) -> None:
    """Wait until a process that is not our child has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, over.set)
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await over.wait()
    finally:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_pods_end_with_their_parent(tmp_path: Path, number: int) -> None:
    (tmp_path / "two.onnx").write_bytes(doubler(2.0))
    async with alone(tmp_path, model_of(f"file://{tmp_path}/two.onnx", replicas=2)) as process:
        await told(process, None, ready=True)
        pods = children_of(process.pid)
        assert len(pods) >= 2
        process.send_signal(number)
        await process.wait()
        for pid in pods:
            await gone(pid)


@pytest.mark.parametrize("phase", ["Started", "Preflight", "Provisioning"])
async def test_rollout_goes_on_after_a_kill(tmp_path: Path, phase: str) -> None:
    (tmp_path / "two.onnx").write_bytes(doubler(2.0))
    uri = f"file://{tmp_path}/two.onnx"
    async with alone(tmp_path, model_of(uri)) as process:
        await told(process, phase, ready=False)
        process.kill()
    stage = Stage(tmp_path)
    await stage.start()
    try:
        if phase == "Started":
            await stage.apply(model_of(uri))  # it may not have got as far as taking it
        status = (await stage.ready())["status"]
        assert await stage.predict(2.0) == 4.0
        assert [r["state"] for r in status["revisions"]] == ["Stable"]
    finally:
        await stage.close()


async def test_change_goes_on_after_a_kill_and_the_old_revision_serves_meanwhile(tmp_path: Path) -> None:
    for name, factor in (("two", 2.0), ("five", 5.0)):
        (tmp_path / f"{name}.onnx").write_bytes(doubler(factor))
    async with alone(tmp_path, model_of(f"file://{tmp_path}/two.onnx")) as process:
        await told(process, None, ready=True)
        process.kill()
    async with alone(tmp_path, model_of(f"file://{tmp_path}/five.onnx")) as process:
        await told(process, "Preflight", ready=False)
        process.kill()
    stage = Stage(tmp_path)
    await stage.start()
    try:
        await stage.until(lambda: stage.instance.backends("default", "m"))
        await stage.ready()
        assert await stage.predict(2.0) == 10.0
        assert [r["state"] for r in stage.get()["status"]["revisions"]] == ["Stable", "Retired"]
    finally:
        await stage.close()


async def test_second_instance_in_a_folder_is_refused_by_pid(tmp_path: Path) -> None:
    (tmp_path / "two.onnx").write_bytes(doubler(2.0))
    async with alone(tmp_path, model_of(f"file://{tmp_path}/two.onnx")) as process:
        await told(process, "Started", ready=False)
        with pytest.raises(StateInUse, match=f"in use by process {process.pid} .*kill {process.pid}.*--state"):
            await Stage(tmp_path).start()
