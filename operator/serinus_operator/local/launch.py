"""Starts the process of a container and tells how it ended."""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from serinus_operator.local.memory import Group, kill_beyond
from serinus_operator.local.program import Program

LOG_BYTES = 16 * 1024 * 1024
MESSAGE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class End:
    """How a process ended."""

    code: int
    """As `subprocess` has it: below 0 for a signal."""
    out_of_memory: bool
    peak: int | None = None
    """Bytes of memory that it had at most; None where nobody measured."""


async def launch(program: Program, log: Path, group: Group | None) -> asyncio.subprocess.Process:
    """Start it in a session of its own, so that Ctrl-C is ours to pass on. It dies with this process."""
    log.parent.mkdir(parents=True, exist_ok=True)
    program.folder.mkdir(parents=True, exist_ok=True)
    members = str(group.members) if group else "-"
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", "serinus_operator.local.child", str(os.getpid()), members),
            *(program.name, *program.arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(program.environment),
            cwd=program.folder,
            start_new_session=True,
        )


async def ending(process: asyncio.subprocess.Process, limit: int | None, group: Group | None) -> End:
    """Wait for the end; enforce the memory limit where no control group does."""
    if limit is None or group is not None:
        code = await process.wait()
        return End(code, group.killed(), group.peak()) if group else End(code, out_of_memory=False)
    watch = asyncio.ensure_future(kill_beyond(process.pid, limit))
    code = await process.wait()
    if watch.done():
        return End(code, out_of_memory=True, peak=watch.result())
    watch.cancel()
    return End(code, out_of_memory=False)


def last_words(file: Path) -> str:
    """The termination message; empty where there is none."""
    try:
        return file.read_bytes()[:MESSAGE_BYTES].decode(errors="replace").strip()
    except OSError:
        return ""


def bound_log(log: Path) -> None:
    """Keep a log within its size: the older part goes to `<name>.1`. The process appends, so it notices nothing."""
    try:
        if log.stat().st_size > LOG_BYTES:
            log.with_name(f"{log.name}.1").write_bytes(log.read_bytes())
            os.truncate(log, 0)
    except OSError:
        return
