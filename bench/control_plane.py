"""etcd, kube-apiserver and kube-controller-manager on free ports of 127.0.0.1: a cluster without a node.

The same programs with the same flags as `dev/cluster`, in a folder of their own; only addresses differ. All are gone
when the block ends, and the kernel ends them when this process dies (`setpriv --pdeathsig`). No root needed.
"""

import os
import ssl
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from dev.cluster import apiserver, build, controllers, etcd, packages, pki, process
from dev.cluster.console import step
from dev.cluster.lock import only_one
from dev.cluster.paths import Layout, default_layout
from dev.cluster.process import Command, Identity
from dev.cluster.waiting import until

from bench import audit
from serinus_operator.local.addresses import free_port

NEEDED = ("kube-apiserver", "kube-controller-manager")
START_SECONDS = 60
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
CLIENT_RATE = {"--kube-api-qps": "1000", "--kube-api-burst": "1000"}
"""The controllers' own throttle (20 requests/s each) would set the time for hundreds of models at once."""
HARNESS, SERINUS, BARE = "bench-harness", "bench-serinus", "bench-bare"
MEASURED = (SERINUS, BARE)
"""Users whose requests are in the audit log."""


@dataclass(frozen=True)
class ControlPlane:
    """A running control plane: where it is, and how to speak to it."""

    layout: Layout
    server: str

    def kubeconfig(self, user: str) -> Path:
        """The kubeconfig of one of the users."""
        return self.layout.client(user)

    def ssl_context(self) -> ssl.SSLContext:
        """Trusts the API server, and shows the harness's certificate."""
        context = ssl.create_default_context(cafile=str(self.layout.pki / "ca.crt"))
        context.load_cert_chain(self.layout.pki / f"{HARNESS}.crt", self.layout.pki / f"{HARNESS}.key")
        return context


@contextmanager
def control_plane() -> Iterator[ControlPlane]:
    """Build what is not built yet, start, wait until it answers; at the end stop and remove everything."""
    packages.ensure({name: packages.NODE.get(name, "util-linux") for name in ("etcd", "setpriv")})
    cache = default_layout().cache
    binaries = built(cache)
    with tempfile.TemporaryDirectory(prefix="serinus-bench-") as folder:
        layout = Layout(cache=cache, state=Path(folder) / "state", run=Path(folder) / "run")
        client, peer, secure, metrics = (free_port() for _ in range(4))
        plane = ControlPlane(layout, f"https://127.0.0.1:{secure}")
        running: list[Identity] = []
        try:
            with step("start etcd, kube-apiserver, kube-controller-manager"):
                write_credentials(layout, plane.server)
                layout.audit_log.parent.mkdir(parents=True, exist_ok=True)
                apiserver.policy_file(layout).write_text(audit.policy(MEASURED))
                running.append(start(etcd_command(layout, client, peer), layout))
                running.append(start(api_server(layout, binaries, client, secure), layout))
                until_ready(plane, running[-1])
                running.append(start(controller_manager(layout, binaries, metrics), layout))
            yield plane
        finally:
            for identity in reversed(running):
                process.stop(identity)


def built(cache: Path) -> Path:
    """The folder of binaries, after building those that are needed here and missing."""
    target = build.folder(cache)
    if not any(program.name in NEEDED for program in build.missing(cache)):
        return target
    with only_one(default_layout().state.parent):  # `make cluster` may be building into the same folder
        for program in build.missing(cache):
            if program.name in NEEDED:
                target.mkdir(parents=True, exist_ok=True)
                with step(f"build {program.name}"):
                    build.build(program, build.find_go(cache), target)
    return target


def write_credentials(layout: Layout, server: str) -> None:
    """One authority, a certificate per program and user, and a kubeconfig for each that needs one."""
    now = datetime.fromtimestamp(time.clock_gettime(time.CLOCK_REALTIME), UTC)
    signer = pki.authority(now)
    users = [pki.Request(name, name, "system:masters") for name in (HARNESS, *MEASURED)]
    pki.write(layout.pki / "ca.crt", signer.certificate_pem)
    pki.write(layout.pki / "ca.key", signer.key_pem)
    pki.write(layout.pki / "service-accounts.key", pki.private_pem(ec.generate_private_key(ec.SECP256R1())))
    for request in (pki.API_SERVER, *pki.CLIENTS, *users):
        pair = pki.issue(request, signer, now)
        pki.write(layout.pki / f"{request.name}.crt", pair.certificate_pem)
        pki.write(layout.pki / f"{request.name}.key", pair.key_pem)
        pki.write(layout.client(request.name), pki.render_kubeconfig(server, signer.certificate_pem, pair).encode())


def etcd_command(layout: Layout, client: int, peer: int) -> Command:
    """etcd on its own two ports."""
    at, peers = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    return with_flags(
        etcd.command(layout),
        {
            "--listen-client-urls": at,
            "--advertise-client-urls": at,
            "--listen-peer-urls": peers,
            "--initial-advertise-peer-urls": peers,
            "--initial-cluster": f"serinus={peers}",
        },
    )


def api_server(layout: Layout, binaries: Path, client: int, secure: int) -> Command:
    """kube-apiserver on loopback; there is no node that it could tell its address to."""
    flags = {
        "--etcd-servers": f"http://127.0.0.1:{client}",
        "--bind-address": "127.0.0.1",
        "--secure-port": str(secure),
        "--endpoint-reconciler-type": "none",
        "--max-requests-inflight": "1000",
        "--max-mutating-requests-inflight": "500",
        "--audit-log-maxsize": "100000",
    }
    return with_flags(apiserver.command(layout, binaries), flags)


def controller_manager(layout: Layout, binaries: Path, secure: int) -> Command:
    """kube-controller-manager without its throttle."""
    flags = {**CLIENT_RATE, "--secure-port": str(secure)}
    return with_flags(controllers.controller_manager(layout, binaries), flags)


def with_flags(command: Command, flags: Mapping[str, str]) -> Command:
    """The same command with other values for some flags; `--name=value` each."""
    kept = [word for word in command.argv if word.partition("=")[0] not in flags]
    return replace(command, argv=(*kept, *(f"{name}={value}" for name, value in flags.items())))


def start(command: Command, layout: Layout) -> Identity:
    """Start one program, which ends with this process at the latest."""
    return process.start(command, layout, DIES_WITH_US)


def until_ready(plane: ControlPlane, server: Identity) -> None:
    """Wait until the API server says that it is ready."""
    context = plane.ssl_context()

    def ready() -> bool:
        try:
            with urllib.request.urlopen(f"{plane.server}/readyz", context=context, timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    until(ready, what="the API server", seconds=START_SECONDS, broken=process.death_of(server, plane.layout))


def environment(**variables: str) -> dict[str, str]:
    """Our own environment with changes, and without proxies: only this machine is spoken to."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**kept, **variables}
