"""What a pod is waiting for or failing of, read from its status. Pure; called by `observe`.

The words of the scheduler, the kubelet and the program are passed on as they are; only the one-word reason is ours.

    pod says                                              progress   reason
    ────────────────────────────────────────────────────  ─────────  ───────────────────────
    PodScheduled=False, a claim is missing                 Waiting    NotFound
    PodScheduled=False                                     Waiting    Unschedulable
    waiting: ErrImagePull, ImagePullBackOff, …             Waiting    ImagePullFailed
    waiting: CreateContainerConfigError, …                 Waiting    ContainerConfigError
    waiting: CrashLoopBackOff, or ended and restarted      Failing    its report's, OutOfMemory, CrashLoop
    Ready=True                                             Ready
    Failed, Succeeded, or ended and never restarted        Ended      its report's, OutOfMemory, PodLost, …
    Pending otherwise: ContainerCreating, …                Creating   Starting
    anything else                                          Starting
"""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from serinus_api import names
from serinus_api.conditions import Reason, reason_of
from serinus_api.runtime import Phase, PreflightReport
from serinus_operator.state import PodState, Progress, Verdict

IMAGE_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
)
CONFIG_REASONS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
MISSING_CLAIM = re.compile(r'persistentvolumeclaim "([^"]+)" not found')

Manifest = Mapping[str, Any]


def pod_state(pod: Manifest) -> PodState:
    """The state of a pod from its manifest, by the table above."""
    meta = pod["metadata"]
    status = pod.get("status", {})
    progress, verdict, report = _judge(status, once=pod.get("spec", {}).get("restartPolicy") == "Never")
    return PodState(name=meta["name"], uid=meta["uid"], progress=progress, verdict=verdict, report=report)


def _judge(status: Manifest, *, once: bool) -> tuple[Progress, Verdict | None, PreflightReport | None]:
    """`once`: the container is never started again, so its end is the pod's, which the kubelet says a moment later."""
    container = _our_container(status)
    ended: Manifest = container.get("state", {}).get("terminated") or {}
    if status.get("phase") in ("Failed", "Succeeded") or (once and ended):
        report = parse_report(ended.get("message"))
        spoke = report is not None and reason_of(report.reason) is not None  # what becomes of the pod then is no matter
        return Progress.ENDED, (None if spoke else _pod_end(status)) or _container_end(ended, report), report
    if waiting := _unschedulable(status):
        return Progress.WAITING, waiting, None
    if _condition(status, "Ready").get("status") == "True":
        return Progress.READY, None, None
    state, last = container.get("state", {}), container.get("lastState", {}).get("terminated")
    held = state.get("waiting") or {}
    if held.get("reason") in IMAGE_REASONS:
        return Progress.WAITING, Verdict(Reason.IMAGE_PULL_FAILED, _words(held)), None
    if held.get("reason") in CONFIG_REASONS:
        return Progress.WAITING, Verdict(Reason.CONTAINER_CONFIG_ERROR, _words(held)), None
    if ended := (ended or last or {}):
        report = parse_report(ended.get("message"))
        return Progress.FAILING, _container_end(ended, report), report
    if status.get("phase", "Pending") == "Pending" and "running" not in state:
        return Progress.CREATING, Verdict(Reason.STARTING, _not_started(status, container)), None
    return Progress.STARTING, None, None


def _our_container(status: Manifest) -> Manifest:
    """The status of the container with the model: not that of a sidecar that somebody else adds to pods."""
    ours = (c for c in status.get("containerStatuses", ()) if c.get("name") == names.CONTAINER_RUNTIME)
    return next(ours, {})


def parse_report(message: str | None) -> PreflightReport | None:
    """The last words of a runtime container, or None where it left none that can be read."""
    if not message:
        return None
    try:
        return PreflightReport.model_validate_json(message)
    except ValidationError:
        return None


def _unschedulable(status: Manifest) -> Verdict | None:
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("status") != "False":
        return None
    message = scheduled.get("message", "the scheduler gave no reason")
    if claim := MISSING_CLAIM.search(message):
        return Verdict(Reason.NOT_FOUND, f"PersistentVolumeClaim {claim[1]} does not exist in this namespace")
    return Verdict(Reason.UNSCHEDULABLE, message)


def _not_started(status: Manifest, container: Manifest) -> str:
    """What the kubelet is at. With the sandbox ready and the volumes mounted, only the image is missing."""
    reason = container.get("state", {}).get("waiting", {}).get("reason", "Pending")
    if reason == "ContainerCreating" and _condition(status, "PodReadyToStartContainers").get("status") == "True":
        return f"{reason}: the container has not started, its image {container.get('image', '')} is being pulled"
    return f"{reason}: the container has not started, its image, a volume or the network is not there yet"


def _pod_end(status: Manifest) -> Verdict | None:
    """Ends that the container knows nothing of."""
    reason = status.get("reason")
    if reason == "DeadlineExceeded":
        return Verdict(Reason.STARTUP_DEADLINE_EXCEEDED, status.get("message", "the pod ran into its deadline"))
    if reason:
        return Verdict(Reason.POD_LOST, f"{reason}: {status.get('message', '')}".rstrip(": "))
    return None


def _container_end(ended: Manifest, report: PreflightReport | None) -> Verdict:
    if ended.get("reason") == "OOMKilled":
        return Verdict(Reason.OUT_OF_MEMORY, _out_of_memory(report))
    if report and (reason := reason_of(report.reason)):
        return Verdict(reason, report.message)
    if not ended:
        return Verdict(Reason.POD_LOST, "the pod ended without a verdict")
    words = f"the container ended with exit code {ended.get('exitCode')} ({ended.get('reason', 'unknown')})"
    last = (ended.get("message") or "").strip()
    return Verdict(Reason.CRASH_LOOP, f"{words}: {last[-500:]}" if last and not report else words)


def _out_of_memory(report: PreflightReport | None) -> str:
    """`needs more than the memory limit of 256 MiB; it was killed while Loading (peak measured before that: 244 MiB)`.

    The program measures when a phase begins, so its peak lies below the use that it was killed for. One that had ended
    its phases was serving.
    """
    if report is None:
        return "the container was killed for using more than its memory limit; raise spec.runtime.resources.limits"
    limit = f" of {_mebibytes(report.limit_bytes)}" if report.limit_bytes else ""
    peak = f" (peak measured before that: {_mebibytes(report.peak_bytes)})" if report.peak_bytes else ""
    doing = "Serving" if report.phase is Phase.DONE else report.phase
    return (
        f"the model needs more than the memory limit{limit}; it was killed while {doing}{peak}; "
        "raise spec.runtime.resources.limits.memory"
    )


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:.0f} MiB"


def _condition(status: Manifest, kind: str) -> Manifest:
    return next((c for c in status.get("conditions", ()) if c["type"] == kind), {})


def _words(state: Manifest) -> str:
    return f"{state['reason']}: {state.get('message', '')}".rstrip(": ")
