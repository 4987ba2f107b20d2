"""The operator as a process of this machine: what the chart would run, told the same, behind the fault proxy.

Its pod is scaled to zero; it has the pod's environment and a token of the pod's ServiceAccount.
"""

import datetime as dt
import itertools
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml
from tests.e2e.harness.helm import Release
from tests.e2e.harness.kubectl import Kubectl
from tests.e2e.harness.waiting import wait_for

from serinus_operator.local.addresses import free_port

COMMAND = str(Path(sys.executable).with_name("serinus-operator"))
STOP_SECONDS = 30


class HostOperator:
    """One operator, killed and started as often as a story likes; the log of all its lives is one file."""

    def __init__(
        self, release: Release, kubectl: Kubectl, proxy: str, folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.starts = 0
        self._release, self._kubectl, self._folder = release, kubectl, folder
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {**self._told(), **(environment or {})}
        self.log = folder / f"{release.namespace}-operator.log"
        release.scale(0)
        self._write_kubeconfig(proxy)

    def __enter__(self) -> "HostOperator":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(STOP_SECONDS)

    @property
    def user(self) -> str:
        """Who it is to the API server."""
        return self._release.user

    def start(self) -> None:
        """Start it, as a new pod: with an identity of its own."""
        self.starts += 1
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SERINUS", "KUBE"))}
        mine = {"SERINUS_POD_UID": uuid.uuid4().hex, "SERINUS_HEALTH_PORT": str(free_port()),
                "SERINUS_METRICS_PORT": str(free_port()), "KUBECONFIG": str(self._kubeconfig)}  # fmt: skip
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [COMMAND], env={**kept, **self._environment, **mine}, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def is_dead(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _told(self) -> dict[str, str]:
        (container,) = self._release.deployment()["spec"]["template"]["spec"]["containers"]
        plain = {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}
        return plain | {"SERINUS_NAMESPACE": self._release.namespace}

    def _write_kubeconfig(self, proxy: str) -> None:
        account = self._release.deployment()["spec"]["template"]["spec"]["serviceAccountName"]
        token = self._kubectl.to(self._release.namespace)("create", "token", account, "--duration=2h").strip()
        entry: dict[str, Any] = {"cluster": "proxy", "user": "operator"}
        self._kubeconfig = self._folder / f"{self._release.namespace}.kubeconfig"
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "proxy",
            "contexts": [{"name": "proxy", "context": entry}],
            "clusters": [{"name": "proxy", "cluster": {"server": proxy}}],
            "users": [{"name": "operator", "user": {"token": token}}],
        }
        self._kubeconfig.write_text(yaml.safe_dump(document))

    def wait_until_acting(self) -> None:
        """Until it has the Lease."""
        wait_for(self._acts, seconds=60, what="the operator on this machine holds the lease", describe=self.last_words)

    def _acts(self) -> bool:
        return bool(self._release.lease()["spec"].get("holderIdentity"))

    def renewed(self) -> dt.datetime:
        """When it renewed the Lease, by its own clock."""
        return dt.datetime.fromisoformat(self._release.lease()["spec"]["renewTime"])

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""

    def complaints(self) -> list[str]:
        """What it logged as an error of its own: a traceback is none that a fault may cause."""
        return tracebacks(self.log.read_text(errors="replace"))


def tracebacks(log: str) -> list[str]:
    """The lines below which one stands."""
    return [said for said, below in itertools.pairwise(log.splitlines()) if below.startswith("Traceback ")]
