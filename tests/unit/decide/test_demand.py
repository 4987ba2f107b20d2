"""What is asked of a revision, from what its pods say: gauges, counters, silence and nonsense."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.decide.loading import latencies, report, sample

from serinus_api.runtime import LoadReport
from serinus_operator.decide.demand import STALE_SECONDS, Demand, demand, fold, is_sane, percentile
from serinus_operator.loads import History, LoadSample, PodLoad


def seen(*samples: LoadSample, keep: float = 60.0) -> History:
    history = History()
    for one in samples:
        history = fold(history, one, "r", keep)
    return history


def now(history: History, seconds: float = 60.0) -> Demand:
    assert history.points
    found = demand(history, history.points[-1].at, seconds)
    assert found is not None
    return found


def test_what_is_in_flight_queued_and_held_is_the_demand() -> None:
    found = now(seen(sample(0, report(3, 2), report(1), held=100)))
    assert found.concurrency == 106.0


def test_requests_too_short_to_be_seen_are_known_by_their_busy_time() -> None:
    first = sample(0, report(busy=10.0), report(busy=5.0))
    second = sample(2, report(busy=13.0, uptime_seconds=1002.0), report(busy=6.0, uptime_seconds=1002.0))
    history = seen(first, second)
    assert demand(history, 2, 2) == Demand(2.0, 0.0, None, None)


def test_rates_are_by_the_pods_own_clock() -> None:
    """Its second answer came late: three seconds lie between them, not two."""
    history = seen(
        sample(0, report(arrivals=10, cpu_seconds=1.0)),
        sample(2, report(arrivals=40, cpu_seconds=2.5, uptime_seconds=1003.0)),
    )
    found = now(history, 2)
    assert (found.arrivals, found.cores) == (10.0, 0.5)


@pytest.mark.parametrize(
    ("second", "arrivals"),
    [
        (report(arrivals=8, busy=0.5, uptime_seconds=2.0), 4.0),
        (report(arrivals=70, busy=20.0, uptime_seconds=1.0), 70.0),
        (report(arrivals=8, busy=0.5, uptime_seconds=None), 2.0),
    ],
    ids=[
        "counters that went back count from zero",
        "a process that is younger than the last look counts from zero, whatever it says",
        "without an age the time between the looks counts",
    ],
)
def test_counters_of_a_new_process(second: LoadReport, arrivals: float) -> None:
    history = seen(sample(0, report(arrivals=50, busy=10.0)), sample(4, second))
    assert now(history, 2).arrivals == arrivals


def test_pod_seen_for_the_first_time_says_nothing_of_the_time_before() -> None:
    history = seen(sample(0, report(arrivals=50_000, busy=9_000.0)))
    assert now(history) == Demand(0.0, 0.0, None, None)
    later = fold(history, sample(2, report(arrivals=50_000, busy=9_000.0, uptime_seconds=1002.0), None), "r", 60)
    assert now(later, 2).arrivals == 0.0


def test_pod_that_began_since_the_last_look_counts_from_its_start() -> None:
    history = seen(sample(0, report()), sample(2, report(), report(arrivals=5, uptime_seconds=1.0)))
    assert now(history, 2).arrivals == 5.0


def test_silent_pod_bears_what_it_bore_when_it_last_spoke() -> None:
    history = seen(sample(0, report(4), report(6)), sample(2, report(4), None))
    assert history.points[-1].waiting == 10
    assert history.points[-1].silent == 1


def test_pod_that_never_spoke_adds_nothing_and_is_known_to_be_silent() -> None:
    history = seen(sample(0, report(4), None))
    assert (history.points[-1].waiting, history.points[-1].silent) == (4, 1)


def test_silence_of_all_is_no_point() -> None:
    history = seen(sample(0, report(4)), sample(2, None), sample(4, None))
    assert len(history.points) == 1
    assert demand(history, STALE_SECONDS, 60) is not None
    assert demand(history, STALE_SECONDS + 0.1, 60) is None
    assert demand(History(), 0, 60) is None


def test_windows_are_averages_over_their_time_alone() -> None:
    history = seen(*(sample(at, report(10 if at >= 54 else 0)) for at in range(0, 62, 2)))
    assert now(history, 6).concurrency == 10.0
    assert now(history, 60).concurrency == pytest.approx(4 / 30 * 10, rel=0.01)


def test_short_window_has_at_least_the_last_look() -> None:
    assert now(seen(sample(0, report(4)), sample(2, report(8))), 0.6).concurrency == 8.0


def test_same_sample_counts_once() -> None:
    history = seen(sample(0, report(4)))
    assert fold(history, sample(0, report(9)), "r", 60) is history


def test_pods_of_other_revisions_are_not_asked() -> None:
    assert seen(sample(0, report(4), revision="other")).points == ()


def test_history_is_bounded_by_its_window() -> None:
    history = seen(*(sample(at, report(1)) for at in range(0, 400, 2)), keep=60.0)
    assert len(history.points) <= 31


@pytest.mark.parametrize(
    "bad",
    [
        report(-1),
        report(queued=-1),
        report(arrivals=-5),
        report(busy=math.nan),
        report(busy=math.inf),
        report(busy=-0.1),
        report(uptime_seconds=math.nan),
        report(cpu_seconds=-1.0),
        report(latency_counts=(1, 2)),
        report(latency_counts=(-1,) * 50),
        report(10**400),
        report(arrivals=10**30),
        report(busy=1e300),
    ],
    ids=[
        "requests in flight below zero",
        "queued requests below zero",
        "arrivals below zero",
        "busy time that is no number",
        "endless busy time",
        "busy time below zero",
        "an age that is no number",
        "processor time below zero",
        "latency buckets of another version",
        "answers below zero",
        "more requests in flight than a float can hold",
        "more arrivals than there can be",
        "more busy time than there can be",
    ],
)
def test_nonsense_is_silence(bad: LoadReport) -> None:
    assert not is_sane(bad)
    assert seen(sample(0, bad)).points == ()
    assert is_sane(report())


def test_clock_of_a_pod_that_hardly_moves_makes_no_endless_rate() -> None:
    history = seen(
        sample(0, report(arrivals=10, busy=5.0)), sample(2, report(arrivals=20, busy=7.0, uptime_seconds=1000 + 1e-12))
    )
    found = now(history, 2)
    assert (found.arrivals, found.concurrency) == (10.0, 2.0)


def test_process_of_a_moment_makes_no_endless_rate() -> None:
    history = seen(sample(0, report(arrivals=50, busy=10.0)), sample(2, report(arrivals=3, uptime_seconds=0.001)))
    assert now(history, 2).arrivals == 3.0


def test_percentile_is_linear_within_its_bucket() -> None:
    assert percentile([latencies(t10=20)], 0.95) == pytest.approx(0.00075 + 0.95 * 0.00025)
    assert percentile([latencies(t10=10), latencies(t1000=10)], 0.95) == pytest.approx(0.075 + 0.9 * 0.025)
    assert percentile([], 0.95) is None
    assert percentile([latencies()], 0.95) is None


def test_answers_are_those_since_the_last_look() -> None:
    history = seen(
        sample(0, report(latency_counts=latencies(t1000=50))),
        sample(2, report(latency_counts=latencies(t1000=50, t10=20), uptime_seconds=1002.0)),
    )
    found = now(history).p95_seconds
    assert found is not None
    assert found < 0.0011


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 100), st.booleans()), min_size=1, max_size=30))
def test_demand_is_finite_and_never_negative(steps: list[tuple[int, int, bool]]) -> None:
    history, arrivals = History(), 0
    for number, (in_flight, more, answers) in enumerate(steps):
        arrivals += more
        told = report(in_flight, arrivals=arrivals, busy=number * 1.5, uptime_seconds=100.0 + 2 * number)
        history = fold(history, sample(2.0 * number, told if answers else None), "r", 20.0)
    found = demand(history, 2.0 * len(steps), 20.0)
    if found is not None:
        assert 0 <= found.concurrency <= 50
        assert 0 <= found.arrivals <= 100


def test_copies_at_the_candidate_are_no_demand_on_the_stable_revision() -> None:
    def look(at: float, copies: int) -> LoadSample:
        mine = sample(at, report(arrivals=int(10 * at), busy=at, uptime_seconds=1000.0 + at))
        busy = LoadReport(
            revision="c",
            in_flight=8,
            queued=16,
            arrivals={"direct": 0, "shadow": copies},
            busy_seconds=9.0 * at,
            uptime_seconds=1000.0 + at,
        )
        return LoadSample(at, (*mine.pods, PodLoad("uid-c", "c", "c", busy)))

    found = now(seen(look(0, 0), look(2, 5_000), look(4, 10_000)), 2)
    assert (found.arrivals, found.concurrency) == (10.0, 1.0)


def test_matched_requests_are_counted_apart_as_well() -> None:
    first = report().model_copy(update={"arrivals": {"split": 4, "match": 10}})
    second = report(uptime_seconds=1002.0).model_copy(update={"arrivals": {"split": 10, "match": 12}})
    found = now(seen(sample(0, first), sample(2, second)), 2)
    assert (found.arrivals, found.matched, found.requests) == (4.0, 1.0, 8.0)


def test_looks_at_which_a_pod_was_new_are_left_out_where_rates_count() -> None:
    """At the first one three requests are under way, and nobody knows how many have come."""
    history = seen(
        sample(0, report(in_flight=3, arrivals=9)),
        sample(2, report(in_flight=1, arrivals=11, uptime_seconds=1002.0)),
    )
    rated = demand(history, 2, 60, rated=True)
    assert rated is not None
    assert (rated.concurrency, rated.arrivals) == (1.0, 1.0)
    assert now(history).concurrency == 2.0
    assert demand(seen(sample(0, report(in_flight=3))), 0, 60, rated=True) is None
