"""No space left in the state folder: told once, what serves goes on, and the rest follows when there is room."""

import asyncio
import errno
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.local.going import Going, config_map, going, model, quick, write
from tests.local.stage import model_of
from tests.local.test_cli_process import command, run_words
from tests.models.good import doubler

from serinus_operator.cluster.errors import Unwritable
from serinus_operator.cluster.files import Files
from serinus_operator.cluster.port import Manifest
from serinus_operator.local.instance import Instance


class Disk(Files):
    """A disk that has no room for some kinds of objects, in the words of `Files.save`."""

    def __init__(self, folder: Path, *full_for: str) -> None:
        super().__init__(folder)
        self.full_for = full_for
        self.refused = 0

    def save(self, manifest: Manifest) -> None:
        if manifest["kind"] in self.full_for:
            self.refused += 1
            raise Unwritable(f"cannot write {manifest['metadata']['name']}.json: {os.strerror(errno.ENOSPC)}")
        super().save(manifest)


def on(disk: Disk) -> Instance:
    return quick(disk._folder.parent, disk)


NO_ROOM = "unwritable: The state folder takes no writes: cannot write a-"


async def test_once_ends_with_one_and_says_what_to_do(folder: Path) -> None:
    file = write(folder / "a.yaml", model("a"))
    disk = Disk(folder / "state" / "objects", "ControllerRevision")
    run = Going(folder, file, once=True, make=lambda _: on(disk))
    assert await run.once() == 1
    (line,) = (line for line in run.screen.lines if line.startswith("unwritable: "))
    assert line.startswith(NO_ROOM)
    assert line.endswith("No space left on device; make room, or name another one with --state")


async def test_it_is_told_once_and_goes_on_when_there_is_room(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = write(folder / "a.yaml", model("a"))
    disk = Disk(folder / "state" / "objects", "ControllerRevision")
    async with going(folder, file, make=lambda _: on(disk)) as run:
        await run.screen.until(NO_ROOM)
        while disk.refused < 4:  # noqa: ASYNC110  # the operator tries again by the clock
            await asyncio.sleep(0.05)
        assert sum("No space left" in line for line in run.screen.lines) == 1
        assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
        disk.full_for = ()
        await run.screen.until("writable: The state folder takes writes again")
        await run.screen.until("default/a Ready=True")


async def test_document_that_had_no_room_is_applied_when_there_is(folder: Path) -> None:
    file = write(folder / "a.yaml", model("a"), config_map("c", k="v"))
    disk = Disk(folder / "state" / "objects", "ConfigMap")
    async with going(folder, file, make=lambda _: on(disk)) as run:
        seen = await run.screen.until("a.yaml:3: cannot write c.json: No space left on device")
        await run.screen.until("default/a Ready=True")
        while disk.refused < 3:  # noqa: ASYNC110  # the files are tried again by the clock
            await asyncio.sleep(0.05)
        assert sum("No space left" in line for line in run.screen.lines) == 1
        disk.full_for = ()
        await run.screen.until("configmap/c created (a.yaml:3)", after=seen)


async def test_once_with_a_document_that_has_no_room_serves_the_others_and_ends_with_one(folder: Path) -> None:
    file = write(folder / "a.yaml", model("a"), config_map("c", k="v"))
    disk = Disk(folder / "state" / "objects", "ConfigMap")
    run = Going(folder, file, once=True, make=lambda _: on(disk))
    assert await run.once() == 1
    assert "a.yaml:3: cannot write c.json: No space left on device" in run.screen.lines
    assert "ready: All Ready: default/a" in run.screen.lines


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system can be mounted")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.parametrize("room", [0, 4, 16, 32], ids=lambda kibibytes: f"{kibibytes} KiB left")
async def test_real_disk_without_room_ends_once_with_a_message(tmp_path: Path, small_disk: Path, room: int) -> None:
    (tmp_path / "two.onnx").write_bytes(doubler())
    file = write(tmp_path / "m.yaml", model_of("file://two.onnx"))
    (small_disk / "other").write_bytes(bytes((64 - room) * 1024))
    async with command(tmp_path, *run_words(file, "--once", "--state", "disk/state"), stderr=True) as run:
        assert await run.end() == 1
    assert "No space left on device" in run.faults + "".join(str(line.get("message")) for line in run.said)
    assert "Traceback" not in run.faults
