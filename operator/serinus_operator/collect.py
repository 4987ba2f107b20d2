"""Asks the pods of each model that is scaled by demand for their load, every two seconds. I/O; decides nothing.

While a candidate is tried in steps, the pods are asked for their metrics as well, whoever sizes the model, and the
stable ones are told what to copy (`decide/copies.py`).

All pods at once, a second each at most; nobody else's, and none while the operator is not the active one. The last look
at each model is kept for `observe`, and its key goes on the queue. A model without ready pods is not looked at: what
its pods are waiting for is an event.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from serinus_api import names
from serinus_api.runtime import LoadReport
from serinus_api.v1alpha1 import RolloutPhase
from serinus_operator.cache import Cache
from serinus_operator.clock import read_clocks
from serinus_operator.cluster.port import MODEL_DEPLOYMENT, POD, Manifest
from serinus_operator.decide.copies import Loan, ended, loans
from serinus_operator.decide.demand import TICK_SECONDS
from serinus_operator.decide.pods import pod_state
from serinus_operator.loads import LoadSample, PodLoad
from serinus_operator.queue import Key
from serinus_operator.state import Instant, Progress

SETTLED = (RolloutPhase.STABLE, RolloutPhase.ABORTED)

AskLoad = Callable[[Manifest], Awaitable[LoadReport | None]]
"""Asks one pod; None where it does not answer in time (`metrics.PodMetrics.load`)."""
AskPage = Callable[[Manifest], Awaitable[str | None]]
"""The same for its metrics (`metrics.PodMetrics.page`)."""
Lend = Callable[[Loan], Awaitable[None]]
"""Tells a pod what to copy; one that cannot be told is told at the next look (`metrics.PodMetrics.lend`)."""


@dataclass(slots=True)
class Collector:
    """The loop, and what it saw last."""

    cache: Cache
    ask: AskLoad
    ask_page: AskPage
    lend: Lend
    enqueue: Callable[[Key], None]
    active: Callable[[], bool] = lambda: True
    """Whether this process may act; one that only stands by need not know."""
    clock: Callable[[], Instant] = read_clocks
    samples: dict[Key, LoadSample] = field(default_factory=dict)
    lent: tuple[Loan, ...] = ()
    """What pods were told at the last look."""

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            if self.active():
                await self.look()
            await asyncio.sleep(max(0.0, began + TICK_SECONDS - loop.time()))

    async def look(self) -> None:
        """Once at every model that is scaled by demand, or rolled out in steps."""
        keys = [key for key in self.cache.keys(MODEL_DEPLOYMENT) if self._follows(key)]
        self.samples = {key: sample for key, sample in self.samples.items() if key in keys}
        lent = [loan for found in await asyncio.gather(*(self._look_at(key) for key in keys)) for loan in found]
        await asyncio.gather(*(self.lend(loan) for loan in ended(self.lent, lent)))
        self.lent = tuple(lent)

    def last(self, key: Key) -> LoadSample | None:
        """What was seen last of a model."""
        return self.samples.get(key)

    def _follows(self, key: Key) -> bool:
        manifest = self.cache.get(MODEL_DEPLOYMENT, key.namespace, key.name)
        if manifest is None or "deletionTimestamp" in manifest["metadata"]:
            return False
        spec, status = manifest["spec"], manifest.get("status", {})
        scaling = spec.get("scaling")
        by_us = scaling is not None and (
            scaling.get("engine", "Builtin") == "Builtin" or scaling.get("minReplicas") == 0
        )
        asleep = status.get("scaling", {}).get("state") == "Asleep"
        return (by_us or _in_steps(manifest)) and not asleep and not spec.get("paused")

    async def _look_at(self, key: Key) -> tuple[Loan, ...]:
        """What the pods were told on that occasion."""
        pods = list(self._ready_pods(key))
        if not pods:
            return ()
        reports = await asyncio.gather(*(self.ask(pod) for pod in pods))
        model = self.cache.get(MODEL_DEPLOYMENT, key.namespace, key.name)
        pages: Sequence[str | None] = [None] * len(pods)
        lent: tuple[Loan, ...] = ()
        if model is not None and _in_steps(model):
            pages = await asyncio.gather(*(self.ask_page(pod) for pod in pods))
            lent = tuple(loans(model, pods))
            await asyncio.gather(*(self.lend(loan) for loan in lent))
        told = tuple(
            PodLoad(
                uid=pod["metadata"]["uid"],
                name=pod["metadata"]["name"],
                revision=pod["metadata"]["labels"].get(names.LABEL_REVISION, ""),
                report=report,
                page=page,
            )
            for pod, report, page in zip(pods, reports, pages, strict=True)
        )
        self.samples[key] = LoadSample(self.clock().monotonic, told)
        self.enqueue(key)
        return lent

    def _ready_pods(self, key: Key) -> Iterator[Manifest]:
        for pod in self.cache.children(key, POD):
            meta = pod["metadata"]
            serves = meta["labels"].get(names.LABEL_ROLE) == names.ROLE_SERVING and "deletionTimestamp" not in meta
            if serves and pod_state(pod).progress is Progress.READY:
                yield pod


def _in_steps(manifest: Manifest) -> bool:
    """Whether a candidate is on its way in steps, or one that was promoted is still watched."""
    rollout = manifest.get("status", {}).get("rollout") or {}
    return rollout.get("phase", SETTLED[0]) not in SETTLED
