"""`build_status`: the whole status of a ModelDeployment from what was seen and decided. Pure."""

from collections.abc import Callable

from serinus_api import names
from serinus_api.v1alpha1 import ModelDeploymentStatus, ScalingStatus, SummaryStatus
from serinus_operator.report.conditions import build_conditions
from serinus_operator.state import Decision, Instant, Observation, Subject

Address = Callable[[str, str], str]
"""Where a model answers, from its namespace and name."""


def service_address(namespace: str, name: str) -> str:
    """In a cluster: `http://iris.ml.svc.cluster.local`."""
    return f"http://{name}.{namespace}.svc.cluster.local"


def build_status(
    subject: Subject, observation: Observation, decision: Decision, now: Instant, address: Address = service_address
) -> ModelDeploymentStatus:
    """The decision's phases and revisions, with counts, columns and conditions."""
    live = [observation.workloads[name] for name in decision.running if name in observation.workloads]
    ready = sum(workload.ready for workload in live)
    made = 0 if decision.frozen else sum(decision.size_of(name) for name in _to_be_made(observation, decision))
    stable = decision.status.stable_revision
    stable_workload = observation.workloads.get(stable or "")
    stable_ready = stable_workload.ready if stable_workload else 0
    scaling = _scaling(subject, decision, ready, now)
    return decision.status.model_copy(
        update={
            "observed_generation": subject.generation,
            "conditions": build_conditions(subject, observation, decision, now),
            "url": address(subject.namespace, subject.name) if decision.entry else None,
            "replicas": made + sum(workload.replicas for workload in live),
            "selector": names.selector_string(subject.name),
            "summary": SummaryStatus(
                weight=_weight(decision, answers=bool(stable_ready) or scaling.state != "Awake"),
                replicas=f"{stable_ready}/{decision.replicas}",
                digest=_short_digest(decision, stable),
                engine=scaling.engine,
            ),
            "scaling": scaling,
            "gateway_port": decision.traffic.port,
        }
    )


def _to_be_made(observation: Observation, decision: Decision) -> list[str]:
    """Revisions whose Deployment is made once this status is written: said now, or it would be written once more."""
    recorded = {*observation.records, *((decision.record.name,) if decision.record else ())}
    return [name for name in decision.running if name in recorded and name not in observation.workloads]


def _scaling(subject: Subject, decision: Decision, ready: int, now: Instant) -> ScalingStatus:
    """What was decided on the size, with what is counted; `since` moves with the state alone."""
    before = subject.status.scaling
    found = decision.scaling or ScalingStatus(engine="Fixed", state="Awake", desired_replicas=decision.replicas)
    update: dict[str, object] = {"ready_replicas": ready}
    if found.engine != "Fixed":
        same = before is not None and before.state == found.state and before.since
        update["since"] = before.since if before and same else now.timestamp()
    return found.model_copy(update=update)


def _weight(decision: Decision, *, answers: bool) -> str:
    """`100%`, or `95/5%` while a candidate has a share."""
    rollout, candidate = decision.status.rollout, decision.status.candidate_revision
    share = rollout.requested_weight if rollout and candidate not in (None, decision.status.stable_revision) else None
    if share:
        return f"{100 - share}/{share}%"
    return "100%" if answers else "0%"


def _short_digest(decision: Decision, stable: str | None) -> str:
    """`sha256:1a2b3c4d5e6f` of the revision that serves, or `none`."""
    for revision in decision.status.revisions:
        if revision.name == stable and revision.model.digest:
            return revision.model.digest[:19]
    return "none"
