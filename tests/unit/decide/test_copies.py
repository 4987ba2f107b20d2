"""Who is told to copy how much, at each phase of a rollout."""

from typing import Any

import pytest

from serinus_api import names
from serinus_api.v1alpha1 import RolloutPhase
from serinus_operator.decide.copies import LOAN_SECONDS, ended, loans
from serinus_operator.decide.demand import TICK_SECONDS

S, C = "iris-1", "iris-2"


def pod(name: str, revision: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": f"u-{name}", "labels": {names.LABEL_REVISION: revision}}}


PODS = [pod("s1", S), pod("s2", S), pod("c2", C), pod("c1", C), pod("old", "iris-0")]


def model(phase: str = "Stepping", shadow: Any = 10, candidate: str | None = C) -> dict[str, Any]:
    rollout = {} if shadow is None else {"shadow": {"percent": shadow}}
    status = {"stableRevision": S, "candidateRevision": candidate, "rollout": {"phase": phase}}
    return {"spec": {"rollout": rollout}, "status": status}


def told(manifest: dict[str, Any], pods: list[dict[str, Any]] = PODS) -> dict[str, int]:
    return {loan.pod["metadata"]["name"]: loan.order.percent for loan in loans(manifest, pods)}


@pytest.mark.parametrize("phase", list(RolloutPhase))
def test_stable_pods_copy_in_the_steps_and_in_no_other_phase(phase: RolloutPhase) -> None:
    copying = phase in (RolloutPhase.STEPPING, RolloutPhase.HELD)
    assert told(model(phase)) == ({"s1": 10, "s2": 10} if copying else {})


def test_order_is_a_loan_that_outlives_some_looks_and_no_more() -> None:
    orders = {loan.order.seconds for loan in loans(model(), PODS)}
    assert orders == {LOAN_SECONDS}
    assert 2 * TICK_SECONDS < LOAN_SECONDS <= 10 * TICK_SECONDS
    assert {loan.order.revision for loan in loans(model(), PODS)} == {C}


def test_copies_are_spread_over_the_candidates_pods_and_stay_where_they_were() -> None:
    def targets(pods: list[dict[str, Any]]) -> list[str]:
        return [loan.target["metadata"]["name"] for loan in loans(model(), pods) if loan.target]

    assert targets(PODS) == ["c1", "c2"]
    assert targets([*PODS[:2], *reversed(PODS[2:])]) == ["c1", "c2"]


def test_nothing_is_copied_to_a_candidate_without_a_ready_pod() -> None:
    assert told(model(), PODS[:2]) == {}


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(model(shadow=None), id="no copies asked for"),
        pytest.param(model(candidate=None), id="no candidate"),
        pytest.param(model(shadow=0), id="none asked for any more"),
        pytest.param({"spec": {}, "status": {}}, id="nothing is known yet"),
        pytest.param({"spec": {"rollout": {"shadow": {"percent": 5}}}}, id="no status yet"),
    ],
)
def test_nobody_is_told_anything(manifest: dict[str, Any]) -> None:
    assert told(manifest) == {}


def test_who_is_lent_nothing_any_more_is_told_so_once() -> None:
    both, one = tuple(loans(model(), PODS)), tuple(loans(model(), PODS[1:]))
    taken = list(ended(both, one))
    assert [(loan.pod["metadata"]["name"], loan.order.percent, loan.target) for loan in taken] == [("s1", 0, None)]
    assert list(ended(one, one)) == list(ended((), one)) == []
