"""A cluster in memory, behind the operator's port: what the API server does for and to us, and no more.

It keeps resourceVersions and preconditions, server-side apply, generations, immutable fields and namespaces that go
away. It writes down every call that would change something, and can refuse, fail or swallow the answer of any of them.
`tests/component/reconcile/test_fake.py` holds it to the API server's rules.
"""

import copy
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.defaults import defaulted
from tests.fakes.merge import applied, clone

from serinus_api import names
from serinus_api.v1alpha1 import ModelDeploymentSpec
from serinus_operator.cluster.errors import ClusterError, Conflict, Invalid, Missing, Terminating
from serinus_operator.cluster.port import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    HTTP_ROUTE,
    KINDS,
    LEASE,
    MODEL_DEPLOYMENT,
    POD,
    Kind,
    Manifest,
    Precondition,
    kind_of,
)

Address = tuple[str, str, str]
Watcher = Callable[[str, Manifest], None]
OPERATOR = "serinus-operator"
SPEC_FIELDS = frozenset(field.alias or name for name, field in ModelDeploymentSpec.model_fields.items())
WITH_GENERATION = (DEPLOYMENT.kind, MODEL_DEPLOYMENT.kind, HTTP_ROUTE.kind)


@dataclass(frozen=True, slots=True)
class Call:
    """One request that could change something."""

    verb: str
    kind: str
    namespace: str
    name: str
    changed: bool = False
    """Whether the cluster is another one after it."""
    body: Manifest | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.verb} {self.kind} {self.name}"


@dataclass(slots=True)
class Fault:
    """An error for the calls that match, until it is lifted or has struck often enough."""

    error: ClusterError
    verb: str | None = None
    kind: str | None = None
    name: str | None = None
    skip: int = 0
    times: int | None = None
    after: bool = False
    """The call is carried out, and only its answer is lost."""
    struck: int = 0

    def lift(self) -> None:
        """End it."""
        self.times = self.struck

    def strikes(self, call: Call) -> bool:
        """Whether it is this call's turn."""
        wanted = ((self.verb, call.verb), (self.kind, call.kind), (self.name, call.name))
        if any(mine is not None and mine != theirs for mine, theirs in wanted):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None and self.struck >= self.times:
            return False
        self.struck += 1
        return True


class FakeCluster:
    """All objects, by kind, namespace and name. It is an implementation of `serinus_operator.cluster.port.Cluster`."""

    def __init__(self) -> None:
        self.objects: dict[Address, Manifest] = {}
        self.calls: list[Call] = []
        """Calls of the operator that could change something, in order; leases are not among them."""
        self.reads: list[Call] = []
        """Reads of single objects, in order; leases are not among them."""
        self.faults: list[Fault] = []
        self.watchers: list[Watcher] = []
        self.webhook: Callable[[Manifest], Any] = lambda manifest: None
        """Changes every Deployment that is created or changed, before it is stored."""
        self.terminating: set[str] = set()
        self.acting: str | None = None
        """The verb of the operator's call that is being carried out."""
        self.timestamp = "2026-05-01T09:00:00Z"
        self._applied: dict[tuple[Address, str], Manifest] = {}
        self._versions = itertools.count(100)
        self._uids = itertools.count(1)

    # What tests do to it

    def fail(self, error: ClusterError, **match: Any) -> Fault:
        """Let matching calls fail; see `Fault`."""
        fault = Fault(error, **match)
        self.faults.append(fault)
        return fault

    def put(self, manifest: Manifest) -> Manifest:
        """What somebody else creates, or applies on top of what is there (spec, labels and annotations)."""
        live = self.objects.get(_address(manifest))
        if live is None:
            return self._store("ADDED", self._new(manifest))
        merged = clone(live)
        for part in set(manifest) - {"metadata", "status"}:
            merged[part] = clone(manifest[part])
        merged["metadata"] |= {k: v for k, v in manifest["metadata"].items() if k in ("labels", "annotations")}
        return self._update(live, merged)

    def edit(self, kind: Kind, namespace: str, name: str, change: Callable[[Manifest], None]) -> Manifest:
        """What somebody else changes by hand, status included."""
        live = self.objects[kind.kind, namespace, name]
        changed = clone(live)
        change(changed)
        return self._update(live, changed)

    def remove(self, kind: Kind, namespace: str, name: str, *, orphan: bool = False) -> None:
        """`kubectl delete`, in the background or (`orphan`) leaving the dependents without an owner."""
        gone = self.objects[kind.kind, namespace, name]
        if orphan:
            for child in self._dependents(gone["metadata"]["uid"]):
                self.edit(kind_of(child), namespace, child["metadata"]["name"], _disown)
        self._drop(_address(gone))

    def of(self, kind: Kind, **labels: str) -> list[Manifest]:
        """All objects of a kind, by name."""
        found = [self.objects[address] for address in sorted(a for a in self.objects if a[0] == kind.kind)]
        return [m for m in found if labels.items() <= m["metadata"].get("labels", {}).items()]

    def double(self, old: str, new: str, **words: str) -> None:
        """All objects of the ModelDeployment `old` once more as those of `new`, with UIDs of their own and `words`."""
        model, everything = names.LABEL_DEPLOYMENT, self.objects.items()
        mine = [a for a, m in everything if old in (a[2], m["metadata"].get("labels", {}).get(model))]
        uids = (self.objects[address]["metadata"]["uid"] for address in mine)
        changes = {old: new, **words, **{f'"{uid}"': f'"{uid}-{new}"' for uid in uids}}

        def doubled(value: Any) -> Any:
            text = json.dumps(value)
            for before, after in changes.items():
                text = text.replace(before, after)
            return json.loads(text)

        for address, manager in [key for key in self._applied if key[0] in mine]:
            self._applied[tuple(doubled(address)), manager] = doubled(self._applied[address, manager])
        for address in mine:
            self._store("ADDED", doubled(self.objects[address]))

    def snapshot(self) -> dict[str, Any]:
        """Everything that an API server would keep over a restart."""
        kept = {name: value for name, value in vars(self).items() if name in ("objects", "_applied")}
        return {**clone(kept), "_versions": copy.copy(self._versions), "_uids": copy.copy(self._uids)}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Be as the cluster was that the snapshot was taken of."""
        kept = clone({name: snapshot[name] for name in ("objects", "_applied")})
        vars(self).update(kept, _versions=copy.copy(snapshot["_versions"]), _uids=copy.copy(snapshot["_uids"]))

    def collect_garbage(self) -> None:
        """Remove every object whose owner is gone."""
        uids = {m["metadata"]["uid"] for m in self.objects.values()}
        for address, manifest in list(self.objects.items()):
            owners = manifest["metadata"].get("ownerReferences", ())
            if owners and not any(owner["uid"].removesuffix("-rs") in uids for owner in owners):
                self._drop(address)

    # The port

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        call = Call("get", kind.kind, namespace, name)
        if kind is not LEASE:
            self.reads.append(call)
        self._strike(call, after=False)
        return clone(self.objects.get((kind.kind, namespace, name)))

    async def list(self, kind: Kind, namespace: str | None, labels: Mapping[str, str]) -> Sequence[Manifest]:
        self._strike(Call("list", kind.kind, namespace or "", ""), after=False)
        found = [m for m in self.of(kind, **labels) if namespace in (None, m["metadata"]["namespace"])]
        return clone(found)

    async def create(self, manifest: Manifest) -> Manifest:
        def act() -> Manifest:
            if unknown := _misspelt(manifest):
                raise Invalid(f'{manifest["kind"]} cannot be handled: strict decoding error: unknown field "{unknown}"')
            namespace = manifest["metadata"]["namespace"]
            if namespace in self.terminating:
                raise Terminating(
                    f"unable to create new content in namespace {namespace} because it is being terminated"
                )
            if _address(manifest) in self.objects:
                raise Conflict(f'{manifest["kind"]} "{manifest["metadata"]["name"]}" already exists')
            return self._store("ADDED", self._new(manifest))

        return self._call("create", manifest, act)

    async def apply(self, manifest: Manifest, precondition: Precondition) -> Manifest:
        return self._call("apply", manifest, lambda: self._apply(manifest, precondition, OPERATOR))

    async def apply_status(self, manifest: Manifest, precondition: Precondition) -> Manifest:
        return self._call("status", manifest, lambda: self._apply(manifest, precondition, "serinus-status"))

    async def replace(self, manifest: Manifest, precondition: Precondition) -> Manifest:
        def act() -> Manifest:
            live = self._live(manifest, precondition)
            kept = {k: live["metadata"][k] for k in ("uid", "creationTimestamp", "generation") if k in live["metadata"]}
            whole = {**clone(manifest), "metadata": {**clone(manifest["metadata"]), **kept}}
            if "status" in live:
                whole["status"] = live["status"]
            return self._update(live, defaulted(whole))

        return self._call("replace", manifest, act)

    async def scale(self, kind: Kind, namespace: str, name: str, replicas: int, precondition: Precondition) -> str:
        manifest = {"kind": kind.kind, "metadata": {"namespace": namespace, "name": name}}

        def act() -> Manifest:
            live = self._live(manifest, precondition)
            return self._update(live, {**live, "spec": {**live["spec"], "replicas": replicas}})

        return str(self._call("scale", manifest, act)["metadata"]["resourceVersion"])

    async def delete(self, kind: Kind, namespace: str, name: str, precondition: Precondition) -> None:
        manifest = {"kind": kind.kind, "metadata": {"namespace": namespace, "name": name}}

        def act() -> Manifest:
            if _address(manifest) in self.objects:
                self._live(manifest, precondition)
                self._drop(_address(manifest))
            return {}

        self._call("delete", manifest, act)

    async def record_event(self, manifest: Manifest) -> None:
        def act() -> Manifest:
            live = self.objects.get(_address(manifest))
            return (
                self._update(live, {**live, **manifest, "metadata": live["metadata"]})
                if live
                else self._store("ADDED", self._new(manifest))
            )

        self._call("event", manifest, act)

    # The rules

    def _call(self, verb: str, manifest: Manifest, act: Callable[[], Manifest]) -> Manifest:
        meta = manifest["metadata"]
        call = Call(verb, manifest["kind"], meta["namespace"], meta["name"], body=clone(manifest))
        before = self.version
        position = len(self.calls)
        if call.kind != LEASE.kind:
            self.calls.append(call)
        self._strike(call, after=False)
        self.acting = verb
        try:
            answer = act()
        finally:
            self.acting = None
        if call.kind != LEASE.kind:
            self.calls[position] = Call(
                verb, call.kind, call.namespace, call.name, changed=self.version != before, body=call.body
            )
        self._strike(call, after=True)
        return clone(answer)

    def _strike(self, call: Call, *, after: bool) -> None:
        for fault in self.faults:
            if fault.after is after and fault.strikes(call):
                raise fault.error

    def _apply(self, manifest: Manifest, precondition: Precondition, manager: str) -> Manifest:
        if unknown := _misspelt(manifest):
            raise Invalid(f"failed to create typed patch object: .{unknown}: field not declared in schema")
        live = self._live(manifest, precondition)
        key = (_address(manifest), manager)
        merged = applied(live, manifest, self._applied.get(key, {}))
        self._applied[key] = clone(manifest)
        return self._update(live, defaulted(merged))

    def _live(self, manifest: Manifest, precondition: Precondition) -> Manifest:
        live = self.objects.get(_address(manifest))
        if live is None:
            raise Missing(f'{manifest["kind"]} "{manifest["metadata"]["name"]}" not found')
        meta = live["metadata"]
        if (meta["uid"], meta["resourceVersion"]) != (precondition.uid, precondition.resource_version):
            raise Conflict("the object has been modified; please apply your changes to the latest version")
        return live

    def _new(self, manifest: Manifest) -> Manifest:
        made = self._admitted(defaulted(manifest))
        meta = made["metadata"] = {**made["metadata"], "uid": f"uid-{next(self._uids)}"}
        meta.setdefault("creationTimestamp", self.timestamp)
        if made["kind"] in WITH_GENERATION:
            meta["generation"] = 1
        return made

    def _update(self, live: Manifest, changed: Manifest) -> Manifest:
        if self.acting:
            changed = self._admitted(clone(changed))
        if _bare(live) == _bare(changed):
            return live
        _check_immutable(live, changed)
        if changed["kind"] in WITH_GENERATION and live["spec"] != changed["spec"]:
            changed["metadata"] = {**changed["metadata"], "generation": live["metadata"]["generation"] + 1}
        return self._store("MODIFIED", changed)

    @property
    def version(self) -> int:
        """Rises with every change."""
        return next(copy.copy(self._versions))

    def _admitted(self, manifest: Manifest) -> Manifest:
        if manifest["kind"] == DEPLOYMENT.kind:
            self.webhook(manifest)
        return manifest

    def _store(self, event: str, manifest: Manifest) -> Manifest:
        manifest["metadata"] = {**manifest["metadata"], "resourceVersion": str(next(self._versions))}
        self.objects[_address(manifest)] = manifest
        self._tell(event, manifest)
        return manifest

    def _drop(self, address: Address) -> None:
        gone = self.objects.pop(address)
        for key in [k for k in self._applied if k[0] == address]:
            del self._applied[key]
        self._tell("DELETED", {**gone, "metadata": {**gone["metadata"], "resourceVersion": str(next(self._versions))}})

    def _tell(self, event: str, manifest: Manifest) -> None:
        if manifest["kind"] == LEASE.kind:
            return  # renewed every few seconds, and nobody watches it
        told = clone(manifest)
        for watcher in list(self.watchers):
            watcher(event, told)

    def _dependents(self, uid: str) -> Iterator[Manifest]:
        for manifest in list(self.objects.values()):
            if any(owner["uid"] == uid for owner in manifest["metadata"].get("ownerReferences", ())):
                yield manifest


def _address(manifest: Mapping[str, Any]) -> Address:
    assert manifest["kind"] in KINDS, f"a kind that the operator has no business with: {manifest['kind']}"
    return manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"]


def _bare(manifest: Manifest) -> Manifest:
    dropped = ("resourceVersion", "managedFields")
    return {**manifest, "metadata": {k: v for k, v in manifest["metadata"].items() if k not in dropped}}


def _disown(manifest: Manifest) -> None:
    del manifest["metadata"]["ownerReferences"]


def _misspelt(manifest: Manifest) -> str | None:
    """The path of an unknown field, where a user's words can be: a ModelDeployment's spec, and a pod's affinity."""
    if manifest["kind"] == MODEL_DEPLOYMENT.kind:
        unknown = sorted(set(manifest.get("spec", {})) - SPEC_FIELDS)
        return f"spec.{unknown[0]}" if unknown else None
    pod = {POD.kind: "spec", DEPLOYMENT.kind: "spec.template.spec"}.get(manifest["kind"])
    spec: Any = manifest
    for name in pod.split(".") if pod else ():
        spec = spec.get(name, {})
    unknown = sorted(set(spec.get("affinity", {}) if pod else ()) - {"nodeAffinity", "podAffinity", "podAntiAffinity"})
    return f"{pod}.affinity.{unknown[0]}" if unknown else None


def _check_immutable(live: Manifest, changed: Manifest) -> None:
    fixed = {
        CONFIG_MAP.kind: ("data", "binaryData", "immutable") if live.get("immutable") else (),
        CONTROLLER_REVISION.kind: ("data",),
        POD.kind: ("spec",),
    }.get(live["kind"], ())
    same = all(live.get(part) == changed.get(part) for part in fixed)
    if live["kind"] == DEPLOYMENT.kind:
        same = live["spec"]["selector"] == changed["spec"]["selector"]
    if not same:
        raise Invalid(f'{live["kind"]} "{live["metadata"]["name"]}" is invalid: field is immutable')
