"""What should be: `decide(subject, observation, memory, now) → Decision`. Pure: no clock, no I/O, no logging.

The size comes first (`scaling.py`), then the classification, then one action for it:

    paused                                   children stay as they are
    a field is set whose behaviour is to come the stable revision is kept, nothing else is decided
    local mode, and a field needs a cluster   the same
    a rollout in steps is under way           one step of its own machine (`canary.py`), before the two above
    the spec's revision is stable            settled: keep it, at its size (or resolve it anew: `refresh.py`)
    the spec was rejected, and nothing moved the stable revision is kept
    otherwise                                one step of the rollout machine (`rollout.py`)
"""

from dataclasses import replace

from serinus_api import names
from serinus_api.conditions import RESOLUTION_REASONS, ConditionType, Reason, reason_of
from serinus_api.local import fields_without_cluster
from serinus_api.v1alpha1 import (
    ModelDeploymentStatus,
    RejectedSpec,
    ResolutionPhase,
    ResolutionStatus,
    SideStatus,
    spec_hash,
    unsupported_fields,
)
from serinus_operator.decide import canary, history, refresh, rest, route, scaling, sides, traffic, zero
from serinus_operator.decide.findings import Findings
from serinus_operator.decide.replicas import share_floor
from serinus_operator.decide.rollout import advance
from serinus_operator.decide.scaling import Sizing
from serinus_operator.decide.settled import SETTLING_SECONDS, settle
from serinus_operator.decide.source import kept_sizes, restored_copy
from serinus_operator.decide.validation import asks_otherwise
from serinus_operator.decide.work import Step, Work, revision_for, stopped
from serinus_operator.places import Traffic
from serinus_operator.state import (
    Decision,
    Finding,
    Happening,
    Health,
    Instant,
    Memory,
    Observation,
    Subject,
    Verdict,
)

WHOLE_PERCENT = 100
"""A candidate takes all of the traffic at once when it is promoted, so it needs the pods for it before."""


def decide(
    subject: Subject, observation: Observation, memory: Memory, now: Instant, *, default_image: str, local: bool = False
) -> Decision:
    """The decision for one ModelDeployment. `default_image` serves where the spec names none.

    `local` says that processes stand in for a cluster: other sources are allowed, and other fields refused.
    """
    if subject.spec.paused:
        return _paused(subject, observation, memory, now)
    refusal = _not_acted_on(subject, default_image, local=local)
    sizing = sides.size(subject, observation, memory, now, acted_on=refusal is None)
    contested = sizing.finding is not None and sizing.finding.verdict.reason is Reason.REPLICA_OWNERSHIP_CONFLICT
    rolls_out = canary.under_way(subject.status) or _rolls_out(subject, observation)
    settled = refusal is None and not contested and not rolls_out
    splits = canary.splits(subject)
    sleep = zero.step(subject, observation, memory.zero, now, wanted=sizing.size, settled=settled, splits=splits)
    sizing = rest.sized(subject, sizing, sleep, now)
    decision: Decision | None = None
    told: tuple[Happening, ...] = ()
    shown: tuple[SideStatus, ...] = ()
    if canary.under_way(subject.status):
        driven = canary.driven(subject, observation, memory, now, sizing)
        subject, decision, told, shown = driven.subject, driven.decision, driven.happenings, driven.sides
    if decision is None and refusal:
        decision = _keep_stable(subject, observation, memory, now, sizing, refusal)
    elif decision is None:
        decision = _classified(subject, observation, memory, now, sizing, default_image, local)
    found = {ConditionType.SCALING_ACTIVE: sizing.finding} if sizing.finding else {}
    decision = replace(decision, sizes={**decision.sizes, **rest.others(subject, decision, sleep)})
    remembered = sides.after(sizing, decision, observation, memory, now)
    decision = replace(
        rest.told(subject, decision, sizing),
        memory=replace(decision.memory, scaling=remembered.stable, sides=remembered.others, zero=sleep.memory),
        scaling=sizing.status and sizing.status.model_copy(update={"sides": shown or None}),
        traffic=sleep.traffic,
        leaving_pods=remembered.leaving,
        happenings=told or decision.happenings,
        findings={**decision.findings, **found},
        requeue_seconds=_sooner(decision.requeue_seconds, sizing),
    )
    return route.told(subject, observation.route, memory.unrouted_since, decision, now)


def _rolls_out(subject: Subject, observation: Observation) -> bool:
    """Whether the spec asks for another revision than the one that serves, and may still get it."""
    refused = any(rejection.spec_hash == spec_hash(subject.spec) for rejection in subject.status.rejected)
    return not refused and not refresh.serves_on(subject, observation.records)


def _sooner(seconds: float | None, sizing: Sizing) -> float | None:
    """Another engine's objects are not watched, so their words are looked for."""
    if sizing.status is None or sizing.status.engine == "Builtin":
        return seconds
    return SETTLING_SECONDS if seconds is None else min(seconds, SETTLING_SECONDS)


def _not_acted_on(subject: Subject, default_image: str, *, local: bool) -> Verdict | None:
    """Why nothing of the spec is acted on: one that does half of what it says would be a lie."""
    if unsupported := unsupported_fields(subject.spec):
        message = f"{', '.join(unsupported)}: not supported by this version of the operator yet; remove it to go on"
        return Verdict(Reason.NOT_SUPPORTED, message)
    if local and (missing := fields_without_cluster(subject.spec, default_image)):
        message = f"{', '.join(missing)}: needs a cluster, which local mode has not; remove it to go on"
        return Verdict(Reason.NOT_IN_LOCAL_MODE, message)
    return None


def _classified(  # all that a decision rests on
    subject: Subject,
    observation: Observation,
    memory: Memory,
    now: Instant,
    sizing: Sizing,
    default_image: str,
    local: bool,
) -> Decision:
    """One of the cases in which the spec is acted on."""
    if refresh.serves_on(subject, observation.records):
        return _settled(subject, observation, memory, now, sizing)
    wanted = spec_hash(subject.spec)
    status, attempt = _reopened(subject, observation, wanted)
    subject = replace(subject, status=status)
    if rejection := next((r for r in status.rejected if r.spec_hash == wanted), None):
        return _refused(subject, observation, memory, now, sizing, rejection)
    resolution = status.resolution
    if resolution is None or resolution.spec_hash != wanted:
        resolution = ResolutionStatus(
            spec_hash=wanted,
            phase=ResolutionPhase.RESOLVING,
            attempt=attempt,
            image=subject.spec.runtime.image or default_image,
        )
        status = status if attempt else canary.untried(status)
        actions = refresh.with_refresh(subject, canary.noted(replace(subject, status=status)))
        status = status.model_copy(update={"actions": actions})
    subject = replace(subject, status=status.model_copy(update={"resolution": resolution}))
    asleep = sizing.status is not None and sizing.status.state == "Asleep"
    replicas = rest.SMOKE_PODS if asleep else share_floor(WHOLE_PERCENT, sizing.size)
    if canary.in_steps(subject, observation, resolution.revision, sizing.size):
        replicas = canary.first_size(subject, sizing.size)
    work = Work(subject, observation, memory, resolution, replicas, now.monotonic, local)
    step = advance(work)
    if step.candidate and step.candidate == status.stable_revision:  # a refresh that has found what serves already
        return _settled(subject, observation, Memory(), now, sizing)
    if step.promoted and canary.in_steps(subject, observation, step.promoted, sizing.size):
        begun = canary.begun(subject, step.promoted)
        if decision := canary.driven(begun, observation, memory, now, sizing).decision:
            return decision
    decision = _conclude(subject, observation, step, now, sizing)
    return replace(decision, sizes={step.candidate: replicas}) if step.candidate and not asleep else decision


def _paused(subject: Subject, observation: Observation, memory: Memory, now: Instant) -> Decision:
    """Everything as it is, the clocks included; what runs is named only to be counted."""
    resolution, present = stopped(subject, memory, now.monotonic), observation.entry_revision
    status = subject.status.model_copy(update={"resolution": resolution})
    running = (name for name in (status.stable_revision, status.candidate_revision, present) if name)
    return Decision(
        status=status,
        memory=Memory(),
        health=Health.PAUSED,
        verdict=Verdict(Reason.PAUSED, "spec.paused is true: nothing is decided or changed until it is false"),
        replicas=scaling.held_size(subject, observation).size,
        running=tuple(dict.fromkeys(running)),
        entry=present,
        scaling=status.scaling,
        traffic=Traffic(place=zero.place_of(subject), port=status.gateway_port),
        frozen=True,
    )


def _reopened(subject: Subject, observation: Observation, wanted: str) -> tuple[ModelDeploymentStatus, int]:
    """The status without a rejection that is to be looked at again, and the preflight attempts made before.

    A rejection is forgotten when `serinus.dev/retry` or `refresh` has a new nonce, when a ConfigMap model holds other
    bytes now, or when `spec.validation` or the golden requests for which it was refused are others.
    """
    status = _noted_retry(subject)
    rejection = next((r for r in status.rejected if r.spec_hash == wanted), None)
    asked = status is not subject.status or refresh.is_asked(subject)
    if rejection and (
        asked or _source_moved(rejection, observation) or asks_otherwise(rejection, subject, observation)
    ):
        status = status.model_copy(update={"rejected": tuple(r for r in status.rejected if r is not rejection)})
    return status, rejection.attempt if rejection else 0


def _noted_retry(subject: Subject) -> ModelDeploymentStatus:
    """The status with a new nonce of `serinus.dev/retry` noted as carried out; the very same one without."""
    status, nonce = subject.status, subject.annotations.get(names.ANNOTATION_RETRY, "")[:253]
    if not nonce or nonce == status.actions.retry:
        return status
    return status.model_copy(update={"actions": status.actions.model_copy(update={"retry": nonce})})


def _source_moved(rejection: RejectedSpec, observation: Observation) -> bool:
    source = observation.source
    if rejection.digest is None and rejection.reason == Reason.ABORTED:
        return False  # aborted before the source was read: there is nothing that it could have moved from
    return source is not None and source.digest is not None and source.digest != rejection.digest


def _settled(subject: Subject, observation: Observation, memory: Memory, now: Instant, sizing: Sizing) -> Decision:
    """The spec's revision takes the traffic; keep it so, at its size. A retry has nothing to try, and is done; so is a
    rollout that was taken back."""
    subject = replace(subject, status=canary.forgotten(_noted_retry(subject)))
    found = settle(subject, observation, memory, now, sizing)
    decision = _with_stable(
        subject, observation, now, sizing, health=found.health, verdict=found.verdict, memory=found.memory
    )
    return replace(decision, findings=found.findings, requeue_seconds=found.requeue_seconds)


def _refused(
    subject: Subject,
    observation: Observation,
    memory: Memory,
    now: Instant,
    sizing: Sizing,
    rejection: RejectedSpec,
) -> Decision:
    """The spec stays rejected; the revision that served before serves on."""
    verdict = Verdict(reason_of(rejection.reason) or Reason.LOAD_FAILED, rejection.message)
    decision = _with_stable(subject, observation, now, sizing, health=Health.STALLED, verdict=verdict, memory=memory)
    return replace(decision, findings=_findings_of(rejection, verdict, subject), refused=True)


def _findings_of(rejection: RejectedSpec, verdict: Verdict, subject: Subject) -> Findings:
    resolved = Finding("True", Verdict(Reason.RESOLVED, f"{subject.spec.model.uri} is {rejection.digest}"))
    findings: Findings = {ConditionType.MODEL_RESOLVED: resolved}
    if verdict.reason in RESOLUTION_REASONS:
        findings[ConditionType.MODEL_RESOLVED] = Finding("False", verdict)
        not_tried = Verdict(Reason.PREFLIGHT, "not tried: the model could not be resolved")
        findings[ConditionType.MODEL_VALIDATED] = Finding("Unknown", not_tried)
    elif rejection.revision:
        passed = Verdict(Reason.PASSED, "the model loads and answers within its limits")
        findings[ConditionType.MODEL_VALIDATED] = Finding("True", passed)
        findings[ConditionType.ROLLOUT_HEALTHY] = Finding("False", verdict)
    else:
        findings[ConditionType.MODEL_VALIDATED] = Finding("False", verdict)
    return findings


def _keep_stable(
    subject: Subject, observation: Observation, memory: Memory, now: Instant, sizing: Sizing, verdict: Verdict
) -> Decision:
    decision = _with_stable(subject, observation, now, sizing, health=Health.STALLED, verdict=verdict, memory=memory)
    return replace(decision, frozen=not decision.running)


def _with_stable(  # the base of every decision that has no candidate
    subject: Subject,
    observation: Observation,
    now: Instant,
    sizing: Sizing,
    *,
    health: Health,
    verdict: Verdict,
    memory: Memory,
) -> Decision:
    """The stable revision alone: no candidate, no preflight."""
    stable = subject.status.stable_revision
    entry = traffic.entry(subject, observation, stable, sizing.size)
    listed = history.revisions(
        subject, observation, stable=stable, candidate=None, digest=None, replicas=sizing.size, now=now
    )
    update = {"resolution": None, "candidate_revision": None, "revisions": listed, "actions": canary.noted(subject)}
    status = subject.status.model_copy(update=update)
    return Decision(
        status=status,
        memory=memory,
        health=health,
        verdict=verdict,
        replicas=sizing.size,
        kept_sizes=kept_sizes(subject, observation, sizing.size),
        running=traffic.running(observation, entry, stable, None),
        entry=entry,
        copy=restored_copy(subject, observation),
        keep_records=history.names_of(listed),
    )


def _conclude(subject: Subject, observation: Observation, step: Step, now: Instant, sizing: Sizing) -> Decision:
    """The decision that a step of the rollout machine amounts to."""
    if step.rejected:
        return _conclude_rejection(subject, observation, step, step.rejected, now, sizing)
    if step.promoted and _leads_there(subject, observation, step.promoted):
        update = {"stable_revision": step.promoted, "candidate_revision": None, "resolution": None}
        promoted = replace(subject, status=subject.status.model_copy(update=update))
        return _settled(promoted, observation, Memory(), now, sizing)
    stable = step.promoted or subject.status.stable_revision
    candidate, resolution = step.candidate, step.resolution
    entry = traffic.entry(subject, observation, stable or candidate, sizing.size)
    digest = resolution.digest if resolution else None
    listed = history.revisions(
        subject, observation, stable=stable, candidate=candidate, digest=digest, replicas=sizing.size, now=now
    )
    listed = history.with_passed(listed, candidate, step.passed)
    status = subject.status.model_copy(
        update={
            "stable_revision": stable,
            "candidate_revision": candidate,
            "resolution": resolution,
            "revisions": listed,
        }
    )
    keep = history.names_of(listed)
    if resolution and resolution.digest:
        keep |= {revision_for(subject, observation.records, resolution, resolution.digest)}
    return Decision(
        status=status,
        memory=step.memory,
        health=Health.STALLED if resolution and resolution.deadline_exceeded else Health.WORKING,
        verdict=step.waiting or _progress(subject, step),
        findings=step.findings,
        replicas=sizing.size,
        kept_sizes=kept_sizes(subject, observation, sizing.size),
        running=traffic.running(observation, entry, stable, candidate),
        entry=entry,
        record=step.record,
        copy=step.copy or restored_copy(subject, observation),
        preflight=step.preflight,
        keep_records=keep,
        requeue_seconds=0.0 if step.promoted else step.requeue_seconds,
    )


def _leads_there(subject: Subject, observation: Observation, promoted: str) -> bool:
    """Whether a promotion changes nothing but the status: the first revision has the traffic already."""
    first = subject.status.stable_revision is None
    return first and observation.entry_revision == promoted and promoted in observation.records


def _conclude_rejection(
    subject: Subject, observation: Observation, step: Step, verdict: Verdict, now: Instant, sizing: Sizing
) -> Decision:
    resolution = step.resolution
    rejected = history.with_rejection(
        subject,
        verdict,
        now=now,
        digest=resolution.digest if resolution else None,
        revision=resolution.revision if resolution else None,
        attempt=resolution.attempt if resolution else 0,
    )
    after = replace(subject, status=subject.status.model_copy(update={"rejected": rejected}))
    return _refused(after, observation, step.memory, now, sizing, rejected[0])


def _progress(subject: Subject, step: Step) -> Verdict:
    if step.promoted:
        return Verdict(Reason.RECONCILING, f"{step.promoted} takes over")
    phase = step.resolution.phase if step.resolution else "Resolving"
    words = {
        ResolutionPhase.RESOLVING: f"looking up {subject.spec.model.uri}",
        ResolutionPhase.PREFLIGHT: "a preflight pod tries the model",
        ResolutionPhase.PROVISIONING: "the new revision's pods start",
    }
    return Verdict(Reason.RECONCILING, f"{phase}: {words.get(ResolutionPhase(phase), '')}")
