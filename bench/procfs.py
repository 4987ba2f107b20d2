"""What a process has used so far, read from /proc. Called by everything that measures; starts nothing."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_USER, _SYSTEM = 11, 12
"""Where utime and stime are behind the name in /proc/PID/stat."""


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, all threads, in steps of 10 ms."""
    text = Path(f"/proc/{pid}/stat").read_text()
    fields = text[text.rindex(")") + 2 :].split()
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS


def memory_mib(pid: int) -> tuple[float, float]:
    """Resident memory now and its peak (MiB)."""
    fields = _fields(Path(f"/proc/{pid}/status"))
    return fields["VmRSS"] / 1024, fields["VmHWM"] / 1024


def proportional_mib(pid: int) -> float:
    """Proportional set size: own pages in full, shared ones divided among those who share them (MiB)."""
    return _fields(Path(f"/proc/{pid}/smaps_rollup"))["Pss"] / 1024


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += family(int(child))
    return found


def load_average() -> float:
    """Mean number of runnable processes over the last minute."""
    return os.getloadavg()[0]


def _fields(path: Path) -> dict[str, int]:
    """The lines `Name:   123 kB` of a file, in kB."""
    pairs = (line.split(":", 1) for line in path.read_text().splitlines() if line.endswith("kB") and ":" in line)
    return {name: int(value.split()[0]) for name, value in pairs}
