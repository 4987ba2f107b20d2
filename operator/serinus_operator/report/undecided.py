"""The status where nothing could be decided: what was said before stays, and `Ready` says why. Pure.

cause                                          reason         beside Ready=False
─────────────────────────────────────────────  ─────────────  ──────────────────
the object is of another version of the API    InvalidSpec    Stalled
passes over it end in a bug of the operator    InternalError  Reconciling: it is tried again by itself
"""

from collections.abc import Iterable

from pydantic import ValidationError

from serinus_api.conditions import ConditionType, Reason
from serinus_api.v1alpha1 import Condition
from serinus_operator.state import Instant, Manifest, Verdict

MESSAGE_LIMIT = 1024
OURS = (ConditionType.READY, ConditionType.RECONCILING, ConditionType.STALLED)


def unreadable(error: ValidationError) -> Verdict:
    """Names the field which cannot be read."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    message = f"{where}: {first['msg']}; this operator cannot read it, upgrade the operator or change the field"
    return Verdict(Reason.INVALID_SPEC, message)


def bug(error: Exception) -> Verdict:
    """Names the kind of error alone: its words may differ each time, and are in the log."""
    message = (
        f"the operator itself fails at this ModelDeployment ({type(error).__name__}) and tries again; what serves is "
        "left as it is; see the operator's log, and report it with the lines found there"
    )
    return Verdict(Reason.INTERNAL_ERROR, message)


def undecided_status(before: Manifest, generation: int, verdict: Verdict, now: Instant) -> Manifest:
    """The status as it was, with `Ready=False` and the word beside it by the table above."""
    known: dict[str, Manifest] = {c["type"]: c for c in before.get("conditions", ())}

    def condition(kind: ConditionType, status: str) -> Manifest:
        same = known.get(kind, {}).get("status") == status
        return {
            "type": kind,
            "status": status,
            "reason": verdict.reason,
            "message": verdict.message[:MESSAGE_LIMIT],
            "observedGeneration": generation,
            "lastTransitionTime": known[kind]["lastTransitionTime"] if same else now.timestamp(),
        }

    beside = ConditionType.RECONCILING if verdict.reason is Reason.INTERNAL_ERROR else ConditionType.STALLED
    kept = [c for c in before.get("conditions", ()) if c["type"] not in OURS]
    stated = [condition(ConditionType.READY, "False"), *kept, condition(beside, "True")]
    return {**before, "observedGeneration": generation, "conditions": stated}


def says(status: Manifest, generation: int, verdict: Verdict) -> bool:
    """Whether `Ready` says so already of this generation."""
    ready: Manifest = next((c for c in status.get("conditions", ()) if c["type"] == ConditionType.READY), {})
    told = (ready.get("reason"), ready.get("message"), ready.get("observedGeneration"))
    return told == (verdict.reason, verdict.message[:MESSAGE_LIMIT], generation)


def readable(conditions: Iterable[Manifest]) -> list[Condition]:
    """Conditions as values; what another version wrote and this one cannot read is passed over."""
    found = []
    for condition in conditions:
        try:
            found.append(Condition.model_validate(condition))
        except ValidationError:
            continue
    return found
