"""The text that Prometheus reads, judged by its own client library, and the load report."""

import math
from itertools import pairwise

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serinus_api import runtime
from serinus_api.runtime import LATENCY_BUCKETS
from serinus_runtime.limits import Gate
from serinus_runtime.metrics import Metrics


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def samples(metrics: Metrics) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """All samples by name, then by labels."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(metrics.render()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def labels(**pairs: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(pairs.items()))


def test_answers_are_counted_by_code_way_and_revision() -> None:
    metrics = Metrics("iris-1", Gate(1, 1))
    for seconds in (0.00005, 0.0003, 0.0003, 500.0):
        metrics.observe("direct", 200, seconds)
    metrics.observe("split", 429, 0.001)
    found = samples(metrics)
    good = {"code": "200", "via": "direct", "revision": "iris-1"}
    counts = found[runtime.METRIC_DURATION + "_count"]
    assert counts == {labels(**good): 4, labels(code="429", via="split", revision="iris-1"): 1}
    assert found[runtime.METRIC_DURATION + "_sum"][labels(**good)] == pytest.approx(500.00065)
    buckets = found[runtime.METRIC_DURATION + "_bucket"]
    assert buckets[labels(**good, le="0.0001")] == 1
    assert buckets[labels(**good, le="0.000316")] == 3
    assert buckets[labels(**good, le="100.0")] == 3
    assert buckets[labels(**good, le="+Inf")] == 4


def test_buckets_are_eight_to_a_decade() -> None:
    first, tenfold, last = (LATENCY_BUCKETS[k] for k in (0, 8, -1))
    assert (first, tenfold, last, len(LATENCY_BUCKETS)) == (0.0001, 0.001, 100.0, 49)
    ratios = [high / low for low, high in pairwise(LATENCY_BUCKETS)]
    assert all(math.isclose(ratio, 10 ** (1 / 8), rel_tol=0.01) for ratio in ratios)


async def test_gauges_follow_the_gate() -> None:
    gate = Gate(2, 0)
    metrics = Metrics("iris-1", gate)
    await gate.enter(1)
    gate.rejected = 3
    found = samples(metrics)
    revision = labels(revision="iris-1")
    assert found[runtime.METRIC_IN_FLIGHT] == {revision: 1}
    assert found[runtime.METRIC_QUEUED] == {revision: 0}
    assert found[runtime.METRIC_REJECTED] == {revision: 3}


def test_the_model_is_told_once_it_is_served() -> None:
    metrics = Metrics('iris"1', Gate(1, 1))
    assert samples(metrics)[runtime.METRIC_MODEL_INFO] == {labels(revision='iris"1', digest=""): 0}
    metrics.digest = "sha256:ab"
    assert samples(metrics)[runtime.METRIC_MODEL_INFO] == {labels(revision='iris"1', digest="sha256:ab"): 1}


def test_answers_are_counted_by_whether_their_outputs_are_numbers() -> None:
    metrics = Metrics("iris-1", Gate(1, 1))
    metrics.outputs["split", True] += 2
    metrics.outputs["split", False] += 5
    found = samples(metrics)[runtime.METRIC_OUTPUTS]
    assert found[labels(revision="iris-1", via="split", result="invalid")] == 2
    assert found[labels(revision="iris-1", via="split", result="finite")] == 5
    assert found[labels(revision="iris-1", via="direct", result="invalid")] == 0


async def test_the_load_report_is_the_operators_view() -> None:
    clock = Clock()
    gate = Gate(2, 0, clock)
    metrics = Metrics("iris-1", gate, lambda: 0.25, clock)
    metrics.arrivals["split"] += 2
    await gate.enter(1)
    clock.now = 1.5
    metrics.tell_source("size was 1 and is 2")
    report = metrics.load_report()
    assert report.model_dump(by_alias=True) == {
        "revision": "iris-1",
        "inFlight": 1,
        "queued": 0,
        "arrivals": {"direct": 0, "split": 2, "match": 0, "shadow": 0},
        "busySeconds": 1.5,
        "uptimeSeconds": 1.5,
        "cpuSeconds": 0.25,
        "latencyCounts": (0,) * 50,
        "sourceChanged": "size was 1 and is 2",
    }


def test_latencies_are_those_of_answers_and_of_what_came_too_late() -> None:
    metrics = Metrics("iris-1", Gate(1, 1))
    for via, code, seconds in (
        ("direct", 200, 0.0003),
        ("split", 200, 0.0003),
        ("direct", 503, 500.0),
        ("direct", 429, 0.0001),
        ("direct", 400, 0.0001),
    ):
        metrics.observe(via, code, seconds)
    counts = metrics.load_report().latency_counts
    assert counts
    assert (counts[4], counts[-1], sum(counts)) == (2, 1, 3)
