"""kubelet: works with both cgroup hierarchies, limits pods below one cgroup of our own, evicts late."""

from pathlib import Path

import yaml
from dev.cluster.cgroups import ROOT as CGROUP
from dev.cluster.network import CLUSTER_DOMAIN, NODE_ADDRESS, NODE_NAME, SERVICE_DNS
from dev.cluster.paths import Layout
from dev.cluster.process import Command

MAX_PODS = 110


def configuration(layout: Layout) -> str:
    pki = layout.pki
    return yaml.safe_dump(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": NODE_ADDRESS,  # not loopback: `kubectl logs` and `exec` come from the API server
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(pki / "ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(pki / "node.crt"),
            "tlsPrivateKeyFile": str(pki / "node.key"),
            "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{CGROUP}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "clusterDomain": CLUSTER_DOMAIN,
            "clusterDNS": [SERVICE_DNS],
            "resolvConf": str(resolver_file(layout)),
            "podLogsDir": str(layout.logs / "pods"),
            "volumePluginDir": str(layout.state / "kubelet-plugins"),
            "makeIPTablesUtilChains": False,
            "maxPods": MAX_PODS,
            "serializeImagePulls": False,
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {
                "memory.available": "100Mi",
                "nodefs.available": "1%",
                "nodefs.inodesFree": "1%",
                "imagefs.available": "1%",
            },
        },
        sort_keys=False,
    )


def configure(layout: Layout) -> None:
    resolver_file(layout).write_text(f"nameserver {NODE_ADDRESS}\n")
    configuration_file(layout).write_text(configuration(layout))


def command(layout: Layout, binaries: Path) -> Command:
    return Command(
        "kubelet",
        (
            str(binaries / "kubelet"),
            f"--config={configuration_file(layout)}",
            f"--kubeconfig={layout.client('node')}",
            f"--hostname-override={NODE_NAME}",
            f"--node-ip={NODE_ADDRESS}",
            f"--root-dir={layout.state / 'kubelet'}",
            f"--cert-dir={layout.state / 'kubelet-pki'}",
        ),
    )


def configuration_file(layout: Layout) -> Path:
    return layout.state / "kubelet.yaml"


def resolver_file(layout: Layout) -> Path:
    """What pods with `dnsPolicy: Default` get; never the machine's own resolver, which they could not reach."""
    return layout.state / "resolv.conf"
