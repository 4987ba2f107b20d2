"""What is seen of a rollout in steps: the facts that its machine goes by, and what is remembered for them. Pure.

    pods' load and metrics, gateways' reports, Deployments ─► looked ─► Sightings ─► facts_of ─► Facts

A process that has just begun knows no past: nobody is taken to be quiet yet, and no share to be verified.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from serinus_api import names
from serinus_api.conditions import Reason
from serinus_api.v1alpha1 import ModelDeploymentStatus, RolloutPhase, spec_hash
from serinus_operator.decide import route
from serinus_operator.decide.course import Course, Facts, Side
from serinus_operator.decide.demand import TICK_SECONDS
from serinus_operator.decide.faults import Lapses, fault, observed
from serinus_operator.decide.persistence import failures_of
from serinus_operator.decide.plan import Plan
from serinus_operator.decide.readings import readings_of
from serinus_operator.decide.shares import Needs
from serinus_operator.decide.source import changed_source
from serinus_operator.decide.statistics import deviations, share
from serinus_operator.decide.watch import Watch, begun, evidence_of, sides_of, watched
from serinus_operator.decide.windows import Ledger, Reading, Tally, next_step, record
from serinus_operator.decide.zero import OFTEN
from serinus_operator.loads import LoadSample
from serinus_operator.places import GatewayLook, ZeroMemory
from serinus_operator.state import Memory, Observation, Progress, Subject

QUIET_SECONDS = 2 * TICK_SECONDS
"""Nothing came for so long: what was under way has arrived."""
DIRECT_SECONDS = 5.0
"""The same for the old revision, to which kube-proxies may still lead."""
LONGEST_SECONDS = 5 * TICK_SECONDS
"""A process that was stopped for longer has not watched anything meanwhile."""
REFUSED_SECONDS, UNTAKEN_SECONDS = 2.5, 30.0
"""So long an HTTPRoute may be refused, or its controller be silent, before nothing can be split any more. A refusal is
often a moment's, of a Service that the controller has not heard of yet."""
LEAST_SPLIT = 100
SURE_PERCENT = 99.99
"""Of a share that is looked at every two seconds, for minutes."""


@dataclass(frozen=True, slots=True)
class Sightings:
    """What a restart may lose."""

    course: Course
    """As it was left, with all its seconds."""
    at: float
    """Monotonic time of the last pass."""
    began: float
    watch: Watch
    looked_at: float = 0.0
    """When the pods were asked whose answers were counted last."""
    arrivals: Mapping[str, int] = field(default_factory=dict)
    """Requests that each pod had received by then, by its UID."""
    called: Mapping[str, float] = field(default_factory=dict)
    """By revision, when a request was last seen there."""
    split: Ledger = field(default_factory=Ledger)
    """What came while the present weight was applied, from one look at the pods to the next."""
    doubted: bool = False
    """What came under the present weight did not agree with it, and has been counted anew since."""
    applied: int | None = None
    """The weight asked for, where it was applied at the last look."""
    taken_at: float | None = None
    """When the HTTPRoute was last seen to be taken as it is."""
    lapses: Lapses = field(default_factory=Lapses)
    applied_at: float = 0.0
    """When it was first seen to be: what a pod had counted before may have come under another."""


def remembered(before: object, course: Course, status: ModelDeploymentStatus, now: float) -> Sightings:
    """What is known of this very course; nothing, where it was another process that saw it."""
    if isinstance(before, Sightings) and _place(before.course) == _place(course):
        return before
    failures = failures_of(status.rollout.analysis) if status.rollout else {}
    return Sightings(course=course, at=now, began=now, watch=begun(now, failures))


def kept(sightings: Sightings, course: Course, now: float) -> Sightings:
    """For the next pass, of the course that this one came to. What came under another weight proves nothing of it."""
    known = replace(sightings, course=course, at=now)
    if course.weight == sightings.course.weight:
        return known
    return replace(known, split=next_step(known.split, now), doubted=False, applied=None)


def _place(course: Course) -> tuple[object, ...]:
    return course.stable, course.candidate, course.phase, course.attempt, course.step_index, course.weight


def looked(sightings: Sightings, observation: Observation, plan: Plan, now: float) -> Sightings:
    """With one more look at the pods, and at what they answer, where there is an answer."""
    taken_at = now if route.accepted(observation.route) else sightings.taken_at
    sightings = replace(sightings, lapses=observed(sightings.lapses, observation, now), taken_at=taken_at)
    sample, course = observation.load, sightings.course
    if sample is None or sample.at <= sightings.looked_at:
        return replace(sightings, watch=watched(sightings.watch, course, plan, (), now))
    readings = _readings(sample)
    weight = applied(observation, sightings, now)
    arrived = weight is not None and 0 < weight == course.weight
    lasting = arrived and weight == sightings.applied
    split = record(sightings.split, readings, now)
    counted = replace(
        _counted(sightings, sample),
        looked_at=sample.at,
        watch=watched(sightings.watch, course, plan, readings, now),
        split=split if lasting and sightings.looked_at >= sightings.applied_at else next_step(split, now),
        doubted=sightings.doubted and lasting,
        applied=weight if arrived else None,
        applied_at=sightings.applied_at if lasting else now,
    )
    return _weighed(counted, now)


def _weighed(sightings: Sightings, now: float) -> Sightings:
    """What did not agree is not held against what comes later: a split that is mended shows as soon as enough came."""
    agrees = _agrees(sightings)
    if agrees is False:
        return replace(sightings, split=next_step(sightings.split, now), doubted=True)
    return replace(sightings, doubted=False) if agrees else sightings


def _readings(sample: LoadSample) -> tuple[Reading, ...]:
    """The counters of all pods whose page could be read."""
    pages = (readings_of(pod.uid, pod.revision, pod.page) for pod in sample.pods if pod.page is not None)
    return tuple(reading for page in pages for reading in page)


def _counted(sightings: Sightings, sample: LoadSample) -> Sightings:
    arrivals, called = dict(sightings.arrivals), dict(sightings.called)
    for pod in sample.pods:
        if pod.report is None:
            continue
        came = sum(count for via, count in pod.report.arrivals.items() if via != "shadow")
        busy = pod.report.in_flight + pod.report.queued > 0
        if busy or came != arrivals.get(pod.uid, came):
            called[pod.revision] = sample.at
        arrivals[pod.uid] = came
    present = {pod.uid for pod in sample.pods}
    kept = {uid: count for uid, count in arrivals.items() if uid in present}
    return replace(sightings, arrivals=kept, called=called)


def facts_of(
    subject: Subject,
    observation: Observation,
    memory: Memory,
    sightings: Sightings,
    plan: Plan,
    now: float,
    needs: Needs,
) -> Facts:
    """Everything that the machine looks at."""
    course, routed = sightings.course, observation.route.parent is not None
    return Facts(
        wanted=wanted(subject, observation, course),
        sides={name: side(observation, name, needs, course) for name in observation.workloads},
        applied=applied(observation, sightings, now),
        verified=verified(sightings),
        splitter=divides(observation, sightings, now) if routed else splitter(observation.gateways, memory.zero),
        armed=not routed or route.knows(observation.route, course.candidate),
        quiet=silence(sightings, course.candidate, now) >= QUIET_SECONDS,
        previous_quiet=silence(sightings, course.previous, now) >= DIRECT_SECONDS,
        entry=observation.entry_revision,
        covered=_covered(subject, observation),
        shortcut=_older(observation, course),
        failed=_failed(subject, observation, sightings, plan, now),
        evidence=evidence_of(sightings.watch, course, plan, now),
        promote=subject.annotations.get(names.ANNOTATION_PROMOTE, "")[:253],
        abort=subject.annotations.get(names.ANNOTATION_ABORT, "")[:253],
        retry=subject.annotations.get(names.ANNOTATION_RETRY, "")[:253],
        starts_within=subject.spec.runtime.startup_deadline_seconds,
        passed=min(max(0.0, now - sightings.at), LONGEST_SECONDS),
    )


def _failed(subject: Subject, observation: Observation, sightings: Sightings, plan: Plan, now: float) -> str:
    """The reason and the sentence of what is wrong with the revision that is tried; empty: nothing.

    A candidate in whose favour stable has no pods has one deadline for whatever keeps it from answering.
    """
    course, deadline = sightings.course, subject.spec.runtime.startup_deadline_seconds
    found = fault(observation, *sides_of(course), sightings.lapses, deadline, now)
    if found is None and plan.recreates and course.phase is RolloutPhase.PROMOTING and course.elapsed >= deadline:
        found = Reason.CANDIDATE_NOT_READY, f"its pods were not ready within {deadline} s, and {course.stable} has none"
    return ": ".join(found) if found else ""


def _covered(subject: Subject, observation: Observation) -> bool:
    """Whether stable may be without pods: who asks is held by gateways, where there are any, and it can start again."""
    held = observation.entry.proxied and observation.entry.gateways > 0
    return (held or not observation.gateways.installed) and changed_source(subject, observation) is None


def splitter(look: GatewayLook, memory: ZeroMemory) -> bool:
    """Whether there is a gateway, as far as is known, and they have not been led to in vain again and again."""
    return (bool(look.pods) or look.none_since is None) and memory.vain < OFTEN


def divides(observation: Observation, sightings: Sightings, now: float) -> bool:
    """Whether the HTTPRoute can split, as far as is known. Where it was never taken, a refusal counts at once."""
    status, taken_at = route.condition(observation.route).status, sightings.taken_at
    if status == "Unknown":
        return now - (sightings.began if taken_at is None else taken_at) < UNTAKEN_SECONDS
    return status == "True" or (taken_at is not None and now - taken_at < REFUSED_SECONDS)


def silence(sightings: Sightings, revision: str | None, now: float) -> float:
    """Seconds since a request was last seen at a revision, or since this process has looked."""
    return now - sightings.called.get(revision or "", sightings.began)


def wanted(subject: Subject, observation: Observation, course: Course) -> str | None:
    """The revision that the spec asks for, where it is one of those that the rollout knows."""
    asked = spec_hash(subject.spec)
    for name in (course.candidate, course.stable, course.previous):
        found = observation.records.get(name or "")
        if found and found.spec_hash == asked:
            return name
    return None


def side(observation: Observation, name: str, needs: Needs, course: Course) -> Side:
    """What a revision's ready pods can take, and whether others cannot come."""
    workload = observation.workloads[name]
    waiting = any(pod.progress is Progress.WAITING for pod in workload.pods)
    return Side(
        ready=workload.ready,
        holds=needs.holds(name, workload.ready, tried=name == course.candidate != course.stable),
        stuck=workload.ready < workload.replicas and (waiting or workload.problem is not None),
    )


def applied(observation: Observation, sightings: Sightings, now: float) -> int | None:
    """Percent that the HTTPRoute, or else every ready gateway, gives the candidate; None where that is not known."""
    if observation.route.parent is not None:
        return applied_by_route(observation, sightings, now)
    return applied_by_gateways(observation, sightings.course)


def applied_by_route(observation: Observation, sightings: Sightings, now: float) -> int | None:
    """What the route says, once it was taken at its present generation.

    Nobody has to take one that gives nothing away: where none comes to the candidate for long, none is given.
    """
    entry, given = observation.entry, route.share(observation.route)
    if entry.proxied or entry.gateways:
        return None  # on the way out of a split by the gateways
    if given is not None and (observation.route.route is None or route.accepted(observation.route)):
        return given
    course = sightings.course
    unused = not given and course.weight == 0 and silence(sightings, course.candidate, now) >= UNTAKEN_SECONDS
    return 0 if unused else None


def applied_by_gateways(observation: Observation, course: Course) -> int | None:
    """What every ready gateway says; None where they differ, do not say, or do not get all of the requests."""
    entry, told = observation.entry, observation.gateways.told
    if not entry.proxied and not entry.gateways:
        return 0
    if told is None or not all(one.applied for one in told):
        return None
    candidate = course.candidate if course.candidate != course.stable else None
    weights = {sum(one.weight for one in gateway.revisions if one.name == candidate) for gateway in told}
    weight = weights.pop() if len(weights) == 1 else None
    return weight if entry.proxied or weight == 0 else None


def verified(sightings: Sightings) -> bool | None:
    """Whether the requests that the weights sent agree with the weight; None: too few."""
    agrees = _agrees(sightings)
    return False if agrees is None and sightings.doubted else agrees


def _agrees(sightings: Sightings) -> bool | None:
    course, counts = sightings.course, sightings.split.step
    ours, theirs = (counts.get(name or "", Tally()).split for name in (course.candidate, course.stable))
    whole = ours + theirs
    if whole < LEAST_SPLIT:
        return None
    found = share(ours, whole, deviations(SURE_PERCENT))
    return found.low <= course.weight / 100 <= found.high


def _older(observation: Observation, course: Course) -> bool:
    """Whether the candidate was promoted before the stable one: what never was is forgotten with its record."""
    ours, theirs = (observation.records.get(name or "") for name in (course.candidate, course.stable))
    return ours is not None and theirs is not None and ours.number < theirs.number
