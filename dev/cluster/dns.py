"""Cluster DNS: CoreDNS as a process of the node, behind the Service `kube-system/kube-dns`.

It knows the cluster's own names; every other name does not exist (NXDOMAIN), since nothing else can be reached.
"""

import socket
import struct
from pathlib import Path
from typing import Any

from dev.cluster.network import CLUSTER_DOMAIN, NODE_ADDRESS, SERVICE_DNS
from dev.cluster.paths import Layout
from dev.cluster.process import Command

PORT = 53
PROBE_NAME = f"kubernetes.default.svc.{CLUSTER_DOMAIN}"

CONFIGURATION = """\
{domain}:{port} in-addr.arpa:{port} {{
    bind {address}
    errors
    kubernetes {domain} in-addr.arpa {{
        kubeconfig {client}
        ttl 5
    }}
}}
.:{port} {{
    bind {address}
    errors
    template ANY ANY . {{
        rcode NXDOMAIN
    }}
}}
"""


def configuration(layout: Layout) -> str:
    return CONFIGURATION.format(port=PORT, address=NODE_ADDRESS, domain=CLUSTER_DOMAIN, client=layout.client("dns"))


def configure(layout: Layout) -> None:
    configuration_file(layout).write_text(configuration(layout))


def command(layout: Layout, binaries: Path) -> Command:
    return Command("coredns", (str(binaries / "coredns"), "-conf", str(configuration_file(layout))))


def configuration_file(layout: Layout) -> Path:
    return layout.state / "Corefile"


def manifests() -> list[dict[str, Any]]:
    """The Service of every cluster's DNS, its endpoint, and the right to read what DNS answers from."""
    name, namespace = "kube-dns", "kube-system"
    ports = [{"name": protocol.lower(), "port": PORT, "protocol": protocol} for protocol in ("UDP", "TCP")]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "serinus:dns"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace, "labels": {"k8s-app": name}},
            "spec": {"clusterIP": SERVICE_DNS, "ports": ports},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [NODE_ADDRESS], "conditions": {"ready": True}}],
            "ports": ports,
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "serinus:dns"},
            "rules": [
                {"apiGroups": [""], "resources": ["services", "namespaces", "pods"], "verbs": ["list", "watch"]},
                {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
            ],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "serinus:dns"},
            "roleRef": role,
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "serinus:dns"}],
        },
    ]


def query(name: str) -> bytes:
    """A DNS question for the IPv4 addresses of `name`."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", 1, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", 1, 1)


def answers(response: bytes) -> int:
    """How many records a DNS response carries; 0 when it is an error."""
    if len(response) < 12:
        return 0
    _, flags, _, count, _, _ = struct.unpack("!6H", response[:12])
    return 0 if flags & 0x000F else int(count)


def resolves(name: str = PROBE_NAME, server: str = SERVICE_DNS, seconds: float = 0.5) -> bool:
    """Whether the cluster's DNS, asked through its service address from the machine, knows `name`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(seconds)
        try:
            channel.sendto(query(name), (server, PORT))
            return answers(channel.recv(512)) > 0
        except OSError:
            return False
