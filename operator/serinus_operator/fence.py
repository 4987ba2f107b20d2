"""Only one operator writes: a Lease of our own, and a clock that stops us before another may start.

    Lease duration     15 s    another replica may take over after this long without a renewal
    writes stop after  10 s    without a renewal, by our own monotonic clock
    one write takes    4 s     at most (cluster/kubernetes.py), so none outlives the term

The clock is read before a renewal of ours is sent, so a slow answer shortens the term, and after another's renewal was
seen, so a slow answer lengthens the wait. A process that was paused finds its term over when it wakes; a write that was
already on its way then carries the resourceVersion of an old observation, and the API server refuses it.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from serinus_operator.clock import read_clocks
from serinus_operator.cluster.errors import ClusterError, FenceLost
from serinus_operator.cluster.port import LEASE, Cluster, Kind, Manifest, Precondition

log = logging.getLogger(__name__)
DURATION_SECONDS: Final = 15
TERM_SECONDS: Final = 10.0
RENEW_SECONDS: Final = 3.0
MICRO_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


class Fence:
    """Holds, or waits for, the Lease. `identity` is the pod's UID and the start of this process."""

    def __init__(self, cluster: Cluster, *, namespace: str, name: str, pod: str, start: str) -> None:
        self._cluster = cluster
        self._namespace, self._name = namespace, name
        self._pod, self.identity = pod, f"{pod}/{start}"
        self._until = float("-inf")
        self._seen: tuple[str, float] = ("", 0.0)  # the other holder's last renewal, and when we saw it
        self.on_acquired: Callable[[], None] = lambda: None

    def held(self) -> bool:
        """Whether this process may write now."""
        return asyncio.get_running_loop().time() < self._until

    def check(self) -> None:
        """Raise FenceLost where it may not."""
        if not self.held():
            raise FenceLost("another replica of the operator holds the lease, or it could not be renewed in time")

    async def run(self) -> None:
        """Acquire and renew until cancelled, then give the Lease back."""
        try:
            while True:
                held = self.held()
                try:
                    await self._renew()
                except ClusterError as error:
                    log.warning("Lease not renewed", extra={"lease": self._name, "error": str(error)})
                if self.held() and not held:
                    log.info("Lease acquired", extra={"lease": self._name, "holder": self.identity})
                    self.on_acquired()
                elif held and not self.held():
                    log.warning("Lease lost", extra={"lease": self._name, "holder": self.identity})
                await asyncio.sleep(RENEW_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311  # jitter
        finally:
            await self._release()

    async def _renew(self) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        lease = await self._cluster.get(LEASE, self._namespace, self._name)
        if lease is None:
            await self._cluster.create(self._manifest({}))
        elif self._may_take(lease["spec"], loop.time()):
            meta = lease["metadata"]
            precondition = Precondition(uid=meta["uid"], resource_version=meta["resourceVersion"])
            await self._cluster.replace(self._manifest(lease["spec"]), precondition)
        else:
            self._until = float("-inf")
            return
        self._until = begun + TERM_SECONDS

    def _may_take(self, spec: Mapping[str, Any], now: float) -> bool:
        """Ours, free, left by an earlier process of this pod, or not renewed for its duration as seen by our clock."""
        holder = spec.get("holderIdentity") or ""
        if holder in ("", self.identity) or holder.partition("/")[0] == self._pod:
            return True
        renewal = f"{holder} {spec.get('renewTime')}"
        if renewal != self._seen[0]:
            self._seen = (renewal, now)
        duration: float = spec.get("leaseDurationSeconds", DURATION_SECONDS)
        return now - self._seen[1] > duration

    async def _release(self) -> None:
        if not self.held():
            return
        self._until = float("-inf")
        try:
            lease = await self._cluster.get(LEASE, self._namespace, self._name)
            if lease and lease["spec"].get("holderIdentity") == self.identity:
                meta = lease["metadata"]
                free = self._manifest(lease["spec"])
                free["spec"]["holderIdentity"] = ""
                await self._cluster.replace(free, Precondition(meta["uid"], meta["resourceVersion"]))
        except ClusterError as error:
            log.warning("Lease not released", extra={"lease": self._name, "error": str(error)})

    def _manifest(self, before: Mapping[str, Any]) -> Manifest:
        """The Lease in our hands; `before` is its spec as it was found, empty for a new one."""
        now = read_clocks().wall.strftime(MICRO_TIME)
        renewed = before.get("holderIdentity") == self.identity
        transitions: int = before.get("leaseTransitions", 0)
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": {"namespace": self._namespace, "name": self._name},
            "spec": {
                "holderIdentity": self.identity,
                "leaseDurationSeconds": DURATION_SECONDS,
                "renewTime": now,
                "acquireTime": before.get("acquireTime", now) if renewed else now,
                "leaseTransitions": transitions + bool(before and not renewed),
            },
        }


class FencedCluster:
    """The port with the fence before every write."""

    def __init__(self, cluster: Cluster, fence: Fence) -> None:
        self._cluster = cluster
        self._fence = fence

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """See `Cluster.get`."""
        return await self._cluster.get(kind, namespace, name)

    async def list(self, kind: Kind, namespace: str | None, labels: Mapping[str, str]) -> Sequence[Manifest]:
        """See `Cluster.list`."""
        return await self._cluster.list(kind, namespace, labels)

    async def create(self, manifest: Manifest) -> Manifest:
        """See `Cluster.create`."""
        self._fence.check()
        return await self._cluster.create(manifest)

    async def apply(self, manifest: Manifest, precondition: Precondition) -> Manifest:
        """See `Cluster.apply`."""
        self._fence.check()
        return await self._cluster.apply(manifest, precondition)

    async def replace(self, manifest: Manifest, precondition: Precondition) -> Manifest:
        """See `Cluster.replace`."""
        self._fence.check()
        return await self._cluster.replace(manifest, precondition)

    async def scale(self, kind: Kind, namespace: str, name: str, replicas: int, precondition: Precondition) -> str:
        """See `Cluster.scale`."""
        self._fence.check()
        return await self._cluster.scale(kind, namespace, name, replicas, precondition)

    async def delete(self, kind: Kind, namespace: str, name: str, precondition: Precondition) -> None:
        """See `Cluster.delete`."""
        self._fence.check()
        await self._cluster.delete(kind, namespace, name, precondition)

    async def apply_status(self, manifest: Manifest, precondition: Precondition) -> Manifest:
        """See `Cluster.apply_status`."""
        self._fence.check()
        return await self._cluster.apply_status(manifest, precondition)

    async def record_event(self, manifest: Manifest) -> None:
        """See `Cluster.record_event`."""
        self._fence.check()
        await self._cluster.record_event(manifest)
