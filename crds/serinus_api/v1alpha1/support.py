"""Fields that the schema has already, whose behaviour comes later.

The operator turns `unsupported_fields` into `Ready=False NotSupported` naming them: nothing a user writes is silently
ignored. When the behaviour lands, its line leaves `NOT_YET` and the field gets its defaults.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from serinus_api.v1alpha1.spec import ModelDeploymentSpec

NOT_YET = (
    "spec.model.credentialsSecretRef",
    "spec.model.refreshSeconds",
    "spec.runtime.bento",
    "spec.runtime.batching",
)
"""Without effect until their feature lands; each stands for everything below it."""


def unsupported_fields(spec: ModelDeploymentSpec) -> tuple[str, ...]:
    """Paths (`spec.rollout.steps`) of the fields that are set but have no effect yet, in the order of `NOT_YET`.

    A value that means "off" (false, 0, an empty list) asks for nothing and is not reported; a block that is present
    does, even when empty.
    """
    manifest = {"spec": spec.to_manifest()}
    unknown = (path for path in NOT_YET if _asks_for_something(path, _value_at(manifest, path.split("."))))
    return (*unknown, *_values_not_yet(spec))


def _values_not_yet(spec: ModelDeploymentSpec) -> Iterator[str]:
    """Fields of a rollout that work, but not together with each other or with how the model is sized.

    The object of another engine sizes one Deployment; in a rollout in steps there are two. A candidate that starts in
    stable's place has nobody beside it to share with, to be compared with, or to return to at once.
    """
    rollout, engine = spec.rollout, spec.scaling.engine if spec.scaling else "Builtin"
    if rollout.strategy == "Recreate":
        beside = {
            "spec.scaling": spec.scaling,
            "spec.route": spec.route,
            "spec.rollout.match": rollout.match,
            "spec.rollout.analysis": rollout.analysis,
            "spec.rollout.bakeSeconds": rollout.bake_seconds,
        }
        yield from (f"{path} together with spec.rollout.strategy: Recreate" for path, value in beside.items() if value)
    if rollout.gradual and engine != "Builtin":
        yield f"spec.rollout together with spec.scaling.engine: {engine} (engine: Builtin can)"


def _asks_for_something(path: str, value: Any) -> bool:
    return isinstance(value, dict) or bool(value)


def _value_at(manifest: dict[str, Any], path: Iterable[str]) -> Any:
    value: Any = manifest
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
