"""`ModelDeployment` and its spec: what the user writes. The status is in `status.py`.

The CRD, the reference page and the editor schema are generated from these classes (`make manifests`); an attribute's
docstring is what `kubectl explain` shows. A field whose behaviour comes later is listed in `support.py`.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from serinus_api.base import ApiModel, Rule
from serinus_api.v1alpha1.pods import LocalObjectReference, RuntimeSpec
from serinus_api.v1alpha1.rollout import RolloutSpec
from serinus_api.v1alpha1.scaling import ScalingSpec
from serinus_api.v1alpha1.status import ModelDeploymentStatus
from serinus_api.v1alpha1.types import DNS_LABEL_PATTERN, ObjectName, Quantity


def _uri_form(scheme: str, form: str, pattern: str) -> Rule:
    """A URI of this scheme must look like `form`."""
    return Rule(
        f"!self.uri.startsWith('{scheme}') || self.uri.matches('{pattern}')", f"model.uri must be {form}", field=".uri"
    )


SCHEMES_RULE = Rule(
    "self.uri.matches('^((configmap|pvc|https|s3|gs|az|oci)://|models:/)')",
    "model.uri must begin with configmap://, pvc://, https://, s3://, gs://, az://, oci:// or models:/",
    field=".uri",
)
"""Local mode has another in its place (`serinus_api.local`)."""


class ModelSpec(ApiModel):
    """The model to serve and where its bytes come from."""

    rules: ClassVar[tuple[Rule, ...]] = (
        SCHEMES_RULE,
        _uri_form(
            "configmap://",
            "configmap://<ConfigMap>/<key>, of a ConfigMap in the same namespace",
            "^configmap://[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[-_a-zA-Z0-9][-._a-zA-Z0-9]*$",
        ),
        _uri_form(
            "pvc://",
            "pvc://<claim>/<path to the file>, of a PersistentVolumeClaim in the same namespace",
            "^pvc://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(/[^/]+)+$",
        ),
        Rule(
            "!self.uri.startsWith('pvc://') || !self.uri.matches('/[.][.]?(/|$)')",
            "model.uri must name the file in the claim without . and ..; write the path from the claim's root",
            field=".uri",
        ),
        _uri_form(
            "https://",
            "https://<host>[:<port>]/<path>, without user, password or #fragment",
            "^https://([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|[[][0-9A-Fa-f:.]+[]])(:[0-9]{1,5})?/[^#]+$",
        ),
        Rule(
            "!self.uri.matches('^(s3|gs|az|oci)://') || self.uri.matches('^[a-z0-9]+://[^/]+/.+$')",
            "model.uri must go on with a bucket, container or registry and a path: s3://<bucket>/<key>",
            field=".uri",
        ),
        _uri_form("models:/", "models:/<name>@<alias> or models:/<name>/<version>", "^models:/[^/@]+[/@][^/@]+$"),
        Rule(
            "!self.uri.matches('[[:space:][:cntrl:]]')",
            "model.uri must not contain spaces or control characters; write %20 in a URL, rename the file elsewhere",
            field=".uri",
        ),
        Rule(
            "!has(self.digest) || self.digest.matches('^sha256:[0-9a-f]{64}$')",
            "model.digest must be sha256: and the 64 lower-case hexadecimal digits that sha256sum prints",
            field=".digest",
        ),
        Rule(
            "!has(self.digest) || !has(self.refreshSeconds) || self.refreshSeconds == 0",
            "model.refreshSeconds looks for other bytes, which model.digest forbids; remove one of them",
            field=".refreshSeconds",
        ),
    )

    uri: Annotated[str, Field(min_length=1, max_length=2048)]
    """Where the model is: `configmap://<name>/<key>`, `pvc://<claim>/<path>` or `https://<host>/<path>`. ConfigMaps and
    claims are those of the ModelDeployment's namespace. `s3://`, `gs://`, `az://`, `oci://` and `models:/` have a form
    already, and are refused for now (reason UnsupportedScheme). Changing it starts a rollout."""
    digest: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """Pin: `sha256:` and the 64 hexadecimal digits that `sha256sum` prints for the model. Bytes with another digest
    are refused (reason DigestMismatch) and never served. Absent: what the URI holds is resolved once per revision."""
    name: (
        Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?$")]
        | None
    ) = None
    """Name of the model in the Open Inference Protocol paths, `/v2/models/<name>/infer`. Default: metadata.name."""
    credentials_secret_ref: LocalObjectReference | None = None
    """Secret whose keys become environment variables of the download. The kubelet reads it, Serinus never does."""
    refresh_seconds: Annotated[int, Field(ge=0, le=604_800)] | None = None
    """How often a moving reference (a tag, an alias, an unversioned object) is looked up again, in seconds.
    0: only when the spec changes, which is also the default."""


class ConfigMapKeySource(ApiModel):
    """One ConfigMap of the same namespace."""

    name: ObjectName
    """Name of the ConfigMap."""


class GoldenSpec(ApiModel):
    """Requests with the outputs that are expected of them, and a tolerance."""

    config_map_ref: ConfigMapKeySource
    """ConfigMap whose keys are the golden requests, each a JSON document: `request`, a request of the Open Inference
    Protocol; `expected`, its answer; `tolerance`, with `absolute` (default 0.000001) and `relative` (default 0.0001).
    Until it exists the revision waits (reason GoldenUnavailable)."""


class ValidationSpec(ApiModel):
    """What a new revision must show in its preflight pod before it gets any traffic."""

    golden: GoldenSpec | None = None
    """Golden requests; a wrong output refuses the revision (reason GoldenMismatch)."""
    max_latency_p95_milliseconds: Annotated[int, Field(ge=1, le=3_600_000)] | None = None
    """Highest 95th percentile of the time for one answer in the preflight pod, in milliseconds, over 100 runs after a
    warm-up. Two preflight pods in a row must be slower for the revision to be refused (reason TooSlow)."""
    max_memory: Quantity | None = None
    """Most memory that the program may have held at once in the preflight pod, as a quantity (reason OutOfMemory)."""
    allow_signature_change: bool | None = None
    """Whether inputs or outputs may change in a way that breaks clients of the stable revision. False, also the
    default without `validation`: such a revision is refused (reason SignatureChanged)."""


class GatewayReference(ApiModel):
    """A Gateway of the Gateway API."""

    name: ObjectName
    """Name of the Gateway."""
    namespace: ObjectName | None = None
    """Namespace of the Gateway. Default: that of the ModelDeployment."""


class RouteSpec(ApiModel):
    """Traffic from outside the cluster, by Gateway API."""

    gateway_ref: GatewayReference
    """The Gateway to which the model's HTTPRoute is attached."""
    hostnames: Annotated[
        tuple[
            Annotated[str, Field(min_length=1, max_length=253, pattern=r"^(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")], ...
        ],
        Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = ()
    """Host names that lead to the model. None: all that the Gateway's listener lets in."""


class ModelDeploymentSpec(ApiModel):
    """What is wanted: one model, how it runs, how many, and how a new version replaces the old one."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.replicas) || !has(self.scaling)",
            "replicas must not be set together with scaling; remove one of them (bounds: scaling.minReplicas, "
            "scaling.maxReplicas)",
            field=".replicas",
        ),
        Rule(
            "!has(self.scaling) || !has(self.scaling.metrics) || !self.scaling.metrics.exists(m, m.type == "
            "'CPUUtilization') || (has(self.runtime) && has(self.runtime.resources) && "
            "((has(self.runtime.resources.requests) && 'cpu' in self.runtime.resources.requests) || "
            "(has(self.runtime.resources.limits) && 'cpu' in self.runtime.resources.limits)))",
            "scaling.metrics: CPUUtilization is a percentage of the pod's CPU request; set runtime.resources.requests."
            "cpu or measure something else",
            field=".scaling",
        ),
    )

    paused: bool = False
    """True: the children stay as they are and nothing is decided until it is false again; condition Ready says so."""
    model: ModelSpec
    """The model to serve and where its bytes come from."""
    runtime: RuntimeSpec = Field(default_factory=RuntimeSpec)
    """How each pod runs: image, resources, limits, placement. Changing it starts a rollout."""
    replicas: Annotated[int, Field(ge=0, le=1000)] | None = None
    """Fixed number of pods, 1 when neither this nor `scaling` is set. `kubectl scale` writes it. Not together with
    `scaling`."""
    scaling: ScalingSpec | None = None
    """Sizes the model by demand. Not together with `replicas`."""
    rollout: RolloutSpec = Field(default_factory=RolloutSpec)
    """How a new revision takes over from the stable one. Without `strategy`, `steps`, `match`, `shadow`, `analysis`
    and `bakeSeconds`: all at once, when every pod of it is ready. With any of them: as they say, but not together with
    `scaling.engine` HPA or KEDA."""
    validation: ValidationSpec | None = None
    """What a new revision must show before it gets any traffic. Changing it starts no rollout; a revision that was
    refused by it is tried again."""
    route: RouteSpec | None = None
    """Traffic from outside the cluster. Absent: only the Service inside the cluster."""


class ObjectMeta(ApiModel):
    """The part of Kubernetes object metadata that Serinus looks at. Written by Kubernetes, so it has no bounds here."""

    name: str
    namespace: str = "default"
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class ModelDeployment(ApiModel):
    """A model, served: its pods, its address, and how new versions of it arrive."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"self.metadata.name.matches('{DNS_LABEL_PATTERN}') && size(self.metadata.name) <= 63",
            "metadata.name becomes a Service, so it must be at most 63 lower-case letters, digits and hyphens, begin "
            "with a letter and not end with a hyphen; choose such a name",
            field=".metadata.name",
        ),
    )

    api_version: Literal["serving.serinus.dev/v1alpha1"] = "serving.serinus.dev/v1alpha1"
    kind: Literal["ModelDeployment"] = "ModelDeployment"
    metadata: ObjectMeta
    spec: ModelDeploymentSpec
    status: ModelDeploymentStatus = Field(default_factory=ModelDeploymentStatus)
