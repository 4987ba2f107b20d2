"""How a request is held: Envoy asks the agent, and waits for its answer as long as the model allows. Pure.

The agent's answers: 200 with a destination lets the request go to that pod; any 4xx is a refusal, whose status becomes
503 on its way to the client (`listeners.py`). A 5xx is never sent: Envoy would take it for the agent's failure.
"""

from typing import Final

from serinus_api.gateway import HEADER_COLD_START, HEADER_DESTINATION
from serinus_api.runtime import HEADER_REVISION
from serinus_gateway.description import Model
from serinus_gateway.render.words import AGENT_CLUSTER, TYPES, Document, seconds

CHECK_PATH: Final = "/check"
MARGIN_SECONDS: Final = 5
"""The agent keeps the deadline; Envoy's own limits are a little later."""
RETRY_SECONDS: Final = 0.1
RETRIES: Final = 100
"""An agent that is restarted is asked again after 0.1 s, 0.3 s, 0.7 s … until it answers or the deadline passes."""
FOR_PODS: Final = (HEADER_DESTINATION, HEADER_COLD_START, HEADER_REVISION)
FOR_CLIENTS: Final = ("retry-after", "content-type")


def check_filter() -> Document:
    """The filter itself. It is on where a route says nothing, and then the agent knows no such model: a refusal."""
    return {
        "@type": f"{TYPES}.extensions.filters.http.ext_authz.v3.ExtAuthz",
        "transport_api_version": "V3",
        "http_service": _service(f"{CHECK_PATH}/", MARGIN_SECONDS),
        "status_on_error": {"code": "ServiceUnavailable"},
        "disallowed_headers": {"patterns": [{"exact": "authorization", "ignore_case": True}]},
        "clear_route_cache": False,
    }


def held_by_agent(model: Model, revision: str) -> Document:
    """A route's own setting: its requests wait for a pod of this revision."""
    path = f"{CHECK_PATH}/{model.namespace}/{model.name}/{revision}"
    service = _service(path, model.deadline_seconds + MARGIN_SECONDS)
    return _per_route({"check_settings": {"http_service": service}})


def unchecked() -> Document:
    """A route's own setting: its requests go straight to a pod."""
    return _per_route({"disabled": True})


def _service(path: str, timeout: int) -> Document:
    return {
        "server_uri": {"uri": "http://serinus-agent", "cluster": AGENT_CLUSTER, "timeout": seconds(timeout)},
        "path_override": path,
        "authorization_response": {
            "allowed_upstream_headers": {"patterns": [{"exact": name} for name in FOR_PODS]},
            "allowed_client_headers": {"patterns": [{"exact": name} for name in FOR_CLIENTS]},
        },
        "retry_policy": {
            # The longer interval is also how long one try may take, so it must not be below the deadline.
            "retry_back_off": {"base_interval": seconds(RETRY_SECONDS), "max_interval": seconds(timeout)},
            "num_retries": RETRIES,
            "retry_on": "connect-failure,reset",
        },
    }


def _per_route(settings: Document) -> Document:
    return {"@type": f"{TYPES}.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute", **settings}
