"""Small pieces of Envoy's language that every part of the configuration uses, and our names in it."""

from typing import Any

from serinus_gateway.description import Endpoint, Frontage, Model

Document = dict[str, Any]

TYPES = "type.googleapis.com/envoy"
CLUSTER_TYPE = f"{TYPES}.config.cluster.v3.Cluster"
LISTENER_TYPE = f"{TYPES}.config.listener.v3.Listener"
ROUTES_TYPE = f"{TYPES}.config.route.v3.RouteConfiguration"
HTTP_OPTIONS = f"{TYPES}.extensions.upstreams.http.v3.HttpProtocolOptions"

AGENT_CLUSTER = "serinus-agent"
HELD_CLUSTERS = {"HTTP1": "serinus-held", "H2C": "serinus-held-h2c"}
CHECK_FILTER = "envoy.filters.http.ext_authz"
SHARDS = 8
"""Envoy spends an inotify instance on each file that it watches, and all processes of one user on a node have 128 of
them by default. So a model has no file of its own; and a change reads an eighth of the routes anew, not all."""
HEADER_MODEL = "x-serinus-model"
"""Set by a model's listener to its port: the routes tell models apart by it."""
UNLIMITED = 1_000_000
"""For thresholds of Envoy that would refuse at 1,024: bounds are kept by the agent and by the pods."""


def shard_of(model: Model) -> int:
    """Which of the route files holds a model's routes."""
    return model.port % SHARDS


def routes_path(shard: int) -> str:
    """A file with the routes of some models."""
    return f"rds-{shard}/rds.json"


def routes_name(shard: int) -> str:
    """Name of its route configuration."""
    return f"models-{shard}"


def listener_name(model: Model) -> str:
    """Name of a model's listener, also in statistics: `model-20017`."""
    return f"model-{model.port}"


def cluster_name(namespace: str, revision: str) -> str:
    """Name of a revision's cluster: `ml/iris-1a2b3c4d`."""
    return f"{namespace}/{revision}"


def source(frontage: Frontage, path: str) -> Document:
    """Where a part is read from: a file, looked at again whenever something is renamed into its folder."""
    folder, _, _ = path.rpartition("/")
    return {
        "path_config_source": {
            "path": f"{frontage.folder}/{path}",
            "watched_directory": {"path": f"{frontage.folder}/{folder}"},
        },
        "resource_api_version": "V3",
    }


def address(endpoint: Endpoint) -> Document:
    """A TCP address; `::` takes IPv4 as well."""
    socket: Document = {"address": endpoint.host, "port_value": endpoint.port}
    if endpoint.host == "::":
        socket["ipv4_compat"] = True
    return {"socket_address": socket}


def seconds(number: float) -> str:
    """A duration: `1.5s`."""
    return f"{number:g}s"


def overwrite(name: str, value: str) -> Document:
    """A header that replaces any of its name; an empty value adds none."""
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
