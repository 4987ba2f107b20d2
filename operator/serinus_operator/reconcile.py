"""One ModelDeployment, one pass: observe → decide → render → report → apply. Start reading here.

The status is written before anything is done that it announces, so that an operator killed at any point goes on from
there. What goes wrong on the way becomes a condition (`failure`) and another try, never a lost key.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import ValidationError

from serinus_operator.apply import Applier
from serinus_operator.clock import read_clocks
from serinus_operator.cluster.errors import Denied, NameTaken, Refused
from serinus_operator.cluster.port import MODEL_DEPLOYMENT
from serinus_operator.decide import decide
from serinus_operator.observe import Observer, read_subject
from serinus_operator.queue import Key
from serinus_operator.render import render
from serinus_operator.report.failure import verdict_of
from serinus_operator.report.write import Reporter
from serinus_operator.settings import Settings
from serinus_operator.state import Instant, Memory, RenderOptions, Subject, Verdict

FAILURE_SECONDS = 15.0


@dataclass(slots=True)
class Reconciler:
    """The five steps, with the little that is remembered between two passes."""

    settings: Settings
    options: RenderOptions
    observer: Observer
    applier: Applier
    reporter: Reporter
    clock: Callable[[], Instant] = read_clocks
    memories: dict[Key, Memory] = field(default_factory=dict)
    failures: dict[Key, Verdict] = field(default_factory=dict)

    async def reconcile(self, key: Key) -> float | None:
        """One pass; returns after how many seconds to look again, None for the next resync. Raises RetryLater."""
        manifest = self.observer.cache.get(MODEL_DEPLOYMENT, key.namespace, key.name)
        if manifest is None or "deletionTimestamp" in manifest["metadata"]:
            self.memories.pop(key, None)
            self.failures.pop(key, None)
            self.observer.forget(key)
            return None
        try:
            subject = read_subject(manifest)
        except ValidationError as error:
            await self.reporter.report_unreadable(manifest, error, self.clock())
            return None
        failure = self.failures.get(key)
        try:
            delay = await self._pass(key, subject, failure)
        except (Denied, Refused, NameTaken) as error:
            return self._failed(key, failure, verdict_of(error))
        if self.failures.pop(key, None):
            return 0.0  # report that it is over
        return delay

    async def _pass(self, key: Key, subject: Subject, failure: Verdict | None) -> float | None:
        now = self.clock()
        observation = await self.observer.observe(subject, failure)
        memory = self.memories.get(key, Memory())
        settings = self.settings
        decision = decide(subject, observation, memory, now, default_image=settings.runtime_image, local=settings.local)
        manifests = render(subject, decision, observation, self.options)
        self.observer.note(key, decision)
        await self.reporter.report(subject, observation, decision, now)
        self.memories[key] = decision.memory
        await self.applier.apply(subject, decision, observation, manifests)
        return decision.requeue_seconds

    def _failed(self, key: Key, before: Verdict | None, verdict: Verdict) -> float:
        """Remember why, so that the next pass says it; at once when it is news."""
        self.failures[key] = verdict
        return FAILURE_SECONDS if before == verdict else 0.0
