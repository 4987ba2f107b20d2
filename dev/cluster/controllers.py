"""kube-controller-manager and kube-scheduler: one of each, so without leader election.

Each controller acts under its own service account, so that the audit log tells the garbage collector's deletes from
an operator's.
"""

from pathlib import Path

from dev.cluster.paths import Layout
from dev.cluster.process import Command

NODE_GRACE_SECONDS = 180
"""Whose kubelet was not heard for so long has no ready pods any more. With the default of 50 s an API server that was
gone for 30 s takes the endpoints of every Service of this one node: the watch that would tell comes back too late."""


def controller_manager(layout: Layout, binaries: Path) -> Command:
    pki = layout.pki
    client = layout.client("controller-manager")
    return Command(
        "kube-controller-manager",
        (
            str(binaries / "kube-controller-manager"),
            *common(client),
            f"--cert-dir={layout.state / 'controller-manager'}",
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={pki / 'service-accounts.key'}",
            f"--root-ca-file={pki / 'ca.crt'}",
            f"--cluster-signing-cert-file={pki / 'ca.crt'}",
            f"--cluster-signing-key-file={pki / 'ca.key'}",
            "--allocate-node-cidrs=false",
            f"--node-monitor-grace-period={NODE_GRACE_SECONDS}s",
            f"--flex-volume-plugin-dir={layout.state / 'controller-manager' / 'plugins'}",
        ),
    )


def scheduler(layout: Layout, binaries: Path) -> Command:
    client = layout.client("scheduler")
    return Command(
        "kube-scheduler",
        (str(binaries / "kube-scheduler"), *common(client), f"--cert-dir={layout.state / 'scheduler'}"),
    )


def common(client: Path) -> tuple[str, ...]:
    return (
        f"--kubeconfig={client}",
        f"--authentication-kubeconfig={client}",
        f"--authorization-kubeconfig={client}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--profiling=false",
    )
