"""The port: what the operator asks of a cluster, whichever it is.

Objects are plain dictionaries in the Kubernetes form. Every call has a time limit, every change that decides something
carries the resourceVersion that it was decided on, and failures are the errors of `errors.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from serinus_api import names

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object and where the API server keeps it."""

    api_version: str
    kind: str
    plural: str

    @property
    def group(self) -> str:
        """API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """Version within the group."""
        return self.api_version.rpartition("/")[2]

    @property
    def resource(self) -> str:
        """Plural with its group, as RBAC messages write it: `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


MODEL_DEPLOYMENT = Kind(names.API_VERSION, names.KIND, names.PLURAL)
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
CONTROLLER_REVISION = Kind("apps/v1", "ControllerRevision", "controllerrevisions")
POD = Kind("v1", "Pod", "pods")
SERVICE = Kind("v1", "Service", "services")
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
EVENT = Kind("v1", "Event", "events")
POD_DISRUPTION_BUDGET = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
NETWORK_POLICY = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
ENDPOINT_SLICE = Kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
AUTOSCALER = Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
SCALED_OBJECT = Kind("keda.sh/v1alpha1", "ScaledObject", "scaledobjects")
HTTP_ROUTE = Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")
GATEWAY = Kind("gateway.networking.k8s.io/v1", "Gateway", "gateways")
GATEWAY_CLASS = Kind("gateway.networking.k8s.io/v1", "GatewayClass", "gatewayclasses")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")

CHILDREN = (CONTROLLER_REVISION, DEPLOYMENT, SERVICE, POD, POD_DISRUPTION_BUDGET, NETWORK_POLICY, ENDPOINT_SLICE)
"""Kinds that carry our labels and are kept in the cache. Kubernetes' own EndpointSlices do too, from their Service."""
SCALERS = (AUTOSCALER, SCALED_OBJECT)
"""Kinds that are listed now and then where they matter (`scalers.py`), and kept in the cache as well."""
ROUTING = (HTTP_ROUTE, GATEWAY, GATEWAY_CLASS)
"""Kinds of the Gateway API, which a cluster may lack. Routes of ours are listed where they matter (`routes.py`), and
kept in the cache; the other two are other people's, and only read."""
KINDS = {k.kind: k for k in (*CHILDREN, *SCALERS, *ROUTING, MODEL_DEPLOYMENT, CONFIG_MAP, EVENT, LEASE)}


def kind_of(manifest: Mapping[str, Any]) -> Kind:
    """The kind of a manifest; KeyError for one that the operator does not know."""
    return KINDS[manifest["kind"]]


@dataclass(frozen=True, slots=True)
class Precondition:
    """What the object must still be for a change to be carried out; the change fails with `Conflict` otherwise."""

    uid: str
    resource_version: str


class Cluster(Protocol):
    """Reads and writes of one cluster."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """The live object, or None where there is none."""

    async def list(self, kind: Kind, namespace: str | None, labels: Mapping[str, str]) -> Sequence[Manifest]:
        """All live objects of a kind with these labels; `namespace` None means all that the operator watches."""

    async def create(self, manifest: Manifest) -> Manifest:
        """Make a new object. `Conflict` where the name is taken."""

    async def apply(self, manifest: Manifest, precondition: Precondition) -> Manifest:
        """Server-side apply onto an existing object, taking over the fields that the manifest names."""

    async def replace(self, manifest: Manifest, precondition: Precondition) -> Manifest:
        """Write the whole object."""

    async def scale(self, kind: Kind, namespace: str, name: str, replicas: int, precondition: Precondition) -> str:
        """Set the number of replicas through the scale subresource; the object's resourceVersion after it."""

    async def delete(self, kind: Kind, namespace: str, name: str, precondition: Precondition) -> None:
        """Delete exactly the object that was observed; one that is gone already is no error."""

    async def apply_status(self, manifest: Manifest, precondition: Precondition) -> Manifest:
        """Server-side apply of the status subresource; fields left out that were ours are removed."""

    async def record_event(self, manifest: Manifest) -> None:
        """Create or update an Event."""
