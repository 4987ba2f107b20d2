"""Readings of the page that the runtime itself writes."""

import pytest

from serinus_api.runtime import (
    LATENCY_BUCKETS,
    SKETCH_BINS,
    SKETCH_OUTPUTS,
    ModelSource,
    RuntimeConfig,
    ShadowOrder,
)
from serinus_operator.decide.readings import readings_of
from serinus_operator.decide.windows import Reading, Tally
from serinus_runtime.codec import EncodedAnswer
from serinus_runtime.limits import Gate
from serinus_runtime.metrics import Metrics
from serinus_runtime.shadow import Shadow


def page(*answers: tuple[str, int, float]) -> str:
    metrics = Metrics("iris-1", Gate(2, 0))
    for answer in answers:
        metrics.observe(*answer)
    return metrics.render()


def counted(*answers: tuple[str, int, float]) -> Tally:
    (reading,) = readings_of("p1", "iris-1", page(*answers))
    return reading.counters


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(("split", 200, 0.02), (1, 0, 1, 1), id="a success counts, with its latency"),
        pytest.param(("direct", 200, 0.02), (1, 0, 1, 0), id="whichever way it came"),
        pytest.param(("match", 503, 0.02), (1, 1, 0, 0), id="an error counts, without its latency"),
        pytest.param(("split", 400, 0.02), (1, 0, 0, 1), id="a client's mistake is no error"),
        pytest.param(("split", 429, 0.02), (0, 0, 0, 0), id="saturation is not counted"),
        pytest.param(("shadow", 500, 0.02), (0, 0, 0, 0), id="copies are not counted"),
    ],
)
def test_what_counts(answer: tuple[str, int, float], expected: tuple[int, ...]) -> None:
    tally = counted(answer)
    assert (tally.answers, tally.errors, sum(tally.latency), tally.split) == expected


def test_latencies_lie_in_their_buckets() -> None:
    tally = counted(("split", 200, 0.00005), ("direct", 200, 0.02), ("direct", 201, 0.02), ("direct", 200, 500.0))
    places = {place: count for place, count in enumerate(tally.latency) if count}
    assert len(tally.latency) == len(LATENCY_BUCKETS) + 1
    assert places == {0: 1, next(k for k, bound in enumerate(LATENCY_BUCKETS) if bound >= 0.02): 2, 49: 1}


def test_answers_with_what_is_no_number_are_counted_apart_and_copies_not_at_all() -> None:
    metrics = Metrics("iris-1", Gate(2, 0))
    for key, count in {("split", False): 5, ("direct", True): 2, ("shadow", True): 9, ("shadow", False): 9}.items():
        metrics.outputs[key] += count
    (reading,) = readings_of("p1", "iris-1", metrics.render())
    assert reading.counters == Tally(checked=7, invalid=2)


def test_values_are_read_by_their_bins_and_those_of_copies_and_testers_are_not_drawn() -> None:
    metrics = Metrics("iris-1", Gate(2, 0))
    for via, number in (("direct", 3), ("split", 3), ("split", 150), ("match", 4), ("shadow", 5), ("direct", None)):
        metrics.count(via, EncodedAnswer(b"", None, drawn=number))
    (reading,) = readings_of("p1", "iris-1", metrics.render())
    assert len(reading.counters.outputs) == SKETCH_OUTPUTS * SKETCH_BINS
    assert {place: count for place, count in enumerate(reading.counters.outputs) if count} == {3: 2, 150: 1}


@pytest.mark.parametrize("number", ["-1", str(SKETCH_OUTPUTS * SKETCH_BINS), "x"])
def test_bin_that_there_is_not_makes_the_page_unreadable(number: str) -> None:
    assert readings_of("p1", "iris-1", f'serinus_output_values_total{{bin="{number}"}} 3\n') == ()


async def witnessed(**counts: float) -> tuple[Reading, ...]:
    """What is read of a stable pod with these counts of copies."""
    source = ModelSource(uri="pvc://c/model.onnx", path="model.onnx")
    shadow = Shadow(RuntimeConfig(model_name="iris", model_version="iris-00000001", source=source))
    shadow.obey(ShadowOrder(revision="iris-00000002", percent=10))
    assert shadow.counts
    for name, count in counts.items():
        setattr(shadow.counts, name, count)
    shadow.obey(ShadowOrder(revision="iris-00000002", percent=0))
    metrics = Metrics("iris-00000001", Gate(2, 0), shadow=shadow)
    metrics.observe("direct", 200, 0.02)
    return readings_of("p1", "iris-00000001", metrics.render())


async def test_copies_are_counted_for_the_candidate_by_a_witness() -> None:
    own, copies = await witnessed(sent=12, dropped=5, failed=2, agreed=7, disagreed=3, largest=0.25)
    assert (own.revision, own.counters.answers, own.counters.compared, own.witness) == ("iris-00000001", 1, 0, False)
    assert copies == Reading(
        "p1/iris-00000002", "iris-00000002", Tally(compared=10, agreed=7), witness=True, difference=0.25
    )


def test_pod_bears_no_witness_of_its_own_revision() -> None:
    page = 'serinus_shadow_compared_total{revision="iris-2",candidate="iris-1",agree="true"} 900\n'
    assert [reading.revision for reading in readings_of("p1", "iris-1", page)] == ["iris-1"]


@pytest.mark.parametrize("count", ["-1", "NaN", "+Inf", "1e300"])
@pytest.mark.parametrize("name", ["serinus_request_duration_seconds_count", "serinus_shadow_compared_total"])
def test_count_that_can_be_none_makes_the_page_unreadable(name: str, count: str) -> None:
    page = f'{name}{{code="200",via="split",candidate="iris-2",agree="true"}} {count}\n'
    assert readings_of("p1", "iris-1", page) == ()


def test_pod_that_has_served_nobody_has_counted_nothing() -> None:
    assert counted() == Tally()


@pytest.mark.parametrize("text", ["<html>busy</html>", 'serinus_request_duration_seconds_count{le="1"} 3\n', "a{b 1"])
def test_page_of_something_else_is_no_reading(text: str) -> None:
    assert readings_of("p1", "iris-1", text) == ()
