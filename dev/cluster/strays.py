"""Files that the components write at fixed paths, outside our folders: no setting moves them, `down` removes them.

Other software may use the same folders, so only what is provably ours goes: by name, by where a link leads, or because
nothing listens any more; a folder only when it is empty.
"""

import socket
from pathlib import Path

from dev.cluster import containerd, mounts
from dev.cluster.paths import Layout

CNI_RESULTS = Path("/var/lib/cni/results")
LOG_LINKS = Path("/var/log/containers")
DEVICE_SOCKET = Path("/var/lib/kubelet/device-plugins/kubelet.sock")
NAMESPACES = Path("/run/netns")
FOLDERS = (
    CNI_RESULTS,
    CNI_RESULTS.parent,
    LOG_LINKS,
    DEVICE_SOCKET.parent,
    DEVICE_SOCKET.parent.parent,
    Path("/run/containerd/s"),
    Path("/run/containerd"),
)


def remove(layout: Layout, shim_sockets: tuple[Path, ...]) -> None:
    for path in (*shim_sockets, *cni_results(), *log_links(layout), *dead_sockets()):
        path.unlink(missing_ok=True)
    for folder in FOLDERS:
        remove_if_empty(folder)
    if NAMESPACES.is_dir() and not any(NAMESPACES.iterdir()):
        mounts.unmount(NAMESPACES)  # `ip netns add` made it a mount
        remove_if_empty(NAMESPACES)


def cni_results(folder: Path = CNI_RESULTS) -> tuple[Path, ...]:
    """What libcni remembers of our network, and of the loopback of the same sandboxes."""
    ours = tuple(folder.glob(f"{containerd.CNI_NETWORK}-*"))
    sandboxes = [path.name.removeprefix(f"{containerd.CNI_NETWORK}-").rpartition("-")[0] for path in ours]
    return (*ours, *(folder / f"cni-loopback-{sandbox}-lo" for sandbox in sandboxes))


def log_links(layout: Layout, folder: Path = LOG_LINKS) -> tuple[Path, ...]:
    """The kubelet's links to logs of our pods."""
    return tuple(path for path in folder.glob("*.log") if path.is_symlink() and leads_to(path, layout.logs))


def leads_to(link: Path, folder: Path) -> bool:
    return link.readlink().is_relative_to(folder)


def dead_sockets() -> tuple[Path, ...]:
    return (DEVICE_SOCKET,) if DEVICE_SOCKET.is_socket() and not listens(DEVICE_SOCKET) else ()


def listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        try:
            channel.connect(str(path))
        except OSError:
            return False
        return True


def remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:  # used by other software, or not there
        return
