"""The programs that come from Debian: which are needed, which are missing, how they are installed.

Installing needs root and apt-get; without them the missing packages are named. No service that a package brings is
started: a temporary policy-rc.d says no.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dev.cluster.console import ClusterError, step

POLICY = Path("/usr/sbin/policy-rc.d")
REFUSE_SERVICES = "#!/bin/sh\nexit 101\n"

# program (or file) that must be there → the package that brings it
NODE = {
    "containerd": "containerd",
    "ctr": "containerd",
    "containerd-shim-runc-v2": "containerd",
    "runc": "runc",
    "etcd": "etcd-server",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "ip": "iproute2",
    "nft": "nftables",
    "nsenter": "util-linux",
    "mount": "mount",
    "gcc": "gcc",
    "/usr/include/stdio.h": "libc6-dev",
}
IMAGES = {
    "buildah": "buildah",
    "runc": "runc",
    "mmdebstrap": "mmdebstrap",
}


def is_present(program: str) -> bool:
    if program.startswith("/"):
        return Path(program).exists()
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


def missing(needed: Mapping[str, str], present: Callable[[str], bool] = is_present) -> tuple[str, ...]:
    """The packages to install, each once, in alphabetical order."""
    return tuple(sorted({package for program, package in needed.items() if not present(program)}))


def ensure(needed: Mapping[str, str]) -> None:
    """Install what is missing, or raise ClusterError naming it."""
    wanted = missing(needed)
    if not wanted:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ClusterError(f"missing programs; install these Debian packages first: {' '.join(wanted)}")
    with step(f"install Debian packages: {' '.join(wanted)}"), services_stay_off():
        apt("update", "-qq")
        apt("install", "-y", "-qq", "--no-install-recommends", *wanted)
    if still := missing(needed):
        raise ClusterError(f"these packages did not bring their programs: {' '.join(still)}")


def unpacked(package: str, into: Path) -> Path:
    """A folder with a package's files, not installed: for a program that this machine is not to have. ClusterError."""
    folder = into / package
    if folder.exists():
        return folder
    if shutil.which("apt-get") is None:
        raise ClusterError(f"no apt-get here to download {package} with")
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into) as name, step(f"download Debian package: {package}"):
        if os.geteuid() == 0:
            apt("update", "-qq")
        apt("download", "-qq", package, cwd=name)
        (archive,) = Path(name).glob("*.deb")
        run("dpkg-deb", "--extract", archive.name, package, cwd=name)
        (Path(name) / package).rename(folder)
    return folder


def apt(*arguments: str, cwd: str | None = None) -> None:
    run("apt-get", *arguments, cwd=cwd)


def run(*command: str, cwd: str | None = None) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=cwd)
    if done.returncode != 0:
        raise ClusterError(f"{' '.join(command)}: {last_lines(done.stderr or done.stdout)}")


def last_lines(text: str, count: int = 5) -> str:
    return "\n".join(text.strip().splitlines()[-count:])


@contextmanager
def services_stay_off() -> Iterator[None]:
    """While packages are installed, refuse the start of their services; a policy that is already there is kept."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text(REFUSE_SERVICES)
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
