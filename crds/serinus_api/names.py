"""Every name that Serinus gives to an object, a label, an annotation or a port.

Used by the operator, the runtime, the gateway and the tests; no other module spells one. Object names stay within
63 characters (they become DNS labels): a long one is cut and gets a hash of the whole.
"""

import hashlib

GROUP = "serving.serinus.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "ModelDeployment"
PLURAL = "modeldeployments"
SINGULAR = "modeldeployment"
SHORT_NAME = "mdep"
CATEGORY = "serinus"

PREFIX = "serinus.dev"
LABEL_DEPLOYMENT = f"{PREFIX}/deployment"
LABEL_REVISION = f"{PREFIX}/revision"
LABEL_ROLE = f"{PREFIX}/role"
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
LABEL_NAME = "app.kubernetes.io/name"
MANAGED_BY = "serinus"
LABEL_PROXIED = f"{PREFIX}/proxied"
"""In the entry Service's selector, and on no pod: then the Service leads to the gateways alone."""
ROLE_SERVING = "serving"
ROLE_PREFLIGHT = "preflight"

ANNOTATION_PROMOTE = f"{PREFIX}/promote"
ANNOTATION_ABORT = f"{PREFIX}/abort"
ANNOTATION_RETRY = f"{PREFIX}/retry"
ANNOTATION_REFRESH = f"{PREFIX}/refresh"

ANNOTATION_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
"""Kubernetes' own: of two pods the one with the lower value is ended first."""

FIELD_MANAGER = "serinus-operator"
STATUS_FIELD_MANAGER = "serinus-status"

CONTAINER_RUNTIME = "runtime"
PORT_HTTP = "http"
PORT_METRICS = "metrics"

MAX_NAME = 63
HASH_LENGTH = 8


def short_hash(text: str) -> str:
    """The first eight hexadecimal digits of the SHA-256 of `text`."""
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]


def bounded(name: str, suffix: str = "") -> str:
    """`name` + `suffix` in at most 63 characters.

    A name that does not fit is cut and carries a hash of itself, so that two long names never meet:
    `bounded("a" * 63, "-1a2b3c4d")` is 45 times "a", "-", 8 hash digits and the suffix.
    """
    if len(name) + len(suffix) <= MAX_NAME:
        return name + suffix
    keep = MAX_NAME - len(suffix) - HASH_LENGTH - 1
    return f"{name[:keep].rstrip('-.')}-{short_hash(name)}{suffix}"


def revision_name(deployment: str, spec_hash: str, digest: str) -> str:
    """Name of the revision that serves `digest` under the spec with `spec_hash`: `<deployment>-<hash8>`.

    The ControllerRevision, the Deployment, the Service and the immutable copy of a ConfigMap model bear it alike.
    """
    return bounded(deployment, f"-{short_hash(f'{spec_hash}/{digest}')}")


def preflight_name(deployment: str, spec_hash: str, attempt: int) -> str:
    """Name of the `attempt`-th preflight pod for a spec: `<deployment>-pf-<specHash8>-<attempt>`."""
    return bounded(deployment, f"-pf-{spec_hash[:HASH_LENGTH]}-{attempt}")


def event_name(deployment: str, key: str) -> str:
    """Name of the Kubernetes Event that gathers all occurrences of `key` for one ModelDeployment."""
    return bounded(deployment, f".{short_hash(key)}")


def gateway_slice_name(deployment: str, family: str) -> str:
    """Name of the EndpointSlice that leads a model's Service to the gateways, one per family (`IPv4`, `IPv6`)."""
    return bounded(deployment, f"-gateway-{family.lower()}")


def metrics_policy_name(deployment: str) -> str:
    """Name of the NetworkPolicy that keeps the second port of a model's pods to the operator and the gateway."""
    return bounded(deployment, "-metrics")


def deployment_labels(deployment: str) -> dict[str, str]:
    """Labels that every child of a ModelDeployment carries. A long name is cut and hashed, as object names are."""
    return {LABEL_MANAGED_BY: MANAGED_BY, LABEL_DEPLOYMENT: bounded(deployment)}


def selector_string(deployment: str) -> str:
    """The string form of the label selector of all serving pods of a ModelDeployment (scale subresource)."""
    return f"{LABEL_DEPLOYMENT}={bounded(deployment)},{LABEL_ROLE}={ROLE_SERVING}"
