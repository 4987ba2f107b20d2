"""A model that is scaled by demand, and its size, for the tests of this folder."""

from typing import Any

from tests.unit.decide.loading import sample
from tests.unit.decide.subjects import at, listed, observation, pod, revision, spec, subject, workload

from serinus_api.runtime import LoadReport
from serinus_api.v1alpha1 import ModelDeploymentSpec, ModelDeploymentStatus, ScalingStatus
from serinus_operator.decide.scaling import Sizing, size
from serinus_operator.loads import LoadSample, ScalingMemory, Surge
from serinus_operator.state import Observation, Progress, WorkloadState


def scaled(**more: Any) -> ModelDeploymentSpec:
    """Full use of a target of 4 requests at once, 1 to 10 pods."""
    scaling = {"targetUtilizationPercent": 100, "metrics": [{"type": "Concurrency", "target": 4}], **more}
    return spec(replicas=None, scaling=scaling)


SPEC = scaled()
S = revision(given=SPEC)
STATUS = ModelDeploymentStatus(stable_revision=S, revisions=(listed(S),))
BEGUN = ScalingMemory(revision=S, surge=Surge())


def pods(ready: int, coming: int = 0, how: Progress = Progress.STARTING) -> WorkloadState:
    """A Deployment with so many ready pods, and so many that are on their way."""
    found = [pod(Progress.READY, name=f"p{n}") for n in range(ready)]
    found += [pod(how, name=f"q{n}") for n in range(coming)]
    return workload(ready, ready + coming, *found)


def seen(load: LoadSample | None = None, work: WorkloadState | None = None, **known: Any) -> Observation:
    return observation(workloads={S: work or pods(3)}, load=load, **known)


def looked(*reports: LoadReport | None, second: float = 0.0, held: int = 0) -> LoadSample:
    return sample(second, *reports, held=held, revision=S)


def sized(
    seen_now: Observation,
    *,
    given: ModelDeploymentSpec = SPEC,
    memory: ScalingMemory = BEGUN,
    status: ModelDeploymentStatus = STATUS,
    now: float = 0.0,
) -> Sizing:
    return size(subject(given, status), seen_now, memory, at(now))


def was(desired: int, message: str = "as it was", reason: str = "Concurrency") -> ModelDeploymentStatus:
    scaling = ScalingStatus(engine="Builtin", state="Awake", desired_replicas=desired, reason=reason, message=message)
    return STATUS.model_copy(update={"scaling": scaling})
