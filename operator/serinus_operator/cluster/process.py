"""The port without a cluster: a small object store in this process, for local mode.

What `reconcile` needs and no more: create, apply, replace, scale, status, delete with preconditions, watches, and
collection by owner; and the user's way in, judged as the API server judges. The same cases run against this adapter
and against a real API server (`tests/contract`). A Deployment's and a Pod's status is written by `local/`, which plays
the controller and the kubelet.

Known differences from an API server: built-in kinds get no defaults and are not validated, and a status has none;
server-side apply keeps fields that an earlier apply had named; every namespace exists.
"""

import base64
import binascii
import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from serinus_api.admission import Kind as ViolationKind
from serinus_api.admission import Violation, judge
from serinus_operator.cluster.errors import Invalid, Missing
from serinus_operator.cluster.files import Files, NoFiles
from serinus_operator.cluster.merge import LAST_APPLIED, merged, three_way, without_server_fields
from serinus_operator.cluster.port import (
    CONFIG_MAP,
    EVENT,
    MODEL_DEPLOYMENT,
    POD,
    Kind,
    Manifest,
    Precondition,
    kind_of,
)
from serinus_operator.cluster.store import ObjectStore, Watcher

NAMESPACE = "default"
CONFIG_MAP_BYTES = 1024 * 1024


class Refusal(Exception):  # noqa: N818  # an answer, not a fault of ours
    """A manifest is not taken, in the API server's words."""

    def __init__(self, violations: Iterable[Violation]) -> None:
        self.violations = tuple(violations)
        self.messages = tuple(str(violation) for violation in self.violations)
        super().__init__("; ".join(self.messages))


class ProcessCluster:
    """See `port.Cluster`; and `user_apply`, `user_delete`, `annotate` for what a user does with kubectl."""

    def __init__(self, folder: Path | None, *, files: Files | None = None) -> None:
        self._store = ObjectStore(files or (NoFiles() if folder is None else Files(folder)))

    def watch(self, callback: Watcher) -> None:
        """Call back with ADDED, MODIFIED or DELETED and the object, within the write."""
        self._store.watch(callback)

    def find(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """As `get`, at once."""
        return self._store.get((kind.kind, namespace, name))

    def select(
        self, kind: Kind, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        """As `list`, at once."""
        return self._store.select(kind.kind, namespace, labels)

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """See `Cluster.get`."""
        return self.find(kind, namespace, name)

    async def list(self, kind: Kind, namespace: str | None, labels: Mapping[str, str]) -> Sequence[Manifest]:
        """See `Cluster.list`."""
        return self.select(kind, namespace, labels)

    async def create(self, manifest: Manifest) -> Manifest:
        """See `Cluster.create`."""
        return self._store.add(_admitted(manifest))

    async def apply(self, manifest: Manifest, precondition: Precondition) -> Manifest:
        """See `Cluster.apply`."""
        live = self._checked(manifest, precondition)
        given = {key: value for key, value in manifest.items() if key != "status"}
        return self._store.change(live, _admitted(merged(live, given), live))

    async def replace(self, manifest: Manifest, precondition: Precondition) -> Manifest:
        """See `Cluster.replace`."""
        live = self._checked(manifest, precondition)
        return self._store.change(live, _admitted(manifest, live))

    async def scale(self, kind: Kind, namespace: str, name: str, replicas: int, precondition: Precondition) -> str:
        """See `Cluster.scale`."""
        live = self._store.checked((kind.kind, namespace, name), precondition)
        after = self._store.change(live, {**live, "spec": {**live["spec"], "replicas": replicas}})
        return str(after["metadata"]["resourceVersion"])

    async def delete(self, kind: Kind, namespace: str, name: str, precondition: Precondition) -> None:
        """See `Cluster.delete`. What the object owns goes with it."""
        if self.find(kind, namespace, name) is None:
            return
        self._delete(self._store.checked((kind.kind, namespace, name), precondition))

    async def apply_status(self, manifest: Manifest, precondition: Precondition) -> Manifest:
        """See `Cluster.apply_status`."""
        live = self._checked(manifest, precondition)
        return self._store.change(live, {**live, "status": copy.deepcopy(manifest["status"])})

    async def record_event(self, manifest: Manifest) -> None:
        """See `Cluster.record_event`."""
        meta = manifest["metadata"]
        live = self.find(EVENT, meta["namespace"], meta["name"])
        if live is None:
            self._store.add(copy.deepcopy(manifest))
        else:
            self._store.change(live, merged(live, copy.deepcopy(manifest)))

    def put_status(self, kind: Kind, namespace: str, name: str, uid: str, status: Mapping[str, Any]) -> None:
        """What a controller or a kubelet says of an object that it looks after; one that is gone is no error."""
        live = self.find(kind, namespace, name)
        if live and live["metadata"]["uid"] == uid:
            self._store.change(live, {**live, "status": dict(status)})

    def remove_pod(self, namespace: str, name: str, uid: str) -> None:
        """The kubelet's last word on a Pod: it has ended."""
        live = self.find(POD, namespace, name)
        if live and live["metadata"]["uid"] == uid:
            self._store.drop((POD.kind, namespace, name))

    async def user_apply(self, manifest: Manifest) -> tuple[str, tuple[str, ...]]:
        """As `kubectl apply`: `created`, `configured` or `unchanged`, and warnings. Raises Refusal."""
        given = _named(manifest)
        kind = given["kind"]
        if kind not in (MODEL_DEPLOYMENT.kind, CONFIG_MAP.kind):
            known = f'"{MODEL_DEPLOYMENT.kind}", "{CONFIG_MAP.kind}"'
            raise Refusal([Violation("kind", ViolationKind.UNSUPPORTED, f'"{kind}": supported values: {known}')])
        meta = given["metadata"]
        live = self._store.get((kind, meta["namespace"], meta["name"]))
        stored = _judged(_applied(given, live)) if kind == MODEL_DEPLOYMENT.kind else judged_config_map(given)
        if live is None:
            self._store.add(stored)
            return "created", ()
        status = {"status": live["status"]} if "status" in live else {}
        after = self._store.change(live, {**stored, **status})
        return ("unchanged" if _said(after) == _said(live) else "configured"), ()

    async def user_delete(self, kind: Kind, namespace: str, name: str) -> bool:
        """As `kubectl delete`; False where there was no such object."""
        live = self.find(kind, namespace, name)
        if live is None:
            return False
        self._delete(live)
        return True

    async def annotate(self, namespace: str, name: str, annotations: Mapping[str, str]) -> None:
        """As `kubectl annotate --overwrite` of a ModelDeployment. Raises Missing."""
        live = self.find(MODEL_DEPLOYMENT, namespace, name)
        if live is None:
            raise Missing(f"{MODEL_DEPLOYMENT.kind} {name} not found")
        meta = live["metadata"]
        after = {**(meta.get("annotations") or {}), **annotations}
        self._store.change(live, {**live, "metadata": {**meta, "annotations": after}})

    def _checked(self, manifest: Manifest, precondition: Precondition) -> Manifest:
        meta = manifest["metadata"]
        return self._store.checked((kind_of(manifest).kind, meta["namespace"], meta["name"]), precondition)

    def _delete(self, live: Manifest) -> None:
        meta = live["metadata"]
        if live["kind"] == POD.kind:
            self._store.mark_deleted(live)
        else:
            self._store.drop((live["kind"], meta["namespace"], meta["name"]))


def _admitted(manifest: Manifest, live: Manifest | None = None) -> Manifest:
    """The manifest as it is stored: of our own kind judged, without a status but the live one. Raises Invalid."""
    given = copy.deepcopy(manifest)
    if manifest["kind"] == MODEL_DEPLOYMENT.kind:
        given, violations = judge(given, local=True)
        if violations:
            said = "; ".join(str(violation) for violation in violations)
            raise Invalid(f"{MODEL_DEPLOYMENT.kind} {manifest['metadata'].get('name')} is invalid: {said}")
    if live is not None and "status" in live:
        return {**given, "status": live["status"]}
    return {key: value for key, value in given.items() if key != "status"}


def _named(manifest: Manifest) -> Manifest:
    """The manifest with a namespace; refused where it is no object at all."""
    if not isinstance(manifest, dict) or not isinstance(manifest.get("metadata"), dict):
        raise Refusal([Violation("metadata", ViolationKind.REQUIRED)])
    meta = manifest["metadata"]
    if not isinstance(meta.get("name"), str):
        raise Refusal([Violation("metadata.name", ViolationKind.REQUIRED, "name or generateName is required")])
    given: Manifest = without_server_fields(copy.deepcopy(manifest))
    given["metadata"].setdefault("namespace", NAMESPACE)
    return {**given, "kind": manifest.get("kind")}


def _applied(given: Manifest, live: Manifest | None) -> Manifest:
    """The three-way merge of `kubectl apply`, with its note of what was applied."""
    before = {} if live is None else without_server_fields(live)
    notes: Mapping[str, str] = before.get("metadata", {}).get("annotations") or {}
    after: Manifest = three_way(json.loads(notes.get(LAST_APPLIED, "{}")), given, before)
    note = json.dumps(given, default=str, separators=(",", ":"))
    annotations = {**(after["metadata"].get("annotations") or {}), LAST_APPLIED: note}
    return {**after, "metadata": {**after["metadata"], "annotations": annotations}}


def _judged(manifest: Manifest) -> Manifest:
    stored, violations = judge(manifest, local=True)
    if violations:
        raise Refusal(violations)
    return stored


def judged_config_map(manifest: Manifest) -> Manifest:
    """A ConfigMap, if its values are texts, Base64 where that is asked, and at most 1 MiB together. Raises Refusal."""
    size = 0
    for field in ("data", "binaryData"):
        values = manifest.get(field) or {}
        if not isinstance(values, dict):
            raise Refusal([Violation(field, ViolationKind.TYPE, "must be a map of texts")])
        for key, value in values.items():
            if not isinstance(value, str):
                raise Refusal([Violation(f"{field}[{key}]", ViolationKind.TYPE, "must be a text")])
            try:
                size += len(value.encode() if field == "data" else base64.b64decode(value, validate=False))
            except binascii.Error as error:
                raise Refusal([Violation(f"{field}[{key}]", ViolationKind.INVALID, str(error))]) from error
    if size > CONFIG_MAP_BYTES:
        raise Refusal([Violation("", ViolationKind.TOO_LONG, f"may not be more than {CONFIG_MAP_BYTES} bytes")])
    return manifest


def _said(manifest: Manifest) -> Manifest:
    """What a user sees as the object's content, for telling `configured` from `unchanged`."""
    said = without_server_fields(manifest)
    notes = {k: v for k, v in (said["metadata"].get("annotations") or {}).items() if k != LAST_APPLIED}
    return {**said, "metadata": {**said["metadata"], "annotations": notes}}
