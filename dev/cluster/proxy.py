"""kube-proxy in nftables mode; its rules live and die with the node's network namespace."""

from pathlib import Path

import yaml
from dev.cluster.network import NODE_NAME, POD_RANGE
from dev.cluster.paths import Layout
from dev.cluster.process import Command


def configuration(layout: Layout) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "bindAddress": "0.0.0.0",
            "healthzBindAddress": "127.0.0.1:10256",
            "metricsBindAddress": "127.0.0.1:10249",
            "hostnameOverride": NODE_NAME,
            "clusterCIDR": POD_RANGE,
            "conntrack": {"maxPerCore": 0},  # the limit is the machine's, not this namespace's
            "clientConnection": {"kubeconfig": str(layout.client("proxy"))},
            "nftables": {"minSyncPeriod": "100ms"},
        },
        sort_keys=False,
    )


def configure(layout: Layout) -> None:
    configuration_file(layout).write_text(configuration(layout))


def command(layout: Layout, binaries: Path) -> Command:
    return Command("kube-proxy", (str(binaries / "kube-proxy"), f"--config={configuration_file(layout)}"))


def configuration_file(layout: Layout) -> Path:
    return layout.state / "kube-proxy.yaml"
