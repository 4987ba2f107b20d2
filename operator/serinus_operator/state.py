"""Frozen values that pass between the steps of a reconcile. No behaviour beyond what a value knows of itself.

observe ─► Observation ─► decide ─► Decision ─► render ─► manifests
                               └──────────────► build_status
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from serinus_api.conditions import ConditionType, Reason
from serinus_api.runtime import DOWNLOAD_BYTES, PreflightReport, Validation
from serinus_api.v1alpha1 import ModelDeploymentSpec, ModelDeploymentStatus, ScalingStatus, SignatureStatus
from serinus_operator.loads import LoadSample, ScalingMemory
from serinus_operator.places import EntryState, GatewayLook, Traffic, ZeroMemory

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment on two clocks."""

    wall: dt.datetime
    """Aware; only for showing (`lastTransitionTime`, `createdAt`)."""
    monotonic: float
    """Seconds; every duration comes from this one."""

    def timestamp(self) -> str:
        """The wall clock as Kubernetes writes it: `2026-05-01T09:30:00Z`."""
        return self.wall.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why something is as it is: a reason from the contract and a sentence for the user."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Failure:
    """What the last attempt to act ran into, and the generation of the spec that it was made for."""

    verdict: Verdict
    generation: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What a condition says: `True`, `False` or `Unknown`, and why."""

    status: Literal["True", "False", "Unknown"]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class RevisionRecord:
    """What a ControllerRevision holds: everything that a revision's pods were made from. Immutable."""

    name: str
    uid: str
    number: int
    """Rises with each revision of the ModelDeployment."""
    spec_hash: str
    digest: str
    uri: str
    image: str
    template: Manifest
    """The pod template as it was rendered once."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """What a read of a ConfigMap said, of a model or of golden requests. One of `digest` and `problem` is set."""

    digest: str | None = None
    data: bytes | None = None
    problem: Verdict | None = None


@dataclass(frozen=True, slots=True)
class SourceLook:
    """What a look at the source of the stable revision found."""

    changed: str | None = None
    """What differs, in the words of whoever looked; None: it is as it was."""
    lost: SourceState | None = None
    """The copy of a ConfigMap model is gone, and this is what the user's ConfigMap holds."""


class Progress(StrEnum):
    """How far a pod came."""

    WAITING = "Waiting"
    """Something outside keeps it from starting; it is tried again by itself."""
    CREATING = "Creating"
    """Its container has not started: the image is being pulled, or a volume or the network is not there yet."""
    STARTING = "Starting"
    """Its program runs, and does not answer yet."""
    READY = "Ready"
    FAILING = "Failing"
    """Its own program ends or does not answer."""
    ENDED = "Ended"


@dataclass(frozen=True, slots=True)
class PodState:
    """One pod of a revision, or a preflight pod, as far as a decision needs it."""

    name: str
    uid: str
    progress: Progress
    verdict: Verdict | None = None
    """What keeps it from being ready, in the words of the scheduler, the kubelet or the program."""
    report: PreflightReport | None = None
    """Last words, where the program left any."""


@dataclass(frozen=True, slots=True)
class WorkloadState:
    """A revision's Deployment and its pods."""

    uid: str
    replicas: int
    """As its spec asks."""
    ready: int
    updated: bool
    """The Deployment controller has seen the present spec."""
    problem: Verdict | None
    """The controller's own words when it cannot make pods (quota, Pod Security)."""
    pods: tuple[PodState, ...] = ()
    resource_version: str = ""
    """Of the Deployment as it was seen: a size is written only to this one."""


@dataclass(frozen=True, slots=True)
class ScalerState:
    """Objects that size a Deployment in the operator's stead: ours, and other people's."""

    foreign: str | None = None
    """Somebody else's scaler that points to a revision's Deployment: `HorizontalPodAutoscaler iris`."""
    present: Literal["HPA", "KEDA"] | None = None
    """The engine whose object of ours exists."""
    missing: bool = False
    """The kind that the engine needs is unknown to this cluster."""
    problem: str | None = None
    """Why ours does not work, in its controller's words."""
    desired: int | None = None
    """Pods that it wants."""
    denied: str | None = None
    """They may not be listed: what is said above may be old."""


@dataclass(frozen=True, slots=True)
class Observation:
    """All that a decision may look at. What could not be learned is None."""

    records: Mapping[str, RevisionRecord]
    workloads: Mapping[str, WorkloadState]
    """By revision name."""
    preflight: PodState | None
    """The preflight pod of the attempt under way."""
    entry_revision: str | None
    """The revision that the entry Service selects now."""
    source: SourceState | None
    """Read only while a ConfigMap model is being resolved, was rejected, or its new pods do not find their copy."""
    golden: SourceState | None = None
    """The golden requests, read where a preflight needs them."""
    failure: Verdict | None = None
    """Why the last attempt to act did not succeed (a right that is missing, a name that is taken)."""
    failure_is_old: bool = False
    """That attempt was made for an earlier spec: this one may fare better."""
    stable_source: SourceLook | None = None
    """None: nobody looked, or somebody who was asked did not answer."""
    load: LoadSample | None = None
    """The last look at the pods' load, where the operator itself scales by it."""
    scalers: ScalerState = field(default_factory=ScalerState)
    gateways: GatewayLook = field(default_factory=GatewayLook)
    entry: EntryState = field(default_factory=EntryState)
    gateway_port: int | None = None
    """The port that this model has at the gateways, or would get."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a restart may lose. Empty memory holds things back, it never hurries them."""

    work: str = ""
    """Identity of the step that the clock below runs for: object, spec hash and phase."""
    since: float = 0.0
    """Monotonic start of that step, so that elapsed = now - since."""
    not_before: float = 0.0
    """Monotonic time before which no new preflight attempt starts."""
    running: str = ""
    """The preflight pod whose program was seen to run."""
    running_since: float = 0.0
    """Monotonic time when that was first seen."""
    scaling: ScalingMemory = field(default_factory=ScalingMemory)
    """Of the revision that serves."""
    sides: Mapping[str, ScalingMemory] = field(default_factory=dict)
    """Of the other revisions that share the requests with it, by name."""
    zero: ZeroMemory = field(default_factory=ZeroMemory)
    canary: object = None
    """What `decide/canary.py` remembers, and nobody else looks into."""


@dataclass(frozen=True, slots=True)
class Copy:
    """The immutable ConfigMap that holds a revision's model: owned by its ControllerRevision."""

    revision: str
    key: str
    data: bytes


@dataclass(frozen=True, slots=True)
class PreflightIntent:
    """A preflight pod that should exist."""

    name: str
    revision: str | None
    """The revision whose ConfigMap copy it reads; None where the source is not a ConfigMap."""
    image: str
    digest: str | None
    validation: Validation | None = None
    """What the model has to show, where `spec.validation` asks for something."""


@dataclass(frozen=True, slots=True)
class Passed:
    """What is known of a revision from the preflight that it has passed."""

    signature: SignatureStatus | None
    golden_digest: str | None


@dataclass(frozen=True, slots=True)
class RecordIntent:
    """A ControllerRevision that should exist: its contents, to be written once."""

    name: str
    number: int
    spec_hash: str
    digest: str
    image: str


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that a rollout came to, for an Event and the operator's metrics."""

    reason: str
    """Of the Event."""
    key: str
    """What happened again has the same: one Event, counted up."""
    message: str
    warning: bool = False
    metric: str = ""
    """The metric that a verdict is about."""
    result: str = ""
    """What the verdict says, or why the candidate is taken back. It is counted by this; empty: it is not counted."""


class Health(StrEnum):
    """How the spec as a whole is doing; `Ready`, `Reconciling` and `Stalled` follow from it."""

    SETTLED = "Settled"
    WORKING = "Working"
    STALLED = "Stalled"
    PAUSED = "Paused"


@dataclass(frozen=True, slots=True)
class Decision:
    """What should be, why, and when to look again."""

    status: ModelDeploymentStatus
    """Phases, revisions and rejections; conditions and counts are added by `report`."""
    memory: Memory
    health: Health
    verdict: Verdict
    """Reason and message of `Ready`."""
    findings: Mapping[ConditionType, Finding] = field(default_factory=dict)
    """Conditions that speak of one aspect."""
    replicas: int = 1
    """Pods of each revision that runs, but for those in the next two."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Pods of revisions that have a size of their own."""
    kept_sizes: Mapping[str, int] = field(default_factory=dict)
    """Revisions that must not have so few replicas, and the number that they keep."""
    traffic: Traffic = field(default_factory=Traffic)
    """Where the model is between its pods and the gateways."""
    scaling: ScalingStatus | None = None
    """Why so many, where demand decides; None with a fixed size."""
    leaving_pods: tuple[str, ...] = ()
    """Pods that shall go first when there are to be fewer."""
    running: tuple[str, ...] = ()
    """Revisions that have a Deployment and a Service, stable first."""
    entry: str | None = None
    """The revision that the entry Service should select."""
    record: RecordIntent | None = None
    copy: Copy | None = None
    preflight: PreflightIntent | None = None
    keep_records: frozenset[str] = frozenset()
    happenings: tuple[Happening, ...] = ()
    """What is told once, when the status that speaks of it is written."""
    refused: bool = False
    """True: the spec is rejected, and what served before serves on."""
    frozen: bool = False
    """True: children stay as they are, nothing is made, changed or removed."""
    requeue_seconds: float | None = None

    def size_of(self, revision: str) -> int:
        """Replicas that a running revision should have."""
        return self.kept_sizes.get(revision, self.sizes.get(revision, self.replicas))


@dataclass(frozen=True, slots=True)
class Subject:
    """The ModelDeployment under reconciliation, as it was read."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    spec: ModelDeploymentSpec
    status: ModelDeploymentStatus
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reference:
    """Which ModelDeployment, where that is all that is known of it."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """What rendering takes from the operator's settings."""

    image_pull_policy: str = "IfNotPresent"
    allow_hosts: tuple[str, ...] = ()
    max_download_bytes: int = DOWNLOAD_BYTES
    operator_namespace: str = "serinus-system"
    operator_labels: Mapping[str, str] = field(default_factory=dict)
    gateway_labels: Mapping[str, str] = field(default_factory=dict)
    """Empty: this installation has no gateway."""
    log_format: str = "json"
