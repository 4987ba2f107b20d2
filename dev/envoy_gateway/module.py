"""The Go module: its version and checksum, the program that is built from it, and the chart that lies in it."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from dev.cluster import build
from dev.cluster.console import ClusterError, step
from dev.cluster.packages import last_lines

VERSION = "1.9.1"
MODULE = "github.com/envoyproxy/gateway"
SUM = "h1:vAVp6/AlBXJ1aOhp1mxL7fNEzVEfjADUguUhm2wzxQY="
"""Of the module's files. Go checks the modules that it needs against its checksum database, as it does for Helm."""
PROGRAM = build.Program("envoy-gateway", f"{MODULE}/cmd/envoy-gateway", VERSION)
CHART = Path("charts") / "gateway-helm"
TEMPLATE = "values.tmpl.yaml"
PULL_POLICY = "IfNotPresent"
BLANK = re.compile(r"\$\{(\w+)\}")


def key() -> str:
    """Names the folder of the cache: changes with the version, the flags and the files."""
    digest = hashlib.sha256(repr((PROGRAM, SUM, sorted(build.ENVIRONMENT.items()))).encode())
    return f"envoy-gateway-{VERSION}-{digest.hexdigest()[:12]}"


def folder(cache: Path) -> Path:
    return cache / "bin" / key()


def ensure(cache: Path) -> Path:
    """Build the program where it is not there yet; its path. Some six minutes on two cores, once."""
    target = folder(cache)
    if not (target / PROGRAM.name).exists():
        go = build.find_go(cache)
        target.mkdir(parents=True, exist_ok=True)
        with step(f"build {PROGRAM.name} {VERSION}"):
            build.build(PROGRAM, go, target)
    return target / PROGRAM.name


def chart(cache: Path, image: str) -> Path:
    """The chart, made to install `image`, a name with its registry. Written beside the target and renamed."""
    target = folder(cache) / f"chart-{image.rpartition(':')[2]}"
    if not target.exists():
        partial = target.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(sources(build.find_go(cache)) / CHART, partial)
        for path in (partial, *partial.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)  # the files of a module are read-only
        values = filled((partial / TEMPLATE).read_text(), image)
        (partial / "values.yaml").write_text(values)
        partial.rename(target)
    return target


def filled(template: str, image: str) -> str:
    """The chart's values as its release writes them. ClusterError for a blank that is not known."""
    words = {"GatewayImage": image, "GatewayImagePullPolicy": PULL_POLICY}
    if unknown := sorted(set(BLANK.findall(template)) - words.keys()):
        raise ClusterError(f"the chart of Envoy Gateway asks for {', '.join(unknown)}")
    return BLANK.sub(lambda found: words[found[1]], template)


def sources(go: str) -> Path:
    """The module's files, downloaded where they are not there yet, and the very ones that were looked at."""
    command = [go, "mod", "download", "-json", f"{MODULE}@v{VERSION}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", env={**os.environ, "GOWORK": "off"})
    if done.returncode != 0:
        raise ClusterError(f"download of {MODULE} failed:\n{last_lines(done.stdout + done.stderr)}")
    told = json.loads(done.stdout)
    if told["Sum"] != SUM:
        raise ClusterError(f"{MODULE} {VERSION} is {told['Sum']}, and should be {SUM}")
    return Path(told["Dir"])
