"""How the stable revision does when nothing is rolled out: is it all there, and can its pods be made again? Pure."""

from dataclasses import dataclass

from serinus_api.conditions import ConditionType, Reason
from serinus_operator.decide.findings import Findings, worst
from serinus_operator.decide.scaling import Sizing
from serinus_operator.decide.source import changed_source, kept_sizes
from serinus_operator.state import Finding, Health, Instant, Memory, Observation, Subject, Verdict

SETTLING_SECONDS = 15.0
"""A settled model whose pods are not all ready is looked at this often, beside every event of its pods."""


@dataclass(frozen=True, slots=True)
class Settling:
    """What is said of the stable revision, and when to look again."""

    health: Health
    verdict: Verdict
    memory: Memory
    findings: Findings
    requeue_seconds: float | None = None


def settle(subject: Subject, observation: Observation, memory: Memory, now: Instant, sizing: Sizing) -> Settling:
    """Ready once enough pods answer through the entry Service; stalled when they, or a write, take past the deadline.

    Enough are all of a fixed size, and `minReplicas` of one that follows the demand.
    """
    stable = subject.status.stable_revision or ""
    clock = f"{subject.uid}/settled/{stable}"
    changed = changed_source(subject, observation)
    findings = _findings(observation, stable, changed)
    kept = kept_sizes(subject, observation, sizing.size).get(stable)
    asked = sizing if kept is None else Sizing(kept, kept, exact=True)
    problem = _missing(observation, stable, asked, subject.name) or observation.failure
    if problem is None and kept is not None:
        field = "replicas" if subject.spec.scaling is None else "scaling"
        message = f"{stable} keeps {_replicas(kept)}, not the {sizing.size} of spec.{field}: {changed}"
        return Settling(Health.STALLED, Verdict(Reason.SOURCE_CHANGED, message), Memory(), findings)
    if problem is None:
        ready = Verdict(Reason.READY, _serves(subject, stable, sizing))
        return Settling(Health.SETTLED, ready, Memory(), findings)
    if memory.work != clock:
        memory = Memory(work=clock, since=now.monotonic)
    elapsed, workload = now.monotonic - memory.since, observation.workloads.get(stable)
    cause = workload and (workload.problem or worst(workload.pods, elapsed))
    late = elapsed >= subject.spec.runtime.startup_deadline_seconds
    health = Health.STALLED if late else Health.WORKING
    return Settling(health, cause or problem, memory, findings, SETTLING_SECONDS)


def _findings(observation: Observation, stable: str, changed: str | None) -> Findings:
    record = observation.records[stable]
    resolved = Finding("True", Verdict(Reason.RESOLVED, f"{record.uri} is {record.digest}"))
    if changed:
        resolved = Finding("False", Verdict(Reason.SOURCE_CHANGED, changed))
    passed = Verdict(Reason.PASSED, "the model loads and answers within its limits")
    return {ConditionType.MODEL_RESOLVED: resolved, ConditionType.MODEL_VALIDATED: Finding("True", passed)}


def _missing(observation: Observation, stable: str, asked: Sizing, service: str) -> Verdict | None:
    """What is not there yet: pods first, then the way to them."""
    workload = observation.workloads.get(stable)
    complete = workload is not None and workload.ready >= asked.enough
    if asked.exact:
        complete = complete and workload is not None and workload.updated and workload.replicas == asked.size
    if not complete:
        ready = workload.ready if workload else 0
        return Verdict(Reason.STARTING, f"{ready} of {asked.enough} replicas of {stable} are ready")
    if observation.entry_revision != stable:
        return Verdict(Reason.RECONCILING, f"Service {service} does not lead to {stable} yet")
    return None


def _serves(subject: Subject, stable: str, sizing: Sizing) -> str:
    """What `Ready` says: a size that follows the demand is no matter of the rollout."""
    spec = subject.spec.scaling
    if spec is None:
        return f"{stable} serves with {_replicas(sizing.size)}"
    return f"{stable} serves with {spec.min_replicas} to {_replicas(spec.max_replicas)}"


def _replicas(count: int) -> str:
    return f"{count} {'replica' if count == 1 else 'replicas'}"
