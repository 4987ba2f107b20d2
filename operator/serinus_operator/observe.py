"""From the cache and a few live reads to one frozen `Observation`. I/O; decides nothing.

Live reads are made only where nothing is watched: the ConfigMap of a model while it is being resolved or was refused,
now and then the copy of it that a revision holds, and the pods' own word on a source that can change under them.
"""

import asyncio
import base64
import hashlib
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from serinus_api import names
from serinus_api.base import ApiModel
from serinus_api.conditions import Reason
from serinus_api.gateway import LABEL_SERVICE_NAME, LABEL_SLICE_MANAGER, SLICE_MANAGER
from serinus_api.v1alpha1 import ModelDeployment, ModelDeploymentSpec, ResolutionPhase, spec_hash, unsupported_fields
from serinus_operator.cache import Cache, controller_of
from serinus_operator.cluster.errors import Denied
from serinus_operator.cluster.port import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    MODEL_DEPLOYMENT,
    POD,
    SERVICE,
    Cluster,
    Kind,
    Manifest,
)
from serinus_operator.decide import zero
from serinus_operator.decide.pods import pod_state
from serinus_operator.decide.ports import Claim, port_for
from serinus_operator.decide.refresh import serves_on
from serinus_operator.decide.validation import golden_name, golden_state, reads_golden
from serinus_operator.gateways import Gateways
from serinus_operator.loads import LoadSample
from serinus_operator.places import LEAVING, EntryState, Mode, RouteLook
from serinus_operator.queue import Key
from serinus_operator.render.record import read_record
from serinus_operator.routes import Routes
from serinus_operator.scalers import Scalers
from serinus_operator.sources import Source, parse_source
from serinus_operator.state import (
    Decision,
    Failure,
    Observation,
    PodState,
    Progress,
    RevisionRecord,
    SourceLook,
    SourceState,
    Subject,
    Verdict,
    WorkloadState,
)

AskPods = Callable[[list[Manifest]], Awaitable[SourceLook | None]]
"""Asks ready pods whether their source has changed under them (`PodMetrics.look`)."""
LastLoad = Callable[[Key], LoadSample | None]
"""What the pods of a model said last of their load (`collect.Collector.last`)."""
COPY_SECONDS = 600.0
"""ConfigMaps are not watched, so the copy of a settled model is looked at once in so long."""


class _Spec(ApiModel):
    """The spec alone, for reading it strictly; status and metadata may hold more than this version knows."""

    spec: ModelDeploymentSpec


def read_subject(manifest: Manifest) -> Subject:
    """A ModelDeployment as it was read.

    Raises pydantic.ValidationError for one that another version of the API let through. An unknown field of the spec is
    refused as well: ignoring it would give the spec another hash, and its pods another template.
    """
    parsed = ModelDeployment.model_validate(manifest)
    _Spec.model_validate({"spec": manifest["spec"]}, extra="forbid")
    meta = parsed.metadata
    return Subject(
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        generation=meta.generation,
        resource_version=meta.resource_version,
        spec=parsed.spec,
        status=parsed.status,
        annotations=meta.annotations,
    )


@dataclass(frozen=True, slots=True)
class Observer:
    """Puts together what is known of one ModelDeployment."""

    cluster: Cluster
    cache: Cache
    ask_pods: AskPods
    last_load: LastLoad
    scalers: Scalers
    gateways: Gateways
    routes: Routes | None
    """None: there can be no HTTPRoutes here."""
    claims: dict[Key, int] = field(default_factory=dict)
    """Gateway ports that were given out and are not in the cache yet."""
    copies_due: dict[Key, float] = field(default_factory=dict)
    """When to look at the copy of a model."""
    held: dict[Key, SourceState] = field(default_factory=dict)
    """What the ConfigMap of a model held when its digest was found."""

    async def observe(self, subject: Subject, failure: Failure | None) -> Observation:
        """Everything that a decision may look at. `failure` is what the last attempt to act ran into.

        A kind that may not be listed or watched is a failure too: what is known of it may be old.
        """
        pods = self._children(subject, POD)
        preflight = _preflight(subject, pods)
        services = {service["metadata"]["name"]: service for service in self._children(subject, SERVICE)}
        selector = services[subject.name]["spec"].get("selector", {}) if subject.name in services else {}
        records, workloads = self._records(subject), self._workloads(subject, pods)
        source = await self._source(subject, preflight, records, workloads)
        entry = await self._entry(subject, services.get(subject.name))
        key = Key(subject.namespace, subject.name)
        leaving = zero.place_of(subject) == LEAVING and entry.gateways > 0
        answered = await self.gateways.answer(key, entry.address) if leaving else None
        golden = await self._golden(subject, records)
        stable_source = await self._stable_source(subject, records, workloads, pods)
        scalers = await self.scalers.look(subject)
        if self.routes:
            await self.routes.look(subject)
        denied = next(map(str, self.cache.denied.values()), scalers.denied)
        # From here on nothing waits: what is seen of pods, gateways and ports is of one moment.
        pods = self._children(subject, POD)
        return Observation(
            records=self._records(subject),
            workloads=self._workloads(subject, pods),
            preflight=preflight,
            entry_revision=selector.get(names.LABEL_REVISION),
            source=source,
            golden=golden,
            failure=failure.verdict if failure else (Verdict(Reason.RBAC_DENIED, denied) if denied else None),
            failure_is_old=failure is not None and failure.generation != subject.generation,
            stable_source=stable_source,
            load=self._load(key),
            scalers=scalers,
            gateways=self.gateways.of(key, answered=answered),
            entry=entry,
            gateway_port=self._port(subject, key),
            route=self.routes.of(subject) if self.routes else RouteLook(),
        )

    def note(self, key: Key, decision: Decision) -> None:
        """Take note of what was decided, before anything of it is written."""
        self.gateways.follow(key, wanted=decision.traffic.follow)
        if decision.traffic.port:
            self.claims[key] = decision.traffic.port

    def _load(self, key: Key) -> LoadSample | None:
        """The last look at the pods, with what the gateways hold: demand like what is in the pods."""
        sample = self.last_load(key)
        told = self.gateways.of(key).told
        return replace(sample, held=sum(one.held for one in told)) if sample and told else sample

    def _port(self, subject: Subject, key: Key) -> int | None:
        """The model's port; the others are looked at only until this process has settled it."""
        own = subject.status.gateway_port
        splits = subject.spec.rollout.gradual and self.gateways.installed and subject.spec.route is None
        wanted = self.gateways.always or splits or zero.may_rest(subject.spec.scaling)
        if not wanted or (own is not None and self.claims.get(key) == own):
            return own
        others: defaultdict[int, list[Claim]] = defaultdict(list)
        mine = None
        for other in self.cache.keys(MODEL_DEPLOYMENT):
            manifest = self.cache.get(MODEL_DEPLOYMENT, other.namespace, other.name) or {}
            claim = Claim(manifest["metadata"].get("creationTimestamp", ""), other.namespace, other.name)
            if other == key:
                mine = claim
            elif port := manifest.get("status", {}).get("gatewayPort") or self.claims.get(other):
                others[port].append(claim)
        return port_for(subject.uid, own, mine, others) if mine else own

    async def _entry(self, subject: Subject, service: Manifest | None) -> EntryState:
        """The entry Service and its slices; read live where the next step takes an address from it."""
        if service is None:
            return EntryState()
        slices: Sequence[Manifest] = self.cache.children(Key(subject.namespace, subject.name), ENDPOINT_SLICE)
        if zero.place_of(subject).mode is Mode.HAND_OVER:
            with suppress(Denied):  # the next resync tells; what the watch has told goes until then
                slices = await self.cluster.list(ENDPOINT_SLICE, subject.namespace, {LABEL_SERVICE_NAME: subject.name})
        return entry_state(service, slices)

    def _children(self, subject: Subject, kind: Kind) -> list[Manifest]:
        """What carries our labels, but for what goes away and for what a deleted namesake or somebody else controls."""
        found = self.cache.children(Key(subject.namespace, subject.name), kind)
        return [m for m in found if "deletionTimestamp" not in m["metadata"] and _may_be_ours(m, subject)]

    def _records(self, subject: Subject) -> dict[str, RevisionRecord]:
        found = {}
        for manifest in self._children(subject, CONTROLLER_REVISION):
            try:
                record = read_record(manifest)
            except (KeyError, TypeError):
                continue  # not made by us, or by an operator of another age
            found[record.name] = record
        return found

    def _workloads(self, subject: Subject, pods: list[Manifest]) -> dict[str, WorkloadState]:
        deployments = self._children(subject, DEPLOYMENT)
        return {manifest["metadata"]["name"]: workload_state(manifest, pods) for manifest in deployments}

    async def _source(
        self,
        subject: Subject,
        preflight: PodState | None,
        records: Mapping[str, RevisionRecord],
        workloads: Mapping[str, WorkloadState],
    ) -> SourceState | None:
        """The user's ConfigMap. What gave the digest is held until the copy of it is made: one read serves both."""
        source = parse_source(subject.spec.model.uri)
        key, resolution = Key(subject.namespace, subject.name), subject.status.resolution
        if source is None or not _reads_source(subject, source, preflight, workloads, records):
            self.held.pop(key, None)
            return None
        held = self.held.get(key)
        if held and resolution and resolution.phase is ResolutionPhase.PREFLIGHT and resolution.digest == held.digest:
            return held
        try:
            self.held[key] = await self._read(subject, source)
        except Denied as denied:
            return SourceState(problem=Verdict(Reason.RBAC_DENIED, str(denied)))
        return self.held[key]

    async def _golden(self, subject: Subject, records: Mapping[str, RevisionRecord]) -> SourceState | None:
        """The golden requests, read at every look: a verdict counts only for those that are there when it comes."""
        name = golden_name(subject)
        if name is None or not reads_golden(subject, records) or unsupported_fields(subject.spec):
            return None
        try:
            return golden_state(await self.cluster.get(CONFIG_MAP, subject.namespace, name), name)
        except Denied as denied:
            return SourceState(problem=Verdict(Reason.RBAC_DENIED, str(denied)))

    async def _read(self, subject: Subject, source: Source) -> SourceState:
        manifest = await self.cluster.get(CONFIG_MAP, subject.namespace, source.object)
        return config_map_source(manifest, source.object, source.path)

    async def _stable_source(
        self,
        subject: Subject,
        records: Mapping[str, RevisionRecord],
        workloads: Mapping[str, WorkloadState],
        pods: list[Manifest],
    ) -> SourceLook | None:
        record = records.get(subject.status.stable_revision or "")
        source = parse_source(record.uri) if record else None
        if record is None or source is None or subject.spec.paused:
            return None
        workload = workloads.get(record.name)
        if not source.pinned_by_copy:
            ready = {pod.name for pod in workload.pods if pod.progress is Progress.READY} if workload else set()
            return await self.ask_pods([pod for pod in pods if pod["metadata"]["name"] in ready])
        if not self._copy_is_due(subject, workload):
            return None
        copy = await self.cluster.get(CONFIG_MAP, subject.namespace, record.name)
        self.copies_due[Key(subject.namespace, subject.name)] = asyncio.get_running_loop().time() + COPY_SECONDS
        if copy is None:
            return SourceLook(lost=await self._read(subject, source))
        if config_map_source(copy, record.name, source.path).digest != record.digest:
            return SourceLook(f"ConfigMap {record.name} does not hold the model of {record.name}; delete it")
        return SourceLook()

    def _copy_is_due(self, subject: Subject, workload: WorkloadState | None) -> bool:
        """Its time has come, or pods are to be made of it, or it is known to be lost."""
        stable, now = subject.status.stable_revision, asyncio.get_running_loop().time()
        if workload is None or _lacks_copy(workload) or _known_lost(subject, stable):
            return True
        first = now + random.uniform(0, COPY_SECONDS)  # noqa: S311  # a restart must not read them all at once
        return now >= self.copies_due.setdefault(Key(subject.namespace, subject.name), first)

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a ModelDeployment that is gone."""
        self.gateways.follow(key, wanted=False)
        self.claims.pop(key, None)
        self.copies_due.pop(key, None)
        self.held.pop(key, None)


def _lacks_copy(workload: WorkloadState) -> bool:
    """Whether a pod has not found its model."""
    return any(pod.verdict and pod.verdict.reason is Reason.NOT_FOUND for pod in workload.pods)


def _known_lost(subject: Subject, stable: str | None) -> bool:
    return any(revision.name == stable and not revision.restorable for revision in subject.status.revisions)


def entry_state(service: Manifest, slices: Sequence[Manifest]) -> EntryState:
    """What a Service and the EndpointSlices of its namespace say of where it leads."""
    counts = {True: 0, False: 0}
    for one in slices:
        labels = one["metadata"].get("labels", {})
        if labels.get(LABEL_SERVICE_NAME) != service["metadata"]["name"] or "deletionTimestamp" in one["metadata"]:
            continue
        ready = [e for e in one.get("endpoints") or () if e.get("conditions", {}).get("ready", True)]
        counts[labels.get(LABEL_SLICE_MANAGER) == SLICE_MANAGER] += len(ready)
    address = service["spec"].get("clusterIP")
    return EntryState(
        proxied=names.LABEL_PROXIED in service["spec"].get("selector", {}),
        address=address if address not in (None, "", "None") else None,
        pods=counts[False],
        gateways=counts[True],
    )


def _may_be_ours(manifest: Manifest, subject: Subject) -> bool:
    """Controlled by this very ModelDeployment, or by nothing (to be adopted).

    Serving pods belong to a ReplicaSet of their revision's Deployment; in local mode to the Deployment itself.
    """
    owner = controller_of(manifest)
    by_deployment = manifest["kind"] == "Pod" and owner.get("kind") in ("ReplicaSet", "Deployment")
    return by_deployment or owner.get("uid") in (None, subject.uid)


def config_map_source(manifest: Mapping[str, Any] | None, name: str, key: str) -> SourceState:
    """The bytes under a ConfigMap's key, and their digest; or what is missing."""
    if manifest is None:
        return SourceState(problem=Verdict(Reason.NOT_FOUND, f"ConfigMap {name} does not exist in this namespace"))
    if key in manifest.get("binaryData", {}):
        data = base64.b64decode(manifest["binaryData"][key])
    elif key in manifest.get("data", {}):
        data = manifest["data"][key].encode()
    else:
        present = ", ".join(sorted({*manifest.get("data", {}), *manifest.get("binaryData", {})})) or "none"
        message = f"ConfigMap {name} has no key {key} (it has: {present})"
        return SourceState(problem=Verdict(Reason.NOT_FOUND, message))
    return SourceState(digest=f"sha256:{hashlib.sha256(data).hexdigest()}", data=data)


def workload_state(manifest: Manifest, pods: list[Manifest]) -> WorkloadState:
    """A revision's Deployment and its pods, from their manifests."""
    status, meta = manifest.get("status", {}), manifest["metadata"]
    failed = next(
        (c for c in status.get("conditions", ()) if c["type"] == "ReplicaFailure" and c["status"] == "True"), None
    )
    mine = [p for p in pods if p["metadata"]["labels"].get(names.LABEL_REVISION) == meta["name"]]
    return WorkloadState(
        uid=meta["uid"],
        replicas=manifest["spec"].get("replicas", 1),
        ready=status.get("readyReplicas", 0),
        updated=status.get("observedGeneration", 0) >= meta.get("generation", 0),
        problem=Verdict(Reason.PODS_REFUSED, failed["message"]) if failed else None,
        pods=tuple(pod_state(p) for p in mine),
        resource_version=meta["resourceVersion"],
    )


def _preflight(subject: Subject, pods: list[Manifest]) -> PodState | None:
    """The pod of the attempt that the status speaks of."""
    resolution = subject.status.resolution
    if resolution is None or resolution.spec_hash != spec_hash(subject.spec):
        return None
    name = names.preflight_name(subject.name, resolution.spec_hash, resolution.attempt)
    return next((pod_state(p) for p in pods if p["metadata"]["name"] == name), None)


def _reads_source(
    subject: Subject,
    source: Source,
    preflight: PodState | None,
    workloads: Mapping[str, WorkloadState],
    records: Mapping[str, RevisionRecord],
) -> bool:
    """Whether the ConfigMap of the model matters now: the spec has no revision yet, or may get another chance."""
    if not source.pinned_by_copy or subject.spec.paused or unsupported_fields(subject.spec):
        return False
    if serves_on(subject, records):
        return False
    wanted = spec_hash(subject.spec)
    if any(r.spec_hash == wanted for r in subject.status.rejected):
        return True
    resolution = subject.status.resolution
    if resolution is None or resolution.spec_hash != wanted:
        return True
    if resolution.phase is ResolutionPhase.PROVISIONING:
        workload = workloads.get(resolution.revision or "")
        return workload is not None and _lacks_copy(workload)
    return resolution.phase is ResolutionPhase.RESOLVING or preflight is None
