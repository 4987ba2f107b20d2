"""Courses and facts for the tests of the rollout machine: v1 serves, v2 is on its way."""

from typing import Any

from serinus_api.v1alpha1 import RolloutPhase as Phase
from serinus_api.v1alpha1 import RolloutSpec
from serinus_operator.decide.analysis import Judgement, Outcome
from serinus_operator.decide.course import Course, Facts, Side
from serinus_operator.decide.gate import Evidence
from serinus_operator.decide.plan import Plan, plan_of

P = Phase
FULL, NONE = Side(4, 100), Side()
GOOD = Evidence((Judgement("errors", Outcome.PASS, samples=500),))
BAD = Evidence((Judgement("errors", Outcome.FAIL, samples=500, failures=2, message="above max 10"),))
PLAN = plan_of(RolloutSpec())
LAST = {"step_index": 2, "step_weight": 50, "weight": 50}


def plan(**spec: Any) -> Plan:
    return plan_of(RolloutSpec.model_validate(spec))


def course(phase: Phase, **more: Any) -> Course:
    known: dict[str, Any] = {"stable": "v1", "candidate": "v2", "phase": phase, "attempt": 1}
    if phase in (P.STEPPING, P.HELD):
        known |= {"step_index": 0, "step_weight": 5, "weight": 5}
    if phase is P.PROMOTING:
        known |= {**LAST, "weight": 100}
    if phase is P.BAKING:
        known |= {"stable": "v2", "candidate": None, "previous": "v1"}
    return Course(**(known | more))


def facts(**more: Any) -> Facts:
    known: dict[str, Any] = {"wanted": "v2", "sides": {"v1": FULL, "v2": FULL}, "entry": "v1", "evidence": GOOD}
    return Facts(**(known | more))


def stepping(**more: Any) -> Facts:
    return facts(**{"applied": 5, **more})
