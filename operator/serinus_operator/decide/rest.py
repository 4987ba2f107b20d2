"""What sleeping and waking change in a size, and in what is said of the model. Pure; called by `decide`.

Asleep                       Ready=True Asleep: it is as the spec wants it
Asleep, it did not wake      Ready=False WakeFailed, Stalled; the next request tries again
Waking, in time              Ready as before
it might sleep, and cannot   ScalingActive=False GatewayUnavailable; it stays awake
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace

from serinus_api.conditions import Reason
from serinus_api.v1alpha1 import ScalingStatus
from serinus_operator.decide.scaling import Sizing, asked_for
from serinus_operator.decide.zero import Sleep, place_of
from serinus_operator.places import AWAKE, State
from serinus_operator.state import Decision, Health, Instant, Subject, Verdict

SMOKE_PODS = 1
"""A new revision of a sleeping model is tried with so many: nobody waits for more."""


def sized(subject: Subject, sizing: Sizing, sleep: Sleep, now: Instant) -> Sizing:
    """The size with which the model goes on, and the status that tells of it."""
    status = _status(subject, sizing, sleep, now)
    enough = sizing.enough if sleep.enough is None else sleep.enough
    exact = sizing.exact and sleep.traffic.place == AWAKE
    finding = sleep.finding or sizing.finding
    memory = sizing.memory if sleep.size == sizing.size else asked_for(sizing.memory, sleep.size)
    return replace(sizing, size=sleep.size, enough=enough, exact=exact, status=status, finding=finding, memory=memory)


def told(subject: Subject, decision: Decision, sizing: Sizing) -> Decision:
    """The decision in the words for a model that sleeps."""
    status = sizing.status
    if decision.health is not Health.SETTLED or status is None or status.state != "Asleep":
        return decision
    if status.reason == Reason.WAKE_FAILED:
        return replace(decision, health=Health.STALLED, verdict=Verdict(Reason.WAKE_FAILED, status.message or ""))
    words = f"{decision.status.stable_revision} sleeps, since nobody asks; the next request wakes it"
    return replace(decision, verdict=Verdict(Reason.ASLEEP, words))


def others(subject: Subject, decision: Decision, sleep: Sleep) -> Mapping[str, int]:
    """Sizes of revisions beside a sleeping one: a candidate is tried with pods, and keeps them when it takes over."""
    if sleep.traffic.place.state is not State.ASLEEP:
        return {}
    sleeper = subject.status.stable_revision
    status = decision.status
    awake = {status.stable_revision, status.candidate_revision} - {sleeper, None}
    return {name: SMOKE_PODS for name in awake if name}


def _status(subject: Subject, sizing: Sizing, sleep: Sleep, now: Instant) -> ScalingStatus | None:
    """The state, and why when it changes; otherwise as it was said."""
    place, before = sleep.traffic.place, subject.status.scaling
    if sizing.status is None and place == AWAKE == place_of(subject):
        return None
    found = sizing.status or ScalingStatus(engine="Fixed", state="Awake")
    update: dict[str, object] = {"state": str(place.state), "traffic": str(place.mode), "desired_replicas": sleep.size}
    was = before.state if before else State.AWAKE
    if place.state != was and sleep.row:
        failed = sleep.failed
        update["reason"] = Reason.WAKE_FAILED if failed else str(place.state)
        update["message"] = f"{was} → {place.state}: {sleep.row.words}"
    elif before and sizing.size != sleep.size:
        update |= _as_raised(before, sleep)
    return found.model_copy(
        update={**update, "last_request_time": _last_request(before, place.state != was, sleep, now)}
    )


def _as_raised(before: ScalingStatus, sleep: Sleep) -> dict[str, object]:
    """Reason and message for a size that is not the one by demand: as they were, but for a number that is another."""
    if before.desired_replicas == sleep.size or sleep.traffic.place.state is not State.WAKING:
        return {"reason": before.reason, "message": before.message}
    words = f"{before.desired_replicas} → {sleep.size}: what it was given while it wakes stays"
    return {"reason": str(State.WAKING), "message": words}


def _last_request(before: ScalingStatus | None, moved: bool, sleep: Sleep, now: Instant) -> str | None:
    """When a request was last seen, by this process; as known before where it saw none."""
    known = before.last_request_time if before else None
    heard = sleep.memory.last_request
    if not moved or not heard:
        return known
    wall = now.wall - dt.timedelta(seconds=max(0.0, now.monotonic - heard))
    return Instant(wall, now.monotonic).timestamp()
