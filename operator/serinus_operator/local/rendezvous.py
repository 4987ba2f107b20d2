"""Where an instance and its clients meet: the socket in the state folder. Imports nothing heavy."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

SOCKET = "control.sock"
MAX_PATH_BYTES = 100


class PathTooLong(OSError):  # noqa: N818  # named by what is found
    """No way to name the socket is short enough."""


@contextlib.contextmanager
def reachable(state: Path) -> Iterator[str]:
    """A path to the socket of a state folder that the kernel takes. Raises PathTooLong, FileNotFoundError.

    A kernel takes about a hundred bytes; a longer one is written from the working folder, or by a descriptor.
    """
    whole = str(state.resolve() / SOCKET)
    short = min((whole, os.path.relpath(whole)), key=len)
    if len(os.fsencode(short)) <= MAX_PATH_BYTES:
        yield short
        return
    if not Path("/proc/self/fd").is_dir():
        raise PathTooLong(f"the path of the state folder is too long for a socket: {state}; name another with --state")
    folder = os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET}"
    finally:
        os.close(folder)
