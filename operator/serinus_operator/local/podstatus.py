"""The status of a Pod as a kubelet writes it. Pure; `decide/pods.py` reads it."""

import signal
from dataclasses import dataclass, replace
from typing import Any

from serinus_api import names
from serinus_api.runtime import Phase, PreflightReport
from serinus_operator.decide.pods import parse_report
from serinus_operator.state import Manifest

OOM_EXIT = 137


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What is known of a pod; times are written when something is found to differ."""

    phase: str = "Pending"
    unschedulable: str | None = None
    """The scheduler's words."""
    address: str | None = None
    state: Manifest | None = None
    """`waiting`, `running` or `terminated`, with its contents."""
    last: Manifest | None = None
    """The `terminated` before this container."""
    restarts: int = 0
    started: bool = False
    ready: bool = False
    reason: str | None = None
    message: str | None = None

    def waiting(self, reason: str, message: str = "") -> "PodFacts":
        """The container does not run yet."""
        said = {"reason": reason, **({"message": message} if message else {})}
        return replace(self, state={"waiting": said}, started=False, ready=False)

    def running(self, now: str) -> "PodFacts":
        """The container has begun."""
        return replace(self, phase="Running", unschedulable=None, state={"running": {"startedAt": now}})

    def ended(self, terminated: Manifest) -> "PodFacts":
        """The container has ended."""
        return replace(self, state={"terminated": terminated}, last=terminated, started=False, ready=False)


def terminated(code: int, *, out_of_memory: bool, message: str, started: str, now: str) -> Manifest:
    """How a container ended. `code` is that of `subprocess`: below 0 for a signal. -9 gives exit code 137."""
    number = 128 - code if code < 0 else code
    reason = "OOMKilled" if out_of_memory else "Completed" if number == 0 else "Error"
    return {
        "exitCode": OOM_EXIT if out_of_memory else number,
        "reason": reason,
        **({"signal": -code} if code < 0 and -code in set(signal.Signals) else {}),
        **({"message": message} if message else {}),
        "startedAt": started,
        "finishedAt": now,
    }


def with_memory(words: str, limit: int | None, peak: int | None) -> str:
    """The last words of a container that was killed for its memory, with the limit that holds and what was measured.

    The program itself reads its control group, which is that of whoever started us where it has none of its own.
    """
    report = parse_report(words) or PreflightReport(phase=Phase.STARTING)
    told = report.model_copy(update={"limit_bytes": limit, "peak_bytes": peak})
    return told.model_dump_json(by_alias=True, exclude_none=True)


def pod_status(facts: PodFacts, image: str, before: Manifest, now: str) -> Manifest:
    """The status; a condition keeps its transition time while it says the same."""
    known = {c["type"]: c for c in before.get("conditions", ())}
    conditions = [_condition("PodScheduled", facts.unschedulable is None, known, now, facts.unschedulable)]
    if facts.unschedulable is None:
        conditions += [_condition(kind, facts.ready, known, now) for kind in ("ContainersReady", "Ready")]
    status: dict[str, Any] = {"phase": facts.phase, "conditions": conditions}
    if facts.address:
        status |= {"podIP": facts.address, "podIPs": [{"ip": facts.address}], "hostIP": facts.address}
    for field in ("reason", "message"):
        if value := getattr(facts, field):
            status[field] = value
    if facts.state is not None:
        status["containerStatuses"] = [
            {
                "name": names.CONTAINER_RUNTIME,
                "image": image,
                "imageID": "",
                "ready": facts.ready,
                "started": facts.started,
                "restartCount": facts.restarts,
                "state": facts.state,
                "lastState": {"terminated": facts.last} if facts.last and "terminated" not in facts.state else {},
            }
        ]
    return status


def _condition(kind: str, true: bool, known: dict[str, Manifest], now: str, problem: str | None = None) -> Manifest:
    said = "True" if true else "False"
    same = known.get(kind, {}).get("status") == said
    condition = {"type": kind, "status": said, "lastTransitionTime": known[kind]["lastTransitionTime"] if same else now}
    return {**condition, "reason": "Unschedulable", "message": problem} if problem else condition
