"""`spec.scaling`: sizing by demand, down to zero.

The defaults are not in the schema. Server-side apply takes away only what its user had written: a block with a default
filled in beside it would stay when its user takes it out, and with it the rule that forbids `replicas`.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from serinus_api.base import ApiModel, Rule

DEFAULT_MAX = 10


class ScalingMetric(ApiModel):
    """One measure of demand and how much of it one pod shall bear."""

    type: Literal["Concurrency", "RequestsPerSecond", "LatencyP95Milliseconds", "CPUUtilization"]
    """What is measured. With several metrics the one that asks for most pods wins."""
    target: Annotated[int, Field(ge=1, le=1_000_000)]
    """How much of it one pod shall bear. Concurrency: requests in flight or queued, at most runtime.maxConcurrency of
    them. RequestsPerSecond: arrivals. CPUUtilization: percent of the pod's CPU request. LatencyP95Milliseconds: the
    time that 95 of 100 requests stay below; more pods than requests at once are never asked for on its account."""


class ScaleToZeroSpec(ApiModel):
    """When a model without requests goes to sleep."""

    grace_period_seconds: Annotated[int, Field(ge=0, le=86_400)] = Field(default_factory=lambda: 30)
    """How long all new connections go to the gateway before the last pod ends, in seconds. A request within it keeps
    the model awake. Gateways and proxies of yours in front of the model should learn of a change in less."""
    retention_seconds: Annotated[int, Field(ge=0, le=604_800)] = Field(default_factory=lambda: 0)
    """How long nothing must have been asked before a model goes to sleep, in seconds, where that is longer than
    stableWindowSeconds and scaleDownDelaySeconds."""


class ActivationSpec(ApiModel):
    """What happens to requests that meet a sleeping model."""

    max_pending_requests: Annotated[int, Field(ge=1, le=100_000)] = Field(default_factory=lambda: 500)
    """Requests held while the model wakes; one more is answered 503 with Retry-After."""
    deadline_seconds: Annotated[int, Field(ge=1, le=3600)] = Field(default_factory=lambda: 600)
    """How long a request is held at most, in seconds; then 503 with the reason."""
    initial_replicas: Annotated[int, Field(ge=1, le=1000)] = Field(default_factory=lambda: 1)
    """Pods started at the first request."""


class ScalingSpec(ApiModel):
    """Sizes the model by demand."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"!has(self.minReplicas) || self.minReplicas <= (has(self.maxReplicas) ? self.maxReplicas : {DEFAULT_MAX})",
            f"scaling.minReplicas must not be above scaling.maxReplicas (default {DEFAULT_MAX}); lower it or raise "
            "maxReplicas",
            field=".minReplicas",
        ),
        Rule(
            "!has(self.engine) || self.engine != 'KEDA' || !has(self.minReplicas) || self.minReplicas > 0",
            "scaling.minReplicas must be at least 1 with engine: KEDA, or both would wake the model; raise it or "
            "choose engine: Builtin",
            field=".minReplicas",
        ),
        Rule(
            "!has(self.scaleToZero) || (has(self.minReplicas) && self.minReplicas == 0)",
            "scaling.scaleToZero needs minReplicas: 0; set it or remove scaleToZero",
            field=".scaleToZero",
        ),
        Rule(
            "!has(self.activation) || !has(self.activation.initialReplicas) || "
            f"self.activation.initialReplicas <= (has(self.maxReplicas) ? self.maxReplicas : {DEFAULT_MAX})",
            f"scaling.activation.initialReplicas must not be above scaling.maxReplicas (default {DEFAULT_MAX}); lower "
            "it or raise maxReplicas",
            field=".activation",
        ),
        Rule(
            "!has(self.engine) || self.engine == 'Builtin' || (has(self.metrics) && size(self.metrics) > 0 && "
            "self.metrics.all(m, m.type == 'CPUUtilization'))",
            "scaling.metrics must be CPUUtilization alone with engine: HPA or KEDA; set "
            "[{type: CPUUtilization, target: 80}] or choose engine: Builtin",
            field=".metrics",
        ),
    )

    engine: Literal["Builtin", "HPA", "KEDA"] = Field(default_factory=lambda: "Builtin")
    """Who writes the number of pods: Serinus itself (Builtin, the default), a HorizontalPodAutoscaler, or KEDA. The
    latter two measure CPU alone and need a metrics-server. It is never changed by itself."""
    min_replicas: Annotated[int, Field(ge=0, le=1000)] = Field(default_factory=lambda: 1)
    """Fewest pods, by default 1. 0: the model sleeps when nobody asks, and the gateway wakes it with the next request.
    Without a gateway it stays awake, and ScalingActive says so."""
    max_replicas: Annotated[int, Field(ge=1, le=1000)] = Field(default_factory=lambda: DEFAULT_MAX)
    """Most pods, by default 10."""
    metrics: Annotated[
        tuple[ScalingMetric, ...],
        Field(
            max_length=4, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
        ),
    ] = ()
    """What is measured; the largest answer wins. Absent: Concurrency, with runtime.maxConcurrency as its target."""
    target_utilization_percent: Annotated[int, Field(ge=1, le=100)] = Field(default_factory=lambda: 70)
    """How full a pod shall be of its target, in percent, by default 70: what is left is room for a rise while new pods
    start. For Concurrency and RequestsPerSecond."""
    stable_window_seconds: Annotated[int, Field(ge=6, le=3600)] = Field(default_factory=lambda: 60)
    """The demand is averaged over this many seconds, by default 60; over a tenth of it to see a sudden rise, after
    which nothing shrinks for as many seconds."""
    scale_down_delay_seconds: Annotated[int, Field(ge=0, le=3600)] = Field(default_factory=lambda: 0)
    """A smaller size must have been enough for this many seconds, by default 0."""
    scale_to_zero: ScaleToZeroSpec | None = None
    """When a model without requests goes to sleep."""
    activation: ActivationSpec | None = None
    """What happens to requests that meet a sleeping model."""
