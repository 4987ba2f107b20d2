"""How an applied manifest and a live object become one. Pure; used by `process.py`.

Maps merge, lists are replaced as a whole. An API server merges some lists by key, which nothing that we render needs.
"""

from collections.abc import Mapping
from typing import Any

from serinus_operator.cluster.port import Manifest

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""Annotation in which `kubectl apply` remembers what it applied."""


def merged(live: Any, applied: Any) -> Any:
    """`live` with every field that `applied` names set to its value."""
    if not isinstance(live, Mapping) or not isinstance(applied, Mapping):
        return applied
    return {**live, **{key: merged(live.get(key), value) for key, value in applied.items()}}


def three_way(last: Any, applied: Any, live: Any) -> Any:
    """As `kubectl apply`: what was applied last and is not applied now goes; what others have set stays.

    `three_way({"a": 1, "b": 1}, {"a": 2}, {"a": 1, "b": 1, "c": 3})` is `{"a": 2, "c": 3}`.
    """
    if not isinstance(live, Mapping) or not isinstance(applied, Mapping):
        return applied
    before: Mapping[str, Any] = last if isinstance(last, Mapping) else {}
    kept = {key: value for key, value in live.items() if key in applied or key not in before}
    return {**kept, **{key: three_way(before.get(key), value, live.get(key)) for key, value in applied.items()}}


def without_server_fields(manifest: Manifest) -> Manifest:
    """What a user wrote: no status, and of the metadata only what is theirs to write."""
    meta = manifest["metadata"]
    kept = {key: meta[key] for key in ("name", "namespace", "labels", "annotations") if key in meta}
    return {**{key: value for key, value in manifest.items() if key != "status"}, "metadata": kept}
