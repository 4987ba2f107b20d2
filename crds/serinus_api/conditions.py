"""Condition types and reasons: the words in which Serinus tells the truth.

Each reason belongs to one type. *Final* reasons reject a revision until the spec, the digest or `retry` changes;
*waiting* ones are tried again at least every 15 seconds and become `Stalled` only after `startupDeadlineSeconds`.
"""

from enum import StrEnum


class ConditionType(StrEnum):
    """Types of `status.conditions`, in the order in which they are shown."""

    READY = "Ready"
    AVAILABLE = "Available"
    MODEL_RESOLVED = "ModelResolved"
    MODEL_VALIDATED = "ModelValidated"
    ROLLOUT_HEALTHY = "RolloutHealthy"
    ROUTE_READY = "RouteReady"
    SCALING_ACTIVE = "ScalingActive"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


class Reason(StrEnum):
    """Every reason a condition can bear."""

    # The spec as a whole
    READY = "Ready"
    RECONCILING = "Reconciling"
    PAUSED = "Paused"
    NOT_SUPPORTED = "NotSupported"
    NOT_IN_LOCAL_MODE = "NotInLocalMode"
    INVALID_SPEC = "InvalidSpec"
    NAME_CONFLICT = "NameConflict"
    OVERRIDDEN = "Overridden"
    RBAC_DENIED = "RBACDenied"
    REJECTED_BY_API_SERVER = "RejectedByAPIServer"
    INTERNAL_ERROR = "InternalError"
    ROLLED_BACK = "RolledBack"

    # Available
    SERVING = "Serving"
    NO_READY_REPLICAS = "NoReadyReplicas"
    NO_REVISION = "NoRevision"

    # ModelResolved
    RESOLVED = "Resolved"
    RESOLVING = "Resolving"
    NOT_FOUND = "NotFound"
    ACCESS_DENIED = "AccessDenied"
    DIGEST_MISMATCH = "DigestMismatch"
    DOWNLOAD_STALLED = "DownloadStalled"
    DOWNLOAD_FAILED = "DownloadFailed"
    TOO_LARGE = "TooLarge"
    UNSUPPORTED_SCHEME = "UnsupportedScheme"
    SOURCE_CHANGED = "SourceChanged"

    # ModelValidated
    PASSED = "Passed"
    PREFLIGHT = "Preflight"
    LOAD_FAILED = "LoadFailed"
    OUT_OF_MEMORY = "OutOfMemory"
    UNSAFE_MODEL = "UnsafeModel"
    GOLDEN_MISMATCH = "GoldenMismatch"
    TOO_SLOW = "TooSlow"
    SIGNATURE_CHANGED = "SignatureChanged"
    GOLDEN_UNAVAILABLE = "GoldenUnavailable"

    # Pods that do not start: the scheduler's, the kubelet's or a controller's own words are in the message
    UNSCHEDULABLE = "Unschedulable"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    PODS_REFUSED = "PodsRefused"
    POD_LOST = "PodLost"
    CRASH_LOOP = "CrashLoop"
    CONTAINER_CONFIG_ERROR = "ContainerConfigError"
    STARTING = "Starting"
    STARTUP_DEADLINE_EXCEEDED = "StartupDeadlineExceeded"

    # RolloutHealthy
    PROGRESSING = "Progressing"
    CANDIDATE_NOT_READY = "CandidateNotReady"
    ANALYSIS_FAILED = "AnalysisFailed"
    HELD = "Held"
    ABORTED = "Aborted"

    # RouteReady
    ACCEPTED = "Accepted"
    WAITING_FOR_GATEWAY = "WaitingForGateway"
    GATEWAY_API_MISSING = "GatewayAPIMissing"
    GATEWAY_NOT_FOUND = "GatewayNotFound"
    NOT_ALLOWED_BY_LISTENERS = "NotAllowedByListeners"
    NOT_ACCEPTED = "NotAccepted"
    REFS_NOT_RESOLVED = "RefsNotResolved"
    UNSUPPORTED_FEATURE = "UnsupportedFeature"

    # ScalingActive
    METRICS_AVAILABLE = "MetricsAvailable"
    METRICS_UNAVAILABLE = "MetricsUnavailable"
    REPLICA_OWNERSHIP_CONFLICT = "ReplicaOwnershipConflict"
    ENGINE_UNAVAILABLE = "EngineUnavailable"
    GATEWAY_UNAVAILABLE = "GatewayUnavailable"

    # Ready and Available, where a model may sleep
    ASLEEP = "Asleep"
    WAKING = "Waking"
    WAKE_FAILED = "WakeFailed"


def reason_of(word: str | None) -> Reason | None:
    """The reason that a word names; None for a word of another version, or none."""
    return Reason(word) if word is not None and word in Reason.__members__.values() else None


RESOLUTION_REASONS = frozenset(
    {
        Reason.NOT_FOUND,
        Reason.ACCESS_DENIED,
        Reason.DIGEST_MISMATCH,
        Reason.DOWNLOAD_STALLED,
        Reason.DOWNLOAD_FAILED,
        Reason.TOO_LARGE,
        Reason.UNSUPPORTED_SCHEME,
        Reason.SOURCE_CHANGED,
    }
)
"""Reasons that speak of finding the bytes (`ModelResolved`); other verdicts speak of the model (`ModelValidated`)."""

FINAL_REASONS = frozenset(
    {
        Reason.DIGEST_MISMATCH,
        Reason.TOO_LARGE,
        Reason.UNSUPPORTED_SCHEME,
        Reason.LOAD_FAILED,
        Reason.OUT_OF_MEMORY,
        Reason.UNSAFE_MODEL,
        Reason.GOLDEN_MISMATCH,
        Reason.TOO_SLOW,
        Reason.SIGNATURE_CHANGED,
    }
)
"""Causes that the same spec and bytes will always have: the revision is rejected."""
