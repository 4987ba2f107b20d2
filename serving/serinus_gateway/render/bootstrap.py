"""What Envoy is started with: the few things that never change while it runs. Pure."""

from serinus_api.gateway import LIVE_PATH
from serinus_gateway.description import Endpoint, Frontage
from serinus_gateway.render.words import AGENT_CLUSTER, HTTP_OPTIONS, TYPES, UNLIMITED, Document, address, source

LOOPBACK = "127.0.0.1"
HEAP_BYTES = 512 * 1024 * 1024
"""Above nine tenths of it Envoy gives memory back, above 98 % it answers 503 rather than being killed."""
MAX_CONNECTIONS = 50_000


def bootstrap(frontage: Frontage) -> Document:
    """The bootstrap file of one gateway."""
    document: Document = {
        "node": {"id": "serinus-gateway", "cluster": "serinus-gateway"},
        "admin": {"address": address(Endpoint(LOOPBACK, frontage.admin_port))},
        "dynamic_resources": {
            "lds_config": {**source(frontage, "lds/lds.json"), "initial_fetch_timeout": "0s"},
            "cds_config": {**source(frontage, "cds/cds.json"), "initial_fetch_timeout": "0s"},
        },
        "static_resources": {
            "clusters": [_agent(frontage)],
            "listeners": [] if frontage.entrance else [_alive(frontage)],
        },
        "overload_manager": _overload(),
    }
    if frontage.entrance:
        inside = {"@type": f"{TYPES}.extensions.bootstrap.internal_listener.v3.InternalListener"}
        document["bootstrap_extensions"] = [{"name": "envoy.bootstrap.internal_listener", "typed_config": inside}]
    return document


def _agent(frontage: Frontage) -> Document:
    """The agent on loopback. A dead one is noticed by the refused connection; the check itself is tried again."""
    endpoint = {"endpoint": {"address": address(Endpoint(LOOPBACK, frontage.check_port))}}
    return {
        "name": AGENT_CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "circuit_breakers": {
            "thresholds": [
                dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), UNLIMITED)
            ]
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": HTTP_OPTIONS,
                "explicit_http_config": {"http_protocol_options": {}},
                "common_http_protocol_options": {"idle_timeout": "30s"},
            }
        },
        "load_assignment": {"cluster_name": AGENT_CLUSTER, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _alive(frontage: Frontage) -> Document:
    """For the kubelet: Envoy's workers answer."""
    routes = [
        {"match": {"path": LIVE_PATH}, "direct_response": {"status": 200, "body": {"inline_string": "ok\n"}}},
    ]
    manager = {
        "@type": f"{TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "alive",
        "route_config": {"name": "alive", "virtual_hosts": [{"name": "alive", "domains": ["*"], "routes": routes}]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{TYPES}.extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    return {
        "name": "alive",
        "address": address(Endpoint(frontage.listen_host, frontage.health_port)),
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }


def _overload() -> Document:
    heap = "envoy.resource_monitors.fixed_heap"
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [
            {
                "name": heap,
                "typed_config": {
                    "@type": f"{TYPES}.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
                    "max_heap_size_bytes": HEAP_BYTES,
                },
            },
            {
                "name": "envoy.resource_monitors.global_downstream_max_connections",
                "typed_config": {
                    "@type": f"{TYPES}.extensions.resource_monitors.downstream_connections.v3."
                    "DownstreamConnectionsConfig",
                    "max_active_downstream_connections": MAX_CONNECTIONS,
                },
            },
        ],
        "actions": [
            {"name": f"envoy.overload_actions.{action}", "triggers": [{"name": heap, "threshold": {"value": value}}]}
            for action, value in (("shrink_heap", 0.9), ("stop_accepting_requests", 0.98))
        ],
    }
