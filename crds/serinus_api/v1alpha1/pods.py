"""`spec.runtime`: how each pod of a model runs. Changing anything that shapes the pod makes a new revision."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, WithJsonSchema

from serinus_api.base import ApiModel, Rule
from serinus_api.v1alpha1.types import ConfigKey, LabelValue, ObjectName, Quantity

LabelKey = Annotated[str, Field(min_length=1, max_length=317)]
Labels = Annotated[dict[LabelKey, LabelValue], Field(max_length=32)]
Annotations = Annotated[dict[LabelKey, Annotated[str, Field(max_length=4096)]], Field(max_length=32)]
KEY_FORM = "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"


def _keys_well_formed(field: str) -> Rule:
    """The keys of the map `field` are qualified names."""
    return Rule(
        f"!has(self.{field}) || self.{field}.all(key, size(key) <= 317 && key.matches('{KEY_FORM}'))",
        f"runtime.{field} has a malformed key; write <name> or <prefix>/<name>, the name with at most 63 letters, "
        "digits, hyphens, underscores and dots",
        field=f".{field}",
    )


def _keys_ours(field: str) -> Rule:
    """The keys of the map `field` leave those of Serinus alone."""
    return Rule(
        f"!has(self.{field}) || self.{field}.all(key, !key.startsWith('serinus.dev/') && "
        "!(key in ['app.kubernetes.io/name', 'app.kubernetes.io/managed-by']))",
        f"runtime.{field} must not set serinus.dev/*, app.kubernetes.io/name or app.kubernetes.io/managed-by, which "
        "Serinus sets; use other keys",
        field=f".{field}",
    )


ResourceList = Annotated[dict[Annotated[str, Field(min_length=1, max_length=317)], Quantity], Field(max_length=16)]


class LocalObjectReference(ApiModel):
    """An object of the same namespace."""

    name: ObjectName
    """Name of the object."""


class KeySelector(ApiModel):
    """One key of a Secret or ConfigMap of the same namespace."""

    name: ObjectName
    """Name of the Secret or ConfigMap."""
    key: ConfigKey
    """The key in it."""
    optional: bool | None = None
    """True: the pod starts although the object or the key is missing."""


class EnvSource(ApiModel):
    """Where the value of an environment variable comes from; exactly one of the fields."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.secretKeyRef) != has(self.configMapKeyRef)",
            "valueFrom must have exactly one of secretKeyRef and configMapKeyRef; keep one",
        ),
    )

    secret_key_ref: KeySelector | None = None
    """A key of a Secret. The kubelet reads it, Serinus never does."""
    config_map_key_ref: KeySelector | None = None
    """A key of a ConfigMap."""


class EnvVar(ApiModel):
    """One environment variable; exactly one of `value` and `valueFrom`."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.value) != has(self.valueFrom)",
            "env entries must have exactly one of value and valueFrom; keep one (an empty variable is value: '')",
        ),
        Rule(
            "!self.name.startsWith('SERINUS_')",
            "env names that begin with SERINUS_ belong to Serinus; choose another name",
            field=".name",
        ),
    )

    name: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    """Name of the variable. Names that begin with SERINUS_ belong to Serinus."""
    value: Annotated[str, Field(max_length=8192)] | None = None
    """The value, as it is."""
    value_from: EnvSource | None = None
    """The value, by reference."""


class Toleration(ApiModel):
    """Lets pods run on nodes with a matching taint; as in a Pod."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.key) && size(self.key) > 0 || has(self.operator) && self.operator == 'Exists'",
            "tolerations without a key must have operator: Exists; add one of them",
        ),
        Rule(
            "!has(self.operator) || self.operator != 'Exists' || !has(self.value) || size(self.value) == 0",
            "tolerations with operator: Exists must not have a value; remove it or write operator: Equal",
            field=".value",
        ),
        Rule(
            "!has(self.tolerationSeconds) || has(self.effect) && self.effect == 'NoExecute'",
            "tolerations with tolerationSeconds must have effect: NoExecute; set it or remove tolerationSeconds",
            field=".tolerationSeconds",
        ),
    )

    key: Annotated[str, Field(max_length=317)] | None = None
    """Key of the taint. Absent, with operator Exists: every taint."""
    operator: Literal["Equal", "Exists"] | None = None
    """Equal (Kubernetes' default) compares the value, Exists only the key."""
    value: LabelValue | None = None
    """Value of the taint, for operator Equal."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint. Absent: all effects."""
    toleration_seconds: Annotated[int, Field(ge=0, le=2_147_483_647)] | None = None
    """With effect NoExecute: how long a pod stays on the node, in seconds. Absent: for ever."""


class ResourcesSpec(ApiModel):
    """Compute resources of the model's container; as in a Pod."""

    requests: ResourceList = Field(default_factory=dict)
    """What the scheduler sets aside for each pod, by resource name: `cpu: 500m`, `memory: 256Mi`."""
    limits: ResourceList = Field(default_factory=dict)
    """What each pod may use at most. The preflight loads the model under the same memory limit."""


class BatchingSpec(ApiModel):
    """Joins requests that wait at the same time into one inference."""

    max_batch_size: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Most rows in one inference."""
    max_queue_delay_microseconds: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """How long a request may wait for company while the model is idle, in microseconds. 0: not at all."""


class RuntimeSpec(ApiModel):
    """How each pod of the model runs."""

    rules: ClassVar[tuple[Rule, ...]] = (
        _keys_well_formed("podLabels"),
        _keys_well_formed("podAnnotations"),
        _keys_well_formed("nodeSelector"),
        _keys_ours("podLabels"),
        Rule(
            "!has(self.podAnnotations) || self.podAnnotations.all(key, !key.startsWith('serinus.dev/'))",
            "runtime.podAnnotations must not set serinus.dev/*, which Serinus sets; use other keys",
            field=".podAnnotations",
        ),
        Rule(
            "!has(self.bento) || !self.bento || has(self.image)",
            "runtime.bento: true needs runtime.image, the BentoML service's image; set it",
            field=".bento",
        ),
    )

    image: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^\S+$")] | None = None
    """Container image. Default: the operator's runtime image; the one used is kept for the life of a revision, so
    that another version of the operator restarts nothing."""
    bento: bool | None = None
    """True: `image` is a BentoML service image (1.2 or newer), and its own API is served as it is."""
    resources: ResourcesSpec | None = None
    """CPU, memory and other resources of the container."""
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Threads of one inference. Default: the CPU limit, else the CPU request, rounded up."""
    max_concurrency: Annotated[int, Field(ge=1, le=10_000)] = 8
    """Inferences in flight in one pod. Requests beyond it wait in a bounded queue, and beyond that are answered 429
    with Retry-After."""
    batching: BatchingSpec | None = None
    """Joins requests that wait at the same time into one inference. Absent: one inference per request."""
    request_timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    """Longest time from a request's arrival to its answer, in seconds; then it is answered 503."""
    startup_deadline_seconds: Annotated[int, Field(ge=1, le=86_400)] = 600
    """How long a new revision may take until its pods are ready, in seconds; slow is not broken before this. Changing
    it starts no rollout."""
    drain_seconds: Annotated[int, Field(ge=0, le=3600)] = 10
    """How long a pod that is told to stop still accepts requests, in seconds, while others learn that it leaves."""
    ca_config_map_ref: LocalObjectReference | None = None
    """ConfigMap with certificates (PEM, any key) that are trusted for downloads beside the usual ones."""
    env: Annotated[
        tuple[EnvVar, ...],
        Field(
            max_length=64, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
        ),
    ] = ()
    """Environment variables of the container."""
    image_pull_secrets: Annotated[
        tuple[LocalObjectReference, ...],
        Field(
            max_length=8, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
        ),
    ] = ()
    """Secrets with which the kubelet pulls the image."""
    pod_labels: Labels = Field(default_factory=dict)
    """Labels of the pods, beside those of Serinus. Keys under serinus.dev/ belong to Serinus."""
    pod_annotations: Annotations = Field(default_factory=dict)
    """Annotations of the pods."""
    node_selector: Labels = Field(default_factory=dict)
    """Labels that a node must have to run the pods."""
    tolerations: Annotated[
        tuple[Toleration, ...], Field(max_length=32, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    ] = ()
    """Taints that the pods tolerate."""
    affinity: (
        Annotated[dict[str, Any], WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True})]
        | None
    ) = None
    """Affinity of the pods, exactly as in a Pod. Pods are spread over nodes where possible without it."""
    priority_class_name: ObjectName | None = None
    """PriorityClass of the pods."""
    service_account_name: ObjectName | None = None
    """ServiceAccount of the pods, preflight included. Default: the namespace's; its token is not mounted."""
