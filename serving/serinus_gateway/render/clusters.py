"""Where requests go to: pods by name of the agent (held), or by Envoy's own choice (warm). Pure."""

from typing import Final

from serinus_api.gateway import HEADER_DESTINATION
from serinus_gateway.description import Model, Protocol, Share
from serinus_gateway.render.words import (
    HELD_CLUSTERS,
    HTTP_OPTIONS,
    UNLIMITED,
    Document,
    address,
    cluster_name,
)

IDLE_SECONDS: Final = 3
"""Below the pods' own keep-alive, so that a request never meets a connection which its pod is closing."""
CONNECT_SECONDS: Final = 1
STREAM_WINDOW: Final = 256 * 1024
CONNECTION_WINDOW: Final = 1024 * 1024


def held_clusters() -> list[Document]:
    """The destination is the pod that the agent's answer names. One per protocol, for all models."""
    return [
        {
            "name": HELD_CLUSTERS[protocol],
            "type": "ORIGINAL_DST",
            "lb_policy": "CLUSTER_PROVIDED",
            "original_dst_lb_config": {"use_http_header": True, "http_header_name": HEADER_DESTINATION},
            **common(protocol),
        }
        for protocol in Protocol
    ]


def warm_cluster(model: Model, share: Share) -> Document:
    """The ready pods of a revision; a request that one does not accept goes to another."""
    name = cluster_name(model.namespace, share.revision)
    members = [{"endpoint": {"address": address(endpoint)}} for endpoint in sorted(share.endpoints)]
    return {
        "name": name,
        "type": "STATIC",
        "lb_policy": "LEAST_REQUEST",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": members}]},
        **common(model.protocol),
    }


def common(protocol: Protocol) -> Document:
    """What holds for every destination of requests, wherever it is."""
    http: Document = {"http_protocol_options": {}}
    if protocol is Protocol.H2C:
        windows = {
            "initial_stream_window_size": STREAM_WINDOW,
            "initial_connection_window_size": CONNECTION_WINDOW,
        }
        http = {"http2_protocol_options": windows}
    limits = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), UNLIMITED)
    return {
        "connect_timeout": f"{CONNECT_SECONDS}s",
        "circuit_breakers": {"thresholds": [limits]},
        "per_connection_buffer_limit_bytes": STREAM_WINDOW,
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": HTTP_OPTIONS,
                "explicit_http_config": http,
                "common_http_protocol_options": {"idle_timeout": f"{IDLE_SECONDS}s"},
            }
        },
    }
