"""What a candidate keeps on its way back: pods as long as requests may still come to it."""

import pytest

from serinus_api.v1alpha1 import RolloutPhase, RolloutSpec
from serinus_operator.decide.course import Course, Facts, Side, intent_of
from serinus_operator.decide.plan import plan_of

PLAN = plan_of(RolloutSpec())
SIDES = {"s": Side(2, 100), "c": Side(1, 50)}


@pytest.mark.parametrize("phase", [RolloutPhase.ABORTING, RolloutPhase.SUPERSEDING])
@pytest.mark.parametrize(
    ("applied", "quiet", "there", "kept"),
    [
        (50, False, True, 50),
        (None, True, True, 50),
        (0, False, True, 1),
        (0, True, True, None),
        (0, False, False, None),
        (None, True, False, None),
    ],
    ids=[
        "it still gets half",
        "nobody knows what it gets",
        "it should get none, and some come",
        "nothing comes",
        "it is gone already, and is not made anew",
        "the same, where nobody knows",
    ],
)
def test_candidate_that_is_taken_back_keeps_its_pods_while_requests_may_come(
    phase: RolloutPhase, applied: int | None, quiet: bool, there: bool, kept: int | None
) -> None:
    course = Course("s", phase, "c", attempt=1, step_weight=50, weight=0)
    sides = SIDES if there else {"s": SIDES["s"]}
    intent = intent_of(course, Facts("s", sides, applied=applied, quiet=quiet, entry="s"), PLAN)
    assert (intent.sizes.get("c"), intent.sizes["s"]) == (kept, 100)
