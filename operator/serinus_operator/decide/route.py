"""What is said of a model's HTTPRoute, and what a rollout may count on. Pure; called by `decide` and by `sightings`.

    first that holds                                           RouteReady
    ─────────────────────────────────────────────────────────  ───────────────────────────────────────────────
    the cluster does not know the kind                         False GatewayAPIMissing
    routes may not be listed                                   False RBACDenied
    the Gateway does not exist                                 False GatewayNotFound
    there is no route yet, or no controller has looked at it   Unknown WaitingForGateway
    … at our generation                                        Unknown WaitingForGateway
    Accepted is False                                          False NotAllowedByListeners, or NotAccepted
    ResolvedRefs is False                                      False RefsNotResolved
    otherwise                                                  True Accepted, or UnsupportedFeature for what it lacks

Whatever it is but True, the model waits for it: somebody may put it right at any time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from serinus_api.conditions import ConditionType, Reason
from serinus_operator.places import TIMEOUT_FEATURE, RouteLook
from serinus_operator.state import Decision, Finding, Health, Instant, Subject, Verdict

Manifest = Mapping[str, Any]
LOOK_SECONDS = 5.0
"""What stands in the way of a route is looked at so often."""
NOT_ALLOWED = "NotAllowedByListeners"


def told(subject: Subject, look: RouteLook, memory: float | None, decision: Decision, now: Instant) -> Decision:
    """The decision with `RouteReady`; one that would be settled waits until the route is taken.

    `memory`: since when it has not been. After `startupDeadlineSeconds` of that the model counts as stalled.
    """
    if look.parent is None:
        return decision
    found = condition(look)
    since = None if found.status == "True" else (now.monotonic if memory is None else memory)
    decision = replace(
        decision,
        findings={**decision.findings, ConditionType.ROUTE_READY: found},
        memory=replace(decision.memory, unrouted_since=since),
    )
    if since is None:
        return decision
    overdue = now.monotonic - since >= subject.spec.runtime.startup_deadline_seconds
    soon = min(LOOK_SECONDS, decision.requeue_seconds if decision.requeue_seconds is not None else LOOK_SECONDS)
    decision = replace(decision, requeue_seconds=soon)
    if decision.health is not Health.SETTLED:
        return decision
    return replace(decision, health=Health.STALLED if overdue else Health.WORKING, verdict=found.verdict)


def accepted(look: RouteLook) -> bool:
    """Whether the route as it is now was taken by its Gateway, backends and all."""
    return condition(look).status == "True"


def knows(look: RouteLook, revision: str | None) -> bool:
    """Whether a revision's Service is among the backends that were taken."""
    return revision in backends(look) and accepted(look)


def share(look: RouteLook) -> int | None:
    """Percent that the route, as it is written, sends past the entry Service; None: not known.

    A route that is not there sends nothing anywhere.
    """
    if look.route is None:
        return None if look.denied else 0
    weights = backends(look)
    whole = sum(weights.values())
    theirs = whole - weights.get(look.model[1], 0)
    return None if not whole else 100 * theirs // whole


def backends(look: RouteLook) -> dict[str, int]:
    """Weights by Service, of the rule for everything."""
    rules = look.route.get("spec", {}).get("rules", ()) if look.route else ()
    refs = (rules[0].get("backendRefs") or ()) if rules else ()
    return {ref.get("name", ""): ref.get("weight", 1) for ref in refs}


def condition(look: RouteLook) -> Finding:
    """`RouteReady`, by the table above."""
    gateway = f"Gateway {'/'.join(look.parent or ())}"
    if look.missing:
        words = "this cluster does not know HTTPRoutes (gateway.networking.k8s.io/v1); install the Gateway API's CRDs"
        return _found("False", Reason.GATEWAY_API_MISSING, f"{words} and a gateway, or remove spec.route")
    if look.denied:
        return _found("False", Reason.RBAC_DENIED, look.denied)
    if look.gateway_absent:
        words = f"{gateway} does not exist; create it, or correct spec.route.gatewayRef"
        return _found("False", Reason.GATEWAY_NOT_FOUND, words)
    route = look.route
    if route is None:
        return _found("Unknown", Reason.WAITING_FOR_GATEWAY, "the HTTPRoute is being made")
    entries = list(_entries(look))
    if not entries:
        words = f"no controller has looked at the HTTPRoute yet; see whether the one of {gateway}'s class runs"
        return _found("Unknown", Reason.WAITING_FOR_GATEWAY, words)
    return _judged(look, entries, gateway, route["metadata"].get("generation", 0))


def _judged(look: RouteLook, entries: list[Manifest], gateway: str, generation: int) -> Finding:
    """What the controllers say. An entry of one that has gone stays behind, so the newest ones count."""
    newest = max(map(_generation, entries))
    if newest < generation:
        return _found("Unknown", Reason.WAITING_FOR_GATEWAY, f"{gateway} has not looked at the present HTTPRoute yet")
    entries = [entry for entry in entries if _generation(entry) == newest]
    for kind in ("Accepted", "ResolvedRefs"):
        for entry in entries:
            found: Manifest = next((c for c in entry.get("conditions") or () if c.get("type") == kind), {})
            if found.get("status") == "False":
                return _refused(look, kind, found, gateway)
            if found.get("status") != "True":
                return _found("Unknown", Reason.WAITING_FOR_GATEWAY, f"{gateway} has not said {kind} yet")
    if look.features is not None and TIMEOUT_FEATURE not in look.features:
        words = f"{gateway} takes the HTTPRoute; its class does not support {TIMEOUT_FEATURE}, so its own time limit"
        return _found("True", Reason.UNSUPPORTED_FEATURE, f"{words} holds, and may end long requests")
    return _found("True", Reason.ACCEPTED, f"{gateway} takes the HTTPRoute")


def _refused(look: RouteLook, kind: str, found: Manifest, gateway: str) -> Finding:
    reason, said = found.get("reason", ""), found.get("message", "")
    words = f"{gateway}: {reason}: {said}".removesuffix(": ").removesuffix(".")
    if kind == "ResolvedRefs":
        return _found("False", Reason.REFS_NOT_RESOLVED, words)
    if reason != NOT_ALLOWED:
        return _found("False", Reason.NOT_ACCEPTED, words)
    return _found("False", Reason.NOT_ALLOWED_BY_LISTENERS, f"{words}. {_remedy(look, gateway)}")


def _remedy(look: RouteLook, gateway: str) -> str:
    """What to change, by listener where the Gateway may be read."""
    namespace = look.model[0]
    listeners = (look.gateway or {}).get("spec", {}).get("listeners", ())
    said = [f"listener {one.get('name')} {_admits(one, look)}" for one in listeners]
    change = (
        f"In a listener of {gateway}, set allowedRoutes.namespaces.from to All, or to Selector with labels that "
        f"namespace {namespace} has"
    )
    return "; ".join([*said, change])


def _admits(listener: Manifest, look: RouteLook) -> str:
    allowed = listener.get("allowedRoutes") or {}
    kinds = [kind.get("kind") for kind in allowed.get("kinds") or ()]
    if kinds and "HTTPRoute" not in kinds:
        return f"admits no HTTPRoute (allowedRoutes.kinds: {', '.join(map(str, kinds))})"
    namespaces = allowed.get("namespaces") or {}
    match namespaces.get("from", "Same"):
        case "All":
            return "admits every namespace"
        case "Selector":
            wanted = (namespaces.get("selector") or {}).get("matchLabels") or {}
            shown = ", ".join(f"{key}={value}" for key, value in sorted(wanted.items())) or "those of its selector"
            return f"admits namespaces with labels {shown}"
        case "Same":
            return f"admits namespace {(look.parent or ('', ''))[0]} alone"
        case other:
            return f"admits {other}"


def _entries(look: RouteLook) -> Iterator[Manifest]:
    """What is said of the route at our Gateway."""
    status = (look.route or {}).get("status") or {}
    for entry in status.get("parents") or ():
        ref = entry.get("parentRef") or {}
        if (ref.get("namespace", look.model[0]), ref.get("name")) == look.parent and entry.get("conditions"):
            yield entry


def _generation(entry: Manifest) -> int:
    """The oldest of an entry's conditions that matter: each speaks for itself."""
    told = (c for c in entry.get("conditions") or () if c.get("type") in ("Accepted", "ResolvedRefs"))
    return min((c.get("observedGeneration", 0) for c in told), default=0)


def _found(status: Any, reason: Reason, message: str) -> Finding:
    return Finding(status, Verdict(reason, message))
