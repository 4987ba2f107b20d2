"""How many pods the revision that serves shall have, and why. Pure; called by `decide` before all else.

    spec.scaling absent         spec.replicas
    engine HPA, KEDA            whatever its object has written, from minReplicas on
    engine Builtin              by demand:
      another writer            as it is, until the other one stops: ReplicaOwnershipConflict
      no pod tells its load     as it is, within the bounds: MetricsUnavailable after ten seconds
      otherwise                 `replicas.wanted`; but nothing shrinks while a pod loads, a pod is silent, or the source
                                has changed under the revision; bounds last

The status says why when the number changes, and keeps saying it: a figure that moves is no reason to write.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from serinus_api.conditions import ConditionType, Reason
from serinus_api.v1alpha1 import ScalingSpec, ScalingStatus
from serinus_operator.decide import metrics, replicas
from serinus_operator.decide.demand import STALE_SECONDS, fold
from serinus_operator.decide.findings import worst
from serinus_operator.decide.loading import begun, youngest
from serinus_operator.decide.shares import Needs
from serinus_operator.decide.source import changed_source
from serinus_operator.loads import Outcome, ScalingMemory, Surge, Writers
from serinus_operator.state import Finding, Instant, Observation, Progress, Subject, Verdict, WorkloadState

FOREIGN_WRITES = 3
FOREIGN_SECONDS = 300.0
"""So many writes of somebody else's within so long are a second writer; one is a hand."""
REMEMBERED_ASKS = 8
ON_THE_WAY = frozenset({Progress.CREATING, Progress.STARTING, Progress.WAITING})
NO_KEDA = "scaling.engine is KEDA, but the cluster does not know scaledobjects.keda.sh; install KEDA or choose Builtin"


@dataclass(frozen=True, slots=True)
class Sizing:
    """The size, and what to say of it."""

    size: int
    enough: int
    """Ready pods with which the spec counts as rolled out."""
    exact: bool = False
    """Whether the spec itself asks for this very number."""
    memory: ScalingMemory = field(default_factory=ScalingMemory)
    status: ScalingStatus | None = None
    """None with a fixed size."""
    finding: Finding | None = None
    leaving: tuple[str, ...] = ()
    """Pods that shall go first."""
    needs: Needs | None = None
    """What each revision needs, during a rollout in steps; None: all of them the same size."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What the load of one revision's own pods comes to."""

    size: int
    memory: ScalingMemory
    reason: str
    words: str
    known: bool
    """Whether anything is known of the load."""
    unknown: tuple[str, ...]
    """Metrics of which nothing is."""


def size(subject: Subject, observation: Observation, memory: ScalingMemory, now: Instant) -> Sizing:
    """The size of the revision that serves, by the table above."""
    spec = subject.spec.scaling
    if spec is None:
        return _fixed(subject, observation)
    stable = subject.status.stable_revision or ""
    workload = observation.workloads.get(stable)
    if spec.engine != "Builtin" or observation.scalers.present:
        return _by_engine(subject, spec, observation, workload)
    if workload is None:
        before = subject.status.scaling
        least = before.desired_replicas if before and stable else spec.min_replicas
        start = replicas.bounded(least, spec.min_replicas, spec.max_replicas)
        return said(subject, spec, start, "MinReplicas", f"minReplicas is {spec.min_replicas}", None, ScalingMemory())
    if memory.revision != stable:
        memory = fresh(stable, workload, now)
    return _by_demand(subject, spec, observation, workload, looked(spec, observation, memory, now), now)


def fresh(revision: str, workload: WorkloadState, now: Instant) -> ScalingMemory:
    """The memory of a revision that was not looked at before."""
    surge = replicas.surge_at_start(workload.ready, now.monotonic)
    return ScalingMemory(revision=revision, begun=now.monotonic, surge=surge, settled_at=now.monotonic)


def held_size(subject: Subject, observation: Observation) -> Sizing:
    """The size as it is, for a spec that is not acted on; as the spec says where it names a number."""
    workload = observation.workloads.get(subject.status.stable_revision or "")
    if subject.spec.replicas is None and workload is not None:
        return Sizing(workload.replicas, workload.replicas, exact=True)
    return _fixed(subject, observation)


def _fixed(subject: Subject, observation: Observation) -> Sizing:
    """`spec.replicas`, 1 where it is absent. The status names an engine of before as long as its object is there."""
    fixed = 1 if subject.spec.replicas is None else subject.spec.replicas
    left = observation.scalers.present
    status = ScalingStatus(engine=left, state="Awake", desired_replicas=fixed) if left else None
    return Sizing(fixed, fixed, exact=True, status=status)


def _by_engine(subject: Subject, spec: ScalingSpec, observation: Observation, workload: WorkloadState | None) -> Sizing:
    """Another controller writes the replicas. The one whose object exists still counts, until it is gone."""
    scalers = observation.scalers
    engine = scalers.present or spec.engine
    live = workload.replicas if workload else 0
    present = max(live, spec.min_replicas)
    if scalers.missing:
        finding = Finding("False", Verdict(Reason.ENGINE_UNAVAILABLE, NO_KEDA))
    elif scalers.foreign:
        finding = _conflict(f"{scalers.foreign} writes its replicas as well; remove it, or remove spec.scaling")
    elif (
        scalers.problem and live
    ):  # at 0, where the next request wakes it, an autoscaler has nothing to do, and says so
        finding = Finding("False", Verdict(Reason.METRICS_UNAVAILABLE, f"engine {engine}: {scalers.problem}"))
    elif scalers.present is None:
        finding = Finding("Unknown", Verdict(Reason.STARTING, f"the object of engine {engine} is being made"))
    else:
        finding = Finding("True", Verdict(Reason.METRICS_AVAILABLE, f"engine {engine} writes the number of pods"))
    desired = present if scalers.desired is None else scalers.desired
    status = ScalingStatus(engine=engine, state="Awake", desired_replicas=desired, reason=engine)
    return Sizing(present, spec.min_replicas, status=status, finding=finding)


def looked(spec: ScalingSpec, observation: Observation, memory: ScalingMemory, now: Instant) -> ScalingMemory:
    """The memory with what is seen now of its revision."""
    history, workload = memory.history, observation.workloads[memory.revision]
    if observation.load is not None:
        keep = max(spec.stable_window_seconds, STALE_SECONDS)
        history = fold(history, observation.load, memory.revision, keep)
    lacking_since = now.monotonic if memory.lacking_since is None else memory.lacking_since
    ready_since = now.monotonic if memory.ready_since is None else memory.ready_since
    return replace(
        memory,
        ready_since=ready_since if workload.ready else None,
        history=history,
        coming=begun(memory.coming, workload.pods, now.monotonic),
        lacking_since=lacking_since if _lacks_pods(workload) else None,
        writers=_writers(memory.writers, workload.replicas, now.monotonic),
    )


def _writers(before: Writers, live: int, now: float) -> Writers:
    """Who wrote the present size: a change to what was not asked for is somebody else's; from 0 anybody may wake it."""
    foreign = tuple(at for at in before.foreign if now - at < FOREIGN_SECONDS)
    asked = before.asked
    if live in asked:
        asked = asked[asked.index(live) + 1 :]
    elif before.seen and live != before.seen:
        foreign = (*foreign, now)
    return Writers(live, asked, foreign)


def asked_for(memory: ScalingMemory, size: int) -> ScalingMemory:
    """The memory of a size that we are about to write: when it is seen, it is nobody else's."""
    asked = (*memory.writers.asked, size)[-REMEMBERED_ASKS:]
    return replace(memory, writers=replace(memory.writers, asked=asked))


def _by_demand(
    subject: Subject,
    spec: ScalingSpec,
    observation: Observation,
    workload: WorkloadState,
    memory: ScalingMemory,
    now: Instant,
) -> Sizing:
    if other := other_writer(observation, memory):
        live = workload.replicas
        outcome = Outcome(live, live, panic=False, reason=Reason.REPLICA_OWNERSHIP_CONFLICT)
        memory = replace(memory, outcome=outcome)
        return said(subject, spec, live, "ReplicaOwnershipConflict", "another writer set it", other, memory)
    found = followed(subject, observation, memory, now, least=spec.min_replicas)
    active = activity(subject, observation, found, now)
    memory = written(found.memory, workload, found.size, now)
    sizing = said(subject, spec, found.size, found.reason, found.words, active, memory)
    return replace(sizing, leaving=least_busy(workload, memory, found.size))


def followed(
    subject: Subject, observation: Observation, memory: ScalingMemory, now: Instant, *, least: int
) -> Followed:
    """The size by the load of the revision's own pods, from `least` to `maxReplicas`."""
    spec, workload = subject.spec.scaling, observation.workloads[memory.revision]
    assert spec is not None
    live = workload.replicas
    seen = metrics.windows(spec, memory.history, now.monotonic)
    asks, unknown = metrics.asks(subject.spec, seen, workload.ready, now.monotonic - memory.settled_at)
    wanted, reason, words = live, "Held", "nothing is known of the demand"
    if asks:
        wanted, surge = _once_per_look(rules(spec), asks, workload.ready, memory, now.monotonic)
        memory = replace(memory, surge=surge, decided_at=memory.history.at)
        reason, words = cause(asks, panic=surge.panic_since is not None)
    found = replicas.bounded(wanted, least, spec.max_replicas)
    if found < live and _keeps(subject, observation, workload, memory, now, unknown=bool(unknown)):
        found = replicas.bounded(live, least, spec.max_replicas)
    if found != wanted:
        reason, words = bound(spec, found, wanted, reason, words)
    panic = memory.surge.panic_since is not None
    memory = replace(memory, outcome=Outcome(found, wanted, panic, reason))
    return Followed(found, memory, reason, words, known=bool(asks), unknown=unknown)


def written(memory: ScalingMemory, workload: WorkloadState, size: int, now: Instant) -> ScalingMemory:
    """The memory of a size that is about to be written, where it is another one."""
    return memory if size == workload.replicas else replace(asked_for(memory, size), settled_at=now.monotonic)


def least_busy(workload: WorkloadState, memory: ScalingMemory, size: int) -> tuple[str, ...]:
    """The ready pods to go when only `size` are to stay: those with least in flight and queued; a silent one stays.

    Pods that are not ready go before them anyway. None are named where all have the same to do.
    """
    ready = [pod for pod in workload.pods if pod.progress is Progress.READY]
    known = {uid: past.report.in_flight + past.report.queued for uid, past in memory.history.pods.items()}
    if len({known.get(pod.uid) for pod in ready}) < 2:
        return ()
    order = sorted(ready, key=lambda pod: (pod.uid not in known, known.get(pod.uid, 0), pod.name))
    return tuple(pod.name for pod in order[: max(0, len(ready) - size)])


def _once_per_look(
    rules: replicas.Rules, asks: Sequence[metrics.Wish], ready: int, memory: ScalingMemory, now: float
) -> tuple[int, Surge]:
    """What is wanted. A pass that an event has brought about knows no more than the last one, and halves nothing."""
    if memory.outcome is not None and memory.decided_at == memory.history.at:
        return memory.outcome.wanted, memory.surge
    return replicas.wanted(rules, [ask.pods for ask in asks], ready, memory.surge, now)


def rules(spec: ScalingSpec) -> replicas.Rules:
    activation = spec.activation.initial_replicas if spec.activation else None
    return replicas.Rules(
        stable_seconds=spec.stable_window_seconds,
        delay_seconds=spec.scale_down_delay_seconds,
        activation=activation or 1,
    )


def cause(asks: Sequence[metrics.Wish], *, panic: bool) -> tuple[str, str]:
    """The metric that asks for most pods, and its words for the window in which it does."""
    ask = max(asks, key=lambda ask: max(ask.pods.stable, ask.pods.panic if panic else 0))
    short = panic and ask.pods.panic > ask.pods.stable
    return ask.metric, ask.short_words if short else ask.words


def bound(spec: ScalingSpec, found: int, wanted: int, reason: str, words: str) -> tuple[str, str]:
    """The words for a size that is not the one that was wanted."""
    if found == spec.max_replicas < wanted:
        return "MaxReplicas", f"{words} asks for {wanted}; maxReplicas is {found}"
    if found == spec.min_replicas > wanted:
        return "MinReplicas", f"{words}; minReplicas is {found}"
    return reason, words


def _keeps(
    subject: Subject,
    observation: Observation,
    workload: WorkloadState,
    memory: ScalingMemory,
    now: Instant,
    *,
    unknown: bool,
) -> bool:
    """Whether something forbids to shrink: a pod would be killed while it loads, or would be missed."""
    loading = _loading(workload, memory, now)
    loads = loading is not None and loading < subject.spec.runtime.startup_deadline_seconds
    return unknown or is_silent(memory) or loads or changed_source(subject, observation) is not None


def is_silent(memory: ScalingMemory) -> bool:
    """Whether a pod did not answer at the last look."""
    points = memory.history.points
    return bool(points) and (points[-1].silent > 0 or points[-1].at != memory.history.at)


def _loading(workload: WorkloadState, memory: ScalingMemory, now: Instant) -> float | None:
    """Seconds of the pod that has had the least time to become ready; a shrink would hit it first. None: all have."""
    coming = youngest(memory.coming, workload.pods, ON_THE_WAY, now.monotonic)
    lacking = None if memory.lacking_since is None else now.monotonic - memory.lacking_since
    return min((seconds for seconds in (coming, lacking) if seconds is not None), default=None)


def _lacks_pods(workload: WorkloadState) -> bool:
    """Whether pods are still to be made, and nothing is known to keep them from it."""
    return len(workload.pods) < workload.replicas and workload.problem is None


def other_writer(observation: Observation, memory: ScalingMemory) -> Finding | None:
    """Who else writes the revision's size, if anybody does."""
    if observation.scalers.foreign:
        return _conflict(
            f"{observation.scalers.foreign} writes its replicas as well; remove it, or remove spec.scaling"
        )
    if len(memory.writers.foreign) >= FOREIGN_WRITES:
        return _conflict(
            f"somebody else has changed the replicas of Deployment {memory.revision} at least {FOREIGN_WRITES} times "
            f"in {FOREIGN_SECONDS:.0f} s; stop them, or set spec.replicas in place of spec.scaling"
        )
    return None


def _conflict(words: str) -> Finding:
    return Finding("False", Verdict(Reason.REPLICA_OWNERSHIP_CONFLICT, f"nothing is scaled: {words}"))


def activity(subject: Subject, observation: Observation, found: Followed, now: Instant) -> Finding:
    """ScalingActive. Ten seconds without an answer are an answer; before that it says what it said."""
    memory, workload = found.memory, observation.workloads[found.memory.revision]
    if found.known and not found.unknown:
        waited = now.monotonic - min(memory.coming.values(), default=now.monotonic)
        return Finding("True", Verdict(Reason.METRICS_AVAILABLE, _follows(workload, waited)))
    if found.known:
        untold = ", ".join(found.unknown)
        words = f"the pods do not tell {untold}; nothing shrinks. Their runtime may be of an earlier version"
        return Finding("False", Verdict(Reason.METRICS_UNAVAILABLE, words))
    points = memory.history.points
    since = max(points[-1].at if points else memory.begun, memory.ready_since or 0.0)
    awake = subject.status.scaling is None or subject.status.scaling.state == "Awake"
    if now.monotonic - since >= STALE_SECONDS and (workload.ready or (awake and workload.replicas)):
        words = f"no pod of {memory.revision} is ready, so none tells its load; the size stays as it is"
        if workload.ready:
            words = (
                f"no ready pod of {memory.revision} tells its load; the size stays as it is. The operator must reach "
                "the pods' second port: look for a NetworkPolicy"
            )
        return Finding("False", Verdict(Reason.METRICS_UNAVAILABLE, words))
    before = next((c for c in subject.status.conditions if c.type == ConditionType.SCALING_ACTIVE), None)
    if before and before.status == "True":
        return Finding("True", Verdict(Reason.METRICS_AVAILABLE, before.message))
    return Finding("Unknown", Verdict(Reason.STARTING, "no pod has told its load yet"))


def _follows(workload: WorkloadState, seconds: float) -> str:
    """All is well, or what has kept the pods that were asked for from being there for so many seconds."""
    problem = workload.problem or worst(workload.pods, seconds)
    if problem is None or workload.ready >= workload.replicas:
        return "the pods tell their load, and the size follows it"
    return f"{workload.ready} of the {workload.replicas} pods that the load asks for are ready: {problem.message}"


def said(  # one row of the status, from what was found and what it said before
    subject: Subject,
    spec: ScalingSpec,
    size: int,
    reason: str,
    words: str,
    found: Finding | None,
    memory: ScalingMemory,
) -> Sizing:
    """The sizing with its status; reason and message change with the number alone."""
    before = subject.status.scaling
    status = ScalingStatus(engine="Builtin", state="Awake", desired_replicas=size, reason=reason, message=words)
    if before and before.engine == "Builtin":
        if before.desired_replicas == size:
            status = status.model_copy(update={"reason": before.reason, "message": before.message})
        else:
            told = f"{before.desired_replicas} → {size}: {words}"
            status = status.model_copy(update={"message": told[:1024]})
    return Sizing(size, min(spec.min_replicas, size), memory=memory, status=status, finding=found)
