"""Which revision the entry Service leads to, and which ones run for its sake. Pure."""

from serinus_operator.state import Observation, Subject


def entry(subject: Subject, observation: Observation, wanted: str | None, replicas: int) -> str | None:
    """The revision for the entry Service: `wanted`, but never one that does not answer in place of one that does.

    present one        wanted one                     leads to
    ─────────────────  ─────────────────────────────  ───────────────────────────────
    does not answer    any, or none                   wanted, or nowhere
    was refused        any, or none                   wanted, or nowhere
    answers            answers, or has no pods asked  wanted
    answers            does not answer, or none       present: adopted, or superseded before it was promoted
    """
    present = observation.entry_revision
    workload, new = observation.workloads.get(present or ""), observation.workloads.get(wanted or "")
    refused = any(rejection.revision == present for rejection in subject.status.rejected)
    if workload is None or not workload.ready or refused:
        return wanted
    answers = wanted is not None and (replicas == 0 or (new is not None and new.ready > 0))
    return wanted if answers else present


def running(observation: Observation, entry: str | None, stable: str | None, candidate: str | None) -> tuple[str, ...]:
    """Stable, candidate, and the one that the entry Service still names: it goes only after the flip was seen."""
    present = observation.entry_revision
    leaving = present if entry and present in observation.workloads else None
    return tuple(dict.fromkeys(name for name in (stable, candidate, leaving) if name))
