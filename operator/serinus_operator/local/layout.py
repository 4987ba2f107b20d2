"""Where things lie in the state folder. Names only; nothing is created here.

lock            who uses the folder
objects/        the store (`cluster/files.py`)
volumes/<claim> what a cluster has as PersistentVolumeClaims
pods/<uid>/     work folder, mounted files and termination message of a pod; gone with it
logs/<ns>/      output of pods, the latest ones
gateway/        Envoy's files and its log
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Layout:
    """One state folder."""

    root: Path

    @property
    def lock(self) -> Path:
        """The lock file."""
        return self.root / "lock"

    @property
    def objects(self) -> Path:
        """The store's folder."""
        return self.root / "objects"

    @property
    def volumes(self) -> Path:
        """Claims."""
        return self.root / "volumes"

    @property
    def pods(self) -> Path:
        """All pods' folders."""
        return self.root / "pods"

    def pod(self, uid: str) -> Path:
        """One pod's folder."""
        return self.pods / uid

    @property
    def gateway(self) -> Path:
        """The gateway's folder."""
        return self.root / "gateway"

    @property
    def logs(self) -> Path:
        """All logs."""
        return self.root / "logs"

    def log(self, namespace: str, pod: str) -> Path:
        """One pod's log."""
        return self.logs / namespace / f"{pod}.log"
