"""Envoy's files on disk: always the same ones, each replaced as a whole.

Used by the agent for every change, and by the launcher before Envoy starts. The folder outlives both programs, so
Envoy goes on with what it has while the agent is away, and starts with it when it comes back first.
"""

import json
import os
from pathlib import Path

from serinus_gateway.render import Document, Documents

BOOTSTRAP = "bootstrap.json"


class ConfigFolder:
    """The folder that Envoy watches."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._written: dict[str, str] = {}

    def write(self, documents: Documents) -> frozenset[str]:
        """Write what differs, in the order given; the paths that changed. OSError where the disk refuses."""
        return frozenset([path for path, document in documents.items() if self._put(path, document)])

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
