"""Where everything of the cluster lies: the cache (kept), the state (removed by `down`) and the runtime folder.

Called by every module of this package. Pure but for `default_layout`, which reads the environment once.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
RUN = Path("/run/serinus")  # short: socket paths are limited to 107 bytes; one cluster per machine


@dataclass(frozen=True)
class Layout:
    """The three folders, and the files in them that more than one module speaks of."""

    cache: Path
    state: Path
    run: Path = RUN

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def audit_log(self) -> Path:
        return self.state / "audit" / "audit.log"

    @property
    def volumes(self) -> Path:
        """Folder for hostPath volumes that tests make."""
        return self.state / "volumes"

    @property
    def records(self) -> Path:
        """One JSON file per process that runs."""
        return self.run / "processes"

    @property
    def owner(self) -> Path:
        """Names the state folder of the cluster that runs; written last by `up`, removed first by `down`."""
        return self.run / "state-folder"

    @property
    def containerd_socket(self) -> Path:
        return self.run / "containerd.sock"

    def client(self, name: str) -> Path:
        """The kubeconfig of one component."""
        return self.state / "clients" / f"{name}.kubeconfig"


def layout(environment: Mapping[str, str], home: Path) -> Layout:
    """`SERINUS_CACHE`, else the XDG folders, else their defaults under `home`."""
    cache = environment.get("SERINUS_CACHE")
    xdg_cache = environment.get("XDG_CACHE_HOME") or str(home / ".cache")
    xdg_state = environment.get("XDG_STATE_HOME") or str(home / ".local" / "state")
    return Layout(
        cache=Path(cache) if cache else Path(xdg_cache) / "serinus",
        state=Path(xdg_state) / "serinus" / "cluster",
    )


def default_layout() -> Layout:
    return layout(os.environ, Path.home())
