"""Which gateways are ready, and what they hold: looked at once a second. I/O; decides nothing.

The pods are listed in the operator's own namespace by their labels. Their load endpoints are read only while a model
is on its way to sleep or back, one request per gateway for all models together: models that sleep, and models that are
plainly awake, cost nothing here. A key goes on the queue when its gateways are others than before; it is nudged at each
look while it is followed, and while none is left and its traffic is led to one that was.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field

from serinus_api.gateway import GatewayReport, ModelTraffic
from serinus_operator.cache import Cache
from serinus_operator.clock import read_clocks
from serinus_operator.cluster.errors import ClusterError
from serinus_operator.cluster.port import MODEL_DEPLOYMENT, POD, Cluster, Manifest
from serinus_operator.places import GatewayLook, GatewayPod
from serinus_operator.queue import Key
from serinus_operator.state import Instant

LOOK_SECONDS = 1.0
KEEP_SECONDS = 3.0
"""An answer of a gateway is shown this long."""
PROBES = 8
"""With one pod and one gateway behind the Service, 1 of 256 such series meets the pod alone."""

log = logging.getLogger(__name__)

AskGateway = Callable[[str], Awaitable[GatewayReport | None]]
"""Asks the gateway at an address for its load; None where it does not answer in time."""
Probe = Callable[[str], Awaitable[bool]]
"""Sends one request to a Service's address, on a connection of its own; whether it was answered."""


@dataclass(slots=True)
class Gateways:
    """The loop, and what it saw last."""

    cluster: Cluster
    cache: Cache
    namespace: str
    labels: Mapping[str, str]
    """Of the gateways' pods; empty: this installation has none."""
    ask: AskGateway
    probe: Probe
    enqueue: Callable[[Key], None]
    """Something has changed."""
    nudge: Callable[[Key], None]
    """Something may have: not worth another try of what has just failed."""
    active: Callable[[], bool] = lambda: True
    """Whether this process may act; one that only stands by need not know."""
    clock: Callable[[], Instant] = read_clocks
    pods: tuple[GatewayPod, ...] = ()
    none_since: float | None = None
    followed: set[Key] = field(default_factory=set)
    reports: dict[str, GatewayReport | None] = field(default_factory=dict)
    """By gateway."""
    read_at: float | None = None
    always: bool = False
    """Whether every model is served through the gateway, also one that never sleeps: local mode."""

    @classmethod
    def none(cls, cluster: Cluster, cache: Cache) -> "Gateways":
        """For an installation without gateways."""

        async def nothing(_: str) -> None:
            return None

        async def unanswered(_: str) -> bool:
            return False

        return cls(cluster, cache, "", {}, nothing, unanswered, enqueue=lambda _: None, nudge=lambda _: None)

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while self.installed:
            began = loop.time()
            if self.active():
                await self.look()
            await asyncio.sleep(max(0.0, began + LOOK_SECONDS - loop.time()))
        await asyncio.Event().wait()

    async def look(self) -> None:
        """Once at all gateways."""
        found = await self.find()
        if found is not None:
            self._take(found)
        await self._read()
        for key in self.followed if self.pods else {*self.followed, *self._led()}:
            self.nudge(key)

    @property
    def installed(self) -> bool:
        """Whether this installation has gateways at all."""
        return bool(self.labels)

    async def find(self) -> tuple[GatewayPod, ...] | None:
        """Those that are ready, by name; None where they cannot be listed."""
        try:
            found = await self.cluster.list(POD, self.namespace, self.labels)
        except ClusterError as error:
            log.warning("Gateways not listed", extra={"error": str(error)})
            return None
        return tuple(sorted(filter(None, map(gateway_pod, found)), key=lambda pod: pod.name))

    def of(self, key: Key, *, answered: bool | None = None) -> GatewayLook:
        """What is known, with an eye to one model."""
        fresh = self.read_at is not None and self.clock().monotonic - self.read_at <= KEEP_SECONDS
        return GatewayLook(
            installed=self.installed,
            pods=self.pods,
            none_since=self.none_since if self.installed else 0.0,
            at=self.read_at if fresh else None,
            traffic=tuple(self._traffic(pod, key) for pod in self.pods) if fresh else (),
            answered=answered,
        )

    def follow(self, key: Key, *, wanted: bool) -> None:
        """Ask the gateways about a model from now on, or no longer."""
        if wanted:
            self.followed.add(key)
        else:
            self.followed.discard(key)

    async def answer(self, key: Key, address: str | None) -> bool | None:
        """Whether a gateway answers through a model's Service: its count of arrivals rises with our own requests.

        False where a request was not answered at all; None where all were, but perhaps by pods alone, and where the
        Service has no address yet.
        """
        if address is None:
            return None
        before = await self._arrivals(key)
        answers = await asyncio.gather(*(self.probe(address) for _ in range(PROBES)))
        if not all(answers):
            return False
        after = await self._arrivals(key)
        risen = any(after[pod] > before.get(pod, after[pod]) for pod in after)
        return True if risen else None

    async def _arrivals(self, key: Key) -> dict[str, int]:
        """Requests for one model that came so far, by gateway."""
        reports = await asyncio.gather(*(self.ask(pod.addresses[0]) for pod in self.pods))
        return {
            pod.name: model.arrivals
            for pod, report in zip(self.pods, reports, strict=False)
            for model in (report.models if report else ())
            if (model.namespace, model.name) == (key.namespace, key.name) and model.arrivals is not None
        }

    def _take(self, pods: tuple[GatewayPod, ...]) -> None:
        changed, self.pods = pods != self.pods, pods
        if pods:
            self.none_since = None
        elif self.none_since is None:
            self.none_since = self.clock().monotonic
            changed = True
        if changed:
            log.info("Gateways changed", extra={"ready": [pod.name for pod in pods]})
            for key in self._concerned():
                self.enqueue(key)

    async def _read(self) -> None:
        if not self.followed or not self.pods:
            return
        pods = self.pods
        reports = await asyncio.gather(*(self.ask(pod.addresses[0]) for pod in pods))
        self.reports = {pod.name: report for pod, report in zip(pods, reports, strict=True)}
        self.read_at = self.clock().monotonic

    def _traffic(self, pod: GatewayPod, key: Key) -> ModelTraffic | None:
        report = self.reports.get(pod.name)
        found = (
            one for one in (report.models if report else ()) if (one.namespace, one.name) == (key.namespace, key.name)
        )
        return next(found, None)

    def _concerned(self) -> Iterator[Key]:
        """Models that sleep, may sleep, or are on the way."""
        led = set(self._led())
        for key in self.cache.keys(MODEL_DEPLOYMENT):
            manifest = self.cache.get(MODEL_DEPLOYMENT, key.namespace, key.name) or {}
            if key in led or (manifest.get("spec", {}).get("scaling") or {}).get("minReplicas", 1) == 0:
                yield key

    def _led(self) -> Iterator[Key]:
        """Models whose Service names gateways."""
        for key in self.cache.keys(MODEL_DEPLOYMENT):
            manifest = self.cache.get(MODEL_DEPLOYMENT, key.namespace, key.name) or {}
            if (manifest.get("status", {}).get("scaling") or {}).get("traffic", "Direct") != "Direct":
                yield key


def gateway_pod(manifest: Manifest) -> GatewayPod | None:
    """A gateway that takes requests; None for one that does not yet, or was told to stop."""
    meta, status = manifest["metadata"], manifest.get("status", {})
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ()))
    addresses = tuple(one["ip"] for one in status.get("podIPs", ()) if one.get("ip"))
    if "deletionTimestamp" in meta or not ready or not addresses:
        return None
    return GatewayPod(meta["name"], addresses)
