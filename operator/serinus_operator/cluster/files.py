"""Objects on disk: one JSON file each, `<folder>/<Kind>/<namespace>/<name>.json`. Used by `process.py` alone.

A file is written beside its place and renamed into it, so a reader finds the old object or the new one, whole. What is
written survives the end of this process; whether it survives a power cut is the file system's affair.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from serinus_operator.cluster.errors import Unwritable
from serinus_operator.cluster.port import Manifest

Address = tuple[str, str, str]
"""Kind, namespace, name."""


class StateError(Exception):
    """The folder holds something that cannot be read; the message names the file."""


class Files:
    """The objects in one folder. A change is durable when it returns; or it raises `Unwritable`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self) -> Iterator[Manifest]:
        """All objects; half-written files of an earlier process are removed."""
        for stray in self._folder.glob("*/*/.*.tmp"):
            stray.unlink(missing_ok=True)
        for path in sorted(self._folder.glob("*/*/*.json")):
            try:
                manifest = json.loads(path.read_text())
                address = (manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise StateError(f"{path} cannot be read ({error}); move it away to go on without it") from error
            if self._path(address) != path:
                raise StateError(f"{path} holds {'/'.join(address)}, which belongs elsewhere; move it away")
            yield manifest

    def save(self, manifest: Manifest) -> None:
        """Write one object."""
        meta = manifest["metadata"]
        path = self._path((manifest["kind"], meta["namespace"], meta["name"]))
        beside = path.with_name(f".{path.name}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps(manifest, ensure_ascii=False, separators=(",", ":")))
            os.replace(beside, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            raise Unwritable(f"cannot write {path}: {error.strerror}") from error

    def remove(self, address: Address) -> None:
        """Remove one object; one that is not there is no error."""
        try:
            self._path(address).unlink(missing_ok=True)
        except OSError as error:
            raise Unwritable(f"cannot remove {self._path(address)}: {error.strerror}") from error

    def _path(self, address: Address) -> Path:
        kind, namespace, name = address
        return self._folder / kind / namespace / f"{name}.json"


class NoFiles(Files):
    """Keeps nothing."""

    def __init__(self) -> None:
        super().__init__(Path())

    def load(self) -> Iterator[Manifest]:
        """Nothing."""
        return iter(())

    def save(self, manifest: Manifest) -> None:
        """Nothing is kept."""

    def remove(self, address: Address) -> None:
        """Nothing is kept."""
