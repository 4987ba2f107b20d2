"""What fault tests do to the control plane of our own cluster: one part is killed and started again, or stands still.

The lock of the cluster is held meanwhile: a call of `up` would take a cluster down that lacks a part.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.cluster import apiserver, build, etcd, process, up
from dev.cluster.console import ClusterError
from dev.cluster.lock import only_one
from dev.cluster.paths import Layout
from dev.cluster.process import Command
from dev.cluster.waiting import until

COMMANDS: dict[str, Callable[[Layout, Path], Command]] = {
    "etcd": lambda layout, _: etcd.command(layout),
    "kube-apiserver": apiserver.command,
}
HEALED_SECONDS = 60.0


@contextmanager
def killed(name: str, layout: Layout) -> Iterator[None]:
    """SIGKILL; after the block it runs again and the API server answers."""
    binaries = build.folder(layout.cache)
    with only_one(layout.state.parent):
        process.kill_all([living(name, layout).pid])
        try:
            yield
        finally:
            up.launch(COMMANDS[name](layout, binaries), layout)
            answering(layout, binaries)


@contextmanager
def paused(name: str, layout: Layout) -> Iterator[None]:
    """SIGSTOP; after the block it goes on and the API server answers."""
    with only_one(layout.state.parent):
        identity = living(name, layout)
        process.send(identity.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            process.send(identity.pid, signal.SIGCONT)
            answering(layout, build.folder(layout.cache))


def living(name: str, layout: Layout) -> process.Identity:
    """The process of this name. ClusterError where it does not run: another one of its pid is left alone."""
    identity = process.recorded(layout).get(name)
    if identity is None or not process.alive(identity):
        raise ClusterError(f"{name} does not run here")
    return identity


def answering(layout: Layout, binaries: Path) -> None:
    until(lambda: up.answers(layout, binaries), what="the API server", seconds=HEALED_SECONDS)
