"""The one status write, and the Events that go with it."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from serinus_api import names
from serinus_api.v1alpha1 import Condition, ModelDeploymentStatus, ScalingStatus
from serinus_operator.cache import Cache
from serinus_operator.cluster.errors import ClusterError, Denied, FenceLost, Refused
from serinus_operator.cluster.port import Cluster, Precondition
from serinus_operator.report.conditions import changed
from serinus_operator.report.events import EventBook, is_news, moved, resized
from serinus_operator.report.status import Address, build_status, service_address
from serinus_operator.report.undecided import readable, says, undecided_status, unreadable
from serinus_operator.state import Decision, Happening, Instant, Manifest, Observation, Reference, Subject, Verdict

log = logging.getLogger(__name__)


def _uncounted(_: tuple[str, str], __: str, ___: str) -> None:
    """For an installation without metrics of its own."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """Writes the status when it differs from the one that was read, and an Event per transition."""

    cluster: Cluster
    cache: Cache
    events: EventBook
    address: Address = service_address
    count: Callable[[tuple[str, str], str, str], None] = _uncounted
    """Told of verdicts, with their metric, and of aborts: namespace and name, metric, result or reason."""

    async def report(self, subject: Subject, observation: Observation, decision: Decision, now: Instant) -> None:
        """Build and persist the status; nothing is written when it says what is there already."""
        status = build_status(subject, observation, decision, now, self.address)
        if status != subject.status:
            await self._publish(subject, status, now)
        for what in decision.happenings:
            await self._tell_happening(subject, what, now)

    async def _publish(self, subject: Subject, status: ModelDeploymentStatus, now: Instant) -> None:
        """Write a status that is another one, and tell what has changed."""
        precondition = Precondition(uid=subject.uid, resource_version=subject.resource_version)
        await self._write(status_manifest(subject, status), precondition)
        await self._tell(subject, subject.status.conditions, status.conditions, now)
        if sizes := resized(subject.status, status):
            await self._tell_size(subject, *sizes, now)
        if turned := moved(subject.status, status):
            await self._tell_state(subject, turned, now)

    async def report_unreadable(self, manifest: Manifest, error: ValidationError, now: Instant) -> None:
        """Say that a ModelDeployment cannot be understood (written for another version), and leave all else alone."""
        await self._report_undecided(manifest, unreadable(error), now)

    async def report_bug(self, manifest: Manifest, verdict: Verdict, now: Instant) -> None:
        """Say that passes over a ModelDeployment end in a bug of ours. Once: a pass may get as far as to say it too."""
        if not says(manifest.get("status", {}), manifest["metadata"].get("generation", 0), verdict):
            await self._report_undecided(manifest, verdict, now)

    async def _report_undecided(self, manifest: Manifest, verdict: Verdict, now: Instant) -> None:
        meta, before = manifest["metadata"], manifest.get("status", {})
        status = undecided_status(before, meta.get("generation", 0), verdict, now)
        if status == before:
            return
        body = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {"namespace": meta["namespace"], "name": meta["name"]},
            "status": status,
        }
        precondition = Precondition(uid=meta["uid"], resource_version=meta["resourceVersion"])
        await self._write(body, precondition)
        about = Reference(meta["namespace"], meta["name"], meta["uid"])
        await self._tell(about, readable(before.get("conditions", ())), readable(status["conditions"]), now)

    async def _write(self, manifest: Manifest, precondition: Precondition) -> None:
        try:
            self.cache.put(await self.cluster.apply_status(manifest, precondition))
        except (Denied, Refused) as error:
            meta = manifest["metadata"]
            where = f"{meta['namespace']}/{meta['name']}"
            log.warning("Status not written", extra={"object": where, "error": str(error)})  # no condition can say it
            raise

    async def _tell(
        self, about: Subject | Reference, before: Sequence[Condition], after: Sequence[Condition], now: Instant
    ) -> None:
        """A log line for each condition that has changed, and an Event where it is news."""
        known = {condition.type: condition for condition in before}
        for condition in changed(before, after):
            log.info(
                "Condition changed",
                extra={
                    "object": f"{about.namespace}/{about.name}",
                    "condition": condition.type,
                    "status": condition.status,
                    "reason": condition.reason,
                    "detail": condition.message,
                },
            )
            if is_news(condition, known.get(condition.type)) and self.events.admits(about.uid, now):
                await self._record(self.events.event(about, condition, now))

    async def _tell_size(self, subject: Subject, before: ScalingStatus, after: ScalingStatus, now: Instant) -> None:
        """A log line for another number of pods, and an Event, which counts towards the same limit as the others."""
        about = f"{subject.namespace}/{subject.name}"
        log.info("Size changed", extra={"object": about, "detail": after.message, "why": after.reason})
        if self.events.admits(subject.uid, now):
            await self._record(self.events.scaled(subject, before, after, now))

    async def _tell_state(self, subject: Subject, turned: ScalingStatus, now: Instant) -> None:
        """The same for a model that fell asleep, wakes, or is awake again."""
        about = f"{subject.namespace}/{subject.name}"
        log.info("State changed", extra={"object": about, "state": turned.state, "detail": turned.message})
        if self.events.admits(subject.uid, now):
            await self._record(self.events.turned(subject, turned, now))

    async def _tell_happening(self, subject: Subject, what: Happening, now: Instant) -> None:
        """The same for what a rollout came to. Verdicts, which are many, have a limit of their own."""
        about = f"{subject.namespace}/{subject.name}"
        log.info("Rollout told", extra={"object": about, "reason": what.reason, "detail": what.message})
        if what.result:
            self.count((subject.namespace, subject.name), what.metric, what.result)
        limit = "verdicts" if what.metric and not what.warning else "rollout"
        if self.events.admits(f"{subject.uid}/{limit}", now):
            await self._record(self.events.happened(subject, what, now))

    async def _record(self, event: Manifest) -> None:
        try:
            await self.cluster.record_event(event)
        except FenceLost:
            raise
        except ClusterError as error:
            log.warning("Event not recorded", extra={"error": str(error)})


def status_manifest(subject: Subject, status: ModelDeploymentStatus) -> Manifest:
    """The body of the status write: identity and the whole status, absent fields left out."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"namespace": subject.namespace, "name": subject.name},
        "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
    }
