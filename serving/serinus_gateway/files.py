"""Envoy's files on disk: each one replaced as a whole, none that Envoy still needs taken away.

Used by the agent for every change, and by the launcher before Envoy starts. The folder outlives both programs, so
Envoy goes on with what it has while the agent is away, and starts with it when it comes back first.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from serinus_gateway.render import Document, Documents

BOOTSTRAP = "bootstrap.json"
MODELS = "models"
LAST = ("cds/cds.json", "lds/lds.json")
"""The lists come after what they name: clusters, then the listeners whose routes lead to them."""


class ConfigFolder:
    """The folder that Envoy watches."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._written: dict[str, str] = {}

    def write(self, documents: Documents) -> frozenset[str]:
        """Bring the folder to these documents; the paths that changed. OSError where the disk refuses."""
        changed = {path for path in _ordered(documents) if self._put(path, documents[path])}
        self._forget(documents)
        return frozenset(changed)

    def prepare(self, bootstrap: Document, empty: Documents) -> Path:
        """What Envoy needs to start at all; lists that are there already stay. The path of the bootstrap file."""
        for path, document in empty.items():
            if not (self.root / path).exists():
                self._put(path, document)
        self._put(BOOTSTRAP, bootstrap)
        return self.root / BOOTSTRAP

    def _put(self, path: str, document: Document) -> bool:
        text = json.dumps(document, separators=(",", ":"), sort_keys=True)
        if self._written.get(path) == text:
            return False
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        # The new file is made outside of the folder that Envoy watches: only the finished one appears there.
        partial = self.root / f".{path.replace('/', '_')}.{os.getpid()}"
        partial.write_text(text)
        partial.replace(target)
        self._written[path] = text
        return True

    def _forget(self, documents: Mapping[str, Document]) -> None:
        """Remove the files of models and revisions that no list names any more."""
        folder = self.root / MODELS
        for child in folder.iterdir() if folder.exists() else ():
            if not any(path.startswith(f"{MODELS}/{child.name}/") for path in documents):
                shutil.rmtree(child, ignore_errors=True)
        for path in set(self._written) - set(documents) - {BOOTSTRAP}:
            (self.root / path).unlink(missing_ok=True)
            del self._written[path]


def _ordered(documents: Documents) -> list[str]:
    return [path for path in documents if path not in LAST] + [path for path in LAST if path in documents]
