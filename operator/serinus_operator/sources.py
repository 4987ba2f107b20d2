"""What a model URI means. Pure."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import unquote, urlsplit

Scheme = Literal["configmap", "pvc", "https", "file"]
SUPPORTED: tuple[Scheme, ...] = ("configmap", "pvc", "https")


@dataclass(frozen=True, slots=True)
class Source:
    """A model URI taken apart.

    `configmap://iris/model.onnx` → object `iris`, path `model.onnx`; `pvc://claim/a/b.onnx` → object `claim`, path
    `a/b.onnx`; `https://…` → neither; `file:///home/me/a.onnx` (local mode) → object `/home/me`, path `a.onnx`.
    """

    scheme: Scheme
    object: str
    path: str

    @property
    def pinned_by_copy(self) -> bool:
        """The operator keeps the bytes itself, in an immutable ConfigMap."""
        return self.scheme == "configmap"


def parse_source(uri: str) -> Source | None:
    """The source that a URI names, or None where its scheme is not supported. Whether `file` is, `decide` knows."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        file = PurePosixPath(unquote(parts.path))
        return Source("file", str(file.parent), file.name)
    for scheme in SUPPORTED:
        if parts.scheme == scheme:
            mounted = scheme != "https"
            return Source(scheme, parts.netloc if mounted else "", parts.path.lstrip("/") if mounted else "")
    return None
