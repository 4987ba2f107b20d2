"""Falling asleep and waking: what the situation of a model is, and what follows from the way it takes. Pure.

The ways are in `sleep.py`. Called by `decide` once the size by demand is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from serinus_api.conditions import Reason
from serinus_api.v1alpha1 import ScaleToZeroSpec, ScalingSpec
from serinus_operator.decide.demand import is_sane
from serinus_operator.decide.loading import begun, youngest
from serinus_operator.decide.sleep import Row, Situation, given_up, next_row, not_taken_over, overdue, taken_over
from serinus_operator.decide.source import changed_source
from serinus_operator.loads import LoadSample
from serinus_operator.places import (
    AWAKE,
    PLACES,
    RETURNING,
    GatewayLook,
    GatewayPod,
    Mode,
    Place,
    State,
    Traffic,
    ZeroMemory,
)
from serinus_operator.state import Finding, Instant, Observation, Progress, Subject, Verdict, WorkloadState

RETRY_SECONDS = (5.0, 300.0)
"""After a hand-over that failed the next one is not begun before; doubled with each in a row, up to the second."""
OFTEN = 2
"""Hand-overs in a row that failed: one may be a moment's overload, more are worth a word."""
LOADING = frozenset({Progress.CREATING, Progress.STARTING})
FRESH_SECONDS = 6.0
"""An answer of the pods or of the gateways is good for this long."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """What came of it."""

    traffic: Traffic
    memory: ZeroMemory
    size: int
    """Pods of the revision that serves: 0 asleep, else at least 1 where it may sleep."""
    enough: int | None = None
    """Ready pods with which all is well; None: as the size says."""
    row: Row | None = None
    """The way that was taken."""
    finding: Finding | None = None
    """Why it does not sleep although it might."""
    failed: bool = False
    """It sleeps because it did not wake."""


def step(  # everything that the next place depends on
    subject: Subject,
    observation: Observation,
    memory: ZeroMemory,
    now: Instant,
    *,
    wanted: int,
    settled: bool,
) -> Sleep:
    """The next place. `wanted` is the size by demand or by the spec, `settled` that no rollout runs."""
    stable = subject.status.stable_revision
    workload = observation.workloads.get(stable or "")
    place = place_of(subject)
    spec = subject.spec.scaling
    if place == AWAKE and (workload is None or not may_rest(spec)):
        finding = _hindrance(subject, observation.gateways, ZeroMemory(), now)
        least, enough = (max(1, wanted), 1) if may_rest(spec) else (wanted, None)
        return Sleep(Traffic(port=observation.gateway_port), ZeroMemory(), least, enough=enough, finding=finding)
    memory = _looked(subject, observation.load, workload, memory, place, now)
    situation = _situation(subject, observation, memory, place, now, wanted=wanted, settled=settled)
    row = next_row(situation)
    there = row.there if row else place
    if row and there != place:
        memory = replace(memory, place=_identity(subject, there), since=now.monotonic)
        memory = _noted(memory, row, now)
    drowsy = there == AWAKE and situation.may_sleep and situation.idle >= situation.window
    traffic = Traffic(
        place=there,
        follow=there.state is not State.ASLEEP and (there != AWAKE or drowsy),
        gateways=_named(there, observation.gateways),
        port=observation.gateway_port,
        proxied=there.mode is Mode.PROXIED and observation.entry.gateways > 0,
    )
    size = _size(there, situation, spec)
    return Sleep(
        traffic,
        memory,
        size,
        enough=_enough(there, situation, workload),
        row=row,
        finding=_hindrance(subject, observation.gateways, memory, now),
        failed=row is not None and row.when is given_up,
    )


def place_of(subject: Subject) -> Place:
    """Where the status says that the model is. What no operator of ours writes is led back the safe way."""
    scaling = subject.status.scaling
    if scaling is None:
        return AWAKE
    place = Place(State(scaling.state), Mode(scaling.traffic))
    return place if place in PLACES else RETURNING


def may_rest(spec: ScalingSpec | None) -> bool:
    """Whether the spec lets the model sleep. With KEDA two would wake it."""
    return spec is not None and spec.min_replicas == 0 and spec.engine != "KEDA"


def _situation(
    subject: Subject,
    observation: Observation,
    memory: ZeroMemory,
    place: Place,
    now: Instant,
    *,
    wanted: int,
    settled: bool,
) -> Situation:
    spec, look, entry = subject.spec.scaling, observation.gateways, observation.entry
    rest = may_rest(spec)
    workload = observation.workloads.get(subject.status.stable_revision or "")
    asked_here = look.at is not None and look.at >= memory.since and now.monotonic - look.at <= FRESH_SECONDS
    told = look.told if asked_here else None  # what was so before this place was entered tells nothing of it
    ready = workload.ready if workload else 0
    in_flight = sum(one.in_flight or 0 for one in told or ())
    held = sum(one.held for one in told or ())
    load = observation.load
    seen = load is not None and now.monotonic - load.at <= FRESH_SECONDS and memory.last_doubt < load.at
    quiet_since = max(memory.last_request, memory.last_doubt, memory.since)
    return Situation(
        place=place,
        lasted=now.monotonic - memory.since,
        idle=(load.at if load else quiet_since) - quiet_since,
        window=_window(spec),
        grace=float(_sleeping(spec).grace_period_seconds),
        may_sleep=rest and settled and _unhindered(subject, observation) and now.monotonic >= memory.not_before,
        may_rest=rest,
        called=memory.last_request > memory.since,
        held=held > 0,
        busy=held > 0 or in_flight > 0,
        told=told is not None and all(one.port == subject.status.gateway_port for one in told),
        guarded=told is not None and all(one.guarded and one.applied for one in told),
        fresh=seen and look.at is not None and look.at > memory.since,
        answered=look.answered,
        ready_gateways=len(look.pods),
        deserted=now.monotonic - look.none_since if look.none_since is not None else 0.0,
        replicas=workload.replicas if workload else 0,
        ready=ready,
        wanted=max(1, wanted) if rest else wanted,
        enough=ready * subject.spec.runtime.max_concurrency >= in_flight,
        loading=youngest(memory.coming, workload.pods if workload else (), LOADING, now.monotonic),
        deadline=float(subject.spec.runtime.startup_deadline_seconds),
        addresses=entry.pods,
        slices=entry.gateways,
    )


def _unhindered(subject: Subject, observation: Observation) -> bool:
    """Whether the Service is ours and leads where it should, nobody else writes the size, and the source can be had."""
    ours = observation.entry_revision == subject.status.stable_revision and observation.gateway_port is not None
    return ours and changed_source(subject, observation) is None and observation.scalers.foreign is None


def _looked(
    subject: Subject,
    load: LoadSample | None,
    workload: WorkloadState | None,
    memory: ZeroMemory,
    place: Place,
    now: Instant,
) -> ZeroMemory:
    """The memory with what is seen now: requests, doubts, and pods that load."""
    identity = _identity(subject, place)
    if memory.place.rpartition("/")[0] != identity.rpartition("/")[0]:
        memory = ZeroMemory(identity, now.monotonic)
    elif memory.place != identity:
        memory = replace(memory, place=identity, since=now.monotonic)
    memory = replace(memory, coming=begun(memory.coming, workload.pods if workload else (), now.monotonic))
    if load is None or load.at <= memory.looked_at:
        return memory
    mine = [pod for pod in load.pods if pod.revision == subject.status.stable_revision]
    arrivals: dict[str, int] = {}
    called = False
    for pod in mine:
        if pod.report is None or not is_sane(pod.report):
            continue
        arrivals[pod.uid] = sum(pod.report.arrivals.values())
        busy = pod.report.in_flight > 0 or pod.report.queued > 0
        called = called or busy or arrivals[pod.uid] != _before(memory, pod.uid, arrivals[pod.uid])
    silent = len(arrivals) < max(len(mine), workload.ready if workload else 0)
    return replace(
        memory,
        looked_at=load.at,
        arrivals={**_still_there(memory.arrivals, workload), **arrivals},
        last_request=load.at if called else memory.last_request,
        last_doubt=load.at if silent else memory.last_doubt,
    )


def _before(memory: ZeroMemory, uid: str, now: int) -> int:
    """What a pod had received at the last look. The first look of a process only takes note; later pods begin at 0."""
    return memory.arrivals.get(uid, 0) if memory.looked_at else now


def _still_there(arrivals: Mapping[str, int], workload: WorkloadState | None) -> dict[str, int]:
    """Without the pods that are gone."""
    alive = {pod.uid for pod in workload.pods} if workload else set()
    return {uid: count for uid, count in arrivals.items() if uid in alive}


def _noted(memory: ZeroMemory, row: Row, now: Instant) -> ZeroMemory:
    """The memory with how a hand-over ended."""
    if row.when is taken_over:
        return replace(memory, vain=0)
    if row.when is not not_taken_over:
        return memory
    first, longest = RETRY_SECONDS
    pause = min(longest, first * 2 ** min(memory.vain, 16))
    return replace(memory, vain=memory.vain + 1, not_before=now.monotonic + pause)


def _identity(subject: Subject, place: Place) -> str:
    return f"{subject.uid}:{subject.status.stable_revision}/{place.state}-{place.mode}"


def _sleeping(spec: ScalingSpec | None) -> ScaleToZeroSpec:
    return (spec.scale_to_zero if spec else None) or ScaleToZeroSpec()


def _window(spec: ScalingSpec | None) -> float:
    """How long nothing must have come: `stableWindowSeconds`, `scaleDownDelaySeconds` or `retentionSeconds`."""
    if spec is None:
        return 0.0
    return float(max(spec.stable_window_seconds, spec.scale_down_delay_seconds, _sleeping(spec).retention_seconds))


def _named(there: Place, look: GatewayLook) -> tuple[GatewayPod, ...] | None:
    """The gateways for the slices. With none ready they stay as they are, until the model is led back."""
    if there.mode is Mode.DIRECT:
        return ()
    return look.pods or None


def _size(there: Place, situation: Situation, spec: ScalingSpec | None) -> int:
    """What the Deployment shall have. On the way up nothing is taken back, but pods that could not start in time."""
    if there.state is State.ASLEEP:
        return 0
    size = situation.wanted
    if there.state is State.WAKING and may_rest(spec) and spec is not None and not overdue(situation):
        first = spec.activation.initial_replicas if spec.activation else 1
        size = max(size, min(situation.replicas, spec.max_replicas), first if situation.replicas == 0 else 0)
    return size


def _enough(there: Place, situation: Situation, workload: WorkloadState | None) -> int | None:
    """Ready pods without which something is wrong: none asleep, and none for a wake that is in time and in order."""
    if there.state is State.ASLEEP:
        return 0
    if not situation.may_rest:
        return None
    kept = (Progress.FAILING, Progress.WAITING)
    troubled = workload is not None and (workload.problem or any(pod.progress in kept for pod in workload.pods))
    return 1 if there.state is State.AWAKE or troubled or situation.lasted >= situation.deadline else 0


def _hindrance(subject: Subject, look: GatewayLook, memory: ZeroMemory, now: Instant) -> Finding | None:
    """`ScalingActive=False GatewayUnavailable` where a model that might sleep cannot."""
    if not may_rest(subject.spec.scaling):
        return None
    wish = "spec.scaling.minReplicas is 0, but"
    if not look.installed:
        words = f"{wish} this installation has no gateway: the model stays awake; install one or set minReplicas to 1"
    elif not look.pods and look.none_since is not None:
        words = f"{wish} no gateway is ready: the model stays awake; look at the gateway's pods"
    elif memory.vain >= OFTEN:
        words = (
            f"{wish} the gateways do not answer through Service {subject.name}: the model stays awake; look for a "
            "NetworkPolicy"
        )
    else:
        return None
    return Finding("False", Verdict(Reason.GATEWAY_UNAVAILABLE, words))
