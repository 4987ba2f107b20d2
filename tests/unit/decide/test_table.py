"""The table of transitions: each of its lines, and what is not in it."""

from typing import Any

import pytest
from tests.unit.decide.courses import BAD, FULL, LAST, NONE, PLAN, P, course, facts, stepping

from serinus_api.v1alpha1 import RolloutPhase as Phase
from serinus_operator.decide.course import Course, Facts, Side
from serinus_operator.decide.gate import Evidence
from serinus_operator.decide.transitions import TRANSITIONS, advance, due, viewed

ROOMLESS, SLOW = ({"v1": FULL, "v2": Side(1, 10, stuck=stuck)} for stuck in (True, False))
AT_HALF = facts(applied=50, sides={"v1": FULL, "v2": Side(2, 50, stuck=True)})
NEXT: dict[str, Any] = {"step_index": 1, "step_weight": 25}
"""A step whose weight is still to come."""
NO_STEPS: dict[str, Any] = {"step_index": 0, "step_weight": 0, "weight": 0}
BEHIND = course(P.HELD, step_index=3, step_weight=100, weight=50, held="TooFewPods", waited=40)
TABLE = [
    pytest.param(
        course(P.STABLE, candidate=None), facts(), P.PROVISIONING, id="a new revision begins to be provisioned"
    ),
    pytest.param(course(P.STABLE), facts(wanted="v1"), P.STABLE, id="the stable revision itself begins nothing"),
    pytest.param(course(P.STABLE), facts(wanted=None), P.STABLE, id="nor does a spec that is still being tried"),
    pytest.param(course(P.PROVISIONING), facts(), P.STEPPING, id="a candidate with its pods takes its first step"),
    pytest.param(
        course(P.PROVISIONING), facts(sides={"v1": FULL, "v2": NONE}), P.PROVISIONING, id="one without pods waits"
    ),
    pytest.param(course(P.PROVISIONING), facts(shortcut=True), P.PROMOTING, id="yesterday's revision takes no steps"),
    pytest.param(course(P.PROVISIONING, stable=None), facts(), P.PROMOTING, id="nor does the first revision ever"),
    pytest.param(course(P.PROVISIONING), facts(splitter=False), P.STEPPING, id="without a gateway it is held there"),
    pytest.param(course(P.PROVISIONING), facts(failed="CrashLoop"), P.ABORTING, id="one that cannot start is aborted"),
    pytest.param(course(P.STEPPING), stepping(passed=30), P.STEPPING, id="a pause is waited for"),
    pytest.param(course(P.STEPPING, elapsed=60), stepping(), P.STEPPING, id="a passed step leads to the next"),
    pytest.param(course(P.STEPPING, **LAST, elapsed=120), facts(applied=50), P.PROMOTING, id="the last to promotion"),
    pytest.param(course(P.STEPPING), stepping(evidence=BAD), P.ABORTING, id="a failed analysis aborts"),
    pytest.param(course(P.STEPPING), stepping(evidence=BAD, verified=False), P.ABORTING, id="verified or not"),
    pytest.param(course(P.STEPPING), stepping(abort="n1"), P.ABORTING, id="abort aborts"),
    pytest.param(course(P.STEPPING, aborted="n1"), stepping(abort="n1"), P.STEPPING, id="the same abort not twice"),
    pytest.param(course(P.STEPPING), stepping(promote="n1"), P.STEPPING, id="promote passes one step"),
    pytest.param(course(P.STEPPING), stepping(promote="full/n1"), P.PROMOTING, id="full/ passes all of them"),
    pytest.param(course(P.STEPPING), stepping(splitter=False), P.HELD, id="no gateway holds"),
    pytest.param(
        course(P.STEPPING), stepping(sides={"v1": FULL, "v2": NONE}), P.HELD, id="a candidate without pods is held"
    ),
    pytest.param(
        course(P.STEPPING), stepping(evidence=Evidence(readable=False)), P.HELD, id="metrics out of reach hold"
    ),
    pytest.param(course(P.STEPPING, elapsed=60), stepping(verified=False), P.HELD, id="a weight not seen holds"),
    pytest.param(course(P.STEPPING), stepping(wanted="v3"), P.SUPERSEDING, id="a third revision supersedes"),
    pytest.param(course(P.STEPPING), stepping(wanted=None), P.SUPERSEDING, id="also while it is being tried"),
    pytest.param(course(P.HELD), stepping(), P.STEPPING, id="a hold ends by itself"),
    pytest.param(course(P.HELD), stepping(evidence=BAD), P.ABORTING, id="what fails while held is aborted"),
    pytest.param(course(P.HELD), stepping(promote="n1"), P.STEPPING, id="promote passes a held step"),
    pytest.param(course(P.HELD), stepping(promote="full/n1"), P.PROMOTING, id="and full/ all of them"),
    pytest.param(
        course(P.HELD, held_seconds=3599), stepping(splitter=False, passed=1), P.ABORTING, id="a long hold aborts"
    ),
    pytest.param(course(P.STEPPING, waited=40), stepping(sides=ROOMLESS), P.STEPPING, id="a weight in force is enough"),
    pytest.param(
        course(P.STEPPING, **NEXT, waited=29), stepping(sides=ROOMLESS), P.STEPPING, id="pods may take a moment"
    ),
    pytest.param(course(P.STEPPING, **NEXT, waited=30), stepping(sides=ROOMLESS), P.HELD, id="without room it is held"),
    pytest.param(
        course(P.STEPPING, **NEXT, waited=599), stepping(sides=SLOW), P.STEPPING, id="pods that start are waited for"
    ),
    pytest.param(course(P.STEPPING, **NEXT, waited=600), stepping(sides=SLOW), P.HELD, id="as long as they may take"),
    pytest.param(course(P.STEPPING, waited=30), facts(applied=None), P.HELD, id="a weight nobody takes holds"),
    pytest.param(
        course(P.STEPPING, **NEXT, waited=30), stepping(armed=False), P.HELD, id="so does a split without the candidate"
    ),
    pytest.param(course(P.PROMOTING, weight=50, waited=30), AT_HALF, P.HELD, id="also where the promotion has no room"),
    pytest.param(course(P.PROMOTING, **NO_STEPS, waited=30), AT_HALF, P.PROMOTING, id="it took no steps: not held"),
    pytest.param(
        course(P.PROMOTING, **NO_STEPS, waited=600 + 3600), AT_HALF, P.ABORTING, id="but given up when they never come"
    ),
    pytest.param(BEHIND, AT_HALF, P.HELD, id="held behind the last step while there is no room"),
    pytest.param(BEHIND, facts(applied=50), P.PROMOTING, id="and promoted on when there is"),
    pytest.param(BEHIND, facts(applied=50, evidence=BAD, sides=ROOMLESS), P.ABORTING, id="it is judged there too"),
    pytest.param(
        course(P.PROVISIONING, waited=600 + 3599), facts(sides={"v1": FULL}), P.PROVISIONING, id="pods may take long"
    ),
    pytest.param(
        course(P.PROVISIONING, waited=600 + 3600), facts(sides={"v1": FULL}), P.ABORTING, id="those that never come"
    ),
    pytest.param(course(P.PROMOTING), facts(applied=100), P.BAKING, id="all requests at the candidate: it is stable"),
    pytest.param(course(P.PROMOTING), facts(applied=50), P.PROMOTING, id="not before they are"),
    pytest.param(course(P.PROMOTING), facts(wanted="v1"), P.SUPERSEDING, id="a revert while promoting goes back"),
    pytest.param(course(P.BAKING, elapsed=300), facts(entry="v2"), P.STABLE, id="a bake ends"),
    pytest.param(
        course(P.BAKING, elapsed=300),
        facts(entry="v2", previous_quiet=False),
        P.BAKING,
        id="not while somebody still uses the old pods",
    ),
    pytest.param(course(P.BAKING), facts(entry="v2", evidence=BAD), P.ABORTING, id="a failing bake goes back"),
    pytest.param(
        course(P.BAKING),
        facts(entry="v2", evidence=BAD, sides={"v2": FULL, "v1": Side(2, 60)}),
        P.BAKING,
        id="but not to a revision that cannot take everything",
    ),
    pytest.param(
        course(P.BAKING),
        facts(entry="v2", evidence=BAD, sides={"v2": Side(2, 60), "v1": Side(2, 60)}),
        P.ABORTING,
        id="unless the failing one cannot either",
    ),
    pytest.param(
        course(P.BAKING),
        facts(entry="v2", evidence=BAD, sides={"v2": FULL, "v1": Side(2, 60, stuck=True)}),
        P.ABORTING,
        id="or it has the room that the old one needs",
    ),
    pytest.param(
        course(P.BAKING),
        facts(entry="v2", evidence=BAD, sides={"v2": NONE, "v1": NONE}),
        P.BAKING,
        id="and never to nobody",
    ),
    pytest.param(course(P.BAKING), facts(entry="v2", wanted="v3"), P.PROVISIONING, id="a third one ends a bake"),
    pytest.param(course(P.BAKING), facts(entry="v2", wanted=None), P.STABLE, id="or one that is still to be tried"),
    pytest.param(
        course(P.BAKING),
        facts(entry="v2", wanted=None, previous_quiet=False),
        P.BAKING,
        id="but not while somebody uses the old pods",
    ),
    pytest.param(course(P.BAKING), facts(entry="v2", failed="CrashLoop: x"), P.ABORTING, id="a crash ends a bake too"),
    pytest.param(
        course(P.BAKING, candidate="v2", weight=100),
        facts(applied=100, wanted="v3"),
        P.BAKING,
        id="but not before the entry leads to the second one",
    ),
    pytest.param(course(P.ABORTING), facts(entry="v2"), P.ABORTING, id="an abort waits for the entry"),
    pytest.param(course(P.ABORTING), facts(), P.ABORTED, id="an abort ends when nothing arrives"),
    pytest.param(course(P.ABORTING), facts(quiet=False), P.ABORTING, id="and not before"),
    pytest.param(course(P.ABORTED), facts(), P.ABORTED, id="aborted stays aborted"),
    pytest.param(course(P.ABORTED), facts(retry="n1"), P.PROVISIONING, id="until retry is asked"),
    pytest.param(course(P.ABORTED, retried="n1"), facts(retry="n1"), P.ABORTED, id="anew"),
    pytest.param(course(P.ABORTED), facts(wanted="v3"), P.PROVISIONING, id="or another revision is wanted"),
    pytest.param(course(P.ABORTED), facts(wanted="v1"), P.STABLE, id="or the spec is reverted"),
    pytest.param(course(P.SUPERSEDING), facts(wanted="v3"), P.PROVISIONING, id="superseded: the third one's turn"),
    pytest.param(
        course(P.SUPERSEDING), facts(wanted="v3", applied=5), P.SUPERSEDING, id="after the second's weight is 0"
    ),
    pytest.param(course(P.SUPERSEDING), facts(wanted="v1"), P.STABLE, id="superseded by the stable one: done"),
]


@pytest.mark.parametrize(("before", "seen", "phase"), TABLE)
def test_transition(before: Course, seen: Facts, phase: Phase) -> None:
    assert advance(before, seen, PLAN).phase is phase


ENDS: dict[str, tuple[dict[str, Any], Phase]] = {
    "another revision": ({"wanted": "v3"}, P.SUPERSEDING),
    "abort": ({"abort": "n1"}, P.ABORTING),
    "a failure for good": ({"failed": "CrashLoop: exit code 1"}, P.ABORTING),
}
UNDER_WAY = (P.PROVISIONING, P.STEPPING, P.HELD, P.PROMOTING)


@pytest.mark.parametrize("source", UNDER_WAY)
@pytest.mark.parametrize("what", ENDS)
def test_what_ends_any_rollout(source: Phase, what: str) -> None:
    seen, target = ENDS[what]
    assert advance(course(source), facts(**seen), PLAN).phase is target


def test_every_line_of_the_table_is_tried() -> None:
    ends = [(course(source), facts(**seen)) for source in UNDER_WAY for seen, _ in ENDS.values()]
    rows = [(before, seen) for before, seen, _ in (row.values for row in TABLE)]
    tried = {due(viewed(before, seen, PLAN)) for before, seen in [*rows, *ends]}
    assert [line for line in TRANSITIONS if line not in tried] == []
