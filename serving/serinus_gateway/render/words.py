"""Small pieces of Envoy's language that every part of the configuration uses, and our names in it."""

from typing import Any

from serinus_gateway.description import Endpoint, Frontage, Model

Document = dict[str, Any]

TYPES = "type.googleapis.com/envoy"
CLUSTER_TYPE = f"{TYPES}.config.cluster.v3.Cluster"
LISTENER_TYPE = f"{TYPES}.config.listener.v3.Listener"
ROUTES_TYPE = f"{TYPES}.config.route.v3.RouteConfiguration"
ENDPOINTS_TYPE = f"{TYPES}.config.endpoint.v3.ClusterLoadAssignment"
HTTP_OPTIONS = f"{TYPES}.extensions.upstreams.http.v3.HttpProtocolOptions"

AGENT_CLUSTER = "serinus-agent"
HELD_CLUSTERS = {"HTTP1": "serinus-held", "H2C": "serinus-held-h2c"}
CHECK_FILTER = "envoy.filters.http.ext_authz"
UNLIMITED = 1_000_000
"""For thresholds of Envoy that would refuse at 1,024: bounds are kept by the agent and by the pods."""


def model_folder(model: Model) -> str:
    """The folder of a model's own files."""
    return f"models/{model.port}"


def routes_path(model: Model) -> str:
    """The file with a model's routes."""
    return f"{model_folder(model)}/rds.json"


def endpoints_path(model: Model, revision: str) -> str:
    """The file with the pods of a revision."""
    return f"{model_folder(model)}/eds-{revision}.json"


def route_name(model: Model) -> str:
    """Name of the route configuration, also of the listener and in statistics: `model-20017`."""
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
