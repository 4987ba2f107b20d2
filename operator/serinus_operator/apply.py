"""Make the children as decided: create, repair, scale, prune. The only place that writes children.

Nothing is written where the live object agrees already, so a converged model causes no request. Objects that bear our
names and are not ours are never touched (`NameTaken`); ours without an owner are adopted. Every change carries the
resourceVersion of the object that it was decided on. A child that is refused does not hold up the others: a candidate
beyond the quota must not keep the stable revision from being repaired.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serinus_api import names
from serinus_api.gateway import LABEL_SLICE_MANAGER, SLICE_MANAGER
from serinus_operator.cache import Cache, controller_of
from serinus_operator.cluster.errors import Conflict, Denied, NameTaken, Overridden, Refused
from serinus_operator.cluster.port import (
    CHILDREN,
    CONFIG_MAP,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    HTTP_ROUTE,
    POD,
    SCALERS,
    SERVICE,
    Cluster,
    Kind,
    Manifest,
    Precondition,
    kind_of,
)
from serinus_operator.contest import REMEMBERED, Contest
from serinus_operator.drift import changed_field, differs
from serinus_operator.queue import Key
from serinus_operator.render import owned
from serinus_operator.state import Decision, Observation, Subject

WRITTEN_ONCE = (CONTROLLER_REVISION, CONFIG_MAP, POD)
PRUNED = (HTTP_ROUTE, ENDPOINT_SLICE, *SCALERS, DEPLOYMENT, SERVICE, POD, CONTROLLER_REVISION)
"""In this order: what others depend on goes last."""
NEVER_READ = (*SCALERS, ENDPOINT_SLICE)
"""Neither read one by one nor written as a whole: the right to do so is not asked for."""
GOES_FIRST, STAYS = "-1", "0"
"""Values of the annotation by which the Deployment controller chooses the pods to end."""


@dataclass(frozen=True, slots=True)
class Applier:
    """Writes children through the port and keeps the cache in step with what the writes return."""

    cluster: Cluster
    cache: Cache
    contests: dict[tuple[str, str], Contest] = field(default_factory=dict)
    """By kind and UID: repairs that did not last."""

    async def apply(
        self, subject: Subject, decision: Decision, observation: Observation, manifests: Sequence[Manifest]
    ) -> None:
        """Bring all children of one ModelDeployment to what was decided. Raises the first refusal, at the end."""
        if decision.frozen:
            return
        refusals: list[Denied | Refused | NameTaken | Overridden] = []
        for manifest in manifests:
            if refusals and kind_of(manifest) is POD:
                continue  # a preflight needs its record and its copy of the model
            try:
                await self._ensure(manifest)
            except (Denied, Refused, NameTaken, Overridden) as refusal:
                refusals.append(refusal)
        await self._scale(subject, decision, observation)
        await self._prune(subject, decision, manifests)
        if refusals:
            raise refusals[0]

    async def _ensure(self, manifest: Manifest) -> None:
        kind, meta = kind_of(manifest), manifest["metadata"]
        live = self.cache.get(kind, meta["namespace"], meta["name"])
        if live is None:
            live = await self._create(kind, manifest)
        if "deletionTimestamp" in live["metadata"]:
            return  # it goes; its end is an event, and then it is made again
        if not _owned(live, manifest):
            await self._adopt(live, manifest)
        elif kind not in WRITTEN_ONCE and differs(manifest, live):
            await self._repair(live, manifest)
        elif kind is CONTROLLER_REVISION and not _ours(live, manifest):
            await self._mark(live, manifest["metadata"])

    async def _create(self, kind: Kind, manifest: Manifest) -> Manifest:
        meta = manifest["metadata"]
        try:
            live = await self.cluster.create(manifest)
        except Conflict:
            if kind in NEVER_READ:
                raise  # made since they were listed or watched; the next look tells whose it is
            found = await self.cluster.get(kind, meta["namespace"], meta["name"])
            if found is None:
                raise
            live = {"apiVersion": kind.api_version, "kind": kind.kind, **found}
        if kind in (*CHILDREN, *SCALERS, HTTP_ROUTE) and _ours(live, manifest):
            self.cache.put(live)  # ConfigMaps are not watched: nobody would take them out again
        return live

    async def _adopt(self, live: Manifest, manifest: Manifest) -> None:
        """Take over a child that was restored or orphaned; refuse what is someone else's."""
        meta = live["metadata"]
        if controller_of(live):
            if _ours(live, manifest) and _same_owner_name(live, manifest):
                raise Conflict(f"{live['kind']} {meta['name']} of a deleted ModelDeployment is still being collected")
            raise NameTaken(live["kind"], meta["name"])
        if not _ours(live, manifest):
            raise NameTaken(live["kind"], meta["name"])
        if kind_of(live) in WRITTEN_ONCE:
            await self._mark(live, manifest["metadata"])
        else:
            await self._repair(live, manifest)

    async def _mark(self, live: Manifest, wanted: Mapping[str, Any]) -> None:
        """Set metadata of an object whose contents are written once, or not by us."""
        meta = {**wanted, "namespace": live["metadata"]["namespace"], "name": live["metadata"]["name"]}
        identity = {"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": meta}
        self.cache.put(await self.cluster.apply(identity, _precondition(live)))

    async def _repair(self, live: Manifest, manifest: Manifest) -> None:
        """Apply the manifest; where somebody else's additions remain, write the whole of what we render."""
        wanted, now = _keep_replicas(manifest, live), asyncio.get_running_loop().time()
        contest = self.contests.setdefault((live["kind"], live["metadata"]["uid"]), Contest())
        if not contest.holds(wanted, live, now):
            live = await self._write(wanted, live)
            lacks = changed_field(wanted, live) is not None
            contest.written(wanted, live, now, lacks=lacks, differs=differs(wanted, live))
        if len(self.contests) > REMEMBERED:
            del self.contests[next(iter(self.contests))]
        if changed := changed_field(wanted, live):
            raise Overridden(live["kind"], live["metadata"]["name"], changed)

    async def _write(self, wanted: Manifest, live: Manifest) -> Manifest:
        try:
            after = await self.cluster.apply(wanted, _precondition(live))
        except Conflict:
            if kind_of(wanted) is HTTP_ROUTE:
                await self._look_again(live)
            raise
        if differs(wanted, after) and kind_of(wanted) not in NEVER_READ:
            after = await self.cluster.replace(_whole(wanted, after), _precondition(after))
        self.cache.put(after)
        return after

    async def _look_again(self, live: Manifest) -> None:
        """Read what is not watched: its controller writes its status, and the next pass must not meet the same."""
        meta = live["metadata"]
        if found := await self.cluster.get(HTTP_ROUTE, meta["namespace"], meta["name"]):
            self.cache.put({"apiVersion": HTTP_ROUTE.api_version, "kind": HTTP_ROUTE.kind, **found})

    async def _scale(self, subject: Subject, decision: Decision, observation: Observation) -> None:
        """Write sizes, each to the very Deployment that was looked at: what others have changed since is not undone."""
        for revision in decision.running:
            seen, size = observation.workloads.get(revision), decision.size_of(revision)
            if seen is None or revision == _leaving(decision) or seen.replicas == size:
                continue
            if size < seen.replicas:
                await self._mark_pods(subject, revision, decision.leaving_pods)
            precondition = Precondition(uid=seen.uid, resource_version=seen.resource_version)
            version = await self.cluster.scale(DEPLOYMENT, subject.namespace, revision, size, precondition)
            self._remember_size(subject, revision, seen.resource_version, size, version)

    def _remember_size(self, subject: Subject, revision: str, seen: str, size: int, version: str) -> None:
        """Into the cache at once: the old size of a model that was put to sleep would look like a wake."""
        live = self.cache.get(DEPLOYMENT, subject.namespace, revision)
        if live is None or live["metadata"]["resourceVersion"] != seen:
            return
        meta = {**live["metadata"], "resourceVersion": version, "generation": live["metadata"].get("generation", 0) + 1}
        self.cache.put({**live, "metadata": meta, "spec": {**live["spec"], "replicas": size}})

    async def _mark_pods(self, subject: Subject, revision: str, leaving: Sequence[str]) -> None:
        """Tell the Deployment controller which pods to end: those that have least to do."""
        if names.ANNOTATION_DELETION_COST in subject.spec.runtime.pod_annotations:
            return  # the user says it
        for live in self.cache.children(Key(subject.namespace, subject.name), POD):
            meta = live["metadata"]
            if meta["labels"].get(names.LABEL_REVISION) != revision or "deletionTimestamp" in meta:
                continue
            known = meta.get("annotations", {}).get(names.ANNOTATION_DELETION_COST, STAYS)
            cost = GOES_FIRST if meta["name"] in leaving else STAYS
            if known != cost:
                await self._mark(live, {"annotations": {names.ANNOTATION_DELETION_COST: cost}})

    async def _prune(self, subject: Subject, decision: Decision, manifests: Sequence[Manifest]) -> None:
        """Remove what is ours and no longer wanted. Records without an owner that are wanted are adopted."""
        wanted = {(m["kind"], m["metadata"]["name"]) for m in manifests}
        for revision in decision.running:
            wanted |= {("Deployment", revision), ("Service", revision), ("ControllerRevision", revision)}
        wanted |= {("ControllerRevision", name) for name in decision.keep_records}
        kept = decision.traffic.gateways is None
        for kind in PRUNED:
            for live in self.cache.children(Key(subject.namespace, subject.name), kind):
                meta, owner = live["metadata"], controller_of(live).get("uid")
                serving = kind is POD and meta["labels"].get(names.LABEL_ROLE) != names.ROLE_PREFLIGHT
                ours = kind is not ENDPOINT_SLICE or _leads_to_gateways(live)
                if serving or not ours or (kept and kind is ENDPOINT_SLICE):
                    continue
                if owner not in (None, subject.uid) or "deletionTimestamp" in meta:
                    continue
                if (kind.kind, meta["name"]) not in wanted:
                    await self.cluster.delete(kind, subject.namespace, meta["name"], _precondition(live))
                    self.contests.pop((live["kind"], meta["uid"]), None)
                    self.cache.drop(live)  # or the next pass, before the watch tells, would delete it again
                elif kind is CONTROLLER_REVISION and owner is None:
                    await self._mark(live, {**owned(subject), "labels": meta["labels"]})


def _leads_to_gateways(live: Manifest) -> bool:
    """Whether an EndpointSlice is of ours; Kubernetes' own bear our labels too, because their Service does."""
    return bool(live["metadata"].get("labels", {}).get(LABEL_SLICE_MANAGER) == SLICE_MANAGER)


def _precondition(live: Manifest) -> Precondition:
    return Precondition(uid=live["metadata"]["uid"], resource_version=live["metadata"]["resourceVersion"])


def _owned(live: Manifest, manifest: Manifest) -> bool:
    return controller_of(live).get("uid") == controller_of(manifest).get("uid")


def _same_owner_name(live: Manifest, manifest: Manifest) -> bool:
    mine, theirs = controller_of(live), controller_of(manifest)
    return (mine.get("kind"), mine.get("name")) == (theirs.get("kind"), theirs.get("name"))


def _ours(live: Manifest, manifest: Manifest) -> bool:
    """Whether it carries our labels for the same ModelDeployment."""
    keys = (names.LABEL_MANAGED_BY, names.LABEL_DEPLOYMENT)
    mine, theirs = live["metadata"].get("labels", {}), manifest["metadata"]["labels"]
    return all(mine.get(key) == theirs[key] for key in keys)


def _keep_replicas(manifest: Manifest, live: Manifest) -> Manifest:
    """A Deployment is repaired at its live size: applying it without the field would set it to 1."""
    if manifest["kind"] != DEPLOYMENT.kind:
        return manifest
    return {**manifest, "spec": {**manifest["spec"], "replicas": live["spec"].get("replicas", 1)}}


def _whole(manifest: Manifest, live: Manifest) -> Manifest:
    """The manifest for a full write, with other people's metadata and a Service's addresses as they are."""
    meta, theirs = manifest["metadata"], live["metadata"]
    kept = {field: theirs[field] for field in ("annotations", "finalizers") if field in theirs}
    whole = {**manifest, "metadata": {**meta, **kept, "labels": {**theirs.get("labels", {}), **meta["labels"]}}}
    if manifest["kind"] != SERVICE.kind:
        return whole
    fixed = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")
    addresses = {field: live["spec"][field] for field in fixed if field in live["spec"]}
    return {**whole, "spec": {**manifest["spec"], **addresses}}


def _leaving(decision: Decision) -> str | None:
    """The old revision that runs on until the entry Service has been seen to name the new one; its size stays as it is,
    unless it has one of its own, as the one that a bake may return to."""
    known = {decision.status.stable_revision, decision.status.candidate_revision, *decision.sizes}
    return next((revision for revision in decision.running if revision not in known), None)
