"""Load an image from the OCI layout into the cluster's containerd, sending only the blobs that it does not have.

A change of source makes one small new layer; the layers of base and dependencies are there from the image before.
"""

import io
import json
import subprocess
import tarfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from dev.cluster.console import ClusterError
from dev.cluster.packages import last_lines

REFERENCE = "org.opencontainers.image.ref.name"
FULL_NAME = "io.containerd.image.name"


def full_name(reference: str) -> str:
    """The name under which the kubelet looks for `reference`."""
    return f"docker.io/library/{reference}"


def loaded(ctr: tuple[str, ...]) -> set[str]:
    """Full names of the images that containerd has."""
    return set(output(*ctr, "images", "list", "--quiet").split())


def exported(layout: Path) -> dict[str, dict[str, Any]]:
    """Reference → manifest descriptor, for each image of the layout."""
    index = layout / "index.json"
    if not index.exists():
        return {}
    entries = json.loads(index.read_text())["manifests"]
    return {entry["annotations"][REFERENCE]: entry for entry in entries if REFERENCE in entry.get("annotations", {})}


def load(reference: str, layout: Path, ctr: tuple[str, ...]) -> None:
    descriptor = exported(layout)[reference]
    held = set(output(*ctr, "content", "list", "--quiet").split())
    command = [*ctr, "images", "import", "-"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as receiver:
        assert receiver.stdin is not None
        assert receiver.stderr is not None
        with suppress(BrokenPipeError), receiver.stdin as stream:  # broken: ctr has given up, and says why
            write_archive(stream, reference, descriptor, layout, held)
        words = receiver.stderr.read().decode()
    if receiver.returncode != 0:
        raise ClusterError(f"import of {reference} failed: {last_lines(words)}")


def write_archive(stream: Any, reference: str, descriptor: dict[str, Any], layout: Path, held: set[str]) -> None:
    """An OCI image archive without the blobs in `held`."""
    named = {**descriptor, "annotations": {FULL_NAME: full_name(reference)}}
    with tarfile.open(fileobj=stream, mode="w|") as archive:
        add(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        add(archive, "index.json", json.dumps({"schemaVersion": 2, "manifests": [named]}).encode())
        for digest in blobs(descriptor, layout):
            if digest not in held:
                archive.add(blob_file(digest, layout), arcname=f"blobs/{digest.replace(':', '/')}")


def blobs(descriptor: dict[str, Any], layout: Path) -> list[str]:
    """The digests of manifest, configuration and layers."""
    digest: str = descriptor["digest"]
    manifest = json.loads(blob_file(digest, layout).read_text())
    return [digest, manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])]


def blob_file(digest: str, layout: Path) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def prune(layout: Path, keep: Iterable[str]) -> None:
    """Remove every image but `keep` from the layout, and the blobs that no image needs any more."""
    kept = {reference: entry for reference, entry in exported(layout).items() if reference in set(keep)}
    needed = {digest for entry in kept.values() for digest in blobs(entry, layout)}
    index = {"schemaVersion": 2, "manifests": list(kept.values())}
    (layout / "index.json").write_text(json.dumps(index))
    for path in (layout / "blobs" / "sha256").glob("*"):
        if f"sha256:{path.name}" not in needed:
            path.unlink()


def output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise ClusterError(f"{' '.join(command)}: {last_lines(done.stderr)}")
    return done.stdout
