"""Subjects, observations and pods for the tests of this folder."""

import datetime as dt
from typing import Any

from serinus_api import names
from serinus_api.v1alpha1 import (
    ModelDeploymentSpec,
    ModelDeploymentStatus,
    ResolutionPhase,
    ResolutionStatus,
    RevisionModel,
    RevisionState,
    RevisionStatus,
    spec_hash,
)
from serinus_operator.state import (
    Instant,
    Observation,
    PodState,
    Progress,
    RevisionRecord,
    Subject,
    Verdict,
    WorkloadState,
)

URI = "https://models.example/iris.onnx"
DIGEST = "sha256:" + "1" * 64
OTHER = "sha256:" + "2" * 64
EPOCH = dt.datetime(2026, 5, 1, 9, tzinfo=dt.UTC)


def at(seconds: float) -> Instant:
    """A moment, so many seconds after the first."""
    return Instant(EPOCH + dt.timedelta(seconds=seconds), seconds)


def spec(**more: Any) -> ModelDeploymentSpec:
    return ModelDeploymentSpec.model_validate({"model": {"uri": URI}, "replicas": 2, **more})


def subject(
    given: ModelDeploymentSpec | None = None, status: ModelDeploymentStatus | None = None, **annotations: str
) -> Subject:
    marks = {f"{names.PREFIX}/{key}": value for key, value in annotations.items()}
    return Subject("ml", "iris", "u1", 3, "7", given or spec(), status or ModelDeploymentStatus(), marks)


def revision(digest: str = DIGEST, given: ModelDeploymentSpec | None = None) -> str:
    return names.revision_name("iris", spec_hash(given or spec()), digest)


def record(digest: str = DIGEST, given: ModelDeploymentSpec | None = None, number: int = 1) -> RevisionRecord:
    shape = spec_hash(given or spec())
    return RevisionRecord(revision(digest, given), f"r{number}", number, shape, digest, URI, "runtime:1", {})


def workload(
    ready: int = 2, replicas: int = 2, *pods: PodState, problem: Verdict | None = None, updated: bool = True
) -> WorkloadState:
    return WorkloadState("w", replicas, ready, updated, problem, pods)


def pod(progress: Progress, verdict: Verdict | None = None, name: str = "p1") -> PodState:
    return PodState(name, f"uid-{name}", progress, verdict)


def observation(**known: Any) -> Observation:
    empty: dict[str, Any] = {"records": {}, "workloads": {}, "preflight": None, "entry_revision": None, "source": None}
    return Observation(**{**empty, **known})


def listed(name: str, state: RevisionState = RevisionState.STABLE, digest: str = DIGEST) -> RevisionStatus:
    return RevisionStatus(name=name, model=RevisionModel(uri=URI, digest=digest), state=state, replicas=2)


def resolution(phase: ResolutionPhase, given: ModelDeploymentSpec | None = None, **more: Any) -> ResolutionStatus:
    return ResolutionStatus(**{"spec_hash": spec_hash(given or spec()), "phase": phase, "image": "runtime:1", **more})
