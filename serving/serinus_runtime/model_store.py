"""From a model's URI to a verified local file that nobody else can change.

Called by `preflight.py` and by `plane.py` at start; blocking. Mounted files (`configmap://`, `pvc://`) are copied while
they are hashed, downloads are written while they are hashed; what is loaded later is our own copy, so a source that is
overwritten in place changes nothing.

Digest of a model, always `sha256:<hex>`:

- one file: the SHA-256 of the file;
- with external data: the SHA-256 of a list with one line `<hex>  <name>` for each file, the model and its external
  data, ordered by name, where a name is the path inside the model's folder. `LC_ALL=C` given, this is
  `sha256sum model.onnx weights.bin | sort -k 2 | sha256sum`.
"""

import asyncio
import hashlib
import json
import mmap
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from serinus_api.conditions import Reason
from serinus_api.runtime import ModelSource, Phase, RuntimeConfig
from serinus_runtime.copying import Sink, open_regular
from serinus_runtime.errors import ModelRefused
from serinus_runtime.onnx_scan import NotProtobuf, external_locations

MOUNTED = ("configmap", "pvc", "file")
"""`file` is of local mode: the folder of the file is the mount."""
CHANGEABLE = ("pvc", "file")
"""Mounted sources that can change under a pod."""
DOWNLOADED = ("https",)
_FOLDER = "model"
_RECORD = "model.json"


@dataclass(frozen=True)
class LocalModel:
    """A verified copy: where it is, what it is, and what its source looked like when it was made."""

    path: Path
    digest: str
    size: int
    facts: dict[str, str] = field(default_factory=dict)
    """Size, time or ETag of the source (`source_watch.py`); empty when it cannot change."""


def fetch(config: RuntimeConfig, enter: Callable[[Phase], None]) -> LocalModel:
    """Bring the model into the work folder; `enter` is told of each phase.

    Raises:
        ModelRefused: NotFound, AccessDenied, DownloadFailed, DownloadStalled, TooLarge, DigestMismatch,
            UnsupportedScheme, UnsafeModel or LoadFailed (not an ONNX file).

    """
    source = config.source
    enter(Phase.RESOLVING)
    check_name(source)
    work = Path(config.work_mount)
    kept = _kept_copy(work, source)
    if kept is not None:
        return kept
    incoming = work / f".incoming-{os.getpid()}"
    shutil.rmtree(incoming, ignore_errors=True)
    incoming.mkdir(parents=True, mode=0o700)
    try:
        scheme = urlsplit(source.uri).scheme
        model = _mounted(config, incoming, enter) if scheme in MOUNTED else _downloaded(config, incoming, enter)
        check_digest(source.digest, model.digest)
        return _keep(work, incoming, model)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


def check_name(source: ModelSource) -> None:
    """Refuse a scheme that is not served here, and a file name that says it is something else than ONNX."""
    try:
        parts = urlsplit(source.uri)
    except ValueError as error:
        raise ModelRefused(Reason.UNSUPPORTED_SCHEME, "the URI is not a URL") from error
    if parts.scheme not in MOUNTED + DOWNLOADED:
        msg = f"scheme {parts.scheme!r} is not supported; use configmap, pvc or https"
        raise ModelRefused(Reason.UNSUPPORTED_SCHEME, msg)
    name = PurePosixPath(source.path or parts.path).name
    suffix = PurePosixPath(name).suffix
    if suffix and suffix.lower() != ".onnx":
        raise ModelRefused(Reason.LOAD_FAILED, f"{name!r} is not an .onnx file, and only ONNX models are served")


def check_digest(pinned: str | None, found: str) -> None:
    """Refuse bytes that are not the pinned ones."""
    if pinned is not None and found != pinned:
        raise ModelRefused(Reason.DIGEST_MISMATCH, f"the digest is {found}, but {pinned} is asked for")


def combined_digest(digests: dict[str, str]) -> str:
    """The digest of a model from the hexadecimal digests of its files by name (see the top of this file)."""
    if len(digests) == 1:
        return "sha256:" + next(iter(digests.values()))
    lines = sorted(((name.encode(), hexdigest) for name, hexdigest in digests.items()))
    text = b"".join(hexdigest.encode() + b"  " + name + b"\n" for name, hexdigest in lines)
    return "sha256:" + hashlib.sha256(text).hexdigest()


def _mounted(config: RuntimeConfig, incoming: Path, enter: Callable[[Phase], None]) -> LocalModel:
    source = config.source
    mount = Path(config.model_mount).resolve()
    asked = source.path or ""
    with open_regular(mount / asked, source.uri) as opened:
        if not opened.path.is_relative_to(mount):
            raise ModelRefused(Reason.UNSAFE_MODEL, f"{source.uri} is a link that leaves its volume")
        enter(Phase.DOWNLOADING)
        name = PurePosixPath(asked).name
        sink = Sink(incoming / name)
        with sink:
            sink.copy(opened)
        folder = opened.path.parent
        facts = {name: opened.facts()}
    digests, size = {name: sink.hexdigest()}, sink.size
    for location in sorted(_external_data(sink)) if sink.marked else []:
        if location == name:
            continue
        with open_regular(folder / location, location, beside=name) as opened:
            if opened.path != folder / location or opened.links != 1:
                msg = f"external data {location!r} is a link; it must be a regular file in the model's own folder"
                raise ModelRefused(Reason.UNSAFE_MODEL, msg)
            with Sink(incoming / location) as part:
                part.copy(opened)
            facts[location] = opened.facts()
        digests[location] = part.hexdigest()
        size += part.size
    watched = facts if urlsplit(source.uri).scheme in CHANGEABLE else {}
    return LocalModel(sink.path, combined_digest(digests), size, watched)


def _downloaded(config: RuntimeConfig, incoming: Path, enter: Callable[[Phase], None]) -> LocalModel:
    from serinus_runtime.download import download

    source = config.source
    sink = Sink(incoming / "model.onnx", source.max_bytes)
    with sink:
        facts = asyncio.run(download(source, sink, lambda: enter(Phase.DOWNLOADING)))
    names = _external_data(sink) if sink.marked else set()
    if names:
        msg = f"the model refers to external data ({', '.join(sorted(names))}), which a download of one file lacks"
        raise ModelRefused(Reason.LOAD_FAILED, msg)
    return LocalModel(sink.path, combined_digest({"model.onnx": sink.hexdigest()}), sink.size, facts)


def _external_data(sink: Sink) -> set[str]:
    """Names of the files beside the model that it refers to, each checked to stay in the model's folder."""
    with sink.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            locations = external_locations(data)
        except NotProtobuf as error:
            raise ModelRefused(Reason.LOAD_FAILED, f"not a valid ONNX file: {error}") from error
    return {_inside(location) for location in locations}


def _inside(location: str) -> str:
    path = PurePosixPath(location)
    bad = path.is_absolute() or ".." in path.parts or not path.parts or path.parts[0] == "*"
    if bad or not location.isprintable() or "\\" in location:
        msg = f"external data {location!r} leaves the model's folder"
        raise ModelRefused(Reason.UNSAFE_MODEL, msg)
    return str(path)


def _keep(work: Path, incoming: Path, model: LocalModel) -> LocalModel:
    """Put the complete, verified folder in its final place, with a record beside it."""
    final = work / _FOLDER
    kept = LocalModel(final / model.path.name, model.digest, model.size, model.facts)
    record = work / f".{_RECORD}"
    record.write_text(json.dumps(asdict(kept) | {"path": kept.path.name}))
    shutil.rmtree(final, ignore_errors=True)
    incoming.rename(final)
    record.rename(work / _RECORD)
    return kept


def _kept_copy(work: Path, source: ModelSource) -> LocalModel | None:
    """The copy that an earlier container of this pod verified, if it still has the pinned digest.

    So a container that restarts serves on even when the source has changed or gone.
    """
    try:
        record = json.loads((work / _RECORD).read_text())
    except (OSError, ValueError):
        return None
    if source.digest is None or record["digest"] != source.digest:
        return None
    folder = work / _FOLDER
    digests = {}
    for path in (path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            digests[str(path.relative_to(folder))] = hashlib.file_digest(file, "sha256").hexdigest()
    if not digests or combined_digest(digests) != source.digest:
        return None
    return LocalModel(folder / record["path"], record["digest"], record["size"], record["facts"])
