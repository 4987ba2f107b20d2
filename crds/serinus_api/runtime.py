"""What the operator and a model pod agree on: configuration in, verdict and load out, ports, paths, metric names.

The operator writes a `RuntimeConfig` as one JSON environment variable into the pod template of a revision and never
changes it there; the runtime parses it at start. A preflight pod answers with a `PreflightReport` in its termination
message; a serving pod answers `GET /load` on its second port with a `LoadReport`.
"""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from serinus_api.base import ApiModel

CONFIG_ENV = "SERINUS_RUNTIME_CONFIG"
HTTP_PORT = 8080
METRICS_PORT = 8081
LIVE_PATH = "/v2/health/live"
READY_PATH = "/v2/health/ready"
LOAD_PATH = "/load"
METRICS_PATH = "/metrics"
SHADOW_PATH = "/shadow"
MODEL_MOUNT = "/mnt/model"
"""Where a ConfigMap or a PersistentVolumeClaim with the model is mounted, read-only."""
WORK_MOUNT = "/var/lib/serinus"
"""A writable emptyDir: the verified copy of the model lies here."""
GOLDEN_MOUNT = "/mnt/golden"
"""Where a preflight pod finds the ConfigMap with golden requests, one file for each key."""
CA_MOUNT = "/etc/serinus/ca"
"""Where the ConfigMap with extra trusted certificates is mounted."""
TERMINATION_LOG = "/dev/termination-log"
TERMINATION_LIMIT_BYTES = 3072
DOWNLOAD_BYTES = 2 * 1024**3
"""Largest download where the operator says nothing else."""
HEADER_REVISION = "x-serinus-revision"
HEADER_VIA = "x-serinus-via"
VIA = ("direct", "split", "match", "shadow")

EXIT_OK = 0
EXIT_REFUSED = 10
"""A final verdict: the same input gives the same answer."""
EXIT_WAITING = 11
"""Something outside is missing or out of reach; trying again can help."""
EXIT_MISCONFIGURED = 12
"""The RuntimeConfig itself cannot be used."""

METRIC_DURATION = "serinus_request_duration_seconds"
METRIC_IN_FLIGHT = "serinus_requests_in_flight"
METRIC_QUEUED = "serinus_requests_queued"
METRIC_REJECTED = "serinus_requests_rejected_total"
METRIC_MODEL_INFO = "serinus_model_info"
METRIC_OUTPUTS = "serinus_outputs_checked_total"
"""Answers by `via`, and by `result`: `finite`, or `invalid` when an output has a NaN or an infinite number."""
METRIC_SKETCH = "serinus_output_values_total"
"""One value of each answer, by `bin`: `SKETCH_BINS` of them, rising, for each of the first `SKETCH_OUTPUTS` outputs."""
SKETCH_OUTPUTS = 4
SKETCH_BINS = 147
METRIC_SHADOW_SENT = "serinus_shadow_sent_total"
METRIC_SHADOW_DROPPED = "serinus_shadow_dropped_total"
METRIC_SHADOW_FAILED = "serinus_shadow_failed_total"
METRIC_SHADOW_COMPARED = "serinus_shadow_compared_total"
METRIC_SHADOW_DIFFERENCE = "serinus_shadow_largest_difference"
LATENCY_BUCKETS = tuple(float(f"{1e-4 * 10 ** (k / 8):.3g}") for k in range(49))
"""Upper ends in seconds, eight to a decade from 0.1 ms to 100 s, so that a percentile read from them is within a
seventh of the truth: 0.0001 · 10^(k/8) for k = 0 … 48. Beyond the last one lies one more bucket."""


class ModelSource(ApiModel):
    """Where the model comes from, as one pod sees it."""

    uri: str
    """The URI as the user wrote it, for messages: `configmap://name/key`, `pvc://claim/path`, `https://…`."""
    path: str | None = None
    """File below `MODEL_MOUNT` for mounted sources (relative, no `..`); None for sources that are downloaded."""
    digest: str | None = None
    """`sha256:<64 hex>` that the bytes must have; None in a preflight without a pin."""
    max_bytes: int = DOWNLOAD_BYTES
    """Largest download (bytes). What is mounted is bounded by its volume."""
    ca_file: str | None = None
    """PEM file with extra trusted certificates for the download, or a folder of such files (`CA_MOUNT`)."""
    allow_hosts: tuple[str, ...] = ()
    """Host names, or `host:port`, that a download may reach although their address is private or link-local."""
    stall_seconds: int = 30
    """A download that receives nothing for this long is `DownloadStalled`."""


class RuntimeLimits(ApiModel):
    """Bounds on what a pod takes in. Each is refused with an HTTP error that says which."""

    max_concurrency: int = Field(default=8, ge=1)
    """Inferences in flight."""
    max_queue: int = Field(default=16, ge=0)
    """Requests waiting for a place in flight; one more is answered 429 with Retry-After."""
    request_timeout_seconds: int = Field(default=60, ge=1)
    """From the request's arrival to its answer; then 503."""
    max_body_bytes: int = 16 * 1024**2
    """413 beyond it, before the body is read."""
    receipt_seconds: int = 10
    """Time to receive a whole request, plus one second per MiB; then 408."""
    max_header_bytes: int = 16 * 1024
    max_json_depth: int = 32
    max_batch_rows: int = 1024
    max_rank: int = 8


class Validation(ApiModel):
    """What a model must show in its preflight pod, beside loading and one inference."""

    key: str
    """Names all that is asked for; the report of a pod that has looked at it says it again."""
    golden_name: str | None = None
    """ConfigMap whose keys lie below `RuntimeConfig.golden_mount`; None: no golden requests."""
    golden_digest: str | None = None
    """What `golden.golden_digest` must say of these files."""
    max_latency_p95_milliseconds: int | None = None
    max_memory_bytes: int | None = None


class RuntimeConfig(ApiModel):
    """Everything that a preflight or serving pod is told."""

    model_name: str
    """Name in the Open Inference Protocol paths."""
    model_version: str
    """The revision's name (`<deployment>-<hash8>`); a preflight has `preflight`."""
    source: ModelSource
    limits: RuntimeLimits = RuntimeLimits()
    threads: int | None = Field(default=None, ge=1)
    """Intra-op threads of the session; None: the container's own CPU quota, rounded up."""
    drain_seconds: int = 10
    """After SIGTERM: keep accepting, with `Connection: close`, for this long."""
    connection_seconds: int = 60
    """Life of a connection that did not come through a gateway, ± 20 %."""
    log_format: Literal["json", "console"] = "json"
    own_group: bool = True
    """Whether the control group is the pod's alone. In local mode it is shared: only the process itself is counted."""
    source_check_seconds: int = Field(default=60, ge=1)
    """A ready pod looks this often whether an `https://` or `pvc://` source still is what it serves."""
    host: str = ""
    """Address that both ports listen on; empty: all, IPv4 and IPv6."""
    http_port: int = Field(default=HTTP_PORT, ge=0, le=65535)
    """0: any free port, named in the log."""
    metrics_port: int = Field(default=METRICS_PORT, ge=0, le=65535)
    shadow_network: str | None = None
    """Where an order may say that the candidate is (`127.0.0.0/8`); None: it is at the Service with its name."""
    model_mount: str = MODEL_MOUNT
    golden_mount: str = GOLDEN_MOUNT
    validation: Validation | None = None
    """For a preflight alone."""
    work_mount: str = WORK_MOUNT
    termination_log: str = TERMINATION_LOG


class ShadowOrder(ApiModel):
    """Body of `PUT /shadow` on a serving pod's second port: copy some of the answered requests to another revision.

    Lent, not given: who wants copies says so again before `seconds` are over. So a pod that starts anew, or whose
    operator is gone, copies nothing.
    """

    revision: str = Field(max_length=63)
    """A revision of the same ModelDeployment; any other is refused."""
    percent: int = Field(ge=0, le=100)
    seconds: int = Field(default=30, ge=1, le=600)
    host: str | None = Field(default=None, max_length=64)
    """An address in `RuntimeConfig.shadow_network`, and refused without that; None: the Service with its name."""
    port: int = Field(default=80, ge=1, le=65535)


class Phase(StrEnum):
    """How far a preflight came; the last one written before an OOM kill tells where the memory went."""

    STARTING = "Starting"
    """The program itself is loaded; it has written nothing yet, so this is said by who started it."""
    RESOLVING = "Resolving"
    DOWNLOADING = "Downloading"
    LOADING = "Loading"
    INFERRING = "Inferring"
    VALIDATING = "Validating"
    """Golden requests, and the timed runs."""
    DONE = "Done"


class TensorSignature(ApiModel):
    """Name, Open Inference Protocol datatype and shape (-1: variable) of one input or output."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class PreflightReport(ApiModel):
    """The termination message of a preflight pod: JSON, at most `TERMINATION_LIMIT_BYTES`, rewritten at each phase."""

    phase: Phase
    reason: str | None = None
    """None while it runs; `Passed`; or a reason of `ModelResolved` / `ModelValidated` (conditions.py)."""
    message: str = ""
    """In the words of whoever refused: ONNX Runtime, the server of the download. No path of the pod, no secret."""
    digest: str | None = None
    size_bytes: int | None = None
    peak_bytes: int | None = None
    """Highest memory use of the container so far."""
    limit_bytes: int | None = None
    """Memory limit of the container."""
    load_seconds: float | None = None
    inference_milliseconds: float | None = None
    latency_p95_milliseconds: float | None = None
    """95th percentile of the timed runs, where it was asked for."""
    validation: str | None = None
    """`Validation.key`, once all of it was looked at and found good; None from a runtime that does not know of it."""
    inputs: tuple[TensorSignature, ...] = ()
    outputs: tuple[TensorSignature, ...] = ()
    signature_cut: bool | None = None
    """True: inputs or outputs are missing, as the message would have been too long."""


class LoadReport(ApiModel):
    """Answer of `GET /load`. Counters rise from the process's start and are never reset."""

    revision: str
    in_flight: int
    queued: int
    arrivals: dict[str, int]
    """Requests received, by how they came (`VIA`)."""
    busy_seconds: float
    """Sum of the time that requests spent in flight."""
    uptime_seconds: float | None = None
    """Age of the process: the counters are as old. None from a runtime of an earlier version, as are the next two."""
    cpu_seconds: float | None = None
    """Processor time of the pod's control group so far."""
    latency_counts: tuple[int, ...] | None = None
    """Requests answered 200 or 503, by `LATENCY_BUCKETS` and one bucket beyond them; not cumulative."""
    source_changed: str | None = None
    """What differs between the source now and the bytes served; None: nothing known."""
