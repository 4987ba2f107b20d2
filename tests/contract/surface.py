"""What the cases of the contract take and share: one adapter of the port, manifests, waiting."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from serinus_api import names
from serinus_operator.cluster.port import (
    Cluster,
    Kind,
    Manifest,
    Precondition,
)

DEADLINE_SECONDS = 20.0
LABELS = {names.LABEL_MANAGED_BY: names.MANAGED_BY, names.LABEL_DEPLOYMENT: "iris"}


class Surface(Protocol):
    """One adapter, and a user's way in beside it."""

    cluster: Cluster
    namespace: str

    async def submit(self, manifest: Manifest) -> None:
        """As `kubectl create --validate=strict`. Raises Refused, Conflict."""

    async def change(self, manifest: Manifest) -> None:
        """As `kubectl apply` by the same user."""

    async def remove(self, kind: Kind, name: str) -> None:
        """As `kubectl delete`."""

    def watch(self, kind: Kind) -> list[tuple[str, Manifest]]:
        """What a watch of the kind in the namespace tells from now on: event and object. The list grows."""


def bound(live: Manifest) -> Precondition:
    return Precondition(live["metadata"]["uid"], live["metadata"]["resourceVersion"])


def owned(live: Manifest) -> dict[str, Any]:
    meta = live["metadata"]
    owner = {"apiVersion": live["apiVersion"], "kind": live["kind"], "name": meta["name"], "uid": meta["uid"]}
    return {"ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": False}]}


def config_map(surface: Surface, name: str = "settings", **data: str) -> Manifest:
    meta = {"name": name, "namespace": surface.namespace, "labels": LABELS}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data or {"a": "1"}}


def deployment(surface: Surface, replicas: int = 0) -> Manifest:
    labels = {**LABELS, names.LABEL_REVISION: "iris-1"}
    container = {"name": "runtime", "image": "none.invalid/none:1", "env": [{"name": "A", "value": "1"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "iris-1", "namespace": surface.namespace, "labels": LABELS},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def model(surface: Surface, name: str = "iris", **spec: Any) -> Manifest:
    meta = {"name": name, "namespace": surface.namespace}
    given = {"model": {"uri": "configmap://iris-model/model.onnx"}, **spec}
    return {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": meta, "spec": given}


async def found(surface: Surface, kind: Kind, name: str) -> Manifest:
    live = await surface.cluster.get(kind, surface.namespace, name)
    assert live is not None
    return {"apiVersion": kind.api_version, "kind": kind.kind, **live}


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await true():  # noqa: ASYNC110  # an API server cannot be awaited
            await asyncio.sleep(0.05)
