"""All dynamic files of a gateway. Pure."""

import hashlib
import json

from serinus_gateway.description import Fleet, Frontage
from serinus_gateway.render.clusters import held_clusters, warm_cluster
from serinus_gateway.render.entrance import ENTRANCE_PATH, entrance_clusters, entrance_listener, entrance_routes
from serinus_gateway.render.listeners import listener
from serinus_gateway.render.routes import routes
from serinus_gateway.render.words import (
    CLUSTER_TYPE,
    LISTENER_TYPE,
    ROUTES_TYPE,
    SHARDS,
    Document,
    routes_path,
    shard_of,
)

Documents = dict[str, Document]

__all__ = ["Document", "Documents", "render", "routes_version"]


def render(fleet: Fleet, frontage: Frontage) -> Documents:
    """Every file but the bootstrap, by path, in the order in which they are to be written.

    Routes come before the clusters: a revision that goes is left first. One that comes is checked at first (`plan.py`),
    so that its cluster is there when a route leads to it.
    """
    documents: Documents = {routes_path(shard): _routes(fleet, shard) for shard in range(SHARDS)}
    warm = [warm_cluster(model, share) for model in fleet.models for share in model.shares if share.has_cluster]
    listeners = [listener(model, frontage) for model in fleet.models]
    clusters = [*held_clusters(), *warm]
    if entrance := frontage.entrance:
        listeners.append(entrance_listener(entrance, frontage))
        clusters += entrance_clusters(fleet, entrance)
        documents[ENTRANCE_PATH] = _response(ROUTES_TYPE, [entrance_routes(fleet, entrance)])
    documents["cds/cds.json"] = _response(CLUSTER_TYPE, clusters)
    documents["lds/lds.json"] = _response(LISTENER_TYPE, listeners)
    return documents


def routes_version(documents: Documents, shard: int) -> str:
    """What Envoy tells as the version of these routes once it has taken them."""
    return str(documents[routes_path(shard)]["version_info"])


def _routes(fleet: Fleet, shard: int) -> Document:
    models = [model for model in fleet.models if shard_of(model) == shard]
    return _response(ROUTES_TYPE, [routes(shard, models)])


def _response(kind: str, resources: list[Document]) -> Document:
    """A discovery response whose version is a hash of what it says."""
    typed = [{"@type": kind, **resource} for resource in resources]
    digest = hashlib.sha256(json.dumps(typed, sort_keys=True).encode()).hexdigest()
    return {"version_info": digest[:16], "resources": typed}
