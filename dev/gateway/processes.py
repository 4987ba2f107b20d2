"""The two programs of a gateway, with a folder, an address and ports of their own; and addresses for pods beside it."""

import itertools
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from serinus_operator.local.addresses import free_port

COMMAND = str(Path(sys.executable).with_name("serinus-gateway"))

_hosts = itertools.count(1)


def new_address() -> str:
    """A loopback address that nobody else on this machine uses now."""
    number = next(_hosts)
    return f"127.{2 + os.getpid() % 200}.{number // 250}.{number % 250 + 1}"


class Programs:
    """How agent and Envoy of one gateway are started; what is written to `log` is theirs."""

    def __init__(self, folder: Path, **more: str) -> None:
        """`more`: settings beside, or instead of, those made here."""
        self.folder = folder
        self.kubeconfig = folder / "kubeconfig"
        self.log = folder / "log"
        self.address = new_address()
        self.agent_port = free_port()
        self._settings = {
            "KUBECONFIG": str(self.kubeconfig),
            "SERINUS_ENVOY_FOLDER": str(folder / "envoy"),
            "SERINUS_LISTEN_HOST": self.address,
            "SERINUS_AGENT_HOST": "127.0.0.1",
            "SERINUS_AGENT_PORT": str(self.agent_port),
            "SERINUS_HEALTH_PORT": str(free_port()),
            "SERINUS_CHECK_PORT": str(free_port()),
            "SERINUS_ADMIN_PORT": str(free_port()),
            "SERINUS_POD_IPS": self.address,
            "SERINUS_DRAIN_SECONDS": "10",
            **more,
        }

    def start(self, command: str, before: Sequence[str] = ()) -> "subprocess.Popen[bytes]":
        """Start `agent` or `envoy`. `before`: a program that starts it, with its arguments."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SERINUS", "KUBE"))}
        with self.log.open("ab") as log:
            return subprocess.Popen([*before, COMMAND, command], env=kept | self._settings, stderr=log, stdout=log)

    def last_words(self) -> str:
        """The end of what they wrote."""
        return self.log.read_text(errors="replace")[-6000:]
