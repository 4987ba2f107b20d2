"""One row per model for the live table and for `--once`. Pure, over what the store and the entry port say."""

from dataclasses import dataclass
from typing import Any, Literal

from serinus_operator.cli.columns import value_at

Attempt = tuple[str, int]
"""Which preflight: the hash of the spec, and the number of the try."""


@dataclass(frozen=True, slots=True)
class Row:
    """A model as the table shows it."""

    namespace: str
    name: str
    revision: str
    phase: str
    weight: str
    replicas: str
    requests_per_second: float
    p95_milliseconds: float | None
    state: str


def row(model: dict[str, Any], requests_per_second: float, p95_milliseconds: float | None) -> Row:
    """The row of a ModelDeployment."""
    status, meta = model.get("status", {}), model["metadata"]
    work = status.get("resolution") or status.get("rollout") or {}
    return Row(
        namespace=meta["namespace"],
        name=meta["name"],
        revision=status.get("stableRevision") or status.get("candidateRevision") or "-",
        phase=work.get("phase", "-"),
        weight=str(value_at(model, ".status.summary.weight") or "-"),
        replicas=str(value_at(model, ".status.summary.replicas") or "-"),
        requests_per_second=requests_per_second,
        p95_milliseconds=p95_milliseconds,
        state=state_of(model),
    )


def state_of(model: dict[str, Any]) -> str:
    """`Ready`, `Stalled RolledBack`, `Reconciling Preflight`, `NotReady Paused`."""
    if (stalled := current(model, "Stalled")) and stalled["status"] == "True":
        return f"Stalled {stalled['reason']}"
    ready = current(model, "Ready")
    if ready is None:
        return "Reconciling"
    if ready["status"] == "True":
        return "Ready"
    word = "Reconciling" if current(model, "Reconciling") else "NotReady"
    return word if ready["reason"] == word else f"{word} {ready['reason']}"


def current(model: dict[str, Any], kind: str) -> dict[str, Any] | None:
    """The condition of this type, if it speaks of the present generation."""
    for condition in model.get("status", {}).get("conditions", ()):
        if condition["type"] == kind and condition.get("observedGeneration") == model["metadata"].get("generation"):
            found: dict[str, Any] = condition
            return found
    return None


def attempt_of(model: dict[str, Any]) -> Attempt | None:
    """The preflight that runs or is to run; None in every other phase."""
    work = model.get("status", {}).get("resolution") or {}
    return (work["specHash"], work["attempt"]) if work.get("phase") == "Preflight" else None


def outcome(
    model: dict[str, Any], *, answers: bool, before: Attempt | None = None
) -> Literal["ready", "stalled", "working"]:
    """What `--once` waits for; `answers`: a pod of it takes requests (a status outlives the pods it speaks of).

    `before` is the preflight that an earlier run has left: as long as it is the present one, `Stalled` speaks of that
    run's tries, and this one's is under way.
    """
    stalled, ready = current(model, "Stalled"), current(model, "Ready")
    if stalled and stalled["status"] == "True":
        return "working" if before is not None and attempt_of(model) == before else "stalled"
    asleep = model["spec"].get("replicas") == 0
    return "ready" if ready and ready["status"] == "True" and (answers or asleep) else "working"
