"""Does a live object still agree with what we rendered? Pure; decides whether anything is written at all.

Every field that we render must be there with its value. Fields that we do not render are the API server's or other
people's, except where an addition would change what we mean: selectors, and lists such as containers or ports, must
match in full, and nothing of `OVERRIDING` may be added. Quantities are compared by value, because the API server
rewrites `1000m` to `1`.
"""

from collections.abc import Mapping
from typing import Any

from serinus_operator.quantity import amount

EXACT = frozenset({"selector", "matchLabels", "nodeSelector"})
OF_USERS = frozenset({"labels", "annotations"})
OVERRIDING = frozenset(
    {
        *("command", "envFrom", "lifecycle", "workingDir", "volumeDevices", "privileged"),  # of a container
        *("initContainers", "hostAliases", "hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"),  # of a pod
        *("affinity", "nodeName", "nodeSelector", "runtimeClassName", "schedulingGates", "serviceAccountName"),
        *("hostnames", "sectionName", "headers", "queryParams", "method", "timeouts", "retry", "sessionPersistence"),
        *("paused", "minReadySeconds", "publishNotReadyAddresses", "externalIPs"),  # of a Deployment, of a Service
    }
)
"""Fields that the API server never fills in, and that make other pods, another Service or another HTTPRoute of what we
render."""
QUANTITIES = frozenset({"limits", "requests", "sizeLimit"})
IGNORED = frozenset({"replicas", "resourceVersion", "uid"})
"""Replicas have a way of their own (`/scale`)."""


def differs(wanted: Any, live: Any, field: str = "") -> bool:
    """Whether `live` lacks something of `wanted`, or has more where more is wrong."""
    if wanted == live or (live is None and _is_empty(wanted)):
        return False  # the usual case first: this runs for every field of every child; empty values are dropped
    if isinstance(wanted, Mapping):
        if not isinstance(live, Mapping):
            return True
        added = set(live) - set(wanted)
        overriding = () if field in OF_USERS else added & OVERRIDING
        if (added and field in EXACT) or any(live[key] for key in overriding):
            return True
        below = {key: field if field in QUANTITIES else key for key in wanted if key not in IGNORED}
        return any(differs(wanted[key], live.get(key), name) for key, name in below.items())
    if isinstance(wanted, list | tuple):
        if not isinstance(live, list | tuple) or len(live) != len(wanted):
            return True
        return any(differs(w, found, field) for w, found in zip(wanted, live, strict=True))
    return not (field in QUANTITIES and _same_quantity(wanted, live))


def changed_field(wanted: Any, live: Any, path: str = "", field: str = "") -> str | None:
    """The first field of ours that has another value, as `spec.template.spec.containers[runtime].image`.

    Unlike `differs` it passes over all that was added: what is ours is looked for by name, wherever it stands.
    """
    if not differs(wanted, live, field):
        return None
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        for key in wanted:
            below = field if field in QUANTITIES else key
            found = changed_field(wanted[key], live.get(key), f"{path}.{key}".lstrip("."), below)
            if found and key not in IGNORED:
                return found
        return None
    if isinstance(wanted, list | tuple) and isinstance(live, list | tuple):
        for index, item in enumerate(wanted):
            name = item.get("name") if isinstance(item, Mapping) else None
            if name is None and item in live:
                continue
            twin: Any = live[index] if name is None and index < len(live) else None
            if name is not None:
                twin = next((other for other in live if isinstance(other, Mapping) and other.get("name") == name), None)
            if found := changed_field(item, twin, f"{path}[{name or index}]", field):
                return found
        return None
    return path


def _is_empty(wanted: Any) -> bool:
    """Whether the API server drops the value. False and 0 stay: `allowPrivilegeEscalation: false` is a statement."""
    return not wanted and not isinstance(wanted, bool | int)


def _same_quantity(wanted: Any, live: Any) -> bool:
    a, b = amount(wanted), amount(live)
    return a is not None and a == b
