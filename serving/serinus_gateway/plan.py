"""From what is known of the models to what Envoy shall do. Pure.

The check is on for a revision unless all of this holds; a request then meets no pod that is gone, and wakes a sleeper:

    the model is plainly awake (`settled`)   its status says Awake: no sleep begun, no wake under way
    the revision has a ready pod
    Envoy knows the revision's pods already  a route to a cluster that it does not know would answer 503
"""

from collections.abc import Iterable

from serinus_gateway.description import Fleet, Model, ModelKey, Share
from serinus_gateway.render.words import cluster_name
from serinus_gateway.world import ModelView


def plan(views: Iterable[ModelView], known_clusters: frozenset[str]) -> Fleet:
    """The description of all models, by port. Of two models with one port the older is served."""
    by_port: dict[int, ModelView] = {}
    for view in sorted(views, key=lambda v: (v.created, v.key)):
        by_port.setdefault(view.port, view)
    return Fleet(tuple(_model(by_port[port], known_clusters) for port in sorted(by_port)))


def displaced(views: Iterable[ModelView], fleet: Fleet) -> tuple[ModelKey, ...]:
    """Models that are not served, because another one has their port."""
    return tuple(sorted({view.key for view in views} - {model.key for model in fleet.models}))


def _model(view: ModelView, known: frozenset[str]) -> Model:
    weights = {view.stable: 100}
    if view.candidate and view.candidate != view.stable:
        weights = {view.stable: 100 - view.weight, view.candidate: view.weight}
    return Model(
        namespace=view.namespace,
        name=view.name,
        port=view.port,
        shares=tuple(_share(view, revision, weight, known) for revision, weight in weights.items()),
        match=view.match if len(weights) > 1 else (),
        protocol=view.protocol,
        request_timeout_seconds=view.request_timeout_seconds,
        deadline_seconds=view.activation.deadline_seconds,
    )


def _share(view: ModelView, revision: str, weight: int, known: frozenset[str]) -> Share:
    endpoints = tuple(sorted(pod.http for pod in view.pods_of(revision) if pod.ready and pod.http))
    warm = view.settled and bool(endpoints) and cluster_name(view.namespace, revision) in known
    return Share(revision=revision, weight=weight, guarded=not warm, endpoints=endpoints)
