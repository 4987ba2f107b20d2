"""Why a rollout is held, and that it says so."""

from tests.unit.decide.test_transitions import FULL, NONE, PLAN, course, stepping

from serinus_api.v1alpha1 import RolloutPhase as P
from serinus_operator.decide.transitions import advance


def test_hold_names_the_cause_of_now() -> None:
    held = advance(course(P.STEPPING), stepping(sides={"v1": FULL, "v2": NONE}), PLAN)
    assert (held.phase, held.held) == (P.HELD, "CandidateNotReady")
    later = advance(held, stepping(splitter=False, passed=9), PLAN)
    assert (later.phase, later.held, later.held_seconds) == (P.HELD, "GatewayUnavailable", 9)
    assert later.message != held.message
