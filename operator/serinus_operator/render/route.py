"""The HTTPRoute of a model: attached to the user's Gateway, owned by the ModelDeployment. Core features alone.

    no candidate          everything → entry Service
    a candidate is tried  everything → entry Service and the candidate's own, by weight, marked `split`
    … and has a share     `rollout.match` → the candidate's own, marked `match`

The entry Service leads to the stable revision, and through the gateway where that sleeps. The backends stay the same
while a candidate is tried, at weight 0 too: only weights move. Every default of the API server is written out, and
rules have no name, for older releases of the Gateway API do not know one.
"""

from collections.abc import Iterator
from typing import Final

from serinus_api.gateway import DEADLINE_SECONDS
from serinus_api.runtime import HEADER_VIA
from serinus_api.v1alpha1 import RouteSpec
from serinus_operator.places import TIMEOUT_FEATURE, RouteLook
from serinus_operator.render.meta import labels
from serinus_operator.render.network import ENTRY_PORT
from serinus_operator.state import Decision, Manifest, Split, Subject

GROUP: Final = "gateway.networking.k8s.io"
WHOLE: Final = 100


def routes(subject: Subject, decision: Decision, look: RouteLook) -> Iterator[Manifest]:
    """The route for this decision; none where the spec asks for none, or the cluster does not take any."""
    route = subject.spec.route
    if route and decision.entry and look.parent and not (look.missing or look.denied):
        yield _http_route(subject, route, decision, look.features)


def _http_route(subject: Subject, route: RouteSpec, decision: Decision, features: frozenset[str] | None) -> Manifest:
    """`features`: what the Gateway's class supports; None: not known."""
    split = decision.split if decision.split and decision.split.candidate in decision.running else None
    timeout = _timeout(subject) if TIMEOUT_FEATURE in (features or ()) else {}
    rules = [{**rule, **timeout} for rule in _rules(subject, split)]
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": subject.name, "labels": labels(subject)},
        "spec": {
            "parentRefs": [
                {
                    "group": GROUP,
                    "kind": "Gateway",
                    "namespace": route.gateway_ref.namespace or subject.namespace,
                    "name": route.gateway_ref.name,
                }
            ],
            **({"hostnames": list(route.hostnames)} if route.hostnames else {}),
            "rules": rules,
        },
    }


def _rules(subject: Subject, split: Split | None) -> list[Manifest]:
    """The rule for everything stays first: of two that match, the one with more headers counts, wherever it stands.

    Gateways name what they configure by a rule's place. One that came before it would have everybody's requests change
    their cluster at that moment, and be without one for an instant.
    """
    if split is None:
        return [_rule([_backend(subject.name, WHOLE)], {"remove": [HEADER_VIA]})]
    backends = [_backend(subject.name, WHOLE - split.weight), _backend(split.candidate, split.weight)]
    rules = [_rule(backends, _mark("split"))]
    match = subject.spec.rollout.match
    if match and split.weight:
        headers = [{"type": "Exact", "name": one.name, "value": one.value} for one in match.headers]
        rules.append(_rule([_backend(split.candidate, WHOLE)], _mark("match"), headers))
    return rules


def _rule(backends: list[Manifest], modifier: Manifest, headers: list[Manifest] | None = None) -> Manifest:
    return {
        "matches": [{"path": {"type": "PathPrefix", "value": "/"}, **({"headers": headers} if headers else {})}],
        "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": modifier}],
        "backendRefs": backends,
    }


def _mark(via: str) -> Manifest:
    """Overwrites what a client says."""
    return {"set": [{"name": HEADER_VIA, "value": via}]}


def _backend(service: str, weight: int) -> Manifest:
    return {"group": "", "kind": "Service", "name": service, "port": ENTRY_PORT, "weight": weight}


def _timeout(subject: Subject) -> Manifest:
    """As long as the model itself may take, and one that sleeps wakes first. A gateway's own limit is often 15 s."""
    spec = subject.spec
    sleeps = spec.scaling is not None and spec.scaling.min_replicas == 0
    activation = spec.scaling.activation if spec.scaling else None
    wake = activation.deadline_seconds if activation else DEADLINE_SECONDS
    seconds = spec.runtime.request_timeout_seconds + (wake if sleeps else 0)
    return {"timeouts": {"request": f"{seconds}s"}}
