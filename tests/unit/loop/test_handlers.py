"""The edge to Kopf: an event updates the cache and puts a key on the queue, and Kopf writes nothing."""

from typing import Any

import kopf
import pytest

from serinus_api import names
from serinus_operator import handlers
from serinus_operator.cache import Cache
from serinus_operator.cluster.port import CHILDREN, DEPLOYMENT, MODEL_DEPLOYMENT
from serinus_operator.queue import Key


class Edge:
    def __init__(self) -> None:
        self.cache = Cache()
        self.keys: list[Key] = []
        self.registry = kopf.OperatorRegistry()
        handlers.register(self.registry, self.cache, self.keys.append)
        self.watching = self.registry._watching.get_all_handlers()

    async def hear(self, kind: str, event: str | None, manifest: dict[str, Any]) -> None:
        handler = next(h for h in self.watching if h.id == f"observe-{kind}")
        answer = await handler.fn(event={"type": event, "object": manifest}, patch=None, memo=None, body=manifest)
        assert answer is None, "Kopf would write it into the status"


@pytest.fixture
def edge() -> Edge:
    return Edge()


def manifest(name: str, **labels: str) -> dict[str, Any]:
    """As Kopf hands objects out: without apiVersion and kind in lists."""
    meta = {"namespace": "ml", "name": name, "uid": "u", "resourceVersion": "1", "labels": labels}
    return {"metadata": meta}


def test_every_kind_is_watched_and_children_only_with_our_label(edge: Edge) -> None:
    assert {h.id for h in edge.watching} == {f"observe-{k.plural}" for k in (MODEL_DEPLOYMENT, *CHILDREN)}
    for handler in edge.watching:
        ours = None if handler.id == "observe-modeldeployments" else {names.LABEL_MANAGED_BY: names.MANAGED_BY}
        assert handler.labels == ours


def test_nothing_but_events_is_registered(edge: Edge) -> None:
    """Anything else would make Kopf write annotations, finalizers or a status."""
    for registry in (edge.registry._changing, edge.registry._spawning, edge.registry._webhooks):
        assert registry.get_all_handlers() == []


@pytest.mark.parametrize("event", [None, "ADDED", "MODIFIED"])
async def test_seen_object_is_cached_and_its_model_queued(edge: Edge, event: str | None) -> None:
    await edge.hear("modeldeployments", event, manifest("iris"))
    await edge.hear("deployments", event, manifest("iris-1", **{names.LABEL_DEPLOYMENT: "iris"}))
    assert edge.keys == [Key("ml", "iris")] * 2
    assert edge.cache.get(MODEL_DEPLOYMENT, "ml", "iris")["kind"] == names.KIND
    assert edge.cache.get(DEPLOYMENT, "ml", "iris-1")["apiVersion"] == "apps/v1"


async def test_deleted_object_is_forgotten_and_its_model_queued(edge: Edge) -> None:
    labels = {names.LABEL_DEPLOYMENT: "iris"}
    await edge.hear("deployments", "ADDED", manifest("iris-1", **labels))
    await edge.hear("deployments", "DELETED", manifest("iris-1", **labels))
    assert edge.keys == [Key("ml", "iris")] * 2
    assert edge.cache.get(DEPLOYMENT, "ml", "iris-1") is None


async def test_object_of_nobody_queues_nothing(edge: Edge) -> None:
    await edge.hear("pods", "ADDED", manifest("stray"))
    assert edge.keys == []


async def test_child_that_loses_its_label_queues_the_model_that_misses_it(edge: Edge) -> None:
    await edge.hear("deployments", "ADDED", manifest("iris-1", **{names.LABEL_DEPLOYMENT: "iris"}))
    await edge.hear("deployments", "DELETED", manifest("iris-1"))
    assert edge.keys == [Key("ml", "iris")] * 2
