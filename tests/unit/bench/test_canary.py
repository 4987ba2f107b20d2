"""The simulation of the analysis' defaults: the same seed, the same figures; good ones pass, bad ones do not."""

import numpy as np
import pytest
from bench import canary, traces
from bench.canary import CANDIDATES, LONGEST_SECONDS, End, argo, ours, simulate, summary
from bench.traces import Candidate, Trace

NAMED = {candidate.name: candidate for candidate in CANDIDATES}


def trace(candidate: Candidate, rate: float = 10) -> Trace:
    return traces.make(candidate, rate, LONGEST_SECONDS, np.random.default_rng(7))


def test_the_same_seed_makes_the_same_ends() -> None:
    assert simulate(NAMED["2× latency"], 10, 2) == simulate(NAMED["2× latency"], 10, 2)


def test_a_candidate_that_is_as_good_is_promoted_after_all_steps_and_the_bake() -> None:
    end = ours(trace(NAMED["equal"]))
    assert not end.aborted
    assert end.seconds >= 60 + 120 + 120 + 300


@pytest.mark.parametrize("name", ["50 % errors", "10× latency"])
def test_a_candidate_that_is_plainly_bad_is_aborted_at_the_first_step(name: str) -> None:
    end = ours(trace(NAMED[name]))
    assert end.aborted
    assert end.seconds <= 120
    assert end.exposed < 0.1 * 10 * end.seconds


def test_the_control_has_one_look_a_step_and_a_fixed_threshold() -> None:
    assert argo(trace(NAMED["50 % errors"])).seconds == 60
    assert not argo(trace(NAMED["1 % errors"], 100)).aborted, "1 % is below the 5 % of its template"
    silent = argo(trace(NAMED["equal"], 0))
    assert silent.aborted
    assert silent.seconds == 60 + 4 * 10
    assert silent.exposed == 0


def test_a_cell_counts_those_that_were_aborted_and_what_all_were_given() -> None:
    found = summary([End(True, 10, 60), End(True, 30, 80), End(False, 1000, 700), End(False, 1000, 700)])
    assert (found["rollouts"], found["aborted percent"]) == (4, 50)
    assert found["low percent"] < 50 < found["high percent"]
    assert (found["requests"], found["seconds"], found["requests of all"]) == (20, 70, 510)


def test_each_candidate_has_a_line_at_each_rate() -> None:
    lines = canary.measure(canary.Size(good=1, bad=1))
    assert len(lines) == len(CANDIDATES) * len(canary.RATES)
    assert {line.reached for line in lines if "equal" not in line.what and "1.2×" not in line.what} == {None}
    assert all({"ours", "argo", "seed"} <= line.raw.keys() for line in lines)
