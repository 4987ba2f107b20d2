"""What the agent tells Prometheus. It only counts; `server.py` shows it."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from serinus_api.gateway import ModelTraffic
from serinus_gateway.description import ModelKey

OUTCOMES = ("passed", "released", "rejected", "expired", "left")
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
MODEL = ("namespace", "model")


class Telemetry:
    """Counters of one agent."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self._asked = Counter(
            "serinus_gateway_checks_total",
            "Checked requests: passed at once, released after a wait, rejected, expired, or their client left.",
            (*MODEL, "revision", "outcome"),
            registry=registry,
        )
        self._wakes = Counter(
            "serinus_gateway_wakes_total",
            "Attempts to start a revision: asked and failed ones, and those in vain, whose pods went unanswered.",
            (*MODEL, "outcome"), registry=registry,
        )  # fmt: skip
        self._pause = Gauge(
            "serinus_gateway_wake_pause_seconds",
            "How long after a start the next one comes while no pod answers; longer each time, 0 once one did.",
            (*MODEL, "revision"), registry=registry,
        )  # fmt: skip
        self._cold = Histogram(
            "serinus_gateway_cold_start_seconds",
            "From the first request that found no pod to a pod that answers, by phase.",
            ("phase",),
            buckets=SECONDS,
            registry=registry,
        )
        self._held = Histogram(
            "serinus_gateway_held_seconds", "How long released requests waited.", MODEL, buckets=SECONDS,
            registry=registry,
        )  # fmt: skip
        self._pending = Gauge("serinus_gateway_pending", "Requests that wait for a pod.", MODEL, registry=registry)
        self._in_flight = Gauge(
            "serinus_gateway_in_flight", "Requests that came and are not answered yet.", MODEL, registry=registry
        )
        self._sent = Gauge(
            "serinus_gateway_forwarded", "Requests sent to a revision since the gateway started.",
            (*MODEL, "revision"), registry=registry,
        )  # fmt: skip

    def asked(self, key: ModelKey, revision: str, outcome: str) -> None:
        """A check has ended."""
        self._asked.labels(*key, revision, outcome).inc()

    def woke(self, key: ModelKey, outcome: str) -> None:
        """A revision was asked to start."""
        self._wakes.labels(*key, outcome).inc()

    def wake_pause(self, key: ModelKey, revision: str, seconds: float) -> None:
        """The next wake of a revision comes so much later."""
        self._pause.labels(*key, revision).set(seconds)

    def cold_start(self, phase: str, seconds: float) -> None:
        """A phase of a cold start is over."""
        self._cold.labels(phase).observe(seconds)

    def held_for(self, key: ModelKey, seconds: float) -> None:
        """A request that waited was released."""
        self._held.labels(*key).observe(seconds)

    def render(self, models: Iterable[ModelTraffic]) -> bytes:
        """Prometheus text, with the gauges as they are now."""
        for gauge in (self._pending, self._in_flight, self._sent):
            gauge.clear()
        for model in models:
            self._pending.labels(model.namespace, model.name).set(model.held)
            if model.in_flight is not None:
                self._in_flight.labels(model.namespace, model.name).set(model.in_flight)
            for revision in model.revisions:
                self._sent.labels(model.namespace, model.name, revision.name).set(revision.forwarded)
        return generate_latest(self._registry)
