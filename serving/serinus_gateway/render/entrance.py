"""The one port of local mode: which host name and which path is which model, and who answers the rest. Pure.

    <name>.localhost, <name>.<namespace>.localhost   the model; a name that nobody has is answered by the pages
    any other host, /models/<namespace>/<name>/…     the model, without what stands before `…`
    anything else                                    the pages

A model's requests go on to its own listener inside of Envoy: what holds for a gateway port holds here.
"""

from typing import Final

from serinus_gateway.description import Endpoint, Entrance, Fleet, Frontage, Model, Protocol
from serinus_gateway.render.clusters import common
from serinus_gateway.render.listeners import accepting, http_manager
from serinus_gateway.render.words import Document, address, listener_name

ENTRANCE_PATH: Final = "entrance/rds.json"
NAME: Final = "entrance"
PAGES: Final = "serinus-pages"


def entrance_listener(entrance: Entrance, frontage: Frontage) -> Document:
    """Where clients come in. A port that somebody else has is an error, not a port that is shared."""
    return {
        "name": NAME,
        "address": address(Endpoint(entrance.host, entrance.port)),
        "enable_reuse_port": False,
        "traffic_direction": "INBOUND",
        **accepting(http_manager(NAME, NAME, ENTRANCE_PATH, frontage, []), frontage),
    }


def entrance_clusters(fleet: Fleet, entrance: Entrance) -> list[Document]:
    """The models' listeners, and the pages."""
    inside = [
        _cluster(_name(model), {"envoy_internal_address": {"server_listener_name": listener_name(model)}})
        for model in fleet.models
    ]
    return [_cluster(PAGES, address(entrance.pages)), *inside]


def entrance_routes(fleet: Fleet, entrance: Entrance) -> Document:
    """The route configuration of the port."""
    hosts: dict[str, Model] = {}
    for model in fleet.models:
        for host in _hosts(model, entrance):
            hosts.setdefault(host, model)
    by_path = [rule for model in fleet.models for rule in _by_path(model, entrance)]
    pages = {"match": {"prefix": "/"}, "route": _to(PAGES)}
    strangers = [f"*.{entrance.domain}", f"*.{entrance.domain}."]
    return {
        "name": NAME,
        "ignore_port_in_host_matching": True,
        "virtual_hosts": [
            *(
                {
                    "name": host,
                    "domains": [host, f"{host}."],
                    "routes": [{"match": {"prefix": "/"}, "route": _to(_name(model))}],
                }
                for host, model in hosts.items()
            ),
            {"name": "strangers", "domains": strangers, "routes": [pages]},
            {"name": "paths", "domains": ["*"], "routes": [*by_path, pages]},
        ],
    }


def _hosts(model: Model, entrance: Entrance) -> tuple[str, ...]:
    """Names with a dot are found by path alone: `a.b.localhost` is the model `a` of the namespace `b`."""
    if "." in model.name:
        return ()
    whole = f"{model.name}.{model.namespace}.{entrance.domain}"
    return (whole, f"{model.name}.{entrance.domain}") if model.namespace == entrance.home else (whole,)


def _by_path(model: Model, entrance: Entrance) -> tuple[Document, ...]:
    path = f"{entrance.prefix}/{model.namespace}/{model.name}"
    route = {**_to(_name(model)), "prefix_rewrite": "/"}
    return {"match": {"prefix": f"{path}/"}, "route": route}, {"match": {"path": path}, "route": route}


def _to(cluster: str) -> Document:
    """How long a request may take is said by the model's own route."""
    return {"cluster": cluster, "timeout": "0s", "idle_timeout": "0s"}


def _name(model: Model) -> str:
    return f"{NAME}-{model.port}"


def _cluster(name: str, where: Document) -> Document:
    return {
        "name": name,
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": where}}]}],
        },
        **common(Protocol.HTTP1),
    }
