"""What requests meet: kube-proxy, which follows EndpointSlices a moment late; gateways that hold and wake; pods.

Every request is accounted for. What must hold at any moment is watched from outside, as in `invariants.py`: a Service
that could have an address that answers has one, and pods that somebody else has asked for are not taken back.
"""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.fakes.copying import Copying
from tests.fakes.kubelet import Status, running

from serinus_api import names
from serinus_api.gateway import (
    LABEL_SERVICE_NAME,
    LABEL_SLICE_MANAGER,
    SLICE_MANAGER,
    GatewayReport,
    ModelTraffic,
    RevisionTraffic,
)
from serinus_api.runtime import LATENCY_BUCKETS, METRIC_DURATION, LoadReport
from serinus_gateway.views import TRIED, view_of
from serinus_operator.cluster.port import DEPLOYMENT, ENDPOINT_SLICE, MODEL_DEPLOYMENT, POD, SERVICE, Manifest

if TYPE_CHECKING:
    from tests.fakes.world import World

OPERATOR_NAMESPACE = "serinus-system"
GATEWAY_LABELS = {"app.kubernetes.io/component": "gateway"}
BOUNDS = (*LATENCY_BUCKETS, "+Inf")
PROXY_SECONDS = 0.3
DRAIN_SECONDS = 2.0
WORK_SECONDS = 0.05
HOLD_SECONDS = 60.0
EMPTY_SECONDS = 1.5
"""A Service may be without an address this long, because the cluster itself is late."""


@dataclass(slots=True)
class Gateway:
    """One gateway: its agent and its Envoy."""

    address: str
    alive: bool = True
    held: dict[str, int] = field(default_factory=dict)
    arrivals: dict[str, int] = field(default_factory=dict)
    in_flight: dict[str, int] = field(default_factory=dict)
    answers: bool = True
    """False: it takes connections and does nothing with them."""


class Plane:
    """The data plane of one namespace."""

    def __init__(self, world: "World", namespace: str) -> None:
        self.world = world
        self.namespace = namespace
        self.gateways: dict[str, Gateway] = {}
        self.received: dict[str, int] = {}
        self.working: dict[str, int] = {}
        """By pod."""
        self.tallies: dict[str, dict[int, int]] = {}
        """By pod and code, answers to requests that a gateway split."""
        self.errors: dict[str, float] = {}
        """By revision, the share of such requests that it answers with an error."""
        self.matched: dict[str, int] = {}
        """By pod, requests that came for their headers."""
        self.seconds: dict[str, float] = {}
        """By revision, how long a request takes; `WORK_SECONDS` where nothing is said."""
        self.busy: dict[str, float] = {}
        """By pod, the sum of that."""
        self.copying = Copying(self._now, self._ready)
        self.gone: dict[str, float] = {}
        self.answered = 0
        self.lost: list[str] = []
        self.broken: list[str] = []
        self.asked = 0
        """Times that a gateway was asked for its load."""
        self.load_seconds = 0.0
        """How long a pod takes to become ready."""
        self.never = False
        """Pods do not become ready at all."""
        self.doubt = False
        """Pods do not tell their load."""
        self.patience = EMPTY_SECONDS
        self.watches = True
        """Whether it is checked at each change that every Service leads somewhere; for many models that takes long."""
        self._views: dict[str, tuple[tuple[str, str], ...]] = {}
        self._ready_at: dict[tuple[str, int], float] = {}
        self._raised: set[str] = set()
        self._sizes: dict[str, int] = {}
        self._empty_since: dict[str, float] = {}
        self._random = random.Random(7)
        world.load, world.ask_gateway, world.probe = self.load, self.report, self.probe
        world.page, world.lend = self.page, self.copying.lend
        world.kubelet.serving = self._serving
        world.cluster.watchers.append(self._look)

    # Gateways

    def add_gateway(self, name: str, address: str) -> Gateway:
        """A gateway that is ready."""
        self.gateways[name] = Gateway(address)
        status = {"phase": "Running", "podIPs": [{"ip": address}], "conditions": [{"type": "Ready", "status": "True"}]}
        meta = {"namespace": OPERATOR_NAMESPACE, "name": name, "labels": GATEWAY_LABELS}
        self.world.cluster.put(
            {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": []}, "status": status}
        )
        return self.gateways[name]

    def remove_gateway(self, name: str) -> None:
        """It is gone at once."""
        self.gateways[name].alive = False
        self.world.cluster.remove(POD, OPERATOR_NAMESPACE, name)

    async def report(self, address: str) -> GatewayReport | None:
        """What `/load` of a gateway answers."""
        self.asked += 1
        found = self._gateway(address)
        if found is None:
            return None
        models = []
        for manifest in self.world.cluster.of(MODEL_DEPLOYMENT):
            name, port = manifest["metadata"]["name"], manifest.get("status", {}).get("gatewayPort")
            if port:
                traffic = ModelTraffic(
                    namespace=self.namespace,
                    name=name,
                    port=port,
                    held=found.held.get(name, 0),
                    in_flight=found.in_flight.get(name, 0),
                    arrivals=found.arrivals.get(name, 0),
                    guarded=True,
                    applied=True,
                    revisions=tuple(RevisionTraffic(name=r, weight=w) for r, w in self._shares(name).items()),
                )
                models.append(traffic)
        return GatewayReport(ready=True, draining=False, models=tuple(models))

    # Pods

    def load(self, pod: Manifest) -> LoadReport | None:
        """What `/load` of a pod answers."""
        name = pod["metadata"]["name"]
        if self.doubt or name not in self._pods():
            return None
        return LoadReport(
            revision=pod["metadata"]["labels"][names.LABEL_REVISION],
            in_flight=self.working.get(name, 0),
            queued=0,
            arrivals={
                "direct": self.received.get(name, 0),
                "split": sum(self.tallies.get(name, {}).values()),
                "match": self.matched.get(name, 0),
                "shadow": self.copying.received[name],
            },
            busy_seconds=self.busy.get(name, 0.0),
        )

    def page(self, pod: Manifest) -> str | None:
        """What `/metrics` of a pod answers: how many answers to requests that were split, by code."""
        name = pod["metadata"]["name"]
        if self.doubt or name not in self._pods():
            return None
        lines = [f"# TYPE {METRIC_DURATION} histogram"]
        for code, count in sorted(self.tallies.get(name, {}).items()):
            told = f'code="{code}",via="split"'
            lines += [f'{METRIC_DURATION}_bucket{{{told},le="{bound}"}} {count}' for bound in BOUNDS]
            lines.append(f"{METRIC_DURATION}_count{{{told}}} {count}")
        return "\n".join([*lines, *self.copying.lines(name), ""])

    def copies(self) -> dict[str, int]:
        """Percent that each pod copies at this moment."""
        percents = {name: self.copying.percent(name) for name in self._pods()}
        return {name: percent for name, percent in percents.items() if percent}

    # Requests

    async def probe(self, address: str) -> bool:
        """A request of the operator's own, which no pod counts."""
        found = (s["metadata"]["name"] for s in self.world.cluster.of(SERVICE) if s["spec"]["clusterIP"] == address)
        return await self.send(next(found), counted=False)

    async def request(self, model: str = "iris", *, match: bool = False) -> bool:
        """One request on a connection of its own; whether it was answered. `match`: with the headers that are asked."""
        answered = await self.send(model, match=match)
        self.answered += answered
        return answered

    def leads_to(self, model: str) -> set[str]:
        """What kube-proxy knows behind its Service: `pod`, `gateway`, both, or nothing."""
        return {kind for kind, _ in self._views.get(model, ())}

    async def send(
        self, model: str, *, counted: bool = True, service: str = "", via: str = "direct", match: bool = False
    ) -> bool:
        """To one of the addresses that kube-proxy knows, of the model's Service or of one of its revisions.

        `via`: how whoever sends it has marked it.
        """
        view = self._views.get(service or model, ())
        if not view:
            return self._loses(model, "connection refused: no address", counted)
        kind, name = self._random.choice(view)
        if kind == "pod":
            return await self._work(model, name, counted, via)
        gateway = self._gateway(name)
        if gateway is None or not gateway.answers:
            return self._loses(model, f"gateway {name} does not answer", counted)
        return await self._hold(gateway, model, counted, match)

    async def _hold(self, gateway: Gateway, model: str, counted: bool, match: bool) -> bool:
        gateway.arrivals[model] = gateway.arrivals.get(model, 0) + 1
        gateway.in_flight[model] = gateway.in_flight.get(model, 0) + 1
        gateway.held[model] = gateway.held.get(model, 0) + 1
        begun, holding = self._now(), True
        try:
            while self._now() - begun < HOLD_SECONDS:
                if not gateway.alive:
                    return self._loses(model, "its gateway was killed", counted)
                shares = self._shares(model)
                matches = match and len(shares) > 1 and self.world.status(model)["rollout"]["phase"] in TRIED
                revision = [*shares][-1] if matches else self._random.choices([*shares], [*shares.values()])[0]
                if pods := self._ready(revision):
                    gateway.held[model] -= 1
                    holding = False
                    via = "match" if matches else "split" if len(shares) > 1 else "direct"
                    return await self._work(model, self._random.choice(pods), counted, via)
                self._wake(model)
                await asyncio.sleep(0.05)
            return self._loses(model, "held too long", counted)
        finally:
            gateway.in_flight[model] -= 1
            if holding:
                gateway.held[model] -= 1

    def _shares(self, model: str) -> dict[str, int]:
        """By revision, percent of the requests: what the agents make of the status at this moment."""
        status = {"gatewayPort": 1, **self.world.status(model)}
        view = view_of({**self.world.live(model), "status": status}, (), in_path=True)
        if view is None or view.candidate in (None, view.stable):
            return {self.world.status(model).get("stableRevision", ""): 100}
        return {view.stable: 100 - view.weight, view.candidate or "": view.weight}

    def _wake(self, model: str) -> None:
        """From 0 to 1 by the agent, to the Deployment that it sees at this moment."""
        revision = self.world.status(model).get("stableRevision", "")
        deployment = self.world.object(DEPLOYMENT, revision)
        if deployment and deployment["spec"]["replicas"] == 0:
            self.scale(revision, 1)

    def scale(self, revision: str, replicas: int) -> None:
        """By somebody who is not the operator."""

        def change(live: Manifest) -> None:
            live["spec"]["replicas"] = replicas

        self.world.cluster.edit(DEPLOYMENT, self.namespace, revision, change)

    async def _work(self, model: str, pod: str, counted: bool, via: str = "direct") -> bool:
        lately = self._now() - self.gone.get(pod, -DRAIN_SECONDS) < DRAIN_SECONDS
        if pod not in self._pods() and not lately:
            return self._loses(model, f"pod {pod} is gone", counted)
        found = self.world.object(POD, pod)
        revision = found["metadata"]["labels"][names.LABEL_REVISION] if found else ""
        seconds = self.seconds.get(revision, WORK_SECONDS)
        if counted and via == "split":
            failed = self._random.random() < self.errors.get(revision, 0.0)
            tally = self.tallies.setdefault(pod, {})
            code = 500 if failed else 200
            tally[code] = tally.get(code, 0) + 1
        elif counted:
            came = self.matched if via == "match" else self.received
            came[pod] = came.get(pod, 0) + 1
        self.busy[pod] = self.busy.get(pod, 0.0) + (seconds if counted else 0.0)
        self.working[pod] = self.working.get(pod, 0) + counted
        await asyncio.sleep(seconds)
        self.working[pod] -= counted
        if counted:
            self.copying.answered(pod)
        return True

    def _loses(self, model: str, why: str, counted: bool) -> bool:
        if counted:
            self.lost.append(f"{self._now():.2f} {model}: {why}; {self.world.status(model).get('scaling')}")
        return False

    # What changes

    def _look(self, event: str, manifest: Manifest) -> None:
        loop = asyncio.get_running_loop()
        meta, kind = manifest["metadata"], manifest["kind"]
        if kind == ENDPOINT_SLICE.kind:
            loop.call_later(PROXY_SECONDS, self._follow, meta["labels"].get(LABEL_SERVICE_NAME, ""))
        if kind == POD.kind and meta["labels"].get(names.LABEL_ROLE) == names.ROLE_SERVING:
            self._look_at_pod(event, manifest)
        if kind == DEPLOYMENT.kind:
            self._look_at_size(event, manifest)
        if kind == MODEL_DEPLOYMENT.kind:
            self._look_at_state(manifest)
        if kind in (ENDPOINT_SLICE.kind, POD.kind):
            self._look_at_addresses()
            loop.call_later(self.patience, self._look_at_addresses)

    def _look_at_size(self, event: str, manifest: Manifest) -> None:
        name, size = manifest["metadata"]["name"], manifest["spec"]["replicas"]
        before = self._sizes.get(name, 0)
        self._sizes[name] = size
        if size > before and not self.world.cluster.acting and name in self._sleepers():
            self._raised.add(name)
        if size < before and self.world.cluster.acting:
            if name in self._raised:
                self.broken.append(f"{name}: {before} → {size} before its wake was in the status")
            if size == 0 and any(sum(gateway.held.values()) for gateway in self.gateways.values()):
                self.broken.append(f"{name}: put to sleep while a request is held")
        if event == "DELETED":
            self._raised.discard(name)

    def _sleepers(self) -> set[str]:
        """Stable revisions whose status says that they sleep: a hand that raises any other wakes nobody."""
        told = [manifest.get("status", {}) for manifest in self.world.cluster.of(MODEL_DEPLOYMENT)]
        return {status["stableRevision"] for status in told if status.get("scaling", {}).get("state") == "Asleep"}

    def _look_at_pod(self, event: str, manifest: Manifest) -> None:
        meta, loop = manifest["metadata"], asyncio.get_running_loop()
        pod = meta["labels"][names.LABEL_REVISION], int(meta["name"].rpartition("-")[2])
        if event == "DELETED":
            self.gone[meta["name"]] = loop.time()
            self._ready_at.pop(pod, None)
        elif pod not in self._ready_at:
            self._ready_at[pod] = loop.time() + self.load_seconds
            loop.call_later(self.load_seconds + 0.01, self.world.kubelet.sync)

    def _look_at_state(self, manifest: Manifest) -> None:
        status = manifest.get("status", {})
        if status.get("scaling", {}).get("state") != "Asleep":
            self._raised.discard(status.get("stableRevision", ""))

    def _look_at_addresses(self) -> None:
        for manifest in self.world.cluster.of(MODEL_DEPLOYMENT) if self.watches else ():
            name, status = manifest["metadata"]["name"], manifest.get("status", {})
            could = self._ready(status.get("stableRevision", "")) or any(g.alive for g in self.gateways.values())
            entry = self.world.entry(name)
            if not entry or not could or any(self._answers(one) for one in self._addresses(name)):
                self._empty_since.pop(name, None)
                continue
            since = self._empty_since.setdefault(name, self._now())
            if self._now() - since >= self.patience and status.get("scaling", {}).get("traffic", "Direct") != "Direct":
                self.broken.append(f"Service {name} leads nowhere since {since:.2f}: {status.get('scaling')}")

    def _follow(self, service: str) -> None:
        """kube-proxy has heard."""
        self._views[service] = tuple(self._addresses(service))

    def _addresses(self, service: str) -> Iterator[tuple[str, str]]:
        for manifest in self.world.cluster.of(ENDPOINT_SLICE, **{LABEL_SERVICE_NAME: service}):
            ours = manifest["metadata"]["labels"].get(LABEL_SLICE_MANAGER) == SLICE_MANAGER
            for endpoint in manifest["endpoints"]:
                yield ("gateway", endpoint["addresses"][0]) if ours else ("pod", endpoint["targetRef"]["name"])

    def _answers(self, address: tuple[str, str]) -> bool:
        kind, name = address
        return name in self._pods() if kind == "pod" else self._gateway(name) is not None

    def _gateway(self, address: str) -> Gateway | None:
        return next((g for g in self.gateways.values() if g.alive and g.address == address), None)

    def _pods(self) -> set[str]:
        found = self.world.cluster.of(POD, **{names.LABEL_ROLE: names.ROLE_SERVING})
        return {pod["metadata"]["name"] for pod in found if _is_ready(pod)}

    def _ready(self, revision: str) -> list[str]:
        return [p["metadata"]["name"] for p in self.world.kubelet.pods(revision) if _is_ready(p)]

    def _serving(self, revision: str, number: int) -> Status:
        return running(ready=not self.never and self._now() >= self._ready_at.get((revision, number), 0.0))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _is_ready(pod: Manifest) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", ()))
