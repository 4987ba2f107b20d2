"""One local instance: the store, the operator's steps over it, and the processes that play the pods."""

import logging
from dataclasses import dataclass
from pathlib import Path

from serinus_operator.cluster.process import ProcessCluster
from serinus_operator.state import PodState


@dataclass(frozen=True, slots=True)
class Backend:
    """A pod that takes requests."""

    host: str
    port: int
    revision: str
    pod: str


@dataclass(frozen=True, slots=True)
class PodRow:
    """One pod as a table shows it."""

    name: str
    revision: str
    """Empty for a preflight pod."""
    role: str
    """`serving` or `preflight`."""
    state: PodState
    restarts: int
    terminating: bool
    address: str
    """`host:port`; empty before it has one."""


@dataclass(frozen=True, slots=True)
class DrainReport:
    """What stopping came to."""

    stopped: tuple[str, ...] = ()
    """Pods that ended by themselves, `namespace/name`."""
    killed: tuple[str, ...] = ()
    """Pods that had to be killed after their grace period."""
    unfinished: tuple[str, ...] = ()
    """ModelDeployments (`namespace/name`) whose rollout goes on at the next start."""


class Instance:
    """Everything wired. `start` once, `stop` once."""

    cluster: ProcessCluster

    def __init__(self, *, state: Path, log: logging.Logger | None = None) -> None:
        self.state = state

    async def start(self) -> None:
        """Take the state folder, load it, start working. Raises StateInUse (local.lock), StateError (cluster.files)."""

    async def stop(self, *, drain: bool) -> DrainReport:
        """End the pods (drain: give each its grace period), give the state folder back."""
        return DrainReport()

    async def wait_failed(self) -> None:
        """Return when a task of the instance has ended by itself: a bug; the exception is logged."""

    def backends(self, namespace: str, service: str) -> tuple[Backend, ...]:
        """Ready, not terminating pods that a Service selects. Cheap: may be asked for every request."""
        return ()

    def pods(self, namespace: str, name: str) -> tuple[PodRow, ...]:
        """The pods of a ModelDeployment, by name."""
        return ()

    def log_path(self, namespace: str, pod: str) -> Path:
        """The file with a pod's output; it stays for a while after the pod has gone."""
        return self.state / "logs" / namespace / f"{pod}.log"
