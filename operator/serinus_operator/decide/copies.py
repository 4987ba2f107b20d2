"""Which pods are to copy requests to the candidate at this moment, and how they are told. Pure; for `collect`.

phase                     a ready pod of the candidate  a stable pod copies
────────────────────────  ────────────────────────────  ───────────────────
Stepping, Held            yes                           `shadow.percent`
Stepping, Held            no                            nothing
any other                 –                             nothing

The status is persisted before anything is done for it, so it alone says how far a rollout is. An order is a loan: it is
said again at every look, taken back when a look finds that it should not be, and ends by itself when nobody looks.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from serinus_api import names
from serinus_api.runtime import ShadowOrder
from serinus_api.v1alpha1 import RolloutPhase
from serinus_operator.decide.demand import TICK_SECONDS

Manifest = dict[str, Any]
COPYING = (RolloutPhase.STEPPING, RolloutPhase.HELD)
LOAN_SECONDS = int(5 * TICK_SECONDS)
"""Four looks may fail before the copies end."""


@dataclass(frozen=True, slots=True)
class Loan:
    """An order for one pod."""

    pod: Manifest
    order: ShadowOrder
    target: Manifest | None
    """A pod of the candidate, for who has no Service to send copies to; None where nothing is to be copied."""


def loans(model: Manifest, pods: Sequence[Manifest]) -> Iterator[Loan]:
    """What each stable one of the ready pods is told now."""
    rollout, status = model["spec"].get("rollout") or {}, model.get("status", {})
    percent, candidate = (rollout.get("shadow") or {}).get("percent"), status.get("candidateRevision")
    targets = sorted(_of(pods, candidate), key=lambda pod: str(pod["metadata"]["name"]))
    if not percent or not targets or (status.get("rollout") or {}).get("phase") not in COPYING:
        return
    order = ShadowOrder(revision=candidate, percent=percent, seconds=LOAN_SECONDS)
    for place, pod in enumerate(_of(pods, status.get("stableRevision"))):
        yield Loan(pod, order, targets[place % len(targets)])


def ended(before: Iterable[Loan], now: Iterable[Loan]) -> Iterator[Loan]:
    """What the pods are told that were lent something at the last look, and are not any more."""
    kept = {loan.pod["metadata"]["uid"] for loan in now}
    for loan in before:
        if loan.pod["metadata"]["uid"] not in kept:
            yield Loan(loan.pod, loan.order.model_copy(update={"percent": 0}), None)


def _of(pods: Sequence[Manifest], revision: str | None) -> list[Manifest]:
    return [pod for pod in pods if pod["metadata"]["labels"].get(names.LABEL_REVISION) == revision]
