"""The operator's own Prometheus metrics."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


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
        self.fence = Gauge("serinus_fence_held", "1 while this process may write, else 0", registry=self.registry)

    def count_call(self, verb: str, resource: str, code: int) -> None:
        """Count one request to the API server."""
        self.calls.labels(verb, resource, str(code)).inc()

    def follow(self, *, depth: Callable[[], float], oldest: Callable[[], float], held: Callable[[], float]) -> None:
        """Read the gauges when they are scraped."""
        self.depth.set_function(depth)
        self.oldest.set_function(oldest)
        self.fence.set_function(held)
