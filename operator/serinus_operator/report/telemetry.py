"""The operator's own Prometheus metrics."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serinus_operator.loads import Outcome
from serinus_operator.report.rollouts import RolloutMetrics, Rollouts

Sizes = Callable[[], Iterable[tuple[str, str, Outcome]]]
"""Namespace, name and last decision on the size of each model that is scaled by demand."""


class _Sizes(Collector):
    """Read when scraped, so that a model that is gone leaves nothing behind."""

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes

    def describe(self) -> Iterable[Metric]:
        """Nothing is known in advance."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """One row per model."""
        key = ["namespace", "name"]
        desired = GaugeMetricFamily("serinus_scaling_desired_replicas", "Pods wanted, within the bounds", labels=key)
        wanted = GaugeMetricFamily("serinus_scaling_wanted_replicas", "Pods wanted before the bounds", labels=key)
        panic = GaugeMetricFamily("serinus_scaling_panic", "1 while nothing shrinks after a sudden rise", labels=key)
        reason = GaugeMetricFamily("serinus_scaling_reason", "1 for what decides the size", labels=[*key, "reason"])
        for namespace, name, outcome in self._sizes():
            desired.add_metric([namespace, name], outcome.desired)
            wanted.add_metric([namespace, name], outcome.wanted)
            panic.add_metric([namespace, name], int(outcome.panic))
            reason.add_metric([namespace, name, outcome.reason], 1)
        yield from (desired, wanted, panic, reason)


class Telemetry:
    """Counters of one operator process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.reconciles = Counter(
            "serinus_reconciles_total",
            "Reconcile passes by result (ok, retry, error)",
            ["result"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "serinus_reconcile_duration_seconds",
            "Duration of a reconcile pass",
            buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 15),
            registry=self.registry,
        )
        self.calls = Counter(
            "serinus_api_calls_total",
            "Requests to the Kubernetes API by verb, resource and HTTP code (0: no answer)",
            ["verb", "resource", "code"],
            registry=self.registry,
        )
        self.depth = Gauge("serinus_queue_depth", "ModelDeployments waiting to be reconciled", registry=self.registry)
        self.oldest = Gauge(
            "serinus_queue_oldest_seconds", "How long the oldest of them has waited", registry=self.registry
        )
        self.rollouts = RolloutMetrics()
        self.fence = Gauge("serinus_fence_held", "1 while this process may write, else 0", registry=self.registry)

    def count_call(self, verb: str, resource: str, code: int) -> None:
        """Count one request to the API server."""
        self.calls.labels(verb, resource, str(code)).inc()

    def follow(
        self,
        *,
        depth: Callable[[], float],
        oldest: Callable[[], float],
        held: Callable[[], float],
        sizes: Sizes,
        rollouts: Rollouts,
    ) -> None:
        """Read the gauges when they are scraped."""
        self.rollouts.follow(rollouts)
        self.registry.register(self.rollouts)
        self.registry.register(_Sizes(sizes))
        self.depth.set_function(depth)
        self.oldest.set_function(oldest)
        self.fence.set_function(held)
