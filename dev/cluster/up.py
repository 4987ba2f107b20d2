"""Start the cluster, in the order in which its parts need each other, and wait until it is usable.

Idempotent: a cluster that answers is left alone; whatever an earlier run left behind (dead processes, stale mounts, a
namespace without a node) is taken down first, and the cluster starts from nothing.
"""

import json
import os
import subprocess
from datetime import datetime
from pathlib import Path

from dev.cluster import (
    apiserver,
    build,
    cgroups,
    containerd,
    controllers,
    dns,
    down,
    etcd,
    kubelet,
    network,
    packages,
    pause,
    pki,
    process,
    proxy,
)
from dev.cluster.console import ClusterError, step
from dev.cluster.lock import only_one
from dev.cluster.paths import Layout
from dev.cluster.waiting import until

PATIENCE_SECONDS = 180.0  # per step, on a busy machine; a part that dies ends the wait at once
COMPONENTS = frozenset(
    {
        "containerd",
        "coredns",
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-proxy",
        "kube-scheduler",
        "kubelet",
    }
)


def is_up(layout: Layout) -> bool:
    """Every component lives and the start was completed."""
    running = {name for name, identity in process.recorded(layout).items() if process.alive(identity)}
    return running >= COMPONENTS and owner(layout) == layout.state


def owner(layout: Layout) -> Path | None:
    """The state folder of the cluster that runs on this machine; None when none was completed."""
    try:
        return Path(layout.owner.read_text())
    except FileNotFoundError:
        return None


def up(layout: Layout, now: datetime) -> None:
    """Raises ClusterError with what to do when the cluster cannot be had."""
    with only_one(layout.state.parent):
        if is_up(layout):
            return
        if os.geteuid() != 0:
            raise ClusterError("a node needs root; or give the kubeconfig of a cluster in KUBECONFIG")
        refuse_stranger(layout)
        packages.ensure(packages.NODE)
        binaries = build.ensure(layout.cache)
        sandbox = pause.archive(layout.cache)
        if down.traces(layout):
            with step("remove what an earlier run left"):
                down.take_down(layout)
        try:
            with step("start"):
                start(layout, binaries, sandbox, now)
        except ClusterError as error:
            raise ClusterError(f"{error}\nlogs: {layout.logs}") from error


def refuse_stranger(layout: Layout) -> None:
    """A cluster that another state folder owns and that lives is not ours to take down."""
    other = owner(layout)
    if other is not None and other != layout.state and any(map(process.alive, process.recorded(layout).values())):
        raise ClusterError(f"another cluster runs on this machine; its kubeconfig: {other / 'kubeconfig'}")


def start(layout: Layout, binaries: Path, sandbox: Path, now: datetime) -> None:
    for folder in (layout.state, layout.run, layout.volumes):
        folder.mkdir(parents=True, exist_ok=True)
    pki.write_all(layout, now)
    network.create()
    cgroups.create()
    for component in (apiserver, containerd, kubelet, proxy, dns):
        component.configure(layout)
    launch(etcd.command(layout), layout)
    server = launch(apiserver.command(layout, binaries), layout)
    runtime = launch(containerd.command(layout), layout)
    until(
        layout.containerd_socket.exists,
        what="containerd",
        seconds=PATIENCE_SECONDS,
        broken=process.death_of(runtime, layout),
    )
    load(layout, sandbox)
    until(
        lambda: answers(layout, binaries),
        what="the API server",
        seconds=PATIENCE_SECONDS,
        broken=process.death_of(server, layout),
    )
    for command in (
        controllers.controller_manager(layout, binaries),
        controllers.scheduler(layout, binaries),
        kubelet.command(layout, binaries),
        proxy.command(layout, binaries),
    ):
        launch(command, layout)
    apply(layout, binaries)
    launch(dns.command(layout, binaries), layout)
    until_usable(layout, binaries)
    layout.owner.write_text(str(layout.state))


def launch(command: process.Command, layout: Layout) -> process.Identity:
    return process.start(command, layout, network.ENTER)


def load(layout: Layout, archive: Path) -> None:
    """Import an image archive into containerd, retrying while it opens its socket."""

    def imported() -> bool:
        command = [*containerd.ctr(layout), "images", "import", str(archive)]
        return subprocess.run(command, capture_output=True).returncode == 0

    until(imported, what=f"import of {archive.name}", seconds=PATIENCE_SECONDS)


def kubectl(
    layout: Layout, binaries: Path, *arguments: str, given: str | None = None
) -> subprocess.CompletedProcess[str]:
    command = [str(binaries / "kubectl"), f"--kubeconfig={layout.kubeconfig}", "--request-timeout=5s", *arguments]
    environment = {**os.environ, "KUBECACHEDIR": str(layout.state / "kubectl-cache")}
    return subprocess.run(command, env=environment, input=given, capture_output=True, text=True)


def answers(layout: Layout, binaries: Path) -> bool:
    return kubectl(layout, binaries, "get", "--raw=/readyz").stdout == "ok"


def apply(layout: Layout, binaries: Path) -> None:
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": dns.manifests()})
    until(
        lambda: kubectl(layout, binaries, "apply", "--server-side", "-f", "-", given=listed).returncode == 0,
        what="the manifests of the cluster's DNS",
        seconds=PATIENCE_SECONDS,
    )


def until_usable(layout: Layout, binaries: Path) -> None:
    """Node ready, names resolved through the service address, pods may be made in the default namespace."""
    living = process.recorded(layout)

    def broken() -> str | None:
        return next((words for one in living.values() if (words := process.death_of(one, layout)())), None)

    ready = ("get", "node", network.NODE_NAME, "-o", 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')
    until(
        lambda: kubectl(layout, binaries, *ready).stdout == "True",
        what="the node",
        seconds=PATIENCE_SECONDS,
        broken=broken,
    )
    until(dns.resolves, what="the cluster's DNS", seconds=PATIENCE_SECONDS, broken=broken)
    account = ("get", "serviceaccount", "default", "-n", "default")
    until(
        lambda: kubectl(layout, binaries, *account).returncode == 0,
        what="the default account",
        seconds=PATIENCE_SECONDS,
    )
