"""The sandbox image: one static binary of our own, packed as an image archive without any tool."""

import hashlib
import io
import json
import platform
import subprocess
import tarfile
from pathlib import Path

from dev.cluster.console import ClusterError

SOURCE = Path(__file__).parent / "pause.c"
IMAGE = "localhost/serinus-pause:1"
USER = "65535:65535"


def archive(cache: Path) -> Path:
    """The image as an archive in the cache, built when its source has changed."""
    key = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]
    target = cache / "images" / f"pause-{key}.tar"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(".partial")
        partial.write_bytes(image_archive(compile_binary(partial)))
        partial.rename(target)
    return target


def compile_binary(scratch: Path) -> bytes:
    command = ["gcc", "-static", "-Os", "-s", "-Wall", "-Wextra", "-o", str(scratch), str(SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise ClusterError(f"compiling {SOURCE.name} failed:\n{done.stderr.strip()}")
    return scratch.read_bytes()


def image_archive(binary: bytes) -> bytes:
    """The Docker image archive of one layer with one file."""
    layer = tar({"pause": binary})
    configuration = json.dumps(
        {
            "architecture": architecture(),
            "os": "linux",
            "config": {"Entrypoint": ["/pause"], "User": USER},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        }
    ).encode()
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]).encode()
    return tar({"config.json": configuration, "layer.tar": layer, "manifest.json": manifest})


def tar(files: dict[str, bytes]) -> bytes:
    """An archive whose bytes depend on names and contents only."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive_file:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            archive_file.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def architecture() -> str:
    """The machine in the words of image configurations."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
