"""Take the cluster down, also one that was killed half-way, so that no process, mount, interface, rule or cgroup stays.

The order matters: the API server before etcd (it hangs for a minute when etcd is gone first), pods' processes before
their shims, all processes before the mounts that they hold, containerd before its folders.
"""

import shutil

from dev.cluster import cgroups, containerd, mounts, network, process, strays
from dev.cluster.console import ClusterError
from dev.cluster.paths import Layout

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


def traces(layout: Layout) -> tuple[str, ...]:
    """What is there of a cluster, in words; empty when there is nothing."""
    found = [f"process {name}" for name, one in process.recorded(layout).items() if process.alive(one)]
    found += [f"process {pid} in the namespace" for pid in network.processes()]
    found += [f"process {pid} of a pod" for pid in cgroups.processes()]
    found += [f"mount {point}" for point in mounts.below(layout.run, layout.state)]
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
    mounts.unmount(layout.run, layout.state)
    cgroups.remove()
    network.remove()
    strays.remove(layout, sockets)
    remove_folders(layout)
    if left := traces(layout):
        raise ClusterError("still there: " + ", ".join(left))


def stop_node(layout: Layout) -> None:
    living = process.recorded(layout)
    for name in ORDER:
        if name in living:
            process.stop(living[name])


def remove_folders(layout: Layout) -> None:
    if held := mounts.below(
        layout.run, layout.state
    ):  # never delete through a mount: a pod's volume may be somebody's folder
        raise ClusterError(f"still mounted: {', '.join(map(str, held))}")
    for folder in (layout.run, layout.state):
        shutil.rmtree(folder, ignore_errors=True)
