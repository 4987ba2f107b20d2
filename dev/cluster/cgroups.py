"""The one cgroup below which the kubelet puts every pod, in either hierarchy; emptied and removed by `down`."""

from collections.abc import Iterator
from pathlib import Path

from dev.cluster.waiting import holds_within

MOUNT = Path("/sys/fs/cgroup")
ROOT = "serinus"
V1_CONTROLLERS = (
    "blkio",
    "cpu",
    "cpuacct",
    "cpuset",
    "devices",
    "freezer",
    "hugetlb",
    "memory",
    "pids",
    "systemd",
    "unified",
)
V2_CONTROLLERS = ("cpu", "cpuset", "io", "memory", "pids")
REMOVE_SECONDS = 5.0


def roots(mount: Path = MOUNT) -> tuple[Path, ...]:
    """Our cgroup in each hierarchy that is mounted, whether it exists or not."""
    if (mount / "cgroup.controllers").exists():
        return (mount / ROOT,)
    real = {
        (mount / name).resolve() for name in V1_CONTROLLERS if (mount / name).is_dir()
    }  # cpu may link to cpu,cpuacct
    return tuple(folder / ROOT for folder in sorted(real))


def create() -> None:
    for folder in roots():
        folder.mkdir(exist_ok=True)
        if folder.parent.name.startswith("cpuset"):
            inherit_cpuset(folder)
        if (folder / "cgroup.subtree_control").exists():
            available = (folder.parent / "cgroup.controllers").read_text().split()
            wanted = " ".join(f"+{name}" for name in V2_CONTROLLERS if name in available)
            (folder.parent / "cgroup.subtree_control").write_text(wanted)


def inherit_cpuset(folder: Path) -> None:
    """In the first hierarchy a new cpuset is empty, and takes no process until it is filled."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        (folder / name).write_text((folder.parent / name).read_text())


def processes() -> set[int]:
    """Every process of every pod."""
    found: set[int] = set()
    for folder in (below for root in roots() for below in deepest_first(root)):
        try:
            found.update(int(line) for line in (folder / "cgroup.procs").read_text().split())
        except (FileNotFoundError, OSError):
            continue
    return found


def remove() -> bool:
    """Remove the emptied cgroups; False when one stays."""
    return holds_within(lambda: all(removed(root) for root in roots()), REMOVE_SECONDS)


def removed(root: Path) -> bool:
    for folder in deepest_first(root):
        try:
            folder.rmdir()
        except OSError:  # busy: a process of it is still on its way out
            return False
    return True


def deepest_first(root: Path) -> Iterator[Path]:
    if not root.is_dir():
        return
    for child in sorted(root.iterdir()):
        if child.is_dir():
            yield from deepest_first(child)
    yield root
