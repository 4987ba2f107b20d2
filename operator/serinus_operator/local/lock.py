"""One instance per state folder: a lock that the kernel gives back when its holder dies, however it dies.

The file says who holds it, for the message; the kernel's lock is what counts, so a file that was left behind is taken
over and a process id that was used again fools nobody.
"""

import contextlib
import fcntl
import json
import logging
import os
from pathlib import Path

from serinus_operator.clock import read_clocks

log = logging.getLogger(__name__)


class StateInUse(Exception):  # noqa: N818  # named by what is found
    """Another instance runs in this folder."""

    def __init__(self, folder: Path, pid: int | None, since: str) -> None:
        who = f"process {pid} (since {since})" if pid else "another process"
        stop = f"stop it (kill {pid})" if pid else "stop it"
        super().__init__(f"the state folder {folder} is in use by {who}; {stop}, or name another folder with --state")
        self.pid = pid


class StateLock:
    """Held from `take` to `release`, or to the end of the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def take(self) -> None:
        """Take the lock, also from a process that is gone. Raises StateInUse."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        said = _read(descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            pid = said.get("pid")
            raise StateInUse(
                self._path.parent, pid if isinstance(pid, int) else None, str(said.get("since", "?"))
            ) from error
        if said.get("pid"):
            log.info("Took over the state folder", extra={"folder": str(self._path.parent), "from_pid": said["pid"]})
        _write(descriptor, {"pid": os.getpid(), "since": read_clocks().timestamp()})
        self._file = descriptor

    def release(self) -> None:
        """Give it back, saying so where the disk has room for that."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                _write(self._file, {})
            os.close(self._file)
            self._file = None


def _read(descriptor: int) -> dict[str, object]:
    try:
        said = json.loads(os.pread(descriptor, 4096, 0) or b"{}")
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _write(descriptor: int, said: dict[str, object]) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(said).encode(), 0)
