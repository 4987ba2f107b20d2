"""Containers as processes of the node: found by their id, so that a signal hits exactly one. Our own cluster only."""

import os
import signal
from pathlib import Path
from typing import Any

from tests.e2e.harness.waiting import wait_for


def container_id(pod: dict[str, Any]) -> str:
    """Of a pod's only container: `containerd://<id>`."""
    (container,) = pod["status"]["containerStatuses"]
    identity: str = container["containerID"]
    return identity


def process_of(pod: dict[str, Any]) -> int:
    """Process id, as this machine sees it, of the first process of a pod's only container."""
    identity = container_id(pod).rpartition("//")[2]
    members = [pid for pid in processes() if identity in read(pid, "cgroup")]
    assert members, f"no process of container {identity}"
    return next(pid for pid in members if inner_pid(pid) == 1)


def processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def read(pid: int, what: str) -> str:
    try:
        return Path(f"/proc/{pid}/{what}").read_text()
    except OSError:
        return ""


def inner_pid(pid: int) -> int:
    """The id that the process has in its own namespace."""
    line = next((line for line in read(pid, "status").splitlines() if line.startswith("NSpid:")), "NSpid: 0")
    return int(line.split()[-1])


def resident_bytes(pid: int) -> int:
    line = next(line for line in read(pid, "status").splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def kill(pod: dict[str, Any]) -> None:
    """SIGKILL, as the kernel's out-of-memory killer does it: no chance to say anything."""
    os.kill(process_of(pod), signal.SIGKILL)


def pause(pod: dict[str, Any]) -> None:
    """SIGSTOP; returns when the process has stopped."""
    pid = process_of(pod)
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: "State:\tT" in read(pid, "status"), seconds=10, what=f"process {pid} has stopped")


def resume(pod: dict[str, Any]) -> None:
    os.kill(process_of(pod), signal.SIGCONT)
