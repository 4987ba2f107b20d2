"""All dynamic files of a gateway. Pure."""

import hashlib
import json

from serinus_gateway.description import Fleet, Frontage, Model, Share
from serinus_gateway.render.clusters import held_clusters, warm_cluster
from serinus_gateway.render.listeners import listener
from serinus_gateway.render.routes import routes
from serinus_gateway.render.words import (
    CLUSTER_TYPE,
    ENDPOINTS_TYPE,
    LISTENER_TYPE,
    ROUTES_TYPE,
    Document,
    address,
    cluster_name,
    endpoints_path,
    routes_path,
)

Documents = dict[str, Document]

__all__ = ["Document", "Documents", "render", "routes_path", "routes_version"]


def render(fleet: Fleet, frontage: Frontage) -> Documents:
    """Every file but the bootstrap, by path; a model's own files come before the lists that name them."""
    documents: Documents = {}
    clusters = held_clusters()
    for model in fleet.models:
        documents[routes_path(model)] = _response(ROUTES_TYPE, [routes(model)])
        for share in model.shares:
            if share.has_cluster:
                documents[endpoints_path(model, share.revision)] = _response(
                    ENDPOINTS_TYPE, [_assignment(model, share)]
                )
                clusters.append(warm_cluster(model, share.revision, frontage))
    documents["cds/cds.json"] = _response(CLUSTER_TYPE, clusters)
    documents["lds/lds.json"] = _response(LISTENER_TYPE, [listener(model, frontage) for model in fleet.models])
    return documents


def routes_version(model: Model) -> str:
    """What Envoy tells as the version of a model's routes once it has taken them."""
    version = _response(ROUTES_TYPE, [routes(model)])["version_info"]
    assert isinstance(version, str)
    return version


def _assignment(model: Model, share: Share) -> Document:
    members = [{"endpoint": {"address": address(endpoint)}} for endpoint in sorted(share.endpoints)]
    return {"cluster_name": cluster_name(model.namespace, share.revision), "endpoints": [{"lb_endpoints": members}]}


def _response(kind: str, resources: list[Document]) -> Document:
    """A discovery response whose version is a hash of what it says."""
    typed = [{"@type": kind, **resource} for resource in resources]
    digest = hashlib.sha256(json.dumps(typed, sort_keys=True).encode()).hexdigest()
    return {"version_info": digest[:16], "resources": typed}
