"""Take the cluster down, also one that was killed half-way, so that no process, mount, interface, rule or cgroup stays.

The order matters: the API server before etcd (it hangs for a minute when etcd is gone first), pods' processes before
their shims, all processes before the mounts that they hold, containerd before its folders.
"""

import shutil
import subprocess
from pathlib import Path

from dev.cluster import cgroups, containerd, network, process
from dev.cluster.console import ClusterError
from dev.cluster.paths import Layout
from dev.cluster.waiting import holds_within

ORDER = (
    "coredns",
    "kube-proxy",
    "kubelet",
    "kube-scheduler",
    "kube-controller-manager",
    "kube-apiserver",
    "etcd",
    "containerd",
)
UNMOUNT_SECONDS = 10.0


def traces(layout: Layout) -> tuple[str, ...]:
    """What is there of a cluster, in words; empty when there is nothing."""
    found = [f"process {name}" for name, one in process.recorded(layout).items() if process.alive(one)]
    found += [f"process {pid} in the namespace" for pid in network.processes()]
    found += [f"process {pid} of a pod" for pid in cgroups.processes()]
    found += [f"mount {point}" for point in mounts(layout)]
    found += [f"namespace {network.NAMESPACE}"] if network.exists() else []
    found += [f"interface {network.MACHINE_SIDE}"] if network.has_pair() else []
    found += [f"cgroup {folder}" for folder in cgroups.roots() if folder.exists()]
    found += [f"folder {folder}" for folder in (layout.run, layout.state) if folder.exists()]
    return tuple(found)


def take_down(layout: Layout) -> None:
    """Raises ClusterError naming whatever is still there afterwards."""
    layout.owner.unlink(missing_ok=True)
    stop_node(layout)
    process.kill_all(cgroups.processes())
    sockets = containerd.shim_sockets(layout)
    process.kill_all(network.processes())
    unmount(layout)
    cgroups.remove()
    network.remove()
    remove_files(layout, sockets)
    if left := traces(layout):
        raise ClusterError("still there: " + ", ".join(left))


def stop_node(layout: Layout) -> None:
    living = process.recorded(layout)
    for name in ORDER:
        if name in living:
            process.stop(living[name])


def mounts(layout: Layout, table: str | None = None) -> tuple[Path, ...]:
    """Mount points below our folders, the last mounted first."""
    lines = (Path("/proc/self/mountinfo").read_text() if table is None else table).splitlines()
    points = [Path(unescaped(line.split()[4])) for line in lines]
    ours = [point for point in points if point.is_relative_to(layout.run) or point.is_relative_to(layout.state)]
    return tuple(reversed(ours))


def unescaped(text: str) -> str:
    """The mount table writes blanks as octal numbers."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


def unmount(layout: Layout) -> None:
    def all_gone() -> bool:
        for point in mounts(layout):
            subprocess.run(["umount", "--no-mtab", str(point)], capture_output=True)
        return not mounts(layout)

    if not holds_within(all_gone, UNMOUNT_SECONDS):
        for point in mounts(layout):
            subprocess.run(["umount", "--lazy", str(point)], capture_output=True)


def remove_files(layout: Layout, sockets: tuple[Path, ...]) -> None:
    for path in (*sockets, *containerd.CNI_RESULTS.glob(f"{containerd.CNI_NETWORK}-*")):
        path.unlink(missing_ok=True)
    for folder in (
        containerd.CNI_RESULTS,
        containerd.CNI_RESULTS.parent,
        Path("/run/containerd/s"),
        Path("/run/containerd"),
    ):
        remove_if_empty(folder)
    for folder in (layout.run, layout.state):
        if mounts(layout):  # never delete through a mount: a pod's volume may be somebody's folder
            raise ClusterError(f"still mounted: {', '.join(map(str, mounts(layout)))}")
        shutil.rmtree(folder, ignore_errors=True)


def remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:  # in use by another containerd, or not there
        return
