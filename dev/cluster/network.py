"""The node's network namespace: a bridge for the pods inside, one veth pair to the machine, nothing else.

Inside there is no way out: what is not of the cluster is unreachable, at once and without a packet. Outside, two routes
lead to pods and service addresses through the pair. The machine's firewall and other interfaces are not touched.

    machine  serinus0 10.244.255.1/30 ── 10.244.255.2/30 uplink0  namespace `serinus`
                                                         pods0 10.244.0.1/24: API server, kubelet, DNS, pods' gateway
"""

import subprocess
from pathlib import Path

from dev.cluster.console import ClusterError

NAMESPACE = "serinus"
NODE_NAME = "serinus"
BRIDGE = "pods0"
MACHINE_SIDE = "serinus0"
NODE_SIDE = "uplink0"
MACHINE_ADDRESS = "10.244.255.1"
UPLINK_ADDRESS = "10.244.255.2"
NODE_ADDRESS = "10.244.0.1"
POD_RANGE = "10.244.0.0/24"
SERVICE_RANGE = "10.96.0.0/16"
SERVICE_FIRST = "10.96.0.1"
SERVICE_DNS = "10.96.0.10"
API_PORT = 6443
CLUSTER_DOMAIN = "cluster.local"

HANDLE = Path("/run/netns") / NAMESPACE
ENTER = ("nsenter", f"--net={HANDLE}", "--")  # not `ip netns exec`: that changes the mount namespace too

INSIDE = (
    ("ip", "link", "set", "lo", "up"),
    ("ip", "link", "add", BRIDGE, "type", "bridge"),
    ("ip", "address", "add", f"{NODE_ADDRESS}/24", "dev", BRIDGE),
    ("ip", "link", "set", BRIDGE, "up"),
    ("ip", "address", "add", f"{UPLINK_ADDRESS}/30", "dev", NODE_SIDE),
    ("ip", "link", "set", NODE_SIDE, "up"),
    ("ip", "route", "add", SERVICE_RANGE, "dev", BRIDGE),  # a route to start from; the proxy's rules send it on
    ("ip", "route", "add", "unreachable", "default"),
    ("sysctl", "-qw", "net.ipv4.ip_forward=1"),
    # a reply between two pods must pass the node's rules, or a pod cannot reach its neighbour through a Service
    ("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1"),
)
OUTSIDE = (
    ("ip", "address", "add", f"{MACHINE_ADDRESS}/30", "dev", MACHINE_SIDE),
    ("ip", "link", "set", MACHINE_SIDE, "up"),
    ("ip", "route", "add", POD_RANGE, "via", UPLINK_ADDRESS),
    ("ip", "route", "add", SERVICE_RANGE, "via", UPLINK_ADDRESS),
)


def run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode != 0:
        raise ClusterError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


def exists() -> bool:
    return HANDLE.exists()


def has_pair() -> bool:
    return Path(f"/sys/class/net/{MACHINE_SIDE}").exists()


def create() -> None:
    """Make the namespace and everything in it. There must be no leftover: `down` first."""
    if not Path("/proc/sys/net/bridge").exists():
        subprocess.run(["modprobe", "br_netfilter"], capture_output=True)
    run("ip", "netns", "add", NAMESPACE)
    run("ip", "link", "add", MACHINE_SIDE, "type", "veth", "peer", "name", NODE_SIDE, "netns", NAMESPACE)
    for argv in INSIDE:
        run(*ENTER, *argv)
    for argv in OUTSIDE:
        run(*argv)


def remove() -> None:
    """Delete pair and namespace; its bridge, rules and routes go with it. What is not there is fine."""
    subprocess.run(["ip", "link", "delete", MACHINE_SIDE], capture_output=True)
    subprocess.run(["ip", "netns", "delete", NAMESPACE], capture_output=True)


def processes() -> tuple[int, ...]:
    """Every process that lives in the namespace, by its inode: finds what no record knows of."""
    if not exists():
        return ()
    inode = HANDLE.stat().st_ino
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "ns" / "net").stat().st_ino == inode:
                found.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return tuple(found)
