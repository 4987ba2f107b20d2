"""The one status write, and the Events that go with it."""

import logging
from dataclasses import dataclass

from pydantic import ValidationError

from serinus_api import names
from serinus_api.conditions import ConditionType, Reason
from serinus_api.v1alpha1 import ModelDeploymentStatus
from serinus_operator.cache import Cache
from serinus_operator.cluster.errors import ClusterError, FenceLost
from serinus_operator.cluster.port import Cluster, Precondition
from serinus_operator.report.conditions import changed
from serinus_operator.report.events import EventBook, moved, resized
from serinus_operator.report.status import Address, build_status, service_address
from serinus_operator.state import Decision, Instant, Manifest, Observation, Subject

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reporter:
    """Writes the status when it differs from the one that was read, and an Event per transition."""

    cluster: Cluster
    cache: Cache
    events: EventBook
    address: Address = service_address

    async def report(self, subject: Subject, observation: Observation, decision: Decision, now: Instant) -> None:
        """Build and persist the status; nothing is written when it says what is there already."""
        status = build_status(subject, observation, decision, now, self.address)
        if status == subject.status:
            return
        precondition = Precondition(uid=subject.uid, resource_version=subject.resource_version)
        written = await self.cluster.apply_status(status_manifest(subject, status), precondition)
        self.cache.put(written)
        for condition in changed(subject.status.conditions, status.conditions):
            log.info(
                "Condition changed",
                extra={
                    "object": f"{subject.namespace}/{subject.name}",
                    "condition": condition.type,
                    "status": condition.status,
                    "reason": condition.reason,
                    "detail": condition.message,
                },
            )
            await self._record(self.events.event(subject, condition, now))
        if sizes := resized(subject.status, status):
            before, after = sizes
            log.info(
                "Size changed",
                extra={"object": f"{subject.namespace}/{subject.name}", "detail": after.message, "why": after.reason},
            )
            await self._record(self.events.scaled(subject, before, after, now))

        if turned := moved(subject.status, status):
            log.info(
                "State changed",
                extra={
                    "object": f"{subject.namespace}/{subject.name}",
                    "state": turned.state,
                    "detail": turned.message,
                },
            )
            await self._record(self.events.turned(subject, turned, now))

    async def report_unreadable(self, manifest: Manifest, error: ValidationError, now: Instant) -> None:
        """Say that a ModelDeployment cannot be understood (written for another version), and leave all else alone."""
        meta, before = manifest["metadata"], manifest.get("status", {})
        status = unreadable_status(before, meta.get("generation", 0), error, now)
        if status == before:
            return
        body = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {"namespace": meta["namespace"], "name": meta["name"]},
            "status": status,
        }
        precondition = Precondition(uid=meta["uid"], resource_version=meta["resourceVersion"])
        self.cache.put(await self.cluster.apply_status(body, precondition))

    async def _record(self, event: Manifest) -> None:
        try:
            await self.cluster.record_event(event)
        except FenceLost:
            raise
        except ClusterError as error:
            log.warning("Event not recorded", extra={"error": str(error)})


def unreadable_status(before: Manifest, generation: int, error: ValidationError, now: Instant) -> Manifest:
    """The status as it was, with `Ready=False` and `Stalled=True` that name the field which cannot be read."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    message = f"{where}: {first['msg']}; this operator cannot read it, upgrade the operator or change the field"
    known: dict[str, Manifest] = {c["type"]: c for c in before.get("conditions", ())}

    def condition(kind: ConditionType, status: str) -> Manifest:
        same = known.get(kind, {}).get("status") == status
        return {
            "type": kind,
            "status": status,
            "reason": Reason.INVALID_SPEC,
            "message": message[:1024],
            "observedGeneration": generation,
            "lastTransitionTime": known[kind]["lastTransitionTime"] if same else now.timestamp(),
        }

    ours = (ConditionType.READY, ConditionType.RECONCILING, ConditionType.STALLED)
    kept = [c for c in before.get("conditions", ()) if c["type"] not in ours]
    stated = [condition(ConditionType.READY, "False"), *kept, condition(ConditionType.STALLED, "True")]
    return {**before, "observedGeneration": generation, "conditions": stated}


def status_manifest(subject: Subject, status: ModelDeploymentStatus) -> Manifest:
    """The body of the status write: identity and the whole status, absent fields left out."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"namespace": subject.namespace, "name": subject.name},
        "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
    }
