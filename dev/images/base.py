"""The base image: the public Python image when BASE_IMAGE names one, else one made of the machine's Debian packages.

Ours holds the essential packages, Python and the certificates of public authorities; no package manager, no pip. It is
made once per recipe and kept in the builder's storage.
"""

import hashlib
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dev.cluster.console import ClusterError, step
from dev.cluster.packages import last_lines
from dev.images.builder import Builder

PACKAGES = ("python3", "ca-certificates", "libstdc++6")
OMITTED = ("/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/man/*", "/usr/share/lintian/*")
PYTHON_OF = {"bookworm": "3.11", "trixie": "3.13"}
DEFAULT_SUITE = "bookworm"


@dataclass(frozen=True)
class Base:
    """`suite` None: somebody else's image, pulled; else ours. `python`: the version of its python3, if known."""

    reference: str
    suite: str | None = None
    python: str | None = None


def chosen_base(environment: Mapping[str, str] = os.environ, release: Path = Path("/etc/os-release")) -> Base:
    if foreign := environment.get("BASE_IMAGE"):
        return Base(foreign)
    suite = suite_of(release.read_text()) if release.exists() else DEFAULT_SUITE
    return Base(f"localhost/serinus-base:{key(suite)}", suite, PYTHON_OF[suite])


def suite_of(release: str) -> str:
    """The machine's own Debian release when we know its Python; its package sources fit no other."""
    values = dict(line.split("=", 1) for line in release.splitlines() if "=" in line)
    suite = values.get("VERSION_CODENAME", "").strip('"')
    return suite if suite in PYTHON_OF else DEFAULT_SUITE


def key(suite: str) -> str:
    return hashlib.sha256(repr((suite, PACKAGES, OMITTED)).encode()).hexdigest()[:12]


def ensure(base: Base, builder: Builder, cache: Path) -> None:
    if base.suite is None or builder.has(base.reference):
        return
    archive = cache / "images" / "base.tar"
    archive.parent.mkdir(parents=True, exist_ok=True)
    with step(f"make the base image from Debian {base.suite} packages"):
        bootstrap(base.suite, archive)
        builder.image_of_archive(archive, base.reference)
        archive.unlink()


def bootstrap(suite: str, archive: Path) -> None:
    command = ["mmdebstrap", "--variant=essential", f"--include={','.join(PACKAGES)}"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in OMITTED]
    done = subprocess.run([*command, suite, str(archive)], capture_output=True, text=True)
    if done.returncode != 0:
        raise ClusterError(f"mmdebstrap failed:\n{last_lines(done.stderr)}")
