"""The parts of the demo in local mode that could tell a lie: what it takes for ready, and what for left behind."""

import asyncio
import os
import socket
import sys
from pathlib import Path

import pytest
from dev.demo.local import leftovers
from dev.demo.local.serving import Row
from dev.demo.local.story import serves_on, shortened
from examples.iris import train

from serinus_operator.local.addresses import free_port

WAITING = "import sys; sys.stdin.read()"


def row(
    generation: int = 2, observed: int = 2, pods: tuple[str, ...] = ("a", "b"), leaving: tuple[str, ...] = ()
) -> Row:
    conditions = [
        {"type": kind, "status": "True", "observedGeneration": observed, "reason": "R", "message": "m"}
        for kind in ("Ready", "Available")
    ]
    listed = [
        {"name": name, "revision": "m-1", "address": f"127.1.0.1:{n}", "terminating": name in leaving}
        for n, name in enumerate((*pods, *leaving))
    ]
    return Row({"generation": generation, "revision": "m-1", "conditions": conditions, "pods": listed})


def test_condition_of_an_earlier_manifest_does_not_count() -> None:
    assert row().holds("Ready")
    assert not row(generation=3).holds("Ready")
    assert row(generation=3).condition("Ready") == {}


def test_pod_that_ends_is_none_that_serves() -> None:
    found = row(leaving=("c",))
    assert found.pods == {"a": "m-1", "b": "m-1"}
    assert found.has_pods("m-1")
    assert len(found.addresses) == 3


@pytest.mark.parametrize(("pods", "expected"), [(("a", "b"), True), (("a", "b", "c"), True), (("a", "c"), False)])
def test_model_serves_on_only_in_the_same_pods(pods: tuple[str, ...], expected: bool) -> None:
    assert serves_on(row(), row(pods=pods)) is expected


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
@pytest.mark.parametrize("by", ["command", "environment", "working folder"])
async def test_process_of_the_folder_is_found_while_it_runs(tmp_path: Path, by: str) -> None:
    folder = str(tmp_path)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", WAITING, *([folder] if by == "command" else [])),
        stdin=asyncio.subprocess.PIPE,
        cwd=folder if by == "working folder" else "/",
        env={**os.environ, "PWD": "/", "HOME": folder if by == "environment" else "/"},
    )
    found = [line.split()[0] for line in leftovers.processes(tmp_path)]
    await process.communicate(b"")
    assert found == [str(process.pid)]
    assert leftovers.processes(tmp_path) == []


def test_open_address_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        nobody = f"127.0.0.1:{free_port()}"  # while the other is taken, or it might be the same one
        assert leftovers.listening([address, nobody]) == [address]
    assert leftovers.listening([address]) == []


def test_manifest_is_shown_without_its_bytes() -> None:
    (text,) = (text for path, text in train.manifests().items() if path.name == "improved.yaml")
    lines = shortened(text)
    assert sum("model.onnx: " in line for line in lines) == 1
    assert [line for line in lines if len(line) > 60] == []
    assert lines[-1] == "      limits: {memory: 512Mi}"
