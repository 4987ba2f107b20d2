"""Server-side apply, as much of it as Serinus relies on.

Maps are merged field by field, lists with identity item by item; selectors and other lists are replaced as a whole.
What a manager applied before and leaves out now is removed; what others set stays.
"""

from typing import Any, TypeVar

Value = Any
T = TypeVar("T")

PLAIN = frozenset({str, int, bool, float, type(None)})
KEYS = {
    "conditions": ("type",),
    "containers": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "ownerReferences": ("uid",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
"""Lists whose items have an identity. The ports of containers and of Services have different ones."""
ATOMIC = frozenset({"selector", "labelSelector", "namespaceSelector", "podSelector", "nodeSelector"})
"""Maps that are replaced as a whole."""


def clone(value: T) -> T:
    """A deep copy of plain JSON values; several times faster than `copy.deepcopy`."""
    copied: T = _clone(value)
    return copied


def _clone(value: Value) -> Value:
    kind = type(value)
    if kind is dict:
        return {key: item if type(item) in PLAIN else _clone(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [item if type(item) in PLAIN else _clone(item) for item in value]
    return value


def applied(live: Value, wanted: Value, before: Value) -> Value:
    """`live` after its manager, who had applied `before`, applies `wanted`."""
    return _merged(_without(clone(live), before, wanted), wanted)


def _keys(field: str, item: Value) -> tuple[str, ...] | None:
    if field == "ports" and isinstance(item, dict):
        return ("containerPort", "protocol") if "containerPort" in item else ("port", "protocol")
    return KEYS.get(field)


def _identity(field: str, item: Value) -> tuple[Value, ...] | None:
    keys = _keys(field, item)
    return tuple(item.get(key) for key in keys) if keys and isinstance(item, dict) else None


def _merged(live: Value, wanted: Value, field: str = "") -> Value:
    if isinstance(live, dict) and isinstance(wanted, dict) and field not in ATOMIC:
        return {**live, **{key: _merged(live.get(key), value, key) for key, value in wanted.items()}}
    if isinstance(live, list) and isinstance(wanted, list) and wanted and _identity(field, wanted[0]):
        known = {_identity(field, item): item for item in live}
        new = {_identity(field, item): _merged(known.get(_identity(field, item)), item) for item in wanted}
        return [*new.values(), *(item for key, item in known.items() if key not in new)]
    return clone(wanted)


def _without(live: Value, before: Value, wanted: Value, field: str = "") -> Value:
    """`live` without what `before` had and `wanted` has no more."""
    if isinstance(live, dict) and isinstance(before, dict):
        wanted = wanted if isinstance(wanted, dict) else {}
        for key, value in before.items():
            if key not in live:
                continue
            if key in wanted:
                live[key] = _without(live[key], value, wanted[key], key)
            elif not isinstance(value, dict) or not (rest := _without(live[key], value, {}, key)):
                del live[key]
            else:
                live[key] = rest
    elif isinstance(live, list) and isinstance(before, list) and before and _identity(field, before[0]):
        kept = {_identity(field, item) for item in wanted or ()}
        mine = {_identity(field, item): item for item in before}
        return [
            _without(item, mine.get(_identity(field, item), {}), _find(wanted, field, item))
            for item in live
            if _identity(field, item) in kept or _identity(field, item) not in mine
        ]
    return live


def _find(items: list[Value] | None, field: str, like: Value) -> Value:
    return next((item for item in items or () if _identity(field, item) == _identity(field, like)), {})
