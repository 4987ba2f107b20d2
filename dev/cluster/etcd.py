"""etcd: the API server's store, on loopback inside the node's namespace, without fsync: its data dies with the node."""

from dev.cluster.paths import Layout
from dev.cluster.process import Command

CLIENT = "http://127.0.0.1:2379"
PEER = "http://127.0.0.1:2380"


def command(layout: Layout) -> Command:
    return Command(
        "etcd",
        (
            "etcd",
            "--name=serinus",
            f"--data-dir={layout.state / 'etcd'}",
            f"--listen-client-urls={CLIENT}",
            f"--advertise-client-urls={CLIENT}",
            f"--listen-peer-urls={PEER}",
            f"--initial-advertise-peer-urls={PEER}",
            f"--initial-cluster=serinus={PEER}",
            "--unsafe-no-fsync",
            "--auto-compaction-mode=periodic",
            "--auto-compaction-retention=10m",
            "--quota-backend-bytes=4294967296",
            "--log-level=warn",
        ),
        # Debian's etcd refuses to start on other architectures without this word; it is ignored on amd64
        {"ETCD_UNSUPPORTED_ARCH": "arm64"},
    )
