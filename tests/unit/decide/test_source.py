"""Can the stable revision's pods be made again? The table of `decide/source.py`, row by row."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.decide.subjects import (
    DIGEST,
    OTHER,
    at,
    listed,
    observation,
    pod,
    record,
    revision,
    spec,
    subject,
    workload,
)

from serinus_api.conditions import ConditionType, Reason
from serinus_api.runtime import Phase, PreflightReport
from serinus_api.v1alpha1 import Condition, ModelDeploymentStatus
from serinus_operator.decide import decide
from serinus_operator.decide.source import changed_source, kept_sizes, restored_copy
from serinus_operator.state import Copy, Decision, Health, Memory, PodState, Progress, SourceLook, SourceState, Verdict

MAP = spec(model={"uri": "configmap://iris/model.onnx"})
S = revision(given=MAP)
RECORD = replace(record(given=MAP), uri="configmap://iris/model.onnx")
CHANGED = Verdict(Reason.SOURCE_CHANGED, "ETag was x and is y")
REFUSED = replace(
    pod(Progress.FAILING, CHANGED), report=PreflightReport(phase=Phase.DOWNLOADING, reason=Reason.SOURCE_CHANGED)
)
GONE = SourceState(problem=Verdict(Reason.NOT_FOUND, "ConfigMap iris does not exist in this namespace"))
REMEMBERED = Condition(
    type=ConditionType.MODEL_RESOLVED,
    status="False",
    reason=Reason.SOURCE_CHANGED,
    message=CHANGED.message,
    last_transition_time="2026-05-01T09:00:00Z",
)


def known(*, restorable: bool = True, told: bool = True) -> ModelDeploymentStatus:
    entry = listed(S).model_copy(update={"restorable": restorable})
    conditions = () if restorable or not told else (REMEMBERED,)
    return ModelDeploymentStatus(stable_revision=S, revisions=(entry,), conditions=conditions)


def seen(look: SourceLook | None, *pods: PodState, replicas: int = 2) -> Any:
    state = workload(replicas, replicas, *pods)
    return observation(records={S: RECORD}, workloads={S: state}, entry_revision=S, stable_source=look)


TABLE: list[tuple[str, Any, bool, str | None]] = [
    ("a pod was refused", seen(SourceLook(), REFUSED), True, CHANGED.message),
    ("a pod says so", seen(SourceLook("another ETag")), True, "another ETag"),
    ("all say it has not", seen(SourceLook()), True, None),
    ("it is as it was again", seen(SourceLook()), False, None),
    ("the copy can be made again", seen(SourceLook(lost=SourceState(DIGEST, b"x"))), False, None),
    ("the copy is lost, other bytes", seen(SourceLook(lost=SourceState(OTHER, b"y"))), True, OTHER),
    ("the copy is lost, nothing there", seen(SourceLook(lost=GONE)), True, "ConfigMap iris does not exist"),
    ("nobody looked", seen(None), True, None),
    ("nobody looked, known to be changed", seen(None), False, CHANGED.message),
]


@pytest.mark.parametrize(("look", "restorable", "words"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_what_is_known_of_the_source(look: Any, restorable: bool, words: str | None) -> None:
    found = changed_source(subject(MAP, known(restorable=restorable)), look)
    assert (found is None) is (words is None)
    assert (words or "") in (found or "")


def test_change_whose_words_are_forgotten_is_still_known() -> None:
    """During a rollout ModelResolved speaks of the candidate."""
    found = changed_source(subject(MAP, known(restorable=False, told=False)), seen(None))
    assert found == f"the source of {S} has changed since it was rolled out"


def test_copy_is_made_again_from_the_same_bytes_alone() -> None:
    given = subject(MAP, known())
    assert restored_copy(given, seen(SourceLook(lost=SourceState(DIGEST, b"x")))) == Copy(S, "model.onnx", b"x")
    assert restored_copy(given, seen(SourceLook(lost=SourceState(OTHER, b"y")))) is None
    assert restored_copy(given, seen(SourceLook(lost=GONE))) is None
    assert restored_copy(given, seen(SourceLook())) is None
    assert restored_copy(given, seen(None)) is None


@pytest.mark.parametrize(
    ("look", "live", "asked", "kept"),
    [
        (seen(SourceLook("x"), replicas=3), 3, 1, {S: 3}),
        (seen(SourceLook("x"), replicas=3), 3, 0, {S: 3}),
        (seen(SourceLook("x"), REFUSED, replicas=3), 3, 1, {S: 2}),
        (seen(SourceLook("x"), REFUSED, replicas=2), 2, 1, {}),
        (seen(SourceLook("x"), replicas=3), 3, 5, {}),
        (seen(SourceLook(), replicas=3), 3, 1, {}),
        (seen(None, replicas=3), 3, 1, {}),
    ],
    ids=["fewer", "none", "a refused one may go", "only the refused one", "more", "unchanged", "nothing known"],
)
def test_revision_that_cannot_be_made_again_is_not_shrunk(look: Any, live: int, asked: int, kept: Any) -> None:
    assert look.workloads[S].replicas == live
    assert kept_sizes(subject(MAP, known()), look, asked) == kept


def decided(look: Any, replicas: int) -> Decision:
    given = spec(model={"uri": "configmap://iris/model.onnx"}, replicas=replicas)
    return decide(subject(given, known()), look, Memory(), at(0), default_image="runtime:1")


def test_request_for_fewer_replicas_is_refused_with_the_reason() -> None:
    decision = decided(seen(SourceLook("another ETag"), replicas=3), 1)
    assert decision.size_of(S) == 3
    assert (decision.health, decision.verdict.reason) == (Health.STALLED, Reason.SOURCE_CHANGED)
    assert f"{S} keeps 3 replicas, not the 1 of spec.replicas: another ETag" in decision.verdict.message
    assert decision.requeue_seconds is None


def test_revision_says_whether_it_can_be_restored() -> None:
    assert [r.restorable for r in decided(seen(SourceLook("x")), 2).status.revisions] == [False]
    assert [r.restorable for r in decided(seen(SourceLook()), 2).status.revisions] == [True]
