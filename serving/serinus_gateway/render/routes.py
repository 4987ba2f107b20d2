"""The routes of models: who gets which part, under which timeouts, checked or not. Pure."""

from collections.abc import Sequence
from typing import Final

from serinus_api.gateway import HEADER_COLD_START
from serinus_api.runtime import HEADER_REVISION, HEADER_VIA
from serinus_gateway.description import Model, Share
from serinus_gateway.render.checks import MARGIN_SECONDS, held_by_agent, unchecked
from serinus_gateway.render.words import (
    CHECK_FILTER,
    HEADER_MODEL,
    HELD_CLUSTERS,
    Document,
    cluster_name,
    overwrite,
    routes_name,
    seconds,
)

IDLE_SECONDS: Final = 300
"""A stream may rest this long at least, as in Envoy's own default: server-sent events, WebSocket."""
RETRIES: Final = 3
CHOICES: Final = 16
"""A pod is chosen by chance, and this often anew where it was tried before: of two, the dead one in 1 of 65,536."""


def routes(shard: int, models: Sequence[Model]) -> Document:
    """The route configuration of some models: any host name, any path, told apart by their listeners' header."""
    name = routes_name(shard)
    rules = [rule for model in models for rule in _rules(model)]
    return {
        "name": name,
        "virtual_hosts": [{"name": name, "domains": ["*"], "routes": rules}],
        "request_headers_to_remove": ["x-envoy-external-address", "x-envoy-internal", HEADER_MODEL],
    }


def _rules(model: Model) -> list[Document]:
    split = _route(model, tuple(share for share in model.shares if share.weight > 0), "split", matched=False)
    return [_route(model, model.shares[-1:], "match", matched=True), split] if model.match else [split]


def _route(model: Model, shares: tuple[Share, ...], via: str, *, matched: bool) -> Document:
    wanted = [(HEADER_MODEL, str(model.port)), *((one.name, one.value) for one in model.match if matched)]
    headers = [{"name": name, "string_match": {"exact": value}} for name, value in wanted]
    rest = max(IDLE_SECONDS, model.request_timeout_seconds + MARGIN_SECONDS)
    if any(share.guarded for share in shares):
        rest = max(rest, model.deadline_seconds + model.request_timeout_seconds + MARGIN_SECONDS)
    weight = 100 if matched else None
    action: Document = {
        "weighted_clusters": {"clusters": [_destination(model, share, via, weight) for share in shares]},
        # The pod ends a request that takes too long; a stream of events or a WebSocket has no end to wait for.
        "timeout": "0s",
        "idle_timeout": seconds(rest),
    }
    if not any(share.guarded for share in shares):
        action["retry_policy"] = _elsewhere()
    return {"match": {"prefix": "/", "headers": headers}, "route": action}


def _destination(model: Model, share: Share, via: str, weight: int | None) -> Document:
    held = share.guarded
    return {
        "name": HELD_CLUSTERS[model.protocol] if held else cluster_name(model.namespace, share.revision),
        "weight": share.weight if weight is None else weight,
        "request_headers_to_add": [overwrite(HEADER_VIA, via)],
        "response_headers_to_add": [
            # What is held may have gone to the revision that has replaced this one meanwhile.
            overwrite(HEADER_REVISION, f"%REQ({HEADER_REVISION})%" if held else share.revision),
            *([overwrite(HEADER_COLD_START, f"%REQ({HEADER_COLD_START})%")] if held else []),
        ],
        "typed_per_filter_config": {CHECK_FILTER: held_by_agent(model, share.revision) if held else unchecked()},
    }


def _elsewhere() -> Document:
    """Sent again is what no pod has worked on: not accepted, or answered 429; and only while its body is at hand."""
    return {
        "retry_on": "connect-failure,refused-stream,reset-before-request,retriable-status-codes",
        "retriable_status_codes": [429],
        "num_retries": RETRIES,
        "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
                },
            }
        ],
        "host_selection_retry_max_attempts": CHOICES,
    }
