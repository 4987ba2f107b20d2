"""Objects in memory, in the API server's manner: versions, generations, watches, collection by owner.

Used by `process.py` alone. An object is never changed in place: what is handed out may be kept. Pods are not kept on
disk, for no process outlives this one; nor is the status of a Deployment, which counts them.
"""

import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from serinus_operator.clock import read_clocks
from serinus_operator.cluster.errors import Conflict, Missing
from serinus_operator.cluster.files import Address, Files
from serinus_operator.cluster.port import (
    DEPLOYMENT,
    EVENT,
    MODEL_DEPLOYMENT,
    NETWORK_POLICY,
    POD,
    POD_DISRUPTION_BUDGET,
    Manifest,
    Precondition,
)

Watcher = Callable[[str, Manifest], None]
"""Called with ADDED, MODIFIED or DELETED and the object, before the write returns."""
COUNTED = frozenset({MODEL_DEPLOYMENT.kind, DEPLOYMENT.kind, POD_DISRUPTION_BUDGET.kind, NETWORK_POLICY.kind})
"""Kinds with a generation, which rises when anything but metadata and status changes."""
EVENTS_KEPT = 1000


def address_of(manifest: Mapping[str, Any]) -> Address:
    """Kind, namespace and name."""
    meta = manifest["metadata"]
    return manifest["kind"], meta["namespace"], meta["name"]


class ObjectStore:
    """All objects of one local instance."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._objects: dict[Address, Manifest] = {}
        self._uids: set[str] = set()
        self._watchers: list[Watcher] = []
        self._version = 0
        for manifest in files.load():
            kept = _at_rest(manifest)
            self._objects[address_of(kept)] = kept
            self._uids.add(kept["metadata"]["uid"])
            self._version = max(self._version, int(kept["metadata"]["resourceVersion"]))
        self._collect()

    def watch(self, watcher: Watcher) -> None:
        """Be told of every change from now on."""
        self._watchers.append(watcher)

    def get(self, address: Address) -> Manifest | None:
        """One object, or None."""
        return self._objects.get(address)

    def select(
        self, kind: str, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        """Objects of a kind that carry all these labels, by name."""
        return [m for a, m in sorted(self._objects.items()) if a[0] == kind and _fits(m, namespace, labels or {})]

    def checked(self, address: Address, precondition: Precondition | None) -> Manifest:
        """The object, if it is the one that was observed. Raises Missing, Conflict."""
        live = self._objects.get(address)
        if live is None:
            raise Missing(f"{address[0]} {address[2]} not found")
        meta = live["metadata"]
        if precondition and (meta["uid"], meta["resourceVersion"]) != (precondition.uid, precondition.resource_version):
            raise Conflict(f"{address[0]} {address[2]} has been modified; look at the latest version and try again")
        return live

    def add(self, manifest: Manifest) -> Manifest:
        """Store a new object. Raises Conflict where the name is taken."""
        address = address_of(manifest)
        if address in self._objects:
            raise Conflict(f"{address[0]} {address[2]} already exists")
        meta = {
            **manifest["metadata"],
            "uid": str(uuid.uuid4()),
            "creationTimestamp": read_clocks().timestamp(),
            **({"generation": 1} if manifest["kind"] in COUNTED else {}),
        }
        stored = self._store("ADDED", {**manifest, "metadata": meta})
        self._uids.add(meta["uid"])
        if _orphaned(stored, self._uids):
            self.drop(address)
        elif manifest["kind"] == EVENT.kind:
            self._bound_events()
        return stored

    def change(self, live: Manifest, wanted: Manifest) -> Manifest:
        """Store another version of `live`; one that says the same is not written, and keeps its version."""
        meta, old = dict(wanted["metadata"]), live["metadata"]
        for field in ("uid", "creationTimestamp", "resourceVersion", "generation", "deletionTimestamp"):
            meta.pop(field, None)
            if field in old:
                meta[field] = old[field]
        wanted = {**wanted, "metadata": meta}
        if wanted == live:
            return live
        if live["kind"] in COUNTED and _content(wanted) != _content(live):
            meta["generation"] = old.get("generation", 0) + 1
        return self._store("MODIFIED", wanted, durable=live["kind"] != DEPLOYMENT.kind or _but_status(wanted, live))

    def mark_deleted(self, live: Manifest) -> None:
        """Give a Pod its deletionTimestamp; whoever runs it removes it."""
        if "deletionTimestamp" not in live["metadata"]:
            grace = live["spec"].get("terminationGracePeriodSeconds", 30)
            gone = read_clocks().wall + dt.timedelta(seconds=grace)
            stamp = gone.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            meta = {**live["metadata"], "deletionTimestamp": stamp, "deletionGracePeriodSeconds": grace}
            self._store("MODIFIED", {**live, "metadata": meta})

    def drop(self, address: Address) -> None:
        """Remove an object, then whatever it alone owned."""
        live = self._objects[address]
        if address[0] != POD.kind:
            self._files.remove(address)
        del self._objects[address]
        self._uids.discard(live["metadata"]["uid"])
        self._version += 1
        meta = {**live["metadata"], "resourceVersion": str(self._version)}
        self._tell("DELETED", {**live, "metadata": meta})
        self._collect()

    def _store(self, event: str, manifest: Manifest, *, durable: bool = True) -> Manifest:
        meta = {**manifest["metadata"], "resourceVersion": str(self._version + 1)}
        stored = {**manifest, "metadata": meta}
        if durable and stored["kind"] != POD.kind:
            self._files.save(stored)
        self._version += 1
        self._objects[address_of(stored)] = stored
        self._tell(event, stored)
        return stored

    def _tell(self, event: str, manifest: Manifest) -> None:
        for watcher in self._watchers:
            watcher(event, manifest)

    def _collect(self) -> None:
        """Remove what has owners and none of them any more; Pods are asked to end."""
        for manifest in [m for m in self._objects.values() if _orphaned(m, self._uids)]:
            if address_of(manifest) not in self._objects:
                continue  # went with one before it
            if manifest["kind"] == POD.kind:
                self.mark_deleted(manifest)
            else:
                self.drop(address_of(manifest))

    def _bound_events(self) -> None:
        events = [a for a in self._objects if a[0] == EVENT.kind]
        for address in events[: max(0, len(events) - EVENTS_KEPT)]:
            self.drop(address)


def _fits(manifest: Manifest, namespace: str | None, labels: Mapping[str, str]) -> bool:
    meta = manifest["metadata"]
    if namespace is not None and meta["namespace"] != namespace:
        return False
    mine: Mapping[str, str] = meta.get("labels") or {}
    return all(mine.get(key) == value for key, value in labels.items())


def _orphaned(manifest: Manifest, uids: set[str]) -> bool:
    owners: list[Manifest] = manifest["metadata"].get("ownerReferences") or []
    return bool(owners) and not any(owner.get("uid") in uids for owner in owners)


def _content(manifest: Manifest) -> Manifest:
    return {key: value for key, value in manifest.items() if key not in ("metadata", "status")}


def _but_status(wanted: Manifest, live: Manifest) -> bool:
    """Whether more than the status differs."""
    return {**wanted, "status": None} != {**live, "status": None}


def _at_rest(manifest: Manifest) -> Manifest:
    """An object as it is true with no pod running."""
    if manifest["kind"] != DEPLOYMENT.kind:
        return manifest
    return {key: value for key, value in manifest.items() if key != "status"}
