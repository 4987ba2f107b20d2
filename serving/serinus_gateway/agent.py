"""The agent, put together: the world's changes go into Envoy's files, Envoy's questions to the hall.

    World ─► plan ─► render ─► files ─► Envoy        (each change, gathered for 10 ms)
    Envoy ─► server ─► hall ─► pods, Waker           (each request that is checked)

Made by `main.py` and by local mode. A restart loses nothing but what was held, and Envoy asks that again.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from serinus_api.gateway import GatewayReport, ModelTraffic, RevisionTraffic
from serinus_gateway.description import Fleet, Model, ModelKey
from serinus_gateway.dial import HttpDialer
from serinus_gateway.files import ConfigFolder
from serinus_gateway.hall import Hall
from serinus_gateway.hold import Parts
from serinus_gateway.logs import fields
from serinus_gateway.plan import displaced, plan
from serinus_gateway.proxy import Admin, Seen
from serinus_gateway.render import Documents, render, routes_version
from serinus_gateway.render.words import SHARDS, cluster_name, listener_name, routes_name, shard_of
from serinus_gateway.server import Server
from serinus_gateway.settings import Settings
from serinus_gateway.telemetry import Telemetry
from serinus_gateway.world import Waker, World

GATHER_SECONDS = 0.01
SETTLE_SECONDS = 0.5
"""Envoy has taken a new cluster by then; the check stays on until it has."""
RETRY_SECONDS = 1.0
MIN_DRAIN_SECONDS = 5.0
"""After the last EndpointSlice has forgotten us, kube-proxy on some node may still be about to."""
LOOK_SECONDS = 0.1
CLUSTERS = "cds/cds.json"
LISTENERS = "lds/lds.json"

log = logging.getLogger(__name__)


class Agent:
    """One gateway's agent; works while its context is open."""

    def __init__(self, settings: Settings, world: World, waker: Waker) -> None:
        self._settings = settings
        self._world = world
        self._waker = waker
        self._telemetry = Telemetry()
        self._folder = ConfigFolder(Path(settings.folder))
        self._changed = asyncio.Event()
        self._draining = False
        self._fleet: Fleet | None = None
        self._listeners_version = ""
        self._routes_versions: list[str] = []
        self._known: frozenset[str] = frozenset()

    async def __aenter__(self) -> "Agent":
        """Listen, and keep Envoy's files up to date. OSError where a port is taken."""
        self._admin = Admin(self._settings.admin_port)
        self._dialer = HttpDialer()
        clock = asyncio.get_running_loop().time
        parts = Parts(self._world, self._waker, self._dialer, self._telemetry, clock)
        self._hall = Hall(parts, self._settings.max_pending)
        self._server = Server(self._hall, self._telemetry, self.report)
        self._known = known_clusters(self._folder.root)
        self._world.watch(self._look_again)
        await self._server.start(self._settings.check_port, self._settings.host, self._settings.agent_port)
        self._writing = asyncio.create_task(self._keep_written(), name="configuration")
        self._look_again()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writing.cancel()
        await asyncio.gather(self._writing, return_exceptions=True)
        await self._server.stop()
        await self._dialer.__aexit__()
        await self._admin.close()

    async def ended(self) -> None:
        """Return only if the agent cannot go on: a bug, raised here."""
        await asyncio.shield(self._writing)

    async def drain(self) -> None:
        """Say that we are not ready, serve on until nobody is led here, then let what is under way end."""
        self._draining = True
        log.info("Draining", extra=fields(held=self._hall.held()))
        limit = self._settings.drain_seconds
        await self._admin.end_connections(True)
        await _until(self._forgotten, limit)
        await asyncio.sleep(min(MIN_DRAIN_SECONDS, limit))
        await _until(self._idle, limit)
        log.info("Drained", extra=fields(held=self._hall.held()))

    async def close_entrance(self, seconds: float) -> None:
        """Take nothing more at the entrance, and let what is under way end, for so many seconds at most."""
        await self._admin.close_entrance()
        await _until(self._idle, seconds)

    async def latencies(self) -> dict[ModelKey, float]:
        """Milliseconds that 95 of 100 requests took at most, lately, by model; without one that was not asked."""
        found = await self._admin.latencies()
        models = self._fleet.models if self._fleet else ()
        return {model.key: found[name] for model in models if (name := listener_name(model)) in found}

    async def report(self) -> GatewayReport:
        """What the gateway knows of itself and of each model, as of now."""
        seen = await self._look()
        problem = self._problem(seen)
        models = self._fleet.models if self._fleet else ()
        return GatewayReport(
            ready=not problem,
            draining=self._draining,
            problem=problem,
            models=tuple(self._traffic(model, seen) for model in models),
        )

    def _problem(self, seen: Seen) -> str:
        if not self._world.synced or self._fleet is None:
            return "not everything has been seen yet"
        if not seen.live:
            return "Envoy does not answer"
        if not self._listening(seen):
            return "Envoy has not taken the latest listeners"
        return ""

    def _traffic(self, model: Model, seen: Seen) -> ModelTraffic:
        name = listener_name(model)
        return ModelTraffic(
            namespace=model.namespace,
            name=model.name,
            port=model.port,
            held=self._hall.held(model.key),
            in_flight=seen.active.get(name, 0) if seen.live else None,
            arrivals=seen.total.get(name, 0) if seen.live else None,
            guarded=any(share.guarded for share in model.shares),
            applied=seen.live and self._listening(seen) and self._routing(seen, shard_of(model)),
            revisions=tuple(
                RevisionTraffic(
                    name=share.revision,
                    weight=share.weight,
                    held=self._hall.held(model.key, share.revision),
                    forwarded=self._hall.released(model.key, share.revision)
                    + seen.sent.get(cluster_name(model.namespace, share.revision), 0),
                )
                for share in model.shares
            ),
        )

    def _listening(self, seen: Seen) -> bool:
        return seen.listeners_version == self._listeners_version

    def _routing(self, seen: Seen, shard: int) -> bool:
        return seen.route_versions.get(routes_name(shard)) == self._routes_versions[shard]

    async def _look(self) -> Seen:
        """What Envoy tells; one that was left draining by an agent before us, or the other way round, is put right."""
        seen = await self._admin.look()
        if seen.live and seen.draining != self._draining:
            await self._admin.end_connections(self._draining)
        return seen

    async def _forgotten(self) -> bool:
        return not self._world.names_us()

    async def _idle(self) -> bool:
        seen = await self._look()
        return not seen.silent and self._hall.held() == 0 and not any(seen.active.values())

    def _look_again(self) -> None:
        self._hall.update()
        self._changed.set()

    async def _keep_written(self) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._changed.clear()
            if not self._world.synced:
                continue
            try:
                self._write()
            except OSError as error:
                log.error("Cannot write Envoy's files", extra=fields(why=str(error)))
                await asyncio.sleep(RETRY_SECONDS)
                self._changed.set()

    def _write(self) -> None:
        views = self._world.views()
        fleet = plan(views.values(), self._known)
        if fleet == self._fleet:
            return
        if missing := displaced(views.values(), fleet):
            log.error("Two models have one port", extra=fields(not_served=["/".join(key) for key in missing]))
        documents = render(fleet, self._settings.frontage)
        changed = self._folder.write(documents)
        self._fleet = fleet
        self._routes_versions = [routes_version(documents, shard) for shard in range(SHARDS)]
        self._listeners_version = str(documents[LISTENERS]["version_info"])
        log.info("Wrote configuration", extra=fields(models=len(fleet.models), files=len(changed)))
        clusters = names_in(documents[CLUSTERS])
        self._known &= clusters
        if new := clusters - self._known:
            asyncio.get_running_loop().call_later(SETTLE_SECONDS, self._settled, new)

    def _settled(self, clusters: frozenset[str]) -> None:
        """Envoy has taken these by now; one that has gone again meanwhile falls out with the next change."""
        self._known |= clusters
        self._changed.set()


async def _until(true: Callable[[], Awaitable[bool]], limit: float) -> None:
    """Wait for something to hold, `limit` seconds at most."""
    end = asyncio.get_running_loop().time() + limit
    while not await true():
        if asyncio.get_running_loop().time() >= end:
            return
        await asyncio.sleep(LOOK_SECONDS)


def names_in(document: Documents | dict[str, object]) -> frozenset[str]:
    """Names of the clusters in a list of clusters."""
    resources = document.get("resources", ())
    assert isinstance(resources, list | tuple)
    return frozenset(str(one["name"]) for one in resources)


def known_clusters(root: Path) -> frozenset[str]:
    """The clusters that an agent before us has told Envoy of."""
    try:
        return names_in(json.loads((root / CLUSTERS).read_text()))
    except (OSError, ValueError, KeyError):
        return frozenset()
