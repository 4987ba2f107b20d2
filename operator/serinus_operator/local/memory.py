"""The memory limit of a pod: a control group where one may be made, else a watch that looks and kills.

Control groups, version 2 or 1, are the real thing: the kernel kills at the limit and counts it. The watch looks every
50 ms, so a fast allocation can go beyond the limit for that long. It counts the memory that the kernel cannot take
back, which is what a control group kills for: pages of files, such as those of libraries, are left out.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

PERIOD_SECONDS = 0.05
ROOT = Path("/sys/fs/cgroup")
MEMBERS = "cgroup.procs"


@dataclass(frozen=True, slots=True)
class Group:
    """The control group of one container."""

    folder: Path
    version: int

    @property
    def members(self) -> Path:
        """The file that a process writes itself into."""
        return self.folder / MEMBERS

    def limit(self, count: int) -> None:
        """Set the limit in bytes, swap included."""
        if self.version == 2:
            (self.folder / "memory.max").write_text(str(count))
            _try(self.folder / "memory.swap.max", "0")
        else:
            (self.folder / "memory.limit_in_bytes").write_text(str(count))
            _try(self.folder / "memory.memsw.limit_in_bytes", str(count))

    def killed(self) -> bool:
        """Whether the kernel has killed in it for want of memory."""
        file = "memory.events" if self.version == 2 else "memory.oom_control"
        try:
            words = (self.folder / file).read_text().split()
        except OSError:
            return False
        counts = dict(zip(words[::2], words[1::2], strict=False))
        return counts.get("oom_kill", "0") != "0"

    def peak(self) -> int | None:
        """Highest use so far in bytes; None where the kernel does not count it."""
        file = "memory.peak" if self.version == 2 else "memory.max_usage_in_bytes"
        try:
            return int((self.folder / file).read_text())
        except (OSError, ValueError):
            return None

    def remove(self) -> None:
        """Take it away; one that still has a process in it stays for the next start."""
        try:
            self.folder.rmdir()
        except OSError:
            return


class Groups:
    """Makes control groups below this process's own; `folder` is None where it may not."""

    def __init__(self, prefix: str, *, root: Path = ROOT, membership: str | None = None) -> None:
        self._prefix = f"serinus-{prefix}-"
        self.folder, self.version = _find(root, _membership() if membership is None else membership, self._prefix)
        if self.folder:
            for stray in self.folder.glob(f"{self._prefix}*"):  # of an instance that was killed
                Group(stray, self.version).remove()

    @property
    def told(self) -> str:
        """How limits are kept, in a sentence."""
        if self.folder:
            return f"Memory limits are kept by control groups below {self.folder}"
        milliseconds = round(PERIOD_SECONDS * 1000)
        return f"Memory limits are kept by a look every {milliseconds} ms, as no control group may be made here"

    def make(self, name: str, limit: int) -> Group | None:
        """A group with this limit in bytes; None where it cannot be made."""
        if self.folder is None:
            return None
        group = Group(self.folder / f"{self._prefix}{name}", self.version)
        try:
            group.folder.mkdir(exist_ok=True)
            group.limit(limit)
        except OSError:
            group.remove()
            return None
        return group


async def kill_beyond(pid: int, limit: int) -> int:
    """Kill the process when it has more than `limit` bytes of memory; what it had then."""
    while True:
        await asyncio.sleep(PERIOD_SECONDS)
        if (found := memory_of(pid)) > limit:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            return found


def memory_of(pid: int) -> int:
    """Bytes of a process that belong to no file; 0 for one that is gone, or on a system that does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon:", "RssShmem:")))


def _membership() -> str:
    try:
        return Path("/proc/self/cgroup").read_text()
    except OSError:
        return ""


def _find(root: Path, membership: str, prefix: str) -> tuple[Path | None, int]:
    """The folder in which groups with a memory limit can be made, and the version of its hierarchy."""
    paths = {names: path for _, names, path in (line.split(":", 2) for line in membership.splitlines())}
    candidates = []
    if "" in paths:
        own = root / paths[""].lstrip("/")
        candidates += [(own, 2, "memory.max"), (own.parent, 2, "memory.max")]
    if "memory" in paths:
        base = root / "memory"
        candidates += [(base / paths["memory"].lstrip("/"), 1, "memory.limit_in_bytes")]
        candidates += [(base, 1, "memory.limit_in_bytes")]
    for folder, version, file in candidates:
        if folder.is_relative_to(root) and folder.is_dir() and _can_limit(folder / f"{prefix}try", file):
            return folder, version
    return None, 0


def _can_limit(folder: Path, file: str) -> bool:
    try:
        folder.mkdir(exist_ok=True)
        try:
            return os.access(folder / file, os.W_OK) and _can_enter(folder / MEMBERS)
        finally:
            folder.rmdir()
    except OSError:
        return False


def _can_enter(members: Path) -> bool:
    """Whether a child of this process may write itself in; with version 2 that is a right on a common ancestor."""
    command = ["/bin/sh", "-c", 'echo $$ > "$0"', str(members)]
    return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0  # noqa: S603  # fixed words


def _try(file: Path, text: str) -> None:
    """Write a setting that not every kernel has."""
    try:
        file.write_text(text)
    except OSError:
        return
