"""How many pods each side of a rollout in steps needs, where the size follows the demand. Pure; called by `decide`.

A revision that gets a tenth of the requests is to be ready for half of them, so what it bears now does not tell its
size. What one request costs it does:

    whole demand    arrivals at all revisions × what one request costs this one
    cost            from the last window in which it got `ENOUGH_REQUESTS`; else what they cost the other one;
                    with fewer than so many in all, what is borne by both together

Copies for the candidate are no part of the whole, since each is of a request that is counted already; what they cost
tells what a request does, and the candidate's own load includes them.

    stable 7.5 requests/s, 3 at once; candidate 2.5 requests/s, 3 at once; a pod bears one
    → a request costs 0.4 and 1.2; for all ten a second stable needs 4 pods, the candidate 12

So a candidate that is slow grows by itself, and stable does not. Sudden rises, falls and bounds are those of any size
(`replicas.py`), with the size of the last look in the place of the ready pods. A process that has just begun, and a
rollout too, takes the size of before for a peak: nothing shrinks for one window.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from serinus_operator.decide import canary, metrics, replicas, scaling, zero
from serinus_operator.decide.demand import demand
from serinus_operator.decide.metrics import Windows
from serinus_operator.decide.scaling import (
    Sizing,
    activity,
    bound,
    cause,
    followed,
    fresh,
    is_silent,
    least_busy,
    looked,
    other_writer,
    rules,
    said,
    written,
)
from serinus_operator.decide.shares import Need, Needs
from serinus_operator.loads import Demand, Outcome, ScalingMemory, Surge, WholeMemory
from serinus_operator.places import State
from serinus_operator.state import Decision, Instant, Memory, Observation, Subject

ENOUGH_REQUESTS = 20
"""In one window; fewer do not tell what one costs."""
MATCHED_STEP, MOST_MATCHED = 10, 90
"""The share of matched requests counts in whole tens of percent: its last digit is chance. Stable keeps a part of the
others whatever it is."""


@dataclass(frozen=True, slots=True)
class _Look:
    """One revision as it is seen."""

    memory: ScalingMemory
    seen: Windows | None
    sample: Demand | None
    """What tells the cost of a request: the last window in which there were enough."""
    ready: int


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is to be remembered of the revisions, and the pods that go first where one shrinks."""

    stable: ScalingMemory
    others: Mapping[str, ScalingMemory]
    leaving: tuple[str, ...]


def size(subject: Subject, observation: Observation, memory: Memory, now: Instant, *, acted_on: bool) -> Sizing:
    """How many pods there shall be; as many as there are, for a spec that is not acted on."""
    spec, under_way = subject.spec.scaling, canary.under_way(subject.status)
    if not acted_on:
        found = _held(subject, observation, memory)
        return _held_apart(subject, observation, found) if under_way else found
    builtin = spec is not None and spec.engine == "Builtin" and observation.scalers.present is None
    if under_way and builtin and subject.status.stable_revision in observation.workloads:
        return sized(subject, observation, memory, now)
    alone = memory.scaling if under_way else replace(memory.scaling, whole=None)  # the next rollout begins anew
    found = scaling.size(subject, observation, alone, now)
    return _held_apart(subject, observation, found) if under_way else found


def sized(subject: Subject, observation: Observation, memory: Memory, now: Instant) -> Sizing:
    """The size for the whole demand by the stable revision, and what each revision needs."""
    spec, stable, before = subject.spec.scaling, subject.status.stable_revision or "", subject.status.scaling
    assert spec is not None
    known = {memory.scaling.revision: memory.scaling, **memory.sides}
    looks = {name: _look(subject, observation, known.get(name), name, now) for name in _present(subject, observation)}
    foreign = next(filter(None, (other_writer(observation, look.memory) for look in looks.values())), None)
    start = (before.desired_replicas if before else 0) or looks[stable].ready
    first = _whole(subject, looks, stable, start, now, held=foreign is not None)
    needs: dict[str, Need] = {}
    for name, look in looks.items():
        whole = first if name == stable else _whole(subject, looks, name, first.size, now, held=foreign is not None)
        found = followed(subject, observation, look.memory, now, least=spec.min_replicas if name == stable else 0)
        needs[name] = Need(
            whole=whole.size,
            own=observation.workloads[name].replicas if foreign else found.size,
            fixed=foreign is not None,
            memory=replace(found.memory, whole=whole.memory),
            reason=found.reason,
            words=found.words,
        )
        if name == stable:
            active = foreign or activity(subject, observation, found, now)
    memory_of_stable = needs[stable].memory or looks[stable].memory
    sizing = said(subject, spec, first.size, first.reason, first.words, active, memory_of_stable)
    return replace(sizing, needs=Needs(first.size, needs, spec.max_replicas, _matched(looks)))


def _held(subject: Subject, observation: Observation, memory: Memory) -> Sizing:
    """The size as it is, for a spec that is not acted on. A sleeper that may not sleep on gets its first pod."""
    sizing = scaling.held_size(subject, observation)
    before = subject.status.scaling if subject.spec.scaling else None
    sleeps = zero.place_of(subject).state is not State.AWAKE and subject.spec.replicas is None
    size = max(1, sizing.size) if sleeps else sizing.size
    status = before and before.model_copy(update={"desired_replicas": size})
    return replace(sizing, size=size, memory=memory.scaling, status=status)


def _held_apart(subject: Subject, observation: Observation, sizing: Sizing) -> Sizing:
    """The same in a rollout, as well where a Deployment is missing: nothing shrinks, and the way back may grow."""
    spec, before = subject.spec.scaling, subject.status.scaling
    if spec is None or before is None:
        return sizing
    whole = before.desired_replicas
    needs = {name: Need(whole, observation.workloads[name].replicas) for name in _present(subject, observation)}
    return replace(sizing, size=whole, exact=False, needs=Needs(whole, needs))


def after(sizing: Sizing, decision: Decision, observation: Observation, memory: Memory, now: Instant) -> Remembered:
    """What is remembered once it is decided which revision is to have how many pods."""
    kept: dict[str, ScalingMemory] = {}
    leaving: list[str] = []
    for name, need in sizing.needs.of.items() if sizing.needs else ():
        if need.memory is None:
            return Remembered(memory.scaling, memory.sides, ())
        workload = observation.workloads[name]
        size = decision.size_of(name) if name in decision.running else workload.replicas
        kept[name] = written(need.memory, workload, size, now)
        leaving += least_busy(workload, need.memory, size) if size < workload.replicas else ()
    stable = kept.pop(decision.status.stable_revision or "", sizing.memory)
    return Remembered(stable, kept, tuple(leaving) or sizing.leaving)


def _present(subject: Subject, observation: Observation) -> tuple[str, ...]:
    """The revisions of the rollout that have a Deployment, stable first."""
    status = subject.status
    previous = status.rollout.previous_revision if status.rollout else None
    names = dict.fromkeys((status.stable_revision, status.candidate_revision, previous))
    return tuple(name for name in names if name and name in observation.workloads)


def _look(subject: Subject, observation: Observation, memory: ScalingMemory | None, name: str, now: Instant) -> _Look:
    """One more look at a revision. What gateways hold is stable's: nobody waits for a candidate."""
    spec, workload, load = subject.spec.scaling, observation.workloads[name], observation.load
    assert spec is not None
    if load and name != subject.status.stable_revision:
        observation = replace(observation, load=replace(load, held=0))
    memory = looked(spec, observation, memory or fresh(name, workload, now), now)
    seen = metrics.windows(spec, memory.history, now.monotonic)
    sample = demand(memory.history, now.monotonic, spec.stable_window_seconds, rated=True)
    if sample is None or sample.requests < ENOUGH_REQUESTS:
        sample = memory.whole.sample if memory.whole else None
    return _Look(memory, seen, sample, workload.ready)


@dataclass(frozen=True, slots=True)
class _Whole:
    """The pods with which one revision could take every request, and why so many."""

    size: int
    memory: WholeMemory
    reason: str
    words: str


def _whole(subject: Subject, looks: Mapping[str, _Look], name: str, start: int, now: Instant, *, held: bool) -> _Whole:
    """By the demand on all of them, at the cost of this one. `start`: what it is until something is known."""
    spec, look = subject.spec.scaling, looks[name]
    assert spec is not None
    least = max(1, spec.min_replicas)
    known = look.memory.whole or WholeMemory(start, Surge(now.monotonic, start), settled_at=now.monotonic)
    known = replace(known, sample=look.sample)
    seen = _as_if(list(looks.values()), look.sample or next((one.sample for one in looks.values() if one.sample), None))
    asks, unknown = metrics.asks(subject.spec, seen, known.size, now.monotonic - known.settled_at)
    if not asks or held:
        return _Whole(known.size, known, "Held", "nothing is known of the demand")
    at = max(one.memory.history.at or 0.0 for one in looks.values())
    if known.outcome and at == known.decided_at:
        wanted = known.outcome.wanted
    else:
        wishes = [ask.pods for ask in asks]
        wanted, surge = replicas.wanted(rules(spec), wishes, known.size, known.surge, now.monotonic)
        known = replace(known, surge=surge, decided_at=at)
    panic = known.surge.panic_since is not None
    reason, words = cause(asks, panic=panic)
    size = replicas.bounded(wanted, least, spec.max_replicas)
    partial = any((one.ready and one.seen is None) or is_silent(one.memory) for one in looks.values())
    if size < known.size and (unknown or partial):
        size = replicas.bounded(known.size, least, spec.max_replicas)
    if size != wanted:
        reason, words = bound(spec, size, wanted, reason, words)
    known = replace(known, outcome=Outcome(size, wanted, panic, reason))
    if size != known.size:
        known = replace(known, size=size, settled_at=now.monotonic)
    return _Whole(size, known, reason, words)


def _as_if(looks: Sequence[_Look], sample: Demand | None) -> Windows | None:
    """The demand on all, as if each request cost what those of `sample` did; what is borne where that is not known."""
    seen = [one.seen for one in looks if one.seen]
    if not seen:
        return None
    stable, short = _sum([one.stable for one in seen]), _sum([one.short for one in seen])
    if sample is None or stable.requests < ENOUGH_REQUESTS:
        return Windows(stable, short)
    return Windows(_costing(stable, sample), _costing(short, sample))


def _asked_for(part: Demand) -> Demand:
    """The demand without copies: each bears on the pods as any request does."""
    kept = 1 - part.copied / part.arrivals if part.copied and part.arrivals else 1.0
    return replace(
        part,
        concurrency=kept * part.concurrency,
        arrivals=kept * part.arrivals,
        cores=None if part.cores is None else kept * part.cores,
        requests=kept * part.requests,
        copied=0.0,
    )


def _sum(looks: Sequence[Demand]) -> Demand:
    parts = [_asked_for(part) for part in looks]
    cores = [part.cores for part in parts if part.cores is not None]
    times = [part.p95_seconds for part in parts if part.p95_seconds is not None]
    return Demand(
        concurrency=sum(part.concurrency for part in parts),
        arrivals=sum(part.arrivals for part in parts),
        cores=sum(cores) if len(cores) == len(parts) else None,
        p95_seconds=max(times, default=None),
        requests=sum(part.requests for part in parts),
        matched=sum(part.matched for part in parts),
    )


def _costing(all_of_it: Demand, sample: Demand) -> Demand:
    """Ten requests a second, and a sample of four with 1.2 at once: 3 at once."""
    times = all_of_it.arrivals / sample.arrivals
    return replace(
        all_of_it,
        concurrency=times * sample.concurrency,
        cores=None if sample.cores is None else times * sample.cores,
        p95_seconds=sample.p95_seconds,
    )


def _matched(looks: Mapping[str, _Look]) -> int:
    """Percent of the requests that headers sent to the candidate."""
    whole = _sum([look.seen.stable for look in looks.values() if look.seen])
    if whole.requests < ENOUGH_REQUESTS:
        return 0
    return min(MOST_MATCHED, int(100 * whole.matched / whole.arrivals) // MATCHED_STEP * MATCHED_STEP)
