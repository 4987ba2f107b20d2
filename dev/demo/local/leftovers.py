"""What a local instance leaves behind, if anything: processes, and addresses where something listens.

Asked by the chapters after each end. A process belongs to the demo when its command, its environment or its working
folder names the demo's folder.
"""

import os
import socket
from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")
CONNECT_SECONDS = 1.0


def processes(folder: Path) -> list[str]:
    """Pid and command of each process that has to do with the folder; none where there is no /proc."""
    found = []
    for entry in PROC.glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
            told = command + (entry / "environ").read_bytes() + os.fsencode(os.readlink(entry / "cwd"))
        except OSError:  # it has ended, or it is somebody else's
            continue
        if os.fsencode(folder) in told and int(entry.name) != os.getpid():
            found.append(f"{entry.name} {command.replace(bytes(1), b' ').decode(errors='replace').strip()}")
    return found


def listening(addresses: Iterable[str]) -> list[str]:
    """Those of the addresses (`host:port`) where something accepts connections."""
    return [address for address in addresses if _accepts(address)]


def _accepts(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), CONNECT_SECONDS):
            return True
    except OSError:
        return False
