"""What the kernel grants this container, and what it took: memory, CPU; control groups version 1 and 2.

Read by `session.py` (threads), `preflight.py` (verdict) and `lifecycle.py` (CPU time for the load report).
`None` means: not limited, or not known.
"""

import math
import os
import resource
from dataclasses import dataclass
from pathlib import Path

_UNLIMITED = 1 << 60
"""Version 1 writes "no limit" as a number near 2**63."""


@dataclass(frozen=True)
class ControlGroup:
    """The control group of this process: its lines in `/proc/self/cgroup`, and where the hierarchies are mounted."""

    membership: str
    root: Path = Path("/sys/fs/cgroup")

    def memory_limit(self) -> int | None:
        """Bytes that this container may use."""
        text = self._read("", "memory.max") or self._read("memory", "memory.limit_in_bytes")
        if text is None or not text.isdigit():
            return None
        return int(text) if int(text) < _UNLIMITED else None

    def memory_peak(self) -> int:
        """Highest use so far, in bytes; the process's own when the container's is not told."""
        text = self._read("", "memory.peak") or self._read("memory", "memory.max_usage_in_bytes")
        if text is not None and text.isdigit():
            return int(text)
        return _max_resident()

    def cpus(self) -> int:
        """Whole CPUs to plan with: the quota rounded up, else those this process may run on.

        A quota of 150000 in a period of 100000 microseconds is 1.5 CPUs, hence 2.
        """
        quota, period = self._cpu_quota()
        if quota > 0 and period > 0:
            return max(1, math.ceil(quota / period))
        return max(1, len(os.sched_getaffinity(0)))

    def cpu_seconds(self) -> float | None:
        """Processor time that the group has used so far."""
        for line in (self._read("", "cpu.stat") or "").splitlines():
            name, _, value = line.partition(" ")
            if name == "usage_usec" and value.isdigit():
                return int(value) / 1e6
        text = self._read("cpuacct", "cpuacct.usage")
        return int(text) / 1e9 if text is not None and text.isdigit() else None

    def _cpu_quota(self) -> tuple[int, int]:
        words = (self._read("", "cpu.max") or "").split()
        if not words:
            quota = self._read("cpu", "cpu.cfs_quota_us") or "-1"
            words = [quota, self._read("cpu", "cpu.cfs_period_us") or "0"]
        numbers = [int(word) if word.lstrip("-").isdigit() else -1 for word in words]
        return (numbers[0], numbers[1]) if len(numbers) > 1 else (-1, 0)

    def _read(self, controller: str, file: str) -> str | None:
        for folder in self._folders(controller):
            try:
                return (folder / file).read_text().strip()
            except OSError:
                continue
        return None

    def _folders(self, controller: str) -> list[Path]:
        """Where the files of `controller` ("" for version 2) may lie, the most exact place first.

        Inside a container the own group is usually mounted as the root while `/proc` still names the host's path.
        """
        for line in self.membership.splitlines():
            _, names, path = line.split(":", 2)
            if names == controller or (controller and controller in names.split(",")):
                bases = dict.fromkeys((self.root / names, self.root / controller))
                return [folder for base in bases for folder in (base / path.lstrip("/"), base)]
        return []


def own_peak() -> int:
    """Most memory that this process has held at once, in bytes, whatever else is in its control group.

    The kernel's high-water mark of resident memory. Files that it has read and the kernel keeps are not in it, as
    these go when memory gets short; nor is what the process was before it became this program.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) * 1024
    return _max_resident()


def _max_resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def own_control_group() -> ControlGroup:
    """That of this process; a system without control groups has none."""
    try:
        return ControlGroup(Path("/proc/self/cgroup").read_text())
    except OSError:
        return ControlGroup("")
