"""What the operator and the gateway agree on: how a model's state reaches the gateway, and what the gateway reports.

The gateway's agent watches; the operator never calls it but for its load endpoint. What the agent reads, by object:

    ModelDeployment  status.gatewayPort        the model is known at this port of every gateway; absent: unknown there
                     status.stableRevision     Deployment that is woken, and whose pods take the traffic
                     status.candidateRevision  second destination, with
                     status.rollout.requestedWeight and spec.rollout.match, while a rollout runs
                     status.scaling.state      Awake from when its pods take the traffic until it is Asleep; Awake, too,
                                               while the gateways come in and the last pods are watched
                                               (status.scaling.traffic HandOver, Proxied). Asleep and Waking: each
                                               request is checked
                     spec.scaling.activation   bounds, deadline and first size
    Pod              labels managed-by=serinus, role=serving, deployment, revision, in the model's own namespace
                     SERINUS_RUNTIME_CONFIG    maxConcurrency of that very revision
    EndpointSlice    label endpointslice.kubernetes.io/managed-by=serinus: where it names a gateway's address, that
                     gateway is in use: outside of a canary each request is checked, also of a model that is Awake; it
                     counts towards the share of free places that each may give out, and a gateway that is told to stop
                     serves until no slice names it

The gateway writes one thing: `deployments/scale` from 0 to `initialReplicas`, with the resourceVersion of its own read.

The operator gives out gateway ports from `FIRST_MODEL_PORT` on, one per ModelDeployment of the whole cluster, never one
that another model's status still names; two models with one port: the agent serves the older and reports the other.
"""

from pydantic import Field

from serinus_api.base import ApiModel

FIRST_MODEL_PORT = 20000
LAST_MODEL_PORT = 29999

AGENT_PORT = 9902
"""`/load` for the operator, `/metrics` for Prometheus, `/readyz` and `/livez` for the kubelet."""
CHECK_PORT = 9901
"""On loopback: Envoy asks the agent here."""
ADMIN_PORT = 9903
"""On loopback: Envoy's own interface."""
ENVOY_HEALTH_PORT = 9904
"""`/livez`, answered by Envoy itself."""

LOAD_PATH = "/load"
METRICS_PATH = "/metrics"
READY_PATH = "/readyz"
LIVE_PATH = "/livez"

HEADER_PREFIX = "x-serinus-"
HEADER_DESTINATION = "x-serinus-destination"
"""Agent to Envoy: the pod that a held request goes to."""
HEADER_COLD_START = "x-serinus-cold-start"
"""Milliseconds that the request was held because no pod answered."""

SLICE_MANAGER = "serinus"
LABEL_SLICE_MANAGER = "endpointslice.kubernetes.io/managed-by"
LABEL_SERVICE_NAME = "kubernetes.io/service-name"

MAX_PENDING_REQUESTS = 500
DEADLINE_SECONDS = 600
INITIAL_REPLICAS = 1
"""What `spec.scaling.activation` is where it says nothing."""


class RevisionTraffic(ApiModel):
    """One destination of a model, as Envoy has it now."""

    name: str
    weight: int = Field(ge=0, le=100)
    held: int = 0
    """Requests that wait in this gateway for a pod of the revision."""
    forwarded: int = 0
    """Requests sent to its pods since the gateway started."""


class ModelTraffic(ApiModel):
    """One model, as one gateway sees it."""

    namespace: str
    name: str
    port: int
    held: int = 0
    """Requests that wait for a pod now. Demand, and a reason not to go to sleep."""
    in_flight: int | None = None
    """Requests that have arrived and are not answered yet, held ones among them; None: Envoy did not say."""
    arrivals: int | None = None
    """Requests that have arrived since Envoy started."""
    guarded: bool = True
    """Whether a request is checked with the agent before it goes to a pod."""
    applied: bool = False
    """Whether Envoy has taken the latest routes: weights and guard as told here are in force."""
    revisions: tuple[RevisionTraffic, ...] = ()


class GatewayReport(ApiModel):
    """Answer of `GET /load` on `AGENT_PORT`."""

    ready: bool
    draining: bool
    problem: str = ""
    """What keeps it from being ready."""
    models: tuple[ModelTraffic, ...] = ()
