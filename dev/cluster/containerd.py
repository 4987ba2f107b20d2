"""containerd with its own root, state and socket, the pods' network (CNI) and the sandbox image."""

import json
from pathlib import Path

from dev.cluster.network import BRIDGE, POD_RANGE
from dev.cluster.paths import Layout
from dev.cluster.pause import IMAGE as PAUSE_IMAGE
from dev.cluster.process import Command

CNI_BINARIES = "/usr/lib/cni"
CNI_NETWORK = "serinus-pods"
UNUSED_PLUGINS = ("aufs", "btrfs", "devmapper", "zfs")

CONFIGURATION = """\
version = 2
root = "{root}"
state = "{state}"
disabled_plugins = [{unused}]

[grpc]
  address = "{socket}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{root}/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  max_concurrent_downloads = 2

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni_binaries}"
    conf_dir = "{cni}"

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        Root = "{runc}"
"""


def configuration(layout: Layout) -> str:
    return CONFIGURATION.format(
        root=root(layout),
        state=state(layout),
        socket=layout.containerd_socket,
        runc=layout.run / "runc",
        unused=", ".join(f'"io.containerd.snapshotter.v1.{name}"' for name in UNUSED_PLUGINS),
        pause=PAUSE_IMAGE,
        cni_binaries=CNI_BINARIES,
        cni=layout.state / "cni",
    )


def pod_network(layout: Layout) -> str:
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": POD_RANGE}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": str(layout.run / "pod-addresses"),
        },
    }
    return json.dumps({"cniVersion": "0.4.0", "name": CNI_NETWORK, "plugins": [bridge]}, indent=2)


def configure(layout: Layout) -> None:
    (layout.state / "cni").mkdir(parents=True, exist_ok=True)
    (layout.state / "cni" / "pods.conflist").write_text(pod_network(layout))
    configuration_file(layout).write_text(configuration(layout))


def command(layout: Layout) -> Command:
    return Command("containerd", ("containerd", "--config", str(configuration_file(layout)), "--log-level", "warn"))


def configuration_file(layout: Layout) -> Path:
    return layout.state / "containerd.toml"


def root(layout: Layout) -> Path:
    return layout.state / "containerd"


def state(layout: Layout) -> Path:
    return layout.run / "containerd"


def ctr(layout: Layout) -> tuple[str, ...]:
    """`ctr` on the images and containers that the kubelet sees."""
    return ("ctr", "--address", str(layout.containerd_socket), "--namespace", "k8s.io")


def shim_sockets(layout: Layout) -> tuple[Path, ...]:
    """The sockets of our shims: one that is killed leaves its own behind, in a folder shared with other containerds."""
    addresses = (state(layout) / "io.containerd.runtime.v2.task").glob("*/*/address")
    return tuple(Path(address.read_text().strip().removeprefix("unix://")) for address in addresses)
