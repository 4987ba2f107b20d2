"""The truth table of `report/conditions.py`, and what moves `lastTransitionTime`."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.decide.subjects import at, observation, subject, workload

from serinus_api.conditions import ConditionType, Reason
from serinus_api.v1alpha1 import Condition, ModelDeploymentStatus, ResolutionPhase, ResolutionStatus
from serinus_operator.report.conditions import MESSAGE_LIMIT, available, build_conditions, changed
from serinus_operator.state import Decision, Finding, Health, Memory, Verdict

S = ModelDeploymentStatus(stable_revision="iris-1")
NONE = ModelDeploymentStatus()
WORKING = Verdict(Reason.RECONCILING, "Resolving: looking up x")
BAD = Verdict(Reason.LOAD_FAILED, "bad")
READY = Verdict(Reason.READY, "iris-1 serves")
PAUSED = Verdict(Reason.PAUSED, "paused")
DENIED = Verdict(Reason.RBAC_DENIED, "may not create services")
INVALID = Verdict(Reason.REJECTED_BY_API_SERVER, 'unknown field "spec.affinity.x"')
TAKEN = Verdict(Reason.NAME_CONFLICT, "Service iris exists")


def decision(health: Health, verdict: Verdict, status: ModelDeploymentStatus = NONE, **findings: Finding) -> Decision:
    return Decision(status, Memory(), health, verdict, {ConditionType[k]: f for k, f in findings.items()})


def conditions(given: Decision, failure: Verdict | None = None, **known: Any) -> dict[str, Condition]:
    before, now = known.pop("before", ()), known.pop("now", 0)
    about = subject(status=given.status.model_copy(update={"conditions": tuple(before)}))
    found = build_conditions(about, observation(failure=failure, **known), given, at(now))
    assert [c.type for c in found] == [t for t in ConditionType if t in {c.type for c in found}], "their order"
    return {c.type: c for c in found}


TABLE: list[tuple[str, Decision, Verdict | None, tuple[str, str], str | None, str | None]] = [
    ("settled", decision(Health.SETTLED, READY, S), None, ("True", "Ready"), None, None),
    (
        "at work, nothing ever served",
        decision(Health.WORKING, WORKING),
        None,
        ("Unknown", "Reconciling"),
        "Reconciling",
        None,
    ),
    (
        "at work, something serves",
        decision(Health.WORKING, WORKING, S),
        None,
        ("False", "Reconciling"),
        "Reconciling",
        None,
    ),
    ("at work, something is missing", decision(Health.WORKING, BAD), None, ("False", "LoadFailed"), "LoadFailed", None),
    ("stalled, nothing serves", decision(Health.STALLED, BAD), None, ("False", "LoadFailed"), None, "LoadFailed"),
    (
        "refused, something serves",
        replace(decision(Health.STALLED, BAD, S), refused=True),
        None,
        ("False", "LoadFailed"),
        None,
        "RolledBack",
    ),
    (
        "refused, nothing serves",
        replace(decision(Health.STALLED, BAD), refused=True),
        None,
        ("False", "LoadFailed"),
        None,
        "LoadFailed",
    ),
    ("not supported", decision(Health.STALLED, BAD, S), None, ("False", "LoadFailed"), None, "LoadFailed"),
    ("paused", decision(Health.PAUSED, PAUSED, S), None, ("False", "Paused"), None, None),
    (
        "settled, but a right is missing",
        decision(Health.SETTLED, READY, S),
        DENIED,
        ("False", "RBACDenied"),
        "RBACDenied",
        None,
    ),
    (
        "at work, a right is missing",
        decision(Health.WORKING, WORKING),
        DENIED,
        ("False", "RBACDenied"),
        "RBACDenied",
        None,
    ),
    ("stalled, a right is missing", decision(Health.STALLED, BAD), DENIED, ("False", "RBACDenied"), None, "RBACDenied"),
    ("the name is taken", decision(Health.WORKING, WORKING), TAKEN, ("False", "NameConflict"), None, "NameConflict"),
    (
        "settled, but a child is invalid",
        decision(Health.SETTLED, READY, S),
        INVALID,
        ("False", "RejectedByAPIServer"),
        None,
        "RejectedByAPIServer",
    ),
]


@pytest.mark.parametrize(
    ("given", "failure", "ready", "reconciling", "stalled"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_health_becomes_conditions(
    given: Decision, failure: Verdict | None, ready: tuple[str, str], reconciling: str | None, stalled: str | None
) -> None:
    found = conditions(given, failure)
    assert (found["Ready"].status, found["Ready"].reason) == ready
    for kind, reason in (("Reconciling", reconciling), ("Stalled", stalled)):
        assert (found[kind].reason if kind in found else None) == reason
        assert kind not in found or found[kind].status == "True"


def test_stalled_waiting_is_not_called_rolled_back() -> None:
    """A candidate that waits for a node may still come: its resolution is under way."""
    under_way = ResolutionStatus(spec_hash="x", phase=ResolutionPhase.PROVISIONING)
    status = S.model_copy(update={"resolution": under_way})
    waits = Verdict(Reason.UNSCHEDULABLE, "no node")
    found = conditions(decision(Health.STALLED, waits, status, ROLLOUT_HEALTHY=Finding("False", waits)))
    assert found["Stalled"].reason == "Unschedulable"


def test_stable_revision_whose_own_source_changed_is_not_called_rolled_back() -> None:
    changed_source = Verdict(Reason.SOURCE_CHANGED, "another ETag")
    found = conditions(decision(Health.STALLED, changed_source, S, MODEL_RESOLVED=Finding("False", changed_source)))
    assert found["Stalled"].reason == "SourceChanged"


AVAILABLE: list[tuple[str, ModelDeploymentStatus, dict[str, Any], str, str]] = [
    ("no revision", NONE, {}, "False", "NoRevision"),
    ("it answers", S, {"workloads": {"iris-1": workload(1)}, "entry_revision": "iris-1"}, "True", "Serving"),
    (
        "no pod is ready",
        S,
        {"workloads": {"iris-1": workload(0)}, "entry_revision": "iris-1"},
        "False",
        "NoReadyReplicas",
    ),
    ("no Deployment", S, {"entry_revision": "iris-1"}, "False", "NoReadyReplicas"),
    ("no Service", S, {"workloads": {"iris-1": workload(2)}}, "False", "NoReadyReplicas"),
    ("a foreign Service", S, {"workloads": {"iris-1": workload(2)}, "failure": TAKEN}, "False", "NameConflict"),
    (
        "the old one answers until the flip",
        S,
        {"workloads": {"iris-1": workload(0), "iris-0": workload(2)}, "entry_revision": "iris-0"},
        "True",
        "Serving",
    ),
]


@pytest.mark.parametrize(
    ("status", "known", "value", "reason"), [r[1:] for r in AVAILABLE], ids=[r[0] for r in AVAILABLE]
)
def test_available(status: ModelDeploymentStatus, known: dict[str, Any], value: str, reason: str) -> None:
    found = available(observation(**known), decision(Health.SETTLED, READY, status))
    assert (found.status, found.verdict.reason) == (value, reason)


def test_time_of_transition_moves_only_with_the_status() -> None:
    first = conditions(decision(Health.WORKING, WORKING, S))
    later = conditions(decision(Health.WORKING, BAD, S), before=first.values(), now=60)
    assert later["Ready"].reason == "LoadFailed"
    assert later["Ready"].last_transition_time == first["Ready"].last_transition_time
    over = conditions(decision(Health.SETTLED, READY, S), before=later.values(), now=120)
    assert over["Ready"].last_transition_time == "2026-05-01T09:02:00Z"


def test_all_conditions_speak_of_the_generation_that_was_looked_at() -> None:
    assert {c.observed_generation for c in conditions(decision(Health.WORKING, WORKING)).values()} == {3}


def test_long_words_are_cut() -> None:
    found = conditions(decision(Health.STALLED, replace(BAD, message="x" * 10_000)))
    assert len(found["Ready"].message) == MESSAGE_LIMIT


def test_change_of_status_or_reason_is_news_and_of_words_is_not() -> None:
    known = Condition(
        type="Ready", status="False", last_transition_time="2026-05-01T09:00:00Z", reason="A", message="x"
    )
    assert changed([known], [known]) == ()
    assert changed([known], [known.model_copy(update={"message": "y", "observed_generation": 9})]) == ()
    assert len(changed([known], [known.model_copy(update={"reason": "B"})])) == 1
    assert len(changed([known], [known.model_copy(update={"status": "True"})])) == 1
    assert len(changed([], [known])) == 1


@pytest.mark.parametrize("failure", [TAKEN, INVALID], ids=lambda v: v.reason)
def test_new_spec_is_not_stalled_by_what_the_old_one_ran_into(failure: Verdict) -> None:
    """Whoever waits for the new generation would give up before it has been tried."""
    found = conditions(decision(Health.WORKING, WORKING), failure, failure_is_old=True)
    assert (found["Ready"].status, found["Reconciling"].reason) == ("False", failure.reason)
    assert "Stalled" not in found
