"""One listener per model: what is accepted, what is stripped, how it ends. Pure.

It says nothing that changes in a model's life, because a changed listener ends its connections; weights, timeouts and
the check are in the routes (`routes.py`).
"""

from typing import Final

from serinus_gateway.description import Endpoint, Frontage, Model
from serinus_gateway.render.checks import check_filter
from serinus_gateway.render.words import (
    CHECK_FILTER,
    HEADER_MODEL,
    TYPES,
    Document,
    address,
    listener_name,
    overwrite,
    routes_name,
    routes_path,
    shard_of,
    source,
)

HEADER_SECONDS: Final = 10
"""A client has this long to send its headers."""
IDLE_SECONDS: Final = 60
MAX_HEADERS_KIB: Final = 32
INTERNAL: Final = "^x[-_](serinus|envoy)[-_].*"
"""Names of headers that are ours or Envoy's to set, also as a server would read them that takes `_` for `-`."""
STREAM_WINDOW: Final = 128 * 1024
CONNECTION_WINDOW: Final = 1024 * 1024


def listener(model: Model, frontage: Frontage) -> Document:
    """The gateway port of a model; behind an entrance the same, but inside of Envoy."""
    name, shard = listener_name(model), shard_of(model)
    more = {
        "early_header_mutation_extensions": [_own_headers(model)],
        "common_http_protocol_options": {
            "idle_timeout": f"{IDLE_SECONDS}s",
            "max_connection_duration": f"{frontage.connection_seconds}s",
        },
        # Without it a client that is just sending on an old connection is cut; with it the last answer says `close`.
        "http1_safe_max_connection_duration": True,
    }
    check = {"name": CHECK_FILTER, "typed_config": check_filter()}
    manager = {**http_manager(name, routes_name(shard), routes_path(shard), frontage, [check]), **more}
    where = {"address": address(Endpoint(frontage.listen_host, model.port))}
    return {"name": name, **({"internal_listener": {}} if frontage.entrance else where), **accepting(manager, frontage)}


def accepting(manager: Document, frontage: Frontage) -> Document:
    """The part of a listener that says what is done with a connection."""
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    return {
        "per_connection_buffer_limit_bytes": frontage.buffer_bytes,
        "filter_chains": [{"filters": filters}],
    }


def http_manager(name: str, routes: str, path: str, frontage: Frontage, filters: list[Document]) -> Document:
    """What is common to everything that takes requests. `routes` and `path`: the route configuration and its file."""
    return {
        "@type": f"{TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "codec_type": "AUTO",
        "rds": {"route_config_name": routes, "config_source": source(frontage, path)},
        "http_filters": [
            *filters,
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": f"{TYPES}.extensions.filters.http.router.v3.Router",
                    "suppress_envoy_headers": True,
                },
            },
        ],
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        # The client is not trusted, but nothing is told of it that it did not say itself, as without a gateway.
        "use_remote_address": True,
        "skip_xff_append": True,
        "generate_request_id": False,
        "server_header_transformation": "PASS_THROUGH",
        "max_request_headers_kb": MAX_HEADERS_KIB,
        "request_headers_timeout": f"{HEADER_SECONDS}s",
        "http2_protocol_options": {
            "initial_stream_window_size": STREAM_WINDOW,
            "initial_connection_window_size": CONNECTION_WINDOW,
        },
        "local_reply_config": _local_replies(),
    }


def _own_headers(model: Model) -> Document:
    """Take what a client says in our name away, and say which model it is; before any route is chosen."""
    strip = {"remove_on_match": {"key_matcher": {"safe_regex": {"regex": INTERNAL}}}}
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": f"{TYPES}.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
            "mutations": [strip, {"append": overwrite(HEADER_MODEL, str(model.port))}],
        },
    }


def _local_replies() -> Document:
    """Answers of Envoy itself: the agent's refusals as they are but with status 503, all others in the same form."""
    refused = {
        "filter": {
            "and_filter": {"filters": [{"response_flag_filter": {"flags": ["UAEX"]}}, _status("LE", 499)]},
        },
        "status_code": 503,
        "body_format_override": {
            "text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"},
            "content_type": "application/json",
        },
    }
    unavailable = {
        "filter": _status("EQ", 503),
        "headers_to_add": [{"header": {"key": "retry-after", "value": "1"}, "append_action": "ADD_IF_ABSENT"}],
    }
    return {
        "mappers": [refused, unavailable],
        "body_format": {"json_format": {"error": "gateway: %LOCAL_REPLY_BODY% (%RESPONSE_CODE_DETAILS%)"}},
    }


def _status(comparison: str, code: int) -> Document:
    value = {"default_value": code, "runtime_key": "serinus.unused"}
    return {"status_code_filter": {"comparison": {"op": comparison, "value": value}}}
