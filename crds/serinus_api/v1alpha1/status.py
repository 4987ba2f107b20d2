"""The status: what the operator saw and decided. Also its memory: whatever must survive a restart is here.

Times that decide something are elapsed seconds of the monotonic clock; wall-clock times are for people.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from serinus_api.base import ApiModel
from serinus_api.v1alpha1.types import (
    Count,
    Digest,
    Elapsed,
    Generation,
    LongText,
    Measure,
    Percent,
    Replicas,
    SpecHash,
    Text,
    Timestamp,
    Word,
)

ATOMIC = {"x-kubernetes-list-type": "atomic"}
MAX_REVISIONS = 32
MAX_REJECTED = 16


class Condition(ApiModel):
    """One aspect of the truth, as `metav1.Condition`."""

    type: Annotated[str, Field(min_length=1, max_length=316)]
    """Which aspect: Ready, Available, ModelResolved, ModelValidated and so on."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    observed_generation: Generation = 0
    """The generation of the spec that this was said of."""
    last_transition_time: Timestamp
    """When the status last changed."""
    reason: Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")]
    """Why, in one word."""
    message: LongText = ""
    """Why, in the words of whoever knows."""


class TensorStatus(ApiModel):
    """One input or output of a model."""

    name: Annotated[str, Field(max_length=3072)]
    """Its name."""
    datatype: Word
    """Datatype of the Open Inference Protocol."""
    shape: Annotated[
        tuple[Annotated[int, Field(ge=-1, le=2**53 - 1)], ...], Field(max_length=1024, json_schema_extra=ATOMIC)
    ] = ()
    """Dimensions; -1 is a variable one."""


class SignatureStatus(ApiModel):
    """What a model takes and gives. Bounded by the preflight pod's last words, from which it comes."""

    inputs: Annotated[tuple[TensorStatus, ...], Field(max_length=128, json_schema_extra=ATOMIC)] = ()
    """What it takes."""
    outputs: Annotated[tuple[TensorStatus, ...], Field(max_length=128, json_schema_extra=ATOMIC)] = ()
    """What it gives."""


class ResolutionPhase(StrEnum):
    """How far a spec without a promoted revision is."""

    RESOLVING = "Resolving"
    PREFLIGHT = "Preflight"
    PROVISIONING = "Provisioning"


class ResolutionStatus(ApiModel):
    """The spec being worked on until its revision is promoted or rejected."""

    spec_hash: SpecHash
    """Hash of the part of the spec that shapes the pods."""
    phase: ResolutionPhase
    """Resolving: nothing has run yet. Preflight: a throw-away pod tries the model. Provisioning: its pods start."""
    attempt: Count = 0
    """Number of the preflight pod, from 1; it is in the pod's name."""
    since_seconds: Elapsed = 0
    """How long the present phase has lasted, in seconds, restarts included."""
    deadline_exceeded: bool = False
    """Whether `startupDeadlineSeconds` has passed; work goes on, but counts as stalled."""
    image: Annotated[str, Field(max_length=512)] | None = None
    """The runtime image that the revision is tried with, and will keep."""
    digest: Digest | None = None
    """The digest found."""
    version: Word | None = None
    """The source's own word for these bytes: a version id, an ETag."""
    revision: Word | None = None
    """The revision made of it; none before the verdict."""
    validation: SpecHash | None = None
    """Names what its preflight pod is asked to show by `spec.validation`, golden requests included."""
    reason: Word | None = None
    """What it waits for, in one word."""
    message: Text | None = None
    """What it waits for, in the words of whoever refused."""


class RejectedSpec(ApiModel):
    """A spec that was refused for good; not tried again until it changes, or `serinus.dev/retry` or `refresh` asks."""

    spec_hash: SpecHash
    """Hash of the part of the spec that shapes the pods."""
    digest: Digest | None = None
    """The digest that was refused; none when no bytes were found."""
    revision: Word | None = None
    """The revision that was refused, when there was one already."""
    attempt: Count = 0
    """Number of the last preflight pod; a retry counts on from it."""
    validation: SpecHash | None = None
    """Names what it was asked to show by `spec.validation`, golden requests included."""
    reason: Word
    """Why, in one word."""
    message: Text = ""
    """Why, in the words of whoever refused."""
    at: Timestamp
    """When."""


class ActionsStatus(ApiModel):
    """For each action annotation the value last carried out."""

    promote: Word | None = None
    """Value of serinus.dev/promote last carried out."""
    abort: Word | None = None
    """Value of serinus.dev/abort last carried out."""
    retry: Word | None = None
    """Value of serinus.dev/retry last carried out."""
    refresh: Word | None = None
    """Value of serinus.dev/refresh last carried out."""


class AnalysisInterval(ApiModel):
    """A confidence interval, in the metric's unit."""

    low: Measure
    """Lower end."""
    high: Measure
    """Upper end."""


class AnalysisResult(ApiModel):
    """What one metric said in its last window."""

    metric: Word
    """Name of the metric."""
    verdict: Literal["Pass", "Fail", "Inconclusive"]
    """What it means."""
    value: Measure | None = None
    """The candidate's value, in the metric's unit."""
    baseline: Measure | None = None
    """The stable revision's value in the same window."""
    interval: AnalysisInterval | None = None
    """Confidence interval of the value."""
    samples: Count = 0
    """Requests it rests on."""
    failures: Count = 0
    """Windows in a row that failed."""


class HeldStatus(ApiModel):
    """Why a rollout does not go on."""

    reason: Word
    """Why, in one word."""
    since_seconds: Elapsed = 0
    """For how long, in seconds."""


class RolloutPhase(StrEnum):
    """State of the rollout machine."""

    STABLE = "Stable"
    PROVISIONING = "Provisioning"
    STEPPING = "Stepping"
    HELD = "Held"
    PROMOTING = "Promoting"
    BAKING = "Baking"
    ABORTING = "Aborting"
    ABORTED = "Aborted"
    SUPERSEDING = "Superseding"

    @property
    def ended(self) -> bool:
        """Whether no candidate is on its way, and none that was promoted is watched."""
        return self in (RolloutPhase.STABLE, RolloutPhase.ABORTED)


class RolloutStatus(ApiModel):
    """The rollout under way, or the last one."""

    phase: RolloutPhase
    """State of the rollout."""
    attempt: Count = 0
    """Rollouts of this candidate so far."""
    step_index: Annotated[int, Field(ge=0, le=64)] | None = None
    """The present step, from 0."""
    step_weight: Percent | None = None
    """Weight of the present step when it began: tells whether the steps were edited since."""
    step_elapsed_seconds: Elapsed = 0
    """Time spent at the present step's weight, or in the bake, in seconds."""
    previous_revision: Word | None = None
    """While the promoted revision is watched: the one to return to."""
    requested_weight: Percent | None = None
    """Share asked for, in percent."""
    applied_weight: Percent | None = None
    """Share that every gateway reports, in percent."""
    weight_verified: Literal["True", "False", "Unknown"] | None = None
    """Whether the requests seen agree with the applied weight."""
    mechanism: Word | None = None
    """Who splits the traffic."""
    analysis: Annotated[tuple[AnalysisResult, ...], Field(max_length=16, json_schema_extra=ATOMIC)] = ()
    """The last verdicts."""
    held: HeldStatus | None = None
    """Why it does not go on."""
    message: Text | None = None
    """What happens, in words."""


class RevisionState(StrEnum):
    """What a revision is good for."""

    STABLE = "Stable"
    CANDIDATE = "Candidate"
    RETIRED = "Retired"
    REJECTED = "Rejected"


class RevisionModel(ApiModel):
    """The bytes of a revision."""

    uri: Annotated[str, Field(max_length=2048)]
    """Where they came from."""
    digest: Digest | None = None
    """What they are."""
    version: Word | None = None
    """The source's own word for them."""


class RevisionStatus(ApiModel):
    """One version of the model: the stable one, a candidate, or history."""

    name: Word
    """Name of its ControllerRevision, Deployment and Service."""
    model: RevisionModel
    """Its bytes."""
    state: RevisionState
    """Stable takes the traffic, Candidate shall, Retired is history, Rejected was refused."""
    replicas: Replicas = 0
    """Pods it has."""
    ready_replicas: Replicas = 0
    """Pods that answer."""
    restorable: bool = True
    """Whether the same bytes can be had again."""
    signature: SignatureStatus | None = None
    """What it takes and gives; none where its preflight pod could not tell all of it."""
    golden_digest: Digest | None = None
    """Digest of the golden requests that it has answered rightly; none where it was asked for none."""
    created_at: Timestamp | None = None
    """When it was made."""


class SideStatus(ApiModel):
    """How many pods one revision shall have while two share the requests."""

    name: Word
    """The revision."""
    desired_replicas: Replicas = 0
    """Pods wanted."""
    reason: Word | None = None
    """Why this many, in one word: Share, or what was measured of its own load. Written when the number changes."""
    message: Text | None = None
    """The last change and its cause: `1 → 3: 25 % of the 10 with which it could take every request`."""


class ScalingStatus(ApiModel):
    """What the scaling loop sees and does."""

    engine: Literal["Fixed", "Builtin", "HPA", "KEDA"]
    """Who writes the number of pods."""
    state: Literal["Awake", "Asleep", "Waking"]
    """Awake: its pods answer. Asleep: it has none, and the gateway holds the next request. Waking: on the way back."""
    traffic: Literal["Direct", "HandOver", "Proxied"] = "Direct"
    """What stands behind the entry Service: the pods, pods and gateway, or the gateway alone."""
    since: Timestamp | None = None
    """When the state last changed."""
    desired_replicas: Replicas = 0
    """Pods wanted. During a rollout in steps those with which the stable revision could take every request."""
    sides: Annotated[tuple[SideStatus, ...], Field(max_length=3, json_schema_extra=ATOMIC)] | None = None
    """During a rollout in steps: what each revision shall have of it."""
    ready_replicas: Replicas = 0
    """Pods that answer."""
    reason: Word | None = None
    """Why this many, in one word: what was measured, or what bounds it. Written when the number changes."""
    message: Text | None = None
    """The last change and its cause: `3 → 5: concurrency 18.2 over target 4 in the last 60 s`."""
    last_request_time: Timestamp | None = None
    """When the last request came, written only when the state changes."""


class SummaryStatus(ApiModel):
    """The columns of `kubectl get`, always filled."""

    weight: Annotated[str, Field(max_length=63)]
    """Share of the traffic: `100%`, `95/5%` during a canary, `0%` when nothing answers."""
    replicas: Annotated[str, Field(max_length=63)]
    """Pods ready of pods wanted: `2/2`."""
    digest: Annotated[str, Field(max_length=63)]
    """First digits of the digest that is served: `sha256:1a2b3c4d5e6f`, or `none`."""
    engine: Annotated[str, Field(max_length=63)]
    """Who sizes the model: `Fixed`, `Builtin`, `HPA`, `KEDA`."""


class ModelDeploymentStatus(ApiModel):
    """What was seen. Written by the operator alone."""

    observed_generation: Generation | None = None
    """The generation of the spec that this status speaks of."""
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            max_length=16, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
        ),
    ] = ()
    """The truth by aspects. Ready is the summary; Reconciling and Stalled are present only when true."""
    url: Annotated[str, Field(max_length=512)] | None = None
    """Address of the model inside the cluster."""
    stable_revision: Word | None = None
    """The revision that takes the traffic."""
    candidate_revision: Word | None = None
    """The revision that shall take over."""
    resolution: ResolutionStatus | None = None
    """The spec being worked on."""
    rejected: Annotated[tuple[RejectedSpec, ...], Field(max_length=MAX_REJECTED, json_schema_extra=ATOMIC)] = ()
    """Specs that were refused for good, newest first."""
    actions: ActionsStatus = Field(default_factory=ActionsStatus)
    """For each action annotation the value last carried out."""
    rollout: RolloutStatus | None = None
    """The rollout under way, or the last one."""
    revisions: Annotated[tuple[RevisionStatus, ...], Field(max_length=MAX_REVISIONS, json_schema_extra=ATOMIC)] = ()
    """The versions of the model, newest first."""
    scaling: ScalingStatus | None = None
    """What the scaling loop sees and does."""
    gateway_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Port of the gateway at which this model is known."""
    replicas: Replicas | None = None
    """Pods that the model has (scale subresource)."""
    selector: Annotated[str, Field(max_length=512)] | None = None
    """Label selector of the pods, as a string (scale subresource)."""
    summary: SummaryStatus | None = None
    """The columns of `kubectl get`."""
