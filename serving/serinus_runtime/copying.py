"""Reading a hostile file system, and writing a copy while it is hashed; used by `model_store.py` and `download.py`."""

import errno
import hashlib
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from serinus_api.conditions import Reason
from serinus_runtime.errors import ModelRefused
from serinus_runtime.onnx_scan import MARK

CHUNK = 1 << 20


class OpenedFile:
    """A regular file, opened, with the place it really lies at (links followed)."""

    def __init__(self, descriptor: int, name: str) -> None:
        self.descriptor = descriptor
        self.name = name
        self._status = os.fstat(descriptor)
        self.path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        self.links = self._status.st_nlink
        self.regular = stat.S_ISREG(self._status.st_mode)
        self.size = self._status.st_size

    def facts(self) -> str:
        """Size and time of change, to compare with later."""
        return file_facts(self._status)

    def read(self) -> bytes:
        """The next piece; empty at the end."""
        try:
            return os.read(self.descriptor, CHUNK)
        except OSError as error:
            raise ModelRefused(Reason.DOWNLOAD_FAILED, f"{self.name} cannot be read: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        os.close(self.descriptor)


def file_facts(status: os.stat_result) -> str:
    """Size and time of change of a file."""
    return f"{status.st_size} bytes, changed at {status.st_mtime_ns / 1e9:.9f}"


def open_regular(path: Path, name: str, beside: str | None = None) -> OpenedFile:
    """Open `path` for reading without ever blocking on a pipe or a device; `name` is its name in messages.

    The place of the opened file is asked of the kernel after opening, so no link can be swapped in between.

    Raises:
        ModelRefused: NotFound, AccessDenied or UnsafeModel.

    """
    where = f"external data {name!r} of {beside!r}" if beside else name
    try:
        opened = OpenedFile(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY), name)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ModelRefused(Reason.NOT_FOUND, f"{where} does not exist") from error
    except PermissionError as error:
        raise ModelRefused(Reason.ACCESS_DENIED, f"{where} may not be read") from error
    except OSError as error:
        reason = Reason.UNSAFE_MODEL if error.errno in (errno.ELOOP, errno.ENXIO) else Reason.DOWNLOAD_FAILED
        raise ModelRefused(reason, f"{where} cannot be opened: {error.strerror}") from error
    if not opened.regular:
        os.close(opened.descriptor)
        raise ModelRefused(Reason.UNSAFE_MODEL, f"{where} is not a regular file")
    return opened


class Sink:
    """A new file that is hashed and counted while it is written, and forced to the disk at the end."""

    def __init__(self, path: Path, max_bytes: int | None = None) -> None:
        """`max_bytes`: the bound of a download; what is mounted has none."""
        self.path = path
        self.size = 0
        self.marked = False
        """The bytes `location` were seen: the model may have external data."""
        self._max = max_bytes
        self._hash = hashlib.sha256()
        self._tail = b""

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("xb")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        try:
            with self._file:
                if error is None:
                    self._file.flush()
                    os.fsync(self._file.fileno())
        except OSError as failure:
            raise _cannot_keep(failure) from failure

    def check_size(self, announced: int) -> None:
        """Refuse a size that is known before the first byte."""
        if self._max is not None and announced > self._max:
            raise _too_large(f"{announced} bytes are more than the {self._max}")

    def write(self, data: bytes) -> None:
        """Take the next piece.

        Raises:
            ModelRefused: TooLarge; DownloadFailed when the disk is full.

        """
        self.size += len(data)
        if self._max is not None and self.size > self._max:
            raise _too_large(f"more than the {self._max} bytes")
        self._hash.update(data)
        if not self.marked:
            self.marked = MARK in data or MARK in self._tail + data[: len(MARK)]
            self._tail = (self._tail + data[-len(MARK) :])[-len(MARK) :]
        try:
            self._file.write(data)
        except OSError as error:
            raise _cannot_keep(error) from error

    def copy(self, source: OpenedFile) -> None:
        """Take all of an opened file."""
        while data := source.read():
            self.write(data)

    def hexdigest(self) -> str:
        """SHA-256 of what was written."""
        return self._hash.hexdigest()


def _too_large(found: str) -> ModelRefused:
    remedy = (
        "have downloads.maxBytes of the operator raised and set the annotation serinus.dev/retry, or serve the model "
        "from a volume (pvc://)"
    )
    return ModelRefused(Reason.TOO_LARGE, f"{found} that a download may have; {remedy}")


def _cannot_keep(error: OSError) -> ModelRefused:
    return ModelRefused(Reason.DOWNLOAD_FAILED, f"cannot keep the model: {error.strerror}")
