"""The objects last seen: filled by the events of the watches, by our own writes, and by a full list once a minute.

Keys are kind, namespace and name. An older version of an object never replaces a newer one, so a slow watch event
cannot undo what one of our own writes returned.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from serinus_api import names
from serinus_operator.cluster.errors import Denied
from serinus_operator.cluster.port import Kind, Manifest
from serinus_operator.queue import Key

Address = tuple[str, str, str]


def owner_key(manifest: Mapping[str, Any]) -> Key | None:
    """The ModelDeployment that an object belongs to: itself, or by its label. None for an object of someone else."""
    meta = manifest["metadata"]
    if manifest.get("kind") == names.KIND:
        return Key(meta["namespace"], meta["name"])
    name = meta.get("labels", {}).get(names.LABEL_DEPLOYMENT)
    return Key(meta["namespace"], name) if name else None


def controller_of(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """The owner reference that controls an object; empty for one that nothing controls."""
    owners = manifest["metadata"].get("ownerReferences", ())
    return next((owner for owner in owners if owner.get("controller")), {})


class Cache:
    """Objects by address, and the children of each ModelDeployment."""

    def __init__(self) -> None:
        self._objects: dict[Address, Manifest] = {}
        self._children: defaultdict[Key, set[Address]] = defaultdict(set)
        self._owners: dict[Address, Key] = {}
        self.denied: dict[tuple[str, Kind], Denied] = {}
        """By verb, the kinds that the operator may not `list` or `watch` any more: what is known of them may be old."""

    def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """The object last seen, or None."""
        return self._objects.get((kind.kind, namespace, name))

    def children(self, key: Key, kind: Kind) -> list[Manifest]:
        """The objects of a kind that carry the label of a ModelDeployment, by name."""
        found = sorted(address for address in self._children.get(key, ()) if address[0] == kind.kind)
        return [self._objects[address] for address in found]

    def keys(self, kind: Kind) -> Iterator[Key]:
        """Namespaces and names of all objects of a kind."""
        return (Key(namespace, name) for k, namespace, name in list(self._objects) if k == kind.kind)

    def owner(self, manifest: Manifest) -> Key | None:
        """The ModelDeployment whose child this object was when it was last seen; its label may be gone since."""
        return self._owners.get(_address(manifest))

    def put(self, manifest: Manifest) -> None:
        """Take in an object unless a newer version of it is known."""
        address = _address(manifest)
        known = self._objects.get(address)
        if known is not None and _newer(known, manifest):
            return
        meta = {k: v for k, v in manifest["metadata"].items() if k != "managedFields"}
        self._objects[address] = {**manifest, "metadata": meta}
        self._place(address, None if manifest["kind"] == names.KIND else owner_key(manifest))

    def drop(self, manifest: Manifest) -> None:
        """Forget an object that is gone; a newer one of the same name stays."""
        address = _address(manifest)
        known = self._objects.get(address)
        if known is None or known["metadata"]["uid"] != manifest["metadata"]["uid"]:
            return
        del self._objects[address]
        self._place(address, None)

    def _place(self, address: Address, key: Key | None) -> None:
        """Make it a child of `key`, and of nobody else."""
        if (before := self._owners.pop(address, None)) and before != key:
            self._children[before].discard(address)
            if not self._children[before]:
                del self._children[before]
        if key:
            self._owners[address] = key
            self._children[key].add(address)

    def refresh(self, live: Iterable[Manifest], *, before: Mapping[Address, str]) -> None:
        """Take in a full list of a kind; drop what was known `before` the list was asked for and is not in it."""
        seen = set()
        for manifest in live:
            seen.add(_address(manifest))
            self.put(manifest)
        for address, version in before.items():
            known = self._objects.get(address)
            if address not in seen and known and known["metadata"]["resourceVersion"] == version:
                self.drop(known)

    def versions(self, kind: Kind) -> dict[Address, str]:
        """The resourceVersions known now, to be handed to `refresh`."""
        return {a: m["metadata"]["resourceVersion"] for a, m in self._objects.items() if a[0] == kind.kind}


def _address(manifest: Manifest) -> Address:
    return manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"]


def _newer(known: Manifest, other: Manifest) -> bool:
    """Whether `known` is of a later version. Versions of one kind are compared as numbers, as the API allows."""
    mine, theirs = known["metadata"]["resourceVersion"], other["metadata"]["resourceVersion"]
    return mine.isdigit() and theirs.isdigit() and int(mine) > int(theirs)
