"""What end-to-end tests and tools ask of the cluster: where it is, its tools, its audit log, how to load an image.

Pure look-ups of what is there; nothing here starts or builds anything. Raises ClusterError when there is no cluster.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dev.cluster import build, containerd, up
from dev.cluster.console import ClusterError
from dev.cluster.paths import Layout, default_layout


@dataclass(frozen=True)
class Tools:
    """Programs to drive the cluster with. `ctr` is None on a cluster that is not ours."""

    kubectl: Path
    helm: Path
    ctr: tuple[str, ...] | None


def given(layout: Layout, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The kubeconfig of a foreign cluster, from KUBECONFIG; our own file named there does not count."""
    path = environment.get("KUBECONFIG")
    if not path or Path(path) == layout.kubeconfig:
        return None
    return Path(path)


def is_own() -> bool:
    """Whether the cluster is the one that `up` starts on this machine."""
    return given(default_layout()) is None


def kubeconfig() -> Path:
    layout = default_layout()
    if foreign := given(layout):
        return foreign
    if not up.is_up(layout):
        raise ClusterError("no cluster is up; start one: make cluster")
    return layout.kubeconfig


def tools() -> Tools:
    layout = default_layout()
    if given(layout):
        return Tools(kubectl=on_path("kubectl"), helm=on_path("helm"), ctr=None)
    binaries = build.folder(layout.cache)
    return Tools(kubectl=binaries / "kubectl", helm=binaries / "helm", ctr=containerd.ctr(layout))


def on_path(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise ClusterError(f"{name} is not on the path; a cluster given by KUBECONFIG needs it there")
    return Path(found)


def audit_log() -> Path | None:
    """JSON lines, one per request; rotated at 64 MB to `audit-<time>.log` beside it. None on a foreign cluster."""
    return default_layout().audit_log if is_own() else None


def volumes() -> Path | None:
    """An existing folder of the node for hostPath PersistentVolumes. None on a foreign cluster."""
    return default_layout().volumes if is_own() else None


def logs() -> Path | None:
    """Folder with one log file per component of the node. None on a foreign cluster."""
    return default_layout().logs if is_own() else None


def environment() -> dict[str, str]:
    """Variables with which `kubectl` and `helm` in a shell speak to the cluster."""
    chosen = tools()
    path = f"{chosen.kubectl.parent}:{os.environ.get('PATH', os.defpath)}"
    return {"KUBECONFIG": str(kubeconfig()), "PATH": path}
