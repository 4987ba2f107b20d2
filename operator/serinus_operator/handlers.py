"""The edge to Kopf: every event of a watch updates the cache and puts a key on the queue. Nothing else happens here.

Only `on.event` is used: Kopf then writes nothing of its own, no finalizer, no annotation, no status.
"""

from collections.abc import Callable
from typing import Any

import kopf

from serinus_api import names
from serinus_operator.cache import Cache, owner_key
from serinus_operator.cluster.port import CHILDREN, MODEL_DEPLOYMENT, Kind
from serinus_operator.queue import Key


class NoDiffs(kopf.DiffBaseStorage):
    """Kopf compares each object with its last-handled state, by deep copies and even when nobody asks: it need not."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        """Nothing of an object matters to Kopf."""
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        """Nothing was handled before."""
        return None

    def store(self, **_: Any) -> None:
        """Nothing is kept."""


def register(registry: kopf.OperatorRegistry, cache: Cache, enqueue: Callable[[Key], None]) -> None:
    """Watch ModelDeployments and their children."""
    for kind in (MODEL_DEPLOYMENT, *CHILDREN):
        _watch(registry, kind, cache, enqueue)


def _watch(registry: kopf.OperatorRegistry, kind: Kind, cache: Cache, enqueue: Callable[[Key], None]) -> None:
    labels = None if kind is MODEL_DEPLOYMENT else {names.LABEL_MANAGED_BY: names.MANAGED_BY}

    @kopf.on.event(
        kind.group or "", kind.version, kind.plural, labels=labels, registry=registry, id=f"observe-{kind.plural}"
    )
    async def observed(event: kopf.RawEvent, **_: Any) -> None:
        manifest: dict[str, Any] = {**event["object"], "apiVersion": kind.api_version, "kind": kind.kind}
        concerned = {cache.owner(manifest), owner_key(manifest)}
        if event["type"] == "DELETED":
            cache.drop(manifest)
        else:
            cache.put(manifest)
        for key in filter(None, concerned):
            enqueue(key)
