"""Pod statuses as schedulers and kubelets write them, and what they mean. The table of `decide/pods.py`, row by row."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus_api.conditions import Reason
from serinus_api.runtime import Phase, PreflightReport
from serinus_operator.decide.pods import parse_report, pod_state
from serinus_operator.state import Progress

SCHEDULED = {"type": "PodScheduled", "status": "True"}
PASSED = '{"phase":"Done","reason":"Passed","digest":"sha256:1"}'
REFUSED = '{"phase":"Loading","reason":"LoadFailed","message":"Protobuf parsing failed"}'
LOADING = '{"phase":"Loading","peakBytes":255852544,"limitBytes":268435456}'


def status(phase: str = "Pending", state: Any = None, last: Any = None, *, ready: str = "False", **more: Any) -> Any:
    container = {"name": "runtime", "state": state or {}, "lastState": last or {}}
    return {
        "phase": phase,
        "conditions": [SCHEDULED, {"type": "Ready", "status": ready}],
        "containerStatuses": [container],
        **more,
    }


def waiting(reason: str, message: str | None = None) -> Any:
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def ended(code: int, reason: str, message: str | None = None) -> Any:
    return {"terminated": {"exitCode": code, "reason": reason, **({"message": message} if message else {})}}


def not_scheduled(message: str | None) -> Any:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    return {"phase": "Pending", "conditions": [{**condition, **({"message": message} if message else {})}]}


PULLING = {
    "phase": "Pending",
    "conditions": [SCHEDULED, {"type": "PodReadyToStartContainers", "status": "True"}],
    "containerStatuses": [{"name": "runtime", "image": "x:1", "state": waiting("ContainerCreating")}],
}
BACKOFF = waiting("CrashLoopBackOff", "back-off 5m0s restarting failed container=runtime pod=x")
W, F, E, C = Progress.WAITING, Progress.FAILING, Progress.ENDED, Progress.CREATING
TABLE: list[tuple[str, Any, Progress, Reason | None, str]] = [
    ("just made", {}, C, Reason.STARTING, "Pending: the container has not started"),
    ("scheduled, nothing started", {"phase": "Pending", "conditions": [SCHEDULED]}, C, Reason.STARTING, "Pending"),
    ("volumes are mounted", status(state=waiting("ContainerCreating")), C, Reason.STARTING, "a volume or the network"),
    ("image is pulled", PULLING, C, Reason.STARTING, "ContainerCreating: the container has not started, its image x:1"),
    ("others initialize", status(state=waiting("PodInitializing")), C, Reason.STARTING, "PodInitializing"),
    (
        "created anew after a crash",
        status(state=waiting("ContainerCreating"), last=ended(1, "Error")),
        F,
        Reason.CRASH_LOOP,
        "exit code 1",
    ),
    ("runs, not ready yet", status("Running", {"running": {}}), Progress.STARTING, None, ""),
    ("ready", status("Running", {"running": {}}, ready="True"), Progress.READY, None, ""),
    (
        "ready after a restart",
        status("Running", {"running": {}}, ended(1, "Error"), ready="True"),
        Progress.READY,
        None,
        "",
    ),
    (
        "no node",
        not_scheduled("0/3 nodes are available: 3 Insufficient memory."),
        W,
        Reason.UNSCHEDULABLE,
        "0/3 nodes are available: 3 Insufficient memory.",
    ),
    ("no node, no words", not_scheduled(None), W, Reason.UNSCHEDULABLE, "the scheduler gave no reason"),
    (
        "claim missing",
        not_scheduled('0/1 nodes are available: persistentvolumeclaim "models" not found. preemption: 0/1 nodes'),
        W,
        Reason.NOT_FOUND,
        "PersistentVolumeClaim models does not exist in this namespace",
    ),
    (
        "image pull fails",
        status(state=waiting("ErrImagePull", "not found")),
        W,
        Reason.IMAGE_PULL_FAILED,
        "ErrImagePull: not found",
    ),
    (
        "image pull backs off",
        status(state=waiting("ImagePullBackOff")),
        W,
        Reason.IMAGE_PULL_FAILED,
        "ImagePullBackOff",
    ),
    (
        "image name is invalid",
        status(state=waiting("InvalidImageName", "x")),
        W,
        Reason.IMAGE_PULL_FAILED,
        "InvalidImageName: x",
    ),
    (
        "image is never pulled",
        status(state=waiting("ErrImageNeverPull")),
        W,
        Reason.IMAGE_PULL_FAILED,
        "ErrImageNeverPull",
    ),
    (
        "secret missing",
        status(state=waiting("CreateContainerConfigError", 'secret "s3" not found')),
        W,
        Reason.CONTAINER_CONFIG_ERROR,
        'CreateContainerConfigError: secret "s3" not found',
    ),
    (
        "program missing",
        status(state=waiting("RunContainerError", "exec: x")),
        W,
        Reason.CONTAINER_CONFIG_ERROR,
        "RunContainerError: exec: x",
    ),
    (
        "image pull backs off after an earlier run",
        status(state=waiting("ImagePullBackOff"), last=ended(1, "Error")),
        W,
        Reason.IMAGE_PULL_FAILED,
        "ImagePullBackOff",
    ),
    (
        "crash loop with last words",
        status("Running", BACKOFF, ended(10, "Error", REFUSED)),
        F,
        Reason.LOAD_FAILED,
        "Protobuf parsing failed",
    ),
    (
        "crash loop with a traceback",
        status("Running", BACKOFF, ended(1, "Error", "Traceback: boom\n")),
        F,
        Reason.CRASH_LOOP,
        "the container ended with exit code 1 (Error): Traceback: boom",
    ),
    (
        "crash loop without words",
        status("Running", BACKOFF, ended(1, "Error")),
        F,
        Reason.CRASH_LOOP,
        "exit code 1 (Error)",
    ),
    ("between two starts", status("Running", ended(1, "Error")), F, Reason.CRASH_LOOP, "exit code 1 (Error)"),
    (
        "started again, not ready yet",
        status("Running", {"running": {}}, ended(1, "Error")),
        F,
        Reason.CRASH_LOOP,
        "exit code 1",
    ),
    (
        "killed for memory, started again",
        status("Running", {"running": {}}, ended(137, "OOMKilled")),
        F,
        Reason.OUT_OF_MEMORY,
        "memory limit",
    ),
    ("preflight passed", status("Succeeded", ended(0, "Completed", PASSED)), E, Reason.PASSED, ""),
    (
        "preflight refused",
        status("Failed", ended(10, "Error", REFUSED)),
        E,
        Reason.LOAD_FAILED,
        "Protobuf parsing failed",
    ),
    (
        "preflight killed for memory",
        status("Failed", ended(137, "OOMKilled", LOADING)),
        E,
        Reason.OUT_OF_MEMORY,
        "the model needs more than the memory limit of 256 MiB; it was killed while Loading"
        " (peak measured before that: 244 MiB); raise spec.runtime.resources.limits.memory",
    ),
    (
        "killed for memory under load",
        status("Failed", ended(137, "OOMKilled", PASSED)),
        E,
        Reason.OUT_OF_MEMORY,
        "the model needs more than the memory limit; it was killed while Serving; raise",
    ),
    (
        "killed for memory before a word",
        status("Failed", ended(137, "OOMKilled")),
        E,
        Reason.OUT_OF_MEMORY,
        "raise spec.runtime.resources",
    ),
    (
        "ended without a word",
        status("Succeeded", ended(0, "Completed")),
        E,
        Reason.CRASH_LOOP,
        "exit code 0 (Completed)",
    ),
    (
        "ended in the middle of a phase",
        status("Failed", ended(1, "Error", LOADING)),
        E,
        Reason.CRASH_LOOP,
        "exit code 1 (Error)",
    ),
    (
        "evicted",
        {"phase": "Failed", "reason": "Evicted", "message": "low on memory"},
        E,
        Reason.POD_LOST,
        "Evicted: low on memory",
    ),
    ("node shut down", {"phase": "Failed", "reason": "Terminated"}, E, Reason.POD_LOST, "Terminated"),
    (
        "admission failed",
        {"phase": "Failed", "reason": "UnexpectedAdmissionError"},
        E,
        Reason.POD_LOST,
        "UnexpectedAdmissionError",
    ),
    ("failed, nothing known", {"phase": "Failed"}, E, Reason.POD_LOST, "without a verdict"),
    (
        "deadline of the pod",
        {"phase": "Failed", "reason": "DeadlineExceeded", "message": "Pod was active on the node longer than 600 s"},
        E,
        Reason.STARTUP_DEADLINE_EXCEEDED,
        "Pod was active on the node longer than 600 s",
    ),
    (
        "a reason of another version",
        status("Failed", ended(10, "Error", '{"phase":"Done","reason":"TooFancy"}')),
        E,
        Reason.CRASH_LOOP,
        "exit code 10",
    ),
]


@pytest.mark.parametrize(
    ("given", "progress", "reason", "words"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_pod(given: Any, progress: Progress, reason: Reason | None, words: str) -> None:
    state = pod_state({"metadata": {"name": "iris-x", "uid": "u"}, "status": given})
    assert state.progress is progress
    assert (state.verdict.reason if state.verdict else None) == reason
    assert words in (state.verdict.message if state.verdict else "")


def test_report_goes_with_the_verdict() -> None:
    state = pod_state(
        {"metadata": {"name": "x", "uid": "u"}, "status": status("Succeeded", ended(0, "Completed", PASSED))}
    )
    assert state.report == PreflightReport(phase=Phase.DONE, reason="Passed", digest="sha256:1")


def test_our_container_is_judged_not_a_sidecar() -> None:
    """Statuses come sorted by name, and a mesh injects containers of its own."""
    ours = status("Running", BACKOFF, ended(10, "Error", REFUSED))
    ours["containerStatuses"].insert(0, {"name": "istio-proxy", "state": {"running": {}}, "lastState": {}})
    state = pod_state({"metadata": {"name": "x", "uid": "u"}, "status": ours})
    assert state.verdict
    assert state.verdict.reason is Reason.LOAD_FAILED


def beside(status: Any, sidecar: Any) -> Any:
    """The same with the container of a mesh, which keeps the pod running."""
    found = [{"name": "istio-proxy", "state": sidecar}, *status["containerStatuses"]]
    return {**status, "phase": "Running", "containerStatuses": found}


@pytest.mark.parametrize("sidecar", [{"running": {}}, ended(1, "Error")], ids=["runs on", "has ended"])
@pytest.mark.parametrize(("words", "reason"), [(PASSED, Reason.PASSED), (REFUSED, Reason.LOAD_FAILED)])
def test_preflight_ends_with_our_container_whatever_a_sidecar_does(sidecar: Any, words: str, reason: Reason) -> None:
    given = beside(status("Running", ended(0, "Completed", words)), sidecar)
    state = pod_state({"metadata": {"name": "x", "uid": "u"}, "spec": {"restartPolicy": "Never"}, "status": given})
    assert (state.progress, state.verdict and state.verdict.reason) == (Progress.ENDED, reason)


def test_preflight_goes_on_although_a_sidecar_has_ended() -> None:
    given = beside(status("Running", {"running": {}}), ended(1, "Error", PASSED))
    state = pod_state({"metadata": {"name": "x", "uid": "u"}, "spec": {"restartPolicy": "Never"}, "status": given})
    assert (state.progress, state.verdict) == (Progress.STARTING, None)


def test_sidecar_is_not_taken_for_ours_while_ours_has_no_status() -> None:
    given = {"phase": "Running", "containerStatuses": [{"name": "istio-proxy", "state": ended(1, "Error")}]}
    state = pod_state({"metadata": {"name": "x", "uid": "u"}, "spec": {"restartPolicy": "Never"}, "status": given})
    assert state.progress is Progress.STARTING


def test_verdict_counts_for_more_than_the_end_of_the_pod() -> None:
    """The node shut down after the program had said what it found."""
    given = status("Failed", ended(10, "Error", REFUSED), reason="Terminated", message="node shutdown")
    state = pod_state({"metadata": {"name": "x", "uid": "u"}, "status": given})
    assert state.verdict
    assert state.verdict.reason is Reason.LOAD_FAILED


@pytest.mark.parametrize("message", [None, "", "not json", "[]", "{}", '{"phase":"Mirroring"}'])
def test_words_that_are_no_report_are_none(message: str | None) -> None:
    assert parse_report(message) is None


def test_long_last_words_are_cut_from_the_front() -> None:
    given = status("Running", BACKOFF, ended(1, "Error", "x" * 4000 + " the end"))
    state = pod_state({"metadata": {"name": "x", "uid": "u"}, "status": given})
    assert state.verdict
    assert state.verdict.message.endswith("the end")
    assert len(state.verdict.message) < 700


@given(st.text(max_size=50))
def test_any_message_can_be_read(message: str) -> None:
    state = pod_state({"metadata": {"name": "x", "uid": "u"}, "status": status("Failed", ended(1, "Error", message))})
    assert state.progress is Progress.ENDED
    assert state.verdict
