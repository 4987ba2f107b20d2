"""A whole operator over a cluster in memory, on a virtual clock: what the stories of `tests/component/reconcile` tell.

The operator is the real one, wired as in `serinus_operator.main`, with Kopf's part played by `Process._hear`. It can be
killed like a process: at a chosen request, with no chance to clean up.
"""

import asyncio
import base64
import datetime as dt
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import kopf
from tests.fakes.cluster import Call, FakeCluster
from tests.fakes.connection import Connection
from tests.fakes.invariants import Invariants
from tests.fakes.kubelet import Kubelet
from tests.fakes.virtual_time import START_SECONDS

from serinus_api import names
from serinus_api.admission import judge
from serinus_api.gateway import LABEL_SLICE_MANAGER, SLICE_MANAGER, GatewayReport
from serinus_api.runtime import LoadReport
from serinus_operator import handlers
from serinus_operator.apply import Applier
from serinus_operator.cache import Cache
from serinus_operator.cluster.port import (
    CHILDREN,
    DEPLOYMENT,
    MODEL_DEPLOYMENT,
    POD,
    SERVICE,
    Kind,
    Manifest,
)
from serinus_operator.collect import Collector
from serinus_operator.decide.copies import Loan
from serinus_operator.fence import Fence, FencedCluster
from serinus_operator.gateways import AskGateway, Gateways, Probe
from serinus_operator.guard import Guard
from serinus_operator.observe import Observer
from serinus_operator.queue import WorkQueue
from serinus_operator.reconcile import Reconciler
from serinus_operator.report.events import EventBook
from serinus_operator.report.telemetry import Telemetry
from serinus_operator.report.write import Reporter
from serinus_operator.resync import Resync
from serinus_operator.routes import Routes
from serinus_operator.scalers import Scalers
from serinus_operator.settings import Settings
from serinus_operator.state import Instant, RenderOptions, SourceLook

NAMESPACE, NAME = "ml", "iris"
WATCH_SECONDS = 0.01
KUBELET_SECONDS = 0.1
EPOCH = dt.datetime(2026, 5, 1, 9, tzinfo=dt.UTC)
SETTINGS = Settings(runtime_image="registry.example/serinus-runtime:1", identity="pod-1")


def model(name: str = NAME, **spec: Any) -> Manifest:
    """A ModelDeployment that serves key `model.onnx` of ConfigMap `iris-model`."""
    whole = {"model": {"uri": "configmap://iris-model/model.onnx"}, "replicas": 2, **spec}
    meta = {"namespace": NAMESPACE, "name": name}
    return {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": meta, "spec": whole}


def config_map(name: str, data: bytes, key: str = "model.onnx") -> Manifest:
    """A ConfigMap with a model."""
    meta = {"namespace": NAMESPACE, "name": name}
    held = {key: base64.b64encode(data).decode()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "binaryData": held}


async def _no_report(_: str) -> GatewayReport | None:
    return None


async def _no_answer(_: str) -> bool:
    return False


class Process:
    """One operator process: nothing of it outlives `kill`."""

    def __init__(self, world: "World", settings: Settings, start: str) -> None:
        self.world = world
        self.dead = False
        self.gate = asyncio.Event()
        """Closed while the process is stopped (SIGSTOP): what it has sent arrives when it wakes."""
        self.gate.set()
        self.writes: list[str] = []
        self.cache = Cache()
        self.telemetry = Telemetry()
        connection = Connection(world, self)
        self.fence = Fence(connection, namespace="serinus-system", name="lease", pod=settings.identity, start=start)
        fenced = FencedCluster(connection, self.fence)
        self.asked: list[str] = []
        self.scraped: list[str] = []
        nudge = lambda key: self.queue.nudge(key)  # noqa: E731  # the queue is made last
        held, now = self.fence.held, world.now
        self.collector = Collector(self.cache, self._load, self._page, self._lend, nudge, active=held, clock=now)
        self.gateways = Gateways(
            connection,
            self.cache,
            settings.namespace,
            settings.gateway_pod_labels or {},
            world.ask_gateway,
            world.probe,
            enqueue=lambda key: self.queue.add(key),
            nudge=nudge,
            active=held,
            clock=now,
        )
        self.routes = Routes(connection, self.cache, lambda key: self.queue.add(key), active=held)
        self.reconciler = Reconciler(
            settings=settings,
            options=RenderOptions(operator_labels={"app.kubernetes.io/name": "serinus-operator"}),
            observer=Observer(
                connection,
                self.cache,
                self._ask_pods,
                self.collector.last,
                Scalers(connection, self.cache),
                self.gateways,
                self.routes,
            ),
            applier=Applier(fenced, self.cache),
            reporter=Reporter(fenced, self.cache, EventBook(), count=self.telemetry.rollouts.count),
            clock=world.now,
        )
        self.queue = WorkQueue(Guard(self.reconciler, self.fence, self.telemetry), workers=settings.workers)
        self.resync = Resync(connection, self.cache, self.queue, settings.resync_seconds)
        self.fence.on_acquired = self.resync.enqueue_all
        registry = kopf.OperatorRegistry()
        handlers.register(registry, self.cache, lambda key: self.queue.add(key))
        kinds = (MODEL_DEPLOYMENT, *CHILDREN)
        self._handlers = {k.kind: h.fn for k, h in zip(kinds, registry._watching.get_all_handlers(), strict=True)}
        loop = asyncio.get_running_loop()
        later = (self.queue.run, self.collector.run, self.gateways.run, self.routes.run)
        works = (self.resync.run(), self.fence.run(), *(self._primed(run) for run in later))
        self.tasks = [loop.create_task(work) for work in works]
        self._seen: set[tuple[str, str, str]] = set()
        world.cluster.watchers.append(self._hear)

    async def _primed(self, run: Callable[[], Awaitable[None]]) -> None:
        await self.resync.primed.wait()
        await run()

    async def _load(self, pod: Manifest) -> LoadReport | None:
        self.scraped.append(pod["metadata"]["name"])
        return self.world.load(pod)

    async def _page(self, pod: Manifest) -> str | None:
        return self.world.page(pod)

    async def _lend(self, loan: Loan) -> None:
        self.world.lend(loan)

    async def _ask_pods(self, pods: Sequence[Manifest]) -> SourceLook | None:
        self.asked += [pod["metadata"]["name"] for pod in pods]
        return SourceLook(self.world.source_changed) if pods and not self.world.silent else None

    def _hear(self, event: str, manifest: Manifest) -> None:
        """A watch with the operator's label selector: what no longer matches it is gone, for the watcher."""
        handler = self._handlers.get(manifest["kind"])
        if handler is None or self.dead or self.world.deaf:
            return
        address = (manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        labels = manifest["metadata"].get("labels", {})
        matches = manifest["kind"] == names.KIND or labels.get(names.LABEL_MANAGED_BY) == names.MANAGED_BY
        if not matches and address not in self._seen:
            return
        if event == "DELETED" or not matches:
            self._seen.discard(address)
            event = "DELETED"
        else:
            self._seen.add(address)
        asyncio.get_running_loop().call_later(WATCH_SECONDS, self._deliver, handler, event, manifest)

    def _deliver(self, handler: Callable[..., Awaitable[None]], event: str, manifest: Manifest) -> None:
        if not self.dead:
            self.tasks.append(
                asyncio.get_running_loop().create_task(handler(event={"type": event, "object": manifest}))
            )
            self.tasks = [task for task in self.tasks if not task.done()]

    async def kill(self) -> None:
        """SIGKILL: requests stop, tasks end, the Lease stays as it is."""
        self.dead = True
        if self._hear in self.world.cluster.watchers:
            self.world.cluster.watchers.remove(self._hear)
        tasks = [task for task in self.tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class World:
    """Cluster, kubelet and operator. Use as an async context manager."""

    def __init__(self) -> None:
        random.seed(1)
        self.cluster = FakeCluster()
        self.invariants = Invariants(self.cluster)
        self.kubelet = Kubelet(self.cluster)
        self.process: Process | None = None
        """The one that was started last."""
        self.processes: list[Process] = []
        self.deaf = False
        """Whether watch events are lost."""
        self.source_changed: str | None = None
        """What the stable revision's pods answer when they are asked about their source."""
        self.silent = False
        """Whether they do not answer."""
        self.load: Callable[[Manifest], LoadReport | None] = lambda pod: None
        """What a pod answers when it is asked for its load."""
        self.page: Callable[[Manifest], str | None] = lambda pod: None
        """What a pod answers when it is asked for its metrics."""
        self.lend: Callable[[Loan], None] = lambda loan: None
        """What a pod does that is told what to copy."""
        self.ask_gateway: AskGateway = _no_report
        """What a gateway answers when it is asked for its load."""
        self.probe: Probe = _no_answer
        """Whether a Service's address answers."""
        self.kill_at: tuple[int, str] | None = None
        """Number of the mutating call at which the operator dies, and `before` or `after` it."""
        self.killed = asyncio.Event()
        self.stop_at: tuple[str, str] | None = None
        """The next request with this verb and kind is the last before its process is stopped (SIGSTOP)."""
        self.stopped = asyncio.Event()
        self.requests = 0
        """Mutating calls so far; a test may set it back."""
        self._starts = 0

    async def __aenter__(self) -> "World":
        self._nature = asyncio.get_running_loop().create_task(self._nature_forever())
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self.processes:
            await process.kill()
        self._nature.cancel()
        await asyncio.gather(self._nature, return_exceptions=True)

    async def _nature_forever(self) -> None:
        """The kubelet and its friends act a moment after anything has changed."""
        changed = asyncio.Event()
        self.cluster.watchers.append(lambda event, manifest: manifest["kind"] == "Event" or changed.set())
        while True:
            await changed.wait()
            changed.clear()
            await asyncio.sleep(KUBELET_SECONDS)
            self.kubelet.sync()

    def now(self) -> Instant:
        """The operator's clocks."""
        seconds = asyncio.get_running_loop().time()
        return Instant(EPOCH + dt.timedelta(seconds=seconds - START_SECONDS), seconds)

    # The operator's life

    def start(self, settings: Settings = SETTINGS) -> Process:
        """A new operator process, with empty memory."""
        self._starts += 1
        self.process = Process(self, settings, start=str(self._starts))
        self.processes.append(self.process)
        return self.process

    async def restart(self, settings: Settings = SETTINGS) -> None:
        """Kill the process and start another."""
        assert self.process is not None
        await self.process.kill()
        self.start(settings)

    async def restart_killed(self, at: tuple[int, str], settings: Settings = SETTINGS) -> None:
        """Wait until it dies at this request, and start another."""
        self.kill_at = at
        await asyncio.wait_for(self.killed.wait(), 200)
        self.kill_at = None
        await self.restart(settings)

    def killing(self, *, before: bool) -> bool:
        """Whether the operator is to die now. Called around each mutating request."""
        if before:
            self.requests += 1
        return self.kill_at == (self.requests, "before" if before else "after")

    # What a user does

    def apply(self, manifest: Manifest) -> Manifest:
        """`kubectl apply` of a ModelDeployment, judged by the rules of the CRD, or of anything else."""
        if manifest["kind"] == names.KIND:
            manifest, violations = judge(manifest)
            assert not violations, violations
        return self.cluster.put(manifest)

    def annotate(self, name: str = NAME, **annotations: str) -> None:
        """`kubectl annotate`, with keys under `serinus.dev/`."""
        ours = {f"{names.PREFIX}/{key}": value for key, value in annotations.items()}
        self.cluster.edit(
            MODEL_DEPLOYMENT,
            NAMESPACE,
            name,
            lambda live: live["metadata"].update(annotations={**live["metadata"].get("annotations", {}), **ours}),
        )

    def delete(self, name: str = NAME) -> None:
        """`kubectl delete`."""
        self.cluster.remove(MODEL_DEPLOYMENT, NAMESPACE, name)

    # What can be seen

    async def advance(self, seconds: float) -> None:
        """Let so much time pass."""
        await asyncio.sleep(seconds)

    async def until(self, condition: Callable[[], bool], *, within: float = 30.0) -> float:
        """Let time pass until the condition holds; the seconds it took. Fails with all that can be seen."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while not condition():
            assert loop.time() - begun < within, f"not within {within} s\n{self.describe()}"
            await asyncio.sleep(0.05)
        return loop.time() - begun

    async def ready(self, name: str = NAME, *, within: float = 30.0) -> str:
        """Wait until the present generation is Ready; the stable revision."""
        await self.until(lambda: self.is_ready(name), within=within)
        return self.status(name)["stableRevision"]

    def is_ready(self, name: str = NAME) -> bool:
        """What `kubectl wait --for=condition=Ready` waits for, at the present generation."""
        found, generation = self.condition("Ready", name), self.live(name)["metadata"]["generation"]
        return found.get("status") == "True" and found["observedGeneration"] == generation

    def live(self, name: str = NAME) -> Manifest:
        """The ModelDeployment."""
        return self.cluster.objects[names.KIND, NAMESPACE, name]

    def status(self, name: str = NAME) -> Manifest:
        """Its status."""
        return self.live(name).get("status", {})

    def condition(self, kind: str, name: str = NAME) -> Manifest:
        """One condition; empty where it is absent."""
        return next((c for c in self.status(name).get("conditions", ()) if c["type"] == kind), {})

    def says(self, kind: str, status: str, reason: str, name: str = NAME) -> bool:
        """Whether a condition has this status and reason."""
        found = self.condition(kind, name)
        return (found.get("status"), found.get("reason")) == (status, reason)

    def object(self, kind: Kind, name: str) -> Manifest | None:
        """Any object of the namespace."""
        return self.cluster.objects.get((kind.kind, NAMESPACE, name))

    def entry(self, name: str = NAME) -> str | None:
        """The revision that the entry Service selects."""
        service = self.object(SERVICE, name)
        return service["spec"]["selector"].get(names.LABEL_REVISION) if service else None

    def deployments(self) -> list[str]:
        """Names of all Deployments."""
        return [m["metadata"]["name"] for m in self.cluster.of(DEPLOYMENT)]

    def preflights(self) -> list[str]:
        """Names of the preflight pods that were ever made."""
        made = (c for c in self.cluster.calls if c.verb == "create" and c.kind == POD.kind and c.changed)
        return [call.name for call in made]

    def children(self) -> list[str]:
        """Kind and name of everything in the namespace that carries our label, pods of Deployments aside."""
        found = [m for m in self.cluster.objects.values() if names.LABEL_DEPLOYMENT in m["metadata"].get("labels", {})]
        own = (
            m
            for m in found
            if m["metadata"]["labels"].get(names.LABEL_ROLE) != names.ROLE_SERVING
            and m["metadata"]["labels"].get(LABEL_SLICE_MANAGER) in (None, SLICE_MANAGER)
        )
        return sorted(f"{m['kind']} {m['metadata']['name']}" for m in own if m["kind"] != names.KIND)

    def changes(self, since: int = 0) -> list[Call]:
        """The operator's calls that changed something, from the `since`-th call on."""
        return [call for call in self.cluster.calls[since:] if call.changed]

    def describe(self) -> str:
        """Everything worth knowing when a test fails."""
        lines = []
        for manifest in self.cluster.of(MODEL_DEPLOYMENT):
            status = manifest.get("status", {})
            lines.append(f"{manifest['metadata']['name']}: stable {status.get('stableRevision')}")
            lines += [f"  {key}: {status.get(key)}" for key in ("resolution", "rejected", "candidateRevision")]
            lines += [
                f"  {c['type']}={c['status']} {c['reason']}: {c['message']}" for c in status.get("conditions", ())
            ]
        lines += [f"entry {self.entry()}", f"children {self.children()}"]
        lines += [f"  {call}{'' if call.changed else ' (nothing changed)'}" for call in self.cluster.calls[-25:]]
        return "\n".join(lines)
