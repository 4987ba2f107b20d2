"""What the status remembers of a rollout, and what a restart costs."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus_api.v1alpha1 import ModelDeploymentStatus, RolloutPhase
from serinus_operator.decide.analysis import Judgement, Outcome
from serinus_operator.decide.course import Course, Facts
from serinus_operator.decide.gate import Evidence
from serinus_operator.decide.persistence import (
    BESIDE,
    GATEWAY,
    HTTP_ROUTE,
    PERSIST_SECONDS,
    course_of,
    failures_of,
    result_of,
    with_course,
)
from serinus_operator.decide.statistics import Interval

WORDS = st.sampled_from(["", "n1", "full/n2"])
NAMES = st.sampled_from([None, "iris-1", "iris-2"])
COURSES = st.builds(
    Course,
    stable=NAMES,
    phase=st.sampled_from(RolloutPhase),
    candidate=NAMES,
    previous=NAMES,
    attempt=st.integers(0, 9),
    step_index=st.integers(0, 15),
    step_weight=st.integers(1, 100),
    elapsed=st.floats(0, 1e6),
    weight=st.integers(0, 100),
    held=st.sampled_from(["", "LowTraffic"]),
    held_seconds=st.floats(0, 1e6),
    promoted=WORDS,
    aborted=WORDS,
    retried=WORDS,
    message=st.sampled_from(["", "waits"]),
)
BAD = Judgement("errors", Outcome.FAIL, None, Interval(31.2, 50.0, math.inf), Interval(0.4, 1.2, 2.0), 1_000, 2)


@given(COURSES)
def test_status_remembers_all_but_a_part_of_the_time(course: Course) -> None:
    again = course_of(with_course(ModelDeploymentStatus(), course, Facts(wanted="iris-2")))
    held = again.held_seconds if course.held else course.held_seconds
    assert replace(again, elapsed=course.elapsed, held_seconds=course.held_seconds) == course
    assert 0 <= course.elapsed - again.elapsed < PERSIST_SECONDS
    assert 0 <= course.held_seconds - held < PERSIST_SECONDS


@given(COURSES)
def test_what_was_read_back_is_written_the_same(course: Course) -> None:
    once = with_course(ModelDeploymentStatus(), course, Facts(wanted=None))
    assert with_course(once, course_of(once), Facts(wanted=None)) == once


def test_nothing_under_way_is_a_stable_course() -> None:
    assert course_of(ModelDeploymentStatus(stable_revision="iris-1")) == Course(stable="iris-1")


@pytest.mark.parametrize(("seen", "said"), [(True, "True"), (False, "False"), (None, "Unknown")])
def test_weight_is_said_to_be_verified_or_not(seen: bool | None, said: str) -> None:
    course = Course(stable="a", candidate="b", phase=RolloutPhase.STEPPING, step_weight=5, weight=5)
    facts = Facts("b", verified=seen, applied=5)
    once = with_course(ModelDeploymentStatus(), course, facts, "Gateway")
    rollout = with_course(once, course, facts, "Gateway").rollout
    assert rollout
    assert (rollout.weight_verified, rollout.applied_weight, rollout.mechanism) == (said, 5, "Gateway")
    moved = with_course(once, replace(course, weight=25), facts, "Gateway").rollout
    assert moved
    assert moved.weight_verified == "Unknown"


def test_verdicts_that_took_a_candidate_back_stay_readable_and_those_of_a_step_do_not() -> None:
    course = Course(stable="a", candidate="b", phase=RolloutPhase.STEPPING, step_weight=5, weight=5)
    judged = with_course(ModelDeploymentStatus(), course, Facts("b", evidence=Evidence((BAD,))))
    back = with_course(judged, replace(course, phase=RolloutPhase.ABORTING), Facts("b")).rollout
    next_step = with_course(judged, replace(course, step_index=1), Facts("b", evidence=Evidence((BAD,)))).rollout
    anew = with_course(judged, course, Facts("b")).rollout
    assert back
    assert anew
    assert next_step
    assert [result.verdict for result in back.analysis] == ["Fail"]
    assert next_step.analysis == ()
    assert anew.analysis == back.analysis, "a process that has just begun has judged nothing itself"


def test_verdict_is_told_with_its_statistics() -> None:
    result = result_of(BAD)
    assert result.model_dump() == {
        "metric": "errors",
        "verdict": "Fail",
        "value": 50,
        "baseline": 1,
        "interval": {"low": 31, "high": 1_000_000_000},
        "samples": 1_000,
        "failures": 2,
    }


def test_failures_in_a_row_survive_a_restart() -> None:
    facts = Facts(wanted="b", evidence=Evidence((BAD,)))
    rollout = with_course(ModelDeploymentStatus(), Course(), facts).rollout
    assert rollout
    assert failures_of(rollout.analysis) == {"errors": 2}


def test_what_is_said_of_callers_inside_does_not_become_part_of_the_course() -> None:
    course = Course("s", RolloutPhase.STEPPING, "c", attempt=1, step_weight=5, weight=5, message="watched for 60 s")
    status = ModelDeploymentStatus()
    for _ in range(3):
        status = with_course(status, course, Facts("c"), HTTP_ROUTE)
        assert status.rollout
        assert status.rollout.message == f"watched for 60 s; {BESIDE}"
        assert course_of(status).message == "watched for 60 s"
    silent = with_course(status, replace(course, message=""), Facts("c"), HTTP_ROUTE)
    assert silent.rollout
    assert (silent.rollout.message, course_of(silent).message) == (BESIDE, "")
    by_gateway = with_course(status, course, Facts("c"), GATEWAY)
    assert by_gateway.rollout
    assert by_gateway.rollout.message == "watched for 60 s"
