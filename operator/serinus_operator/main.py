"""The operator process: `serinus-operator`. Puts the parts together and hosts them in Kopf; decides nothing.

Kopf brings the watches, the signals and the liveness endpoint. The fence, the queue and the resync are tasks of ours,
started by Kopf's startup and stopped by its cleanup; when one of them ends by itself, so does the process.
"""

import argparse
import asyncio
import importlib.metadata
import itertools
import logging
import random
import sys
import time
from collections.abc import Coroutine, Iterator, Mapping
from typing import Any

import aiohttp.web
import kopf
import prometheus_client

from serinus_api import names
from serinus_operator import handlers, logs
from serinus_operator.apply import Applier
from serinus_operator.cache import Cache
from serinus_operator.cluster.kubernetes import KubernetesCluster
from serinus_operator.cluster.port import CHILDREN, MODEL_DEPLOYMENT
from serinus_operator.collect import Collector
from serinus_operator.fence import Fence, FencedCluster
from serinus_operator.gateway_client import GatewayClient
from serinus_operator.gateways import Gateways
from serinus_operator.guard import Guard
from serinus_operator.loads import Outcome
from serinus_operator.metrics import PodMetrics
from serinus_operator.observe import Observer
from serinus_operator.queue import Key, WorkQueue
from serinus_operator.reconcile import Reconciler
from serinus_operator.report.events import EventBook
from serinus_operator.report.telemetry import Telemetry
from serinus_operator.report.write import Reporter
from serinus_operator.resync import Resync
from serinus_operator.routes import Routes
from serinus_operator.scalers import Scalers
from serinus_operator.settings import Settings, SettingsError
from serinus_operator.state import Memory, RenderOptions

log = logging.getLogger(__name__)
STUCK_SECONDS = 120.0
EXIT_SECONDS = 25


class Operator:
    """All parts of one operator process, wired once."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.telemetry = Telemetry()
        self.cache = Cache()
        self.stop = asyncio.Event()
        self.failed = False
        self.tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Connect and start our tasks. Called by Kopf's startup, once the event loop runs."""
        settings = self.settings
        self.pods = PodMetrics()
        self.gateway_client = GatewayClient()
        self.cluster = await KubernetesCluster.connect(self.telemetry.count_call, settings.watch_namespaces)
        self.fence = Fence(
            self.cluster,
            namespace=settings.namespace,
            name=settings.lease_name,
            pod=settings.identity,
            start=f"{time.time_ns():x}",
        )
        self.collector = Collector(
            self.cache,
            self.pods.load,
            self.pods.page,
            self.pods.lend,
            lambda key: self.queue.nudge(key),
            active=self.fence.held,
        )
        self.gateways = Gateways(
            self.cluster,
            self.cache,
            settings.namespace,
            settings.gateway_pod_labels or {},
            self.gateway_client.load,
            self.gateway_client.probe,
            enqueue=lambda key: self.queue.add(key),
            nudge=lambda key: self.queue.nudge(key),
            active=self.fence.held,
        )
        self.routes = Routes(self.cluster, self.cache, lambda key: self.queue.add(key), active=self.fence.held)
        reconciler = self._reconciler(FencedCluster(self.cluster, self.fence))
        self.queue = WorkQueue(Guard(reconciler, self.fence, self.telemetry), workers=settings.workers)
        self.resync = Resync(
            self.cluster,
            self.cache,
            self.queue,
            settings.resync_seconds,
            check_watch=self.cluster.check_watch,
            on_watch_regained=self._start_afresh,
        )
        self.fence.on_acquired = self.resync.enqueue_all
        self.telemetry.follow(
            depth=lambda: self.queue.depth,
            oldest=self.queue.oldest_seconds,
            held=lambda: float(self.fence.held()),
            rollouts=lambda: rollouts_of(self.cache),
            sizes=lambda: [(key.namespace, key.name, found) for key, found in outcomes(reconciler.memories)],
        )
        self._spawn("resync", self.resync.run())
        self._spawn("fence", self.fence.run())
        self._spawn("queue", self._work())
        self._spawn("collector", self._collect())
        self._spawn("gateways", self._watch_gateways())
        self._spawn("routes", self._watch_routes())
        self._spawn("metrics", self._serve_metrics())

    def _reconciler(self, fenced: FencedCluster) -> Reconciler:
        """The steps of a pass, over what the other parts see; they write through the fence alone."""
        settings = self.settings
        return Reconciler(
            settings=settings,
            options=RenderOptions(
                image_pull_policy=settings.runtime_image_pull_policy,
                allow_hosts=settings.allow_hosts,
                max_download_bytes=settings.max_download_bytes,
                operator_namespace=settings.namespace,
                operator_labels=settings.operator_pod_labels or {},
                gateway_labels=settings.gateway_pod_labels or {},
                log_format=settings.log_format,
            ),
            observer=Observer(
                self.cluster,
                self.cache,
                self.pods.look,
                self.collector.last,
                Scalers(self.cluster, self.cache),
                self.gateways,
                self.routes,
            ),
            applier=Applier(fenced, self.cache),
            reporter=Reporter(fenced, self.cache, EventBook(), count=self.telemetry.rollouts.count),
        )

    async def _work(self) -> None:
        await self.resync.primed.wait()
        await self.queue.run()

    async def _watch_gateways(self) -> None:
        await self.resync.primed.wait()
        await self.gateways.run()

    async def _watch_routes(self) -> None:
        await self.resync.primed.wait()
        await self.routes.run()

    async def _collect(self) -> None:
        await self.resync.primed.wait()
        await self.collector.run()

    def _spawn(self, name: str, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A task of ours never ends by itself: if one does, the process goes, and starts afresh."""
        self.tasks.discard(task)
        if not task.cancelled():
            log.error("Task ended", extra={"task": task.get_name()}, exc_info=task.exception())
            self.failed = True
            self.stop.set()

    def _start_afresh(self) -> None:
        """End in order: the kubelet starts the container again, and Kopf its watches."""
        log.info("Ending, to watch everything anew")
        self.stop.set()

    async def close(self) -> None:
        """Stop our tasks, give the lease back, close connections."""
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.pods.close()
        await self.gateway_client.close()
        await self.cluster.__aexit__()

    def healthy(self) -> None:
        """Raise where a restart would help. An API server out of reach is no such case."""
        waited = self.queue.longest_seconds()
        if self.fence.held() and waited > STUCK_SECONDS:
            raise kopf.PermanentError(f"a key has waited, or been worked on, for {waited:.0f} s")
        if self.failed:
            raise kopf.PermanentError("a task of the operator has ended")

    async def _serve_metrics(self) -> None:
        """`/metrics` for Prometheus and `/readyz` for the kubelet."""

        async def metrics(_: aiohttp.web.Request) -> aiohttp.web.Response:
            body = prometheus_client.generate_latest(self.telemetry.registry)
            return aiohttp.web.Response(body=body, headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST})

        async def ready(_: aiohttp.web.Request) -> aiohttp.web.Response:
            primed = self.resync.primed.is_set()
            text = "ok" if primed else "the first list of all objects is not complete"
            return aiohttp.web.Response(status=200 if primed else 503, text=text)

        app = aiohttp.web.Application()
        app.add_routes([aiohttp.web.get("/metrics", metrics), aiohttp.web.get("/readyz", ready)])
        runner = aiohttp.web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await aiohttp.web.TCPSite(runner, port=self.settings.metrics_port).start()
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()


def rollouts_of(cache: Cache) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """What the status of each model says of its rollout; nothing of one that has had none."""
    for key in cache.keys(MODEL_DEPLOYMENT):
        manifest = cache.get(MODEL_DEPLOYMENT, key.namespace, key.name) or {}
        yield key.namespace, key.name, manifest.get("status", {}).get("rollout") or {}


def outcomes(memories: Mapping[Key, Memory]) -> Iterator[tuple[Key, Outcome]]:
    """The last decision on the size of each model that is scaled by demand: during a rollout in steps, on all of it."""
    for key, memory in memories.items():
        whole = memory.scaling.whole
        if found := (whole.outcome if whole else None) or memory.scaling.outcome:
            yield key, found


class Forever:
    """Back-offs of Kopf's own requests: rising to 15 s, jittered, without end. With an end, Kopf ends the process."""

    def __iter__(self) -> Iterator[float]:
        for seconds in itertools.chain((0.5, 1, 2, 4, 8), itertools.repeat(15)):
            yield seconds * random.uniform(0.75, 1.25)  # noqa: S311  # jitter


def configure_kopf(settings: kopf.OperatorSettings, operator: Operator) -> None:
    """Kopf as an informer: nothing is written by it, watches are bounded, failures are retried for ever."""
    settings.posting.enabled = False
    settings.scanning.disabled = True  # it lists and watches every CRD of the cluster
    settings.peering.standalone = True
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    settings.networking.error_backoffs = Forever()
    settings.networking.trust_env = False
    settings.watching.connect_timeout = 5
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.inactivity_timeout = 70
    settings.watching.reconnect_backoff = 1.0
    settings.watching.chunk_size = 500
    for kind in CHILDREN:
        selector = f"{names.LABEL_MANAGED_BY}={names.MANAGED_BY}"
        address = (kind.group, kind.version, kind.plural) if kind.group else (kind.version, kind.plural)
        settings.watching.label_selectors[address] = selector
    settings.persistence.finalizer = f"{names.PREFIX}/finalizer"
    settings.persistence.diffbase_storage = handlers.NoDiffs()
    settings.process.ultimate_exiting_timeout = EXIT_SECONDS


def build_registry(operator: Operator) -> kopf.OperatorRegistry:
    """Kopf's handlers: startup, cleanup, login, probe, and the events of `handlers.py`."""
    registry = kopf.OperatorRegistry()

    @kopf.on.startup(registry=registry)
    async def startup(settings: kopf.OperatorSettings, **_: Any) -> None:
        configure_kopf(settings, operator)
        await operator.start()
        await operator.resync.primed.wait()  # Kopf looks for our kinds once: the CRD must be there by then

    @kopf.on.cleanup(registry=registry)
    async def cleanup(**_: Any) -> None:
        await operator.close()

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    @kopf.on.probe(registry=registry, id="loop", retries=1)
    async def probe(**_: Any) -> str:
        operator.healthy()
        return "ok"

    handlers.register(registry, operator.cache, lambda key: operator.queue.add(key))
    return registry


async def run(settings: Settings) -> int:
    """Run until a signal, or until one of our tasks ends. Returns the exit code."""
    operator = Operator(settings)
    await kopf.operator(
        registry=build_registry(operator),
        identity=settings.identity,  # type: ignore[arg-type]  # not exported; else Kopf looks for our name in /etc/passwd
        clusterwide=not settings.watch_namespaces,
        namespaces=settings.watch_namespaces,
        standalone=True,
        liveness_endpoint=f"http://0.0.0.0:{settings.health_port}/healthz",
        stop_flag=operator.stop,
    )
    return 1 if operator.failed else 0


def main() -> None:
    """Entry point of `serinus-operator`."""
    parser = argparse.ArgumentParser(
        prog="serinus-operator",
        description="Reconcile ModelDeployments. All settings are SERINUS_… environment variables; see the chart.",
    )
    parser.add_argument("--version", action="version", version=importlib.metadata.version("serinus"))
    parser.parse_args()
    try:
        settings = Settings.from_environment()
    except SettingsError as error:
        sys.exit(f"serinus-operator: {error}")
    logs.configure(settings.log_format, settings.log_level)
    sys.exit(asyncio.run(run(settings)))


if __name__ == "__main__":
    main()
