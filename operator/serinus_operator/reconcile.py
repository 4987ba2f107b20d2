"""One ModelDeployment, one pass: observe → decide → render → report → apply. Start reading here.

The status is written before anything is done that it announces, so that an operator killed at any point goes on from
there. What goes wrong on the way becomes a condition (`failure`) and another try, never a lost key.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import ValidationError

from serinus_operator.apply import Applier
from serinus_operator.clock import read_clocks
from serinus_operator.cluster.errors import Denied, NameTaken, Overridden, Refused
from serinus_operator.cluster.port import MODEL_DEPLOYMENT
from serinus_operator.decide import decide
from serinus_operator.observe import Observer, read_subject
from serinus_operator.queue import Key
from serinus_operator.render import render
from serinus_operator.report.failure import verdict_of
from serinus_operator.report.undecided import bug
from serinus_operator.report.write import Reporter
from serinus_operator.settings import Settings
from serinus_operator.state import Failure, Instant, Memory, RenderOptions, Subject

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
    failures: dict[Key, Failure] = field(default_factory=dict)

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
        before = self.failures.get(key)
        try:
            delay = await self._pass(key, subject, before)
        except (Denied, Refused, NameTaken, Overridden) as error:
            failure = self.failures[key] = Failure(verdict_of(error), subject.generation)
            return FAILURE_SECONDS if before == failure else 0.0  # the next pass says it; at once when it is news
        return 0.0 if self.failures.pop(key, None) else delay  # at once, to report that it is over

    async def report_bug(self, key: Key, error: Exception) -> None:
        """Say that passes end in a bug of ours; the first that does not takes it back."""
        if manifest := self.observer.cache.get(MODEL_DEPLOYMENT, key.namespace, key.name):
            failure = self.failures[key] = Failure(bug(error), manifest["metadata"].get("generation", 0))
            await self.reporter.report_bug(manifest, failure.verdict, self.clock())

    async def _pass(self, key: Key, subject: Subject, failure: Failure | None) -> float | None:
        now = self.clock()
        observation = await self.observer.observe(subject, failure)
        memory, settings = self.memories.get(key, Memory()), self.settings
        decision = decide(subject, observation, memory, now, default_image=settings.runtime_image, local=settings.local)
        manifests = render(subject, decision, observation, self.options)
        self.observer.note(key, decision)
        await self.reporter.report(subject, observation, decision, now)
        self.memories[key] = decision.memory
        await self.applier.apply(subject, decision, observation, manifests)
        return decision.requeue_seconds
