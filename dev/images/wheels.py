"""A folder of wheels for one image, downloaded once per set of locked requirements: the build needs no registry.

The requirements are narrowed to the image's Python first: `pip download` judges markers by the Python that runs it.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from dev.cluster.console import ClusterError, step
from dev.cluster.packages import last_lines


def key(requirements: Sequence[bytes], python: str) -> str:
    digest = hashlib.sha256(python.encode())
    for text in requirements:
        digest.update(b"\0" + text)
    return digest.hexdigest()[:12]


def ensure(name: str, requirements: Sequence[bytes], python: str, cache: Path) -> Path:
    """The folder with the wheels of all `requirements` (contents of hash-locked files)."""
    target = cache / "wheels" / f"{name}-{key(requirements, python)}"
    if target.exists():
        return target
    partial = target.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    with step(f"download the wheels of {name}"):
        for text in requirements:
            download(text, python, partial)
    partial.rename(target)
    return target


def download(requirements: bytes, python: str, target: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        locked, narrowed = Path(scratch) / "locked.txt", Path(scratch) / "narrowed.txt"
        locked.write_bytes(requirements)
        compile_flags = (
            "--no-deps",
            "--generate-hashes",
            "--no-emit-index-url",
            "--no-header",
            "--no-annotate",
            "--quiet",
        )
        run("uv", "pip", "compile", *compile_flags, "--python-version", python, str(locked), "-o", str(narrowed))
        pip_flags = ("--no-deps", "--require-hashes", "--only-binary=:all:", "--python-version", python, "--quiet")
        run("pip", "download", *pip_flags, "-r", str(narrowed), "-d", str(target))


def run(module: str, *arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise ClusterError(f"{module} {' '.join(arguments[:2])} failed:\n{last_lines(done.stderr)}")


def build_arguments(wheels: Path) -> Mapping[str, str]:
    """How the Dockerfiles are told to install from /wheels, and where pip itself is (the base image has none)."""
    pip = next(wheels.glob("pip-*.whl"), None)
    if pip is None:
        raise ClusterError(f"no wheel of pip in {wheels}")
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels", "PYTHONPATH": f"/wheels/{pip.name}"}
