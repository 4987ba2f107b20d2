"""HTTPRoutes of ours, and the Gateways that they are attached to. I/O.

They are listed, not watched: the Gateway API may come to a cluster after the operator, and may not be there at all, and
a watch of a kind that does not exist would have to be begun anew by hand. One list of what bears our label, every two
seconds, and only while a model has a route: whoever changes one is answered within five. Gateways and their classes are
other people's; they are read where a route of ours names them, and where that is allowed.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from serinus_api import names
from serinus_operator.cache import Cache, controller_of
from serinus_operator.cluster.errors import ClusterError, Denied, Missing
from serinus_operator.cluster.port import GATEWAY, GATEWAY_CLASS, HTTP_ROUTE, MODEL_DEPLOYMENT, Cluster, Manifest
from serinus_operator.places import RouteLook
from serinus_operator.queue import Key
from serinus_operator.state import Subject

log = logging.getLogger(__name__)
LOOK_SECONDS = 2.0
GATEWAY_SECONDS = 5.0
"""A Gateway is read again after so long, where one of its models is looked at."""


@dataclass(frozen=True, slots=True)
class SeenGateway:
    """A Gateway, when it was read."""

    at: float
    manifest: Manifest | None
    absent: bool
    features: frozenset[str] | None


@dataclass(slots=True)
class Routes:
    """What is known of them."""

    cluster: Cluster
    cache: Cache
    enqueue: Callable[[Key], None] = lambda _: None
    """The route of a model has changed, or what can be known of all of them."""
    active: Callable[[], bool] = lambda: True
    """Whether this process may act; one that only stands by need not know."""
    listed: bool = False
    missing: bool = False
    denied: str | None = None
    seen: dict[tuple[str, str], SeenGateway] = field(default_factory=dict)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            if self.active() and (not self.listed or self._needed()):
                try:
                    await self.refresh()
                except ClusterError as error:
                    log.warning("Routes not listed", extra={"error": str(error)})
            await asyncio.sleep(LOOK_SECONDS)

    async def refresh(self) -> None:
        """List all of ours; whoever is concerned by a change is put on the queue."""
        before, known = self.cache.versions(HTTP_ROUTE), (self.missing, self.denied)
        try:
            live = await self.cluster.list(HTTP_ROUTE, None, {names.LABEL_MANAGED_BY: names.MANAGED_BY})
            self.missing, self.denied = False, None
            self.cache.refresh(live, before=before)
        except Missing:
            self.missing, self.denied = True, None
            self.cache.refresh((), before=before)
        except Denied as denied:
            self.denied = str(denied)
        self.listed = True
        after = self.cache.versions(HTTP_ROUTE)
        changed = {Key(at[1], at[2]) for at in {*before, *after} if before.get(at) != after.get(at)}
        if known != (self.missing, self.denied):
            changed |= set(self._routed())
        for key in changed:
            self.enqueue(key)

    async def look(self, subject: Subject) -> None:
        """Read what `of` tells of one model, where it is not known or old. Nothing is read for one without a route."""
        address = _parent(subject)
        if address is None:
            return
        if not self.listed:
            await self.refresh()
        now, known = asyncio.get_running_loop().time(), self.seen.get(address)
        if self.missing or (known and now - known.at < GATEWAY_SECONDS):
            return
        self.seen[address] = await self._read(address, now)

    def of(self, subject: Subject) -> RouteLook:
        """What is known of one model's route at this moment."""
        address = _parent(subject)
        if address is None:
            return RouteLook()
        seen = self.seen.get(address)
        return RouteLook(
            parent=address,
            model=(subject.namespace, subject.name),
            missing=self.missing,
            denied=self.denied,
            route=self._own(subject),
            gateway=seen.manifest if seen else None,
            gateway_absent=seen is not None and seen.absent,
            features=seen.features if seen else None,
        )

    async def _read(self, address: tuple[str, str], now: float) -> SeenGateway:
        try:
            gateway = await self.cluster.get(GATEWAY, *address)
        except Denied:
            return SeenGateway(now, None, absent=False, features=None)
        return SeenGateway(now, gateway, absent=gateway is None, features=await self._features(gateway))

    async def _features(self, gateway: Manifest | None) -> frozenset[str] | None:
        """What a Gateway's class says of itself. A name was a string in earlier releases, and is an object today."""
        name = gateway["spec"].get("gatewayClassName") if gateway else None
        try:
            found = await self.cluster.get(GATEWAY_CLASS, "", name) if name else None
        except Denied:
            return None
        told = (found or {}).get("status", {}).get("supportedFeatures")
        return None if told is None else frozenset(one["name"] if isinstance(one, dict) else str(one) for one in told)

    def _own(self, subject: Subject) -> Manifest | None:
        found = self.cache.get(HTTP_ROUTE, subject.namespace, subject.name)
        ours = found is not None and controller_of(found).get("uid") in (None, subject.uid)
        return found if ours else None

    def _needed(self) -> bool:
        return bool(self.cache.versions(HTTP_ROUTE)) or any(True for _ in self._routed())

    def _routed(self) -> Iterator[Key]:
        for key in self.cache.keys(MODEL_DEPLOYMENT):
            manifest = self.cache.get(MODEL_DEPLOYMENT, key.namespace, key.name) or {}
            if manifest.get("spec", {}).get("route"):
                yield key


def _parent(subject: Subject) -> tuple[str, str] | None:
    route = subject.spec.route
    return (route.gateway_ref.namespace or subject.namespace, route.gateway_ref.name) if route else None
