"""Between the end of a preflight's container and the end of its pod, nothing is claimed yet."""

from serinus_api.conditions import Reason
from serinus_api.runtime import Phase, PreflightReport
from serinus_api.v1alpha1 import ModelDeploymentSpec, ModelDeploymentStatus, ResolutionPhase, ResolutionStatus
from serinus_operator.decide.rollout import advance
from serinus_operator.decide.work import Work
from serinus_operator.state import Memory, Observation, PodState, Progress, Subject, Verdict


def step_with(pod: PodState) -> Verdict | None:
    """What a preflight says it waits for while its pod is in this state."""
    spec = ModelDeploymentSpec.model_validate({"model": {"uri": "pvc://models/iris.onnx"}})
    resolution = ResolutionStatus(spec_hash="0" * 64, phase=ResolutionPhase.PREFLIGHT, attempt=1, image="runtime:1")
    subject = Subject("ml", "iris", "u1", 1, "1", spec, ModelDeploymentStatus(resolution=resolution))
    observation = Observation(records={}, workloads={}, preflight=pod, entry_revision=None, source=None)
    return advance(Work(subject, observation, Memory(), resolution, replicas=1, monotonic=0.0)).waiting


def test_a_verdict_of_a_pod_that_has_not_ended_is_not_shown_as_a_cause() -> None:
    report = PreflightReport(phase=Phase.DONE, reason=Reason.PASSED)
    pod = PodState("iris-pf", "p1", Progress.FAILING, Verdict(Reason.PASSED, ""), report)
    assert step_with(pod) is None


def test_what_a_waiting_pod_waits_for_is_shown() -> None:
    words = Verdict(Reason.UNSCHEDULABLE, "0/1 nodes are available: 1 Insufficient cpu.")
    assert step_with(PodState("iris-pf", "p1", Progress.WAITING, words)) == words
