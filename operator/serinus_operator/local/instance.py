"""One local instance: the store, the operator's steps over it, and the processes that play the pods.

    user ─► ProcessCluster ─► cache, queue ─► Reconciler (unchanged) ─► ProcessCluster
                   ▲                                                        │
                   └── statuses ◄── Workloads, PodRunner ◄── Deployments, Pods

Nothing here decides. It runs on the event loop of the main thread: pods die with the thread that started them.
"""

import asyncio
import contextlib
import importlib.metadata
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from serinus_api import names
from serinus_operator.apply import Applier
from serinus_operator.cache import Cache, owner_key
from serinus_operator.cluster.files import Files
from serinus_operator.cluster.port import CHILDREN, CONFIG_MAP, MODEL_DEPLOYMENT, POD
from serinus_operator.cluster.process import ProcessCluster
from serinus_operator.collect import Collector
from serinus_operator.gateways import Gateways
from serinus_operator.guard import Guard
from serinus_operator.local.addresses import Addresses
from serinus_operator.local.backends import Backend, Backends
from serinus_operator.local.endpoints import Endpoints
from serinus_operator.local.layout import Layout
from serinus_operator.local.lock import StateLock
from serinus_operator.local.memory import Groups
from serinus_operator.local.passes import Passes
from serinus_operator.local.runner import PodRunner
from serinus_operator.local.views import DrainReport, PodRow, Pods, row_of
from serinus_operator.local.workloads import Workloads
from serinus_operator.metrics import PodMetrics
from serinus_operator.observe import Observer
from serinus_operator.queue import Key, WorkQueue
from serinus_operator.reconcile import Reconciler
from serinus_operator.report.events import EventBook
from serinus_operator.report.status import service_address
from serinus_operator.report.telemetry import Telemetry
from serinus_operator.report.write import Reporter
from serinus_operator.resync import Resync
from serinus_operator.scalers import Scalers
from serinus_operator.settings import Settings
from serinus_operator.sources import parse_source
from serinus_operator.state import Manifest, RenderOptions

__all__ = ["Backend", "DrainReport", "Instance", "PodRow"]

RESYNC_SECONDS = 5.0
WORKERS = 2
WATCHED = frozenset(kind.kind for kind in (MODEL_DEPLOYMENT, *CHILDREN))


class Alone:
    """The only writer there is (`guard.Term`)."""

    def held(self) -> bool:
        """Always."""
        return True


class Instance:
    """Everything wired. `start` once, `stop` once."""

    def __init__(
        self,
        *,
        state: Path,
        log: logging.Logger | None = None,
        aliases: bool | None = None,
        backoff_seconds: float = 1.0,
        files: Files | None = None,
        pods: Callable[[ProcessCluster], Pods] | None = None,
    ) -> None:
        """`aliases` False gives pods ports of 127.0.0.1; `backoff_seconds` is the first delay of a restart."""
        self.remarks: list[str] = []
        """How this machine lets pods be kept, in sentences; known after `start`."""
        self.address: Callable[[str, str], str] = service_address
        """Where a model answers (`status.url`), from its namespace and name; to be set before `start`."""
        self.make_gateways: Callable[[ProcessCluster, Cache], Gateways] = Gateways.none
        """What is known of the gateway; the entry port sets it before `start`. Without one nothing sleeps."""
        self.layout = Layout(state.resolve())
        self.cluster: ProcessCluster
        self.telemetry = Telemetry()
        self._log = log or logging.getLogger(__name__)
        self._lock = StateLock(self.layout.lock)
        self._aliases, self._backoff, self._files = aliases, backoff_seconds, files
        self._make_pods = pods or self._processes
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed = asyncio.Event()

    async def start(self) -> None:
        """Take the state folder, load it, start working. Raises StateInUse (local.lock), StateError (cluster.files)."""
        with contextlib.ExitStack() as undo:
            self._lock.take()
            undo.callback(self._lock.release)
            self.cluster = ProcessCluster(None, files=self._files or Files(self.layout.objects))
            undo.pop_all()
        self.runner = self._make_pods(self.cluster)
        self.runner.on_bug = self._ended
        self.workloads = Workloads(self.cluster)
        self._backends = Backends(self.cluster, self.runner.place)
        self.endpoints = Endpoints(self.cluster, self._backends)
        self._wire()
        self.runner.start()
        self.workloads.start()
        self.endpoints.start()
        self.spawn("resync", self.resync.run())
        self.spawn("workloads", self.workloads.run())
        self.spawn("endpoints", self.endpoints.run())
        self.spawn("queue", self._work())
        self.spawn("collector", self.collector.run())
        self.spawn("gateways", self.gateways.run())

    def _processes(self, cluster: ProcessCluster) -> Pods:
        """Pods as processes of this machine; remarks how it can keep them."""
        seed = names.short_hash(str(self.layout.root))
        groups, addresses = Groups(seed), Addresses(seed, aliases=self._aliases)
        self.remarks.append(groups.told)
        if not addresses.aliases:
            self.remarks.append("Pods get ports of 127.0.0.1, as 127.1.0.1 cannot be used here")
        return PodRunner(cluster, self.layout, addresses, groups, backoff_seconds=self._backoff)

    def _wire(self) -> None:
        """The operator's own parts, as `main.py` puts them together for a cluster."""
        settings = Settings(
            runtime_image=f"serinus-runtime:{importlib.metadata.version('serinus')}",
            workers=WORKERS,
            resync_seconds=RESYNC_SECONDS,
            log_format="console",
            local=True,
        )
        cache = Cache()
        self._metrics = asked = PodMetrics(self._locate, self._locate_public)
        self.collector = Collector(cache, asked.load, asked.page, asked.lend, lambda key: self.queue.nudge(key))
        self.gateways = self.make_gateways(self.cluster, cache)
        observer = Observer(
            self.cluster,
            cache,
            self._metrics.look,
            self.collector.last,
            Scalers(self.cluster, cache),
            self.gateways,
            routes=None,
        )
        reconciler = Reconciler(
            settings=settings,
            options=RenderOptions(log_format="console", allow_hosts=settings.allow_hosts),
            observer=observer,
            applier=Applier(self.cluster, cache),
            reporter=Reporter(self.cluster, cache, EventBook(), self.address),
        )
        self._cache = cache
        self.passes = Passes(Guard(reconciler, Alone(), self.telemetry))
        self.queue = WorkQueue(self.passes, workers=settings.workers)
        self.resync = Resync(self.cluster, cache, self.queue, settings.resync_seconds)
        self.cluster.watch(self._observe)

    async def stop(self, *, drain: bool) -> DrainReport:
        """End the pods (drain: give each its grace period), give the state folder back."""
        if not hasattr(self, "runner"):
            return DrainReport()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        stopped, killed = await self.runner.stop(drain=drain)
        await self._metrics.close()
        unfinished = tuple(
            f"{m['metadata']['namespace']}/{m['metadata']['name']}"
            for m in self.cluster.select(MODEL_DEPLOYMENT)
            if m.get("status", {}).get("resolution")
        )
        self._lock.release()
        return DrainReport(stopped, killed, unfinished)

    def look_again(self) -> None:
        """Look at every model; `passes` counts from here."""
        self.passes.begin_round()
        for model in self.cluster.select(MODEL_DEPLOYMENT):
            self.queue.add(Key(model["metadata"]["namespace"], model["metadata"]["name"]))

    @property
    def failed(self) -> bool:
        """Whether a task of the instance has ended by itself."""
        return self._failed.is_set()

    async def wait_failed(self) -> None:
        """Return when a task of the instance has ended by itself: a bug; the exception is logged."""
        await self._failed.wait()

    def backends(self, namespace: str, service: str) -> tuple[Backend, ...]:
        """Ready, not terminating pods that a Service selects. Cheap: may be asked for every request."""
        return self._backends.of(namespace, service)

    def pods(self, namespace: str, name: str) -> tuple[PodRow, ...]:
        """The pods of a ModelDeployment, by name."""
        found = self.cluster.select(POD, namespace, names.deployment_labels(name))
        return tuple(row_of(pod, self.runner.place(pod)) for pod in found)

    def log_path(self, namespace: str, pod: str) -> Path:
        """The file with a pod's output; it stays for a while after the pod has gone."""
        return self.layout.log(namespace, pod)

    def _locate(self, pod: Manifest) -> tuple[str, int] | None:
        place = self.runner.place(pod)
        return (place.host, place.metrics_port) if place else None

    def _locate_public(self, pod: Manifest) -> tuple[str, int] | None:
        place = self.runner.place(pod)
        return (place.host, place.http_port) if place else None

    async def _work(self) -> None:
        await self.resync.primed.wait()
        self.resync.enqueue_all()
        await self.queue.run()

    def _observe(self, event: str, manifest: Manifest) -> None:
        """What `handlers.py` does for a cluster; and a ConfigMap wakes the models that need it."""
        if manifest["kind"] == CONFIG_MAP.kind:
            self._config_map_changed(manifest)
        if manifest["kind"] not in WATCHED:
            return
        if event == "DELETED":
            self._cache.drop(manifest)
        else:
            self._cache.put(manifest)
        if key := owner_key(manifest):
            self.queue.add(key)

    def _config_map_changed(self, manifest: Manifest) -> None:
        meta = manifest["metadata"]
        for model in self.cluster.select(MODEL_DEPLOYMENT, meta["namespace"]):
            source = parse_source(model["spec"]["model"]["uri"])
            golden = model["spec"].get("validation", {}).get("golden", {}).get("configMapRef", {}).get("name")
            comes_from_it = source and source.pinned_by_copy and source.object == meta["name"]
            if comes_from_it or golden == meta["name"]:
                self.queue.add(Key(meta["namespace"], model["metadata"]["name"]))

    def spawn(self, name: str, coroutine: Coroutine[Any, Any, None]) -> None:
        """A task that lasts as long as the instance; its end is a bug."""
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """No task of ours ends by itself."""
        self._tasks.discard(task)
        if not task.cancelled():
            self._log.error("Task ended", extra={"task": task.get_name()}, exc_info=task.exception())
            self._failed.set()
