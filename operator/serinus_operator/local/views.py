"""What an instance shows of its pods, and what it asks of whoever plays the kubelet."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from serinus_api import names
from serinus_operator.decide.pods import pod_state
from serinus_operator.local.addresses import Place
from serinus_operator.state import Manifest, PodState


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


class Pods(Protocol):
    """Who plays the kubelet: `runner.PodRunner`; tests of the store have a quicker one."""

    on_bug: Callable[[asyncio.Task[None]], None]

    def start(self) -> None:
        """Follow the store."""

    def place(self, pod: Manifest) -> Place | None:
        """Where a Pod listens."""

    async def stop(self, *, drain: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """End all pods; those that ended by themselves, and those that had to be killed."""


def row_of(pod: Manifest, place: Place | None) -> PodRow:
    """A Pod's row."""
    meta = pod["metadata"]
    containers = pod.get("status", {}).get("containerStatuses", ())
    return PodRow(
        name=meta["name"],
        revision=meta["labels"].get(names.LABEL_REVISION, ""),
        role=meta["labels"].get(names.LABEL_ROLE, ""),
        state=pod_state(pod),
        restarts=sum(container["restartCount"] for container in containers),
        terminating="deletionTimestamp" in meta,
        address=f"{place.host}:{place.http_port}" if place else "",
    )
