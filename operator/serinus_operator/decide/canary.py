"""A rollout in steps, in the words of a decision: `transitions` moves, this says what that means for the cluster. Pure.

    resolution has ended, its pods take the first weight ─► begun
    a rollout is under way                               ─► driven, each pass, until it is Stable or Aborted

The resolution finds and tries the model as for any rollout; the status says where the course is from then on. What has
been decided is persisted before anything is done for it, and done again by every pass until it is seen.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from serinus_api import names
from serinus_api.conditions import ConditionType, Reason, reason_of
from serinus_api.v1alpha1 import (
    ActionsStatus,
    ModelDeploymentStatus,
    RejectedSpec,
    ResolutionStatus,
    RevisionState,
    RolloutPhase,
    RolloutStatus,
    SideStatus,
)
from serinus_operator.decide import history, traffic
from serinus_operator.decide.analysis import Judgement
from serinus_operator.decide.course import Course, Facts, first_percent, intent_of
from serinus_operator.decide.demand import TICK_SECONDS
from serinus_operator.decide.faults import FAULTS
from serinus_operator.decide.findings import Findings
from serinus_operator.decide.happenings import UNJUDGED, happenings
from serinus_operator.decide.persistence import GATEWAY, HTTP_ROUTE, STEPS, course_of, with_course
from serinus_operator.decide.plan import Plan, plan_of
from serinus_operator.decide.replicas import share_floor
from serinus_operator.decide.scaling import Sizing
from serinus_operator.decide.shares import Needs
from serinus_operator.decide.sightings import Sightings, facts_of, kept, looked, remembered
from serinus_operator.decide.source import kept_sizes, restored_copy
from serinus_operator.decide.transitions import ASKED, HELD_FOR, advance
from serinus_operator.decide.watch import Watch, unjudged
from serinus_operator.state import (
    Decision,
    Finding,
    Happening,
    Health,
    Instant,
    Memory,
    Observation,
    Split,
    Subject,
    Verdict,
)

SPLIT = (
    RolloutPhase.STEPPING,
    RolloutPhase.HELD,
    RolloutPhase.PROMOTING,
    RolloutPhase.ABORTING,
    RolloutPhase.SUPERSEDING,
)
Verdicts = tuple[Judgement, ...]
MAKING_ROOM = (RolloutPhase.PROVISIONING, RolloutPhase.PROMOTING)


@dataclass(frozen=True, slots=True)
class Driven:
    """What one pass came to."""

    subject: Subject
    """With the status after it."""
    decision: Decision | None
    """None: the rollout is over, and what follows is for others to decide."""
    happenings: tuple[Happening, ...]
    sides: tuple[SideStatus, ...] = ()
    """What each revision shall have, where that follows the demand."""


def under_way(status: ModelDeploymentStatus) -> bool:
    """Whether a candidate is on its way in steps, or one that was promoted is still watched."""
    return status.rollout is not None and not status.rollout.phase.ended


def splits(subject: Subject) -> bool:
    """Whether the gateways are to be in the path: the candidate has, or is to get, a share of the requests, or they
    hold all of them while it starts in stable's place."""
    rollout = subject.status.rollout
    if rollout is None or subject.spec.route is not None:
        return False
    if rollout.phase in MAKING_ROOM and plan_of(subject.spec.rollout).recreates:
        return True
    return rollout.phase in SPLIT and bool(rollout.step_weight)


def in_steps(subject: Subject, observation: Observation, revision: str | None, size: int) -> bool:
    """Whether a revision is to be tried beside the stable one: that answers, and it was not promoted before.

    Or in its place, which is the way of any revision where there is no room for two.
    """
    stable = observation.workloads.get(subject.status.stable_revision or "")
    if plan_of(subject.spec.rollout).recreates:
        return stable is not None and size > 0
    served = (RevisionState.RETIRED, RevisionState.STABLE)
    known = any(one.name == revision and one.state in served for one in subject.status.revisions)
    return subject.spec.rollout.gradual and stable is not None and stable.ready > 0 and size > 0 and not known


def first_size(subject: Subject, size: int) -> int:
    """Pods of the candidate before it gets the first weight; none where it has to wait for stable's room."""
    plan = plan_of(subject.spec.rollout)
    return 0 if plan.recreates else share_floor(first_percent(plan), size)


def noted(subject: Subject) -> ActionsStatus:
    """What is asked for while nothing is under way is done with."""
    asked, done = subject.annotations, subject.status.actions
    promote = asked.get(names.ANNOTATION_PROMOTE, "")[:253] or done.promote
    return done.model_copy(
        update={"promote": promote, "abort": asked.get(names.ANNOTATION_ABORT, "")[:253] or done.abort}
    )


def forgotten(status: ModelDeploymentStatus) -> ModelDeploymentStatus:
    """The status without the rollout that was taken back, once the spec asks for what serves."""
    if status.rollout is None or status.rollout.phase is not RolloutPhase.ABORTED:
        return status
    return status.model_copy(update={"rollout": RolloutStatus(phase=RolloutPhase.STABLE)})


def untried(status: ModelDeploymentStatus) -> ModelDeploymentStatus:
    """The status where another candidate is looked for than the one that was taken back: of this one there was none."""
    if status.rollout is None or not status.rollout.attempt:
        return status
    return status.model_copy(update={"rollout": status.rollout.model_copy(update={"attempt": 0})})


def begun(subject: Subject, candidate: str) -> Subject:
    """The subject with a rollout that begins, once its resolution has ended."""
    before = subject.status.rollout
    again = before is not None and before.phase is RolloutPhase.ABORTED
    rollout = RolloutStatus(phase=RolloutPhase.PROVISIONING, attempt=before.attempt + 1 if again and before else 1)
    update = {"rollout": rollout, "candidate_revision": candidate}
    return replace(subject, status=subject.status.model_copy(update=update))


def _early(before: Course, after: Course, facts: Facts) -> Verdicts:
    """The verdict over the whole step for which the candidate is taken back now."""
    early = facts.evidence.early
    aborted = after.phase is RolloutPhase.ABORTING is not before.phase
    return (early,) if early and aborted else ()


def _verdicts(before: Course, after: Course, facts: Facts, judged: Watch, watch: Watch, plan: Plan) -> Verdicts:
    """What is told of the metrics now: a window that has just ended, or the end of a step, or a hold, without any."""
    windows = watch.verdicts if watch.verdicts is not judged.verdicts else ()
    return (*windows, *_early(before, after, facts), *_without(before, after, facts, watch, plan))


def _without(before: Course, after: Course, facts: Facts, watch: Watch, plan: Plan) -> Verdicts:
    held = after.held in UNJUDGED and after.held != before.held
    left = before.phase in STEPS and (before.step_index, before.phase) != (after.step_index, after.phase)
    passed = left and not after.held and after.message.startswith(UNJUDGED)
    return unjudged(watch, before, plan, facts.evidence) if held or passed else ()


def driven(subject: Subject, observation: Observation, memory: Memory, now: Instant, sizing: Sizing) -> Driven:
    """One pass of the machine."""
    plan, size = plan_of(subject.spec.rollout), sizing.size
    needs = sizing.needs or Needs(size)
    known = remembered(memory.canary, course_of(subject.status), subject.status, now.monotonic)
    judged = known.watch
    known = looked(known, observation, plan, now.monotonic)
    facts = facts_of(subject, observation, memory, known, plan, now.monotonic, needs)
    course = advance(known.course, facts, plan)
    mechanism = GATEWAY if subject.spec.route is None else HTTP_ROUTE
    status = with_course(subject.status, course, facts, mechanism if course.weight else None)
    told = happenings(
        known.course,
        course,
        _verdicts(known.course, course, facts, judged, known.watch, plan),
        plan,
        cause=failure_of(course),
        fresh=not isinstance(memory.canary, Sightings),
    )
    if course.phase.ended:
        return Driven(replace(subject, status=_ended(subject, observation, status, course, now)), None, told)
    intent = intent_of(course, facts, plan)
    candidate = course.candidate if course.candidate != course.stable else None
    sides = _sides(subject, needs, intent.sizes, course)
    listed = history.revisions(
        subject, observation, stable=course.stable, candidate=candidate, digest=None, replicas=size, now=now
    )
    status = status.model_copy(update={"resolution": None, "revisions": listed})
    decision = Decision(
        status=status,
        memory=replace(Memory(), canary=kept(known, course, now.monotonic)),
        health=Health.WORKING,
        verdict=_verdict(course, plan),
        findings=_findings(observation, course, plan),
        replicas=size,
        sizes={side.name: side.desired_replicas for side in sides},
        kept_sizes=kept_sizes(subject, observation, size),
        running=_running(observation, intent.entry, course, intent.sizes),
        entry=intent.entry,
        split=split_of(course),
        copy=restored_copy(subject, observation),
        keep_records=history.names_of(listed) | {name for name in (course.previous,) if name},
        happenings=told,
        requeue_seconds=TICK_SECONDS,
    )
    return Driven(replace(subject, status=status), decision, told, sides if needs.of else ())


def _sides(subject: Subject, needs: Needs, percents: Mapping[str, int], course: Course) -> tuple[SideStatus, ...]:
    """What each revision shall have, and why."""
    scaling = subject.status.scaling
    before = {side.name: side for side in scaling.sides or ()} if scaling else {}
    return tuple(
        needs.side(name, percent, before.get(name), tried=name not in (course.stable, course.previous))
        for name, percent in percents.items()
    )


def split_of(course: Course) -> Split | None:
    """How an HTTPRoute divides the requests: the candidate is in it before it has a share, and until it has none.

    After the promotion it has all of them, until the entry Service leads to it as well.
    """
    tried = course.candidate not in (None, course.stable)
    return Split(course.candidate, course.weight) if course.candidate and (tried or course.weight) else None


def _running(observation: Observation, entry: str | None, course: Course, sizes: Collection[str]) -> tuple[str, ...]:
    """Stable first, unless it makes room; nobody else loses the pods that requests still go to."""
    others = [name for name in sizes if name != course.stable]
    leaving = traffic.running(observation, entry, course.stable, None)
    kept = [name for name in leaving if name in sizes or name != course.stable]
    return tuple(dict.fromkeys([*kept[:1], *others, *kept[1:]]))


def _ended(
    subject: Subject, observation: Observation, status: ModelDeploymentStatus, course: Course, now: Instant
) -> ModelDeploymentStatus:
    """The status after a rollout: a candidate that was taken back is remembered as refused."""
    update: dict[str, object] = {"candidate_revision": None, "resolution": None}
    record = observation.records.get(course.candidate or "")
    if course.phase is RolloutPhase.ABORTED and record:
        update["rejected"] = _with_refusal(subject, record.spec_hash, record.digest, course, now)
    return status.model_copy(update=update)


def _with_refusal(subject: Subject, asked: str, digest: str, course: Course, now: Instant) -> tuple[RejectedSpec, ...]:
    resolution = ResolutionStatus(spec_hash=asked, phase="Provisioning")
    before = replace(subject, status=subject.status.model_copy(update={"resolution": resolution}))
    verdict = Verdict(failure_of(course), f"{course.candidate} was taken back: {course.message}")
    return history.with_rejection(
        before, verdict, now=now, digest=digest, revision=course.candidate, attempt=course.attempt
    )


def failure_of(course: Course) -> Reason:
    """Why a candidate is taken back, in one word."""
    by_hand = course.message == ASKED or course.message.startswith(HELD_FOR)
    if by_hand:
        return Reason.ABORTED
    said = reason_of(course.message.partition(":")[0])
    return said if said in FAULTS else Reason.ANALYSIS_FAILED


def _verdict(course: Course, plan: Plan) -> Verdict:
    """What `Ready` says meanwhile. It names no figure that moves by itself: each change is a write."""
    name, more = course.candidate, f": {course.message}" if course.message else ""
    match course.phase:
        case RolloutPhase.STEPPING:
            place = f"step {plan.place(course.step_index)}"
            asked = f"{course.step_weight} %" if course.step_weight else "copies alone"
            words = f"{name} gets {course.weight} % ({place}, {asked}){more}"
        case RolloutPhase.HELD:
            return Verdict(Reason.HELD, f"{name} is held at {course.weight} %, {course.held}{more}")
        case RolloutPhase.ABORTING:
            return Verdict(failure_of(course), f"{name} is taken back{more}")
        case RolloutPhase.BAKING:
            words = f"{course.stable} was promoted, and is watched for {plan.bake_seconds} s"
        case RolloutPhase.SUPERSEDING:
            words = f"{name} makes room for another revision"
        case RolloutPhase.PROMOTING:
            words = f"{name} takes over, and gets {course.weight} %"
            if plan.recreates:
                words = f"{name} starts in the place of {course.stable}"
        case _:
            words = f"{name} starts"
            if plan.recreates:
                words = f"{course.stable} keeps its pods until the gateways hold the requests for {name}"
    return Verdict(Reason.RECONCILING, f"{course.phase}: {words}")


def _findings(observation: Observation, course: Course, plan: Plan) -> Findings:
    newest = observation.records.get((course.stable if course.phase is RolloutPhase.BAKING else course.candidate) or "")
    said = _verdict(course, plan)
    bad = course.phase in (RolloutPhase.HELD, RolloutPhase.ABORTING)
    healthy = Finding("False", said) if bad else Finding("True", Verdict(Reason.PROGRESSING, said.message))
    findings: Findings = {ConditionType.ROLLOUT_HEALTHY: healthy}
    if newest:
        resolved = Verdict(Reason.RESOLVED, f"{newest.uri} is {newest.digest}")
        passed = Verdict(Reason.PASSED, "the model loads and answers within its limits")
        findings[ConditionType.MODEL_RESOLVED] = Finding("True", resolved)
        findings[ConditionType.MODEL_VALIDATED] = Finding("True", passed)
    return findings
