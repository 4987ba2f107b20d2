"""The ways from place to place: each row of the table, what keeps it from being taken, what holds for all of them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus_operator.decide.sleep import TABLE, Row, Situation, next_row
from serinus_operator.places import (
    ASLEEP,
    AWAKE,
    IDLING,
    LEAVING,
    PLACES,
    RETURNING,
    STRANDED,
    WAKING,
    Mode,
    Place,
    State,
)

DOCS = Path(__file__).resolve().parents[3] / "docs" / "zero.md"
CALM = Situation(
    place=AWAKE,
    lasted=10.0,
    idle=10.0,
    window=60.0,
    grace=30.0,
    may_sleep=True,
    may_rest=True,
    called=False,
    held=False,
    busy=False,
    told=True,
    guarded=True,
    fresh=True,
    answered=None,
    ready_gateways=2,
    deserted=0.0,
    replicas=1,
    ready=1,
    wanted=1,
    enough=True,
    loading=None,
    deadline=600.0,
    addresses=1,
    slices=2,
)


def at(place: Place, **seen: Any) -> Situation:
    """A situation in which nothing speaks for leaving the place."""
    quiet: dict[Place, dict[str, Any]] = {
        ASLEEP: {"replicas": 0, "ready": 0, "addresses": 0},
        WAKING: {"ready": 0, "addresses": 0, "held": True, "busy": True},
        RETURNING: {"addresses": 0},
        STRANDED: {"ready": 0, "addresses": 0, "ready_gateways": 0, "deserted": 60.0, "told": False},
    }
    return replace(CALM, place=place, **{**quiet.get(place, {}), **seen})


WAYS: list[tuple[str, Situation, Place]] = [
    ("an idle window", at(AWAKE, idle=60.0), LEAVING),
    ("the last gateway goes at once", at(LEAVING, ready_gateways=0), AWAKE),
    ("a request while the gateways come in", at(LEAVING, called=True), AWAKE),
    ("a rollout while the gateways come in", at(LEAVING, may_sleep=False), AWAKE),
    ("a probe that was not answered", at(LEAVING, answered=False), AWAKE),
    ("no gateway seen for half a minute", at(LEAVING, lasted=30.0), AWAKE),
    ("a gateway that answers", at(LEAVING, answered=True), IDLING),
    ("no gateway while the pods are watched", at(IDLING, deserted=2.5), AWAKE),
    ("a request to a pod", at(IDLING, called=True), RETURNING),
    ("a request that a gateway has not answered yet", at(IDLING, busy=True), RETURNING),
    ("a rollout while the pods are watched", at(IDLING, may_sleep=False), RETURNING),
    ("the last pod dies by itself", at(IDLING, ready=0), RETURNING),
    ("nothing for the grace period", at(IDLING, lasted=30.0, idle=30.0), ASLEEP),
    ("a pod", at(ASLEEP, replicas=1), WAKING),
    ("a hand that gives five pods", at(ASLEEP, replicas=5), WAKING),
    ("minReplicas is raised", at(ASLEEP, may_rest=False), WAKING),
    ("no gateway while asleep", at(ASLEEP, deserted=2.5), STRANDED),
    ("spec.replicas is 0 now", at(ASLEEP, may_rest=False, wanted=0), AWAKE),
    ("its pods answer", at(WAKING, ready=1, held=False), RETURNING),
    ("pods that nothing could start in time", at(WAKING, replicas=10, ready=3, held=False, lasted=600.0), RETURNING),
    ("its pods answer under load", at(WAKING, ready=1, held=False, busy=True), RETURNING),
    ("its pods answer, and no gateway says what it holds", at(WAKING, ready=1, told=False, lasted=15.0), RETURNING),
    ("no gateway while waking", at(WAKING, deserted=2.5), STRANDED),
    ("it does not wake", at(WAKING, lasted=600.0, held=False, busy=False), ASLEEP),
    ("the Service leads to pods", at(RETURNING, addresses=1, lasted=2.0), AWAKE),
    ("no gateway on the way back", at(RETURNING, deserted=2.5), STRANDED),
    ("a pod answers without a gateway", at(STRANDED, ready=1), AWAKE),
    ("a gateway comes back before a pod", at(STRANDED, ready_gateways=1, deserted=0.0), RETURNING),
]

STAYS: list[tuple[str, Situation]] = [
    ("less than the window", at(AWAKE, idle=59.9)),
    ("no gateway is ready", at(AWAKE, idle=90.0, ready_gateways=0, told=False)),
    ("a gateway does not know the model yet", at(AWAKE, idle=90.0, told=False)),
    ("a rollout runs", at(AWAKE, idle=90.0, may_sleep=False)),
    ("a pod is still loading", at(AWAKE, idle=90.0, replicas=2)),
    ("no gateway has answered yet", at(LEAVING)),
    ("one gateway does not check requests yet", at(LEAVING, answered=True, guarded=False)),
    ("our slice is not there yet", at(LEAVING, answered=True, slices=0)),
    ("a request, but the Service leads to no pod", at(LEAVING, called=True, addresses=0)),
    ("less than the grace period", at(IDLING, lasted=29.9, idle=29.9)),
    ("the pods were not asked since", at(IDLING, lasted=31.0, idle=20.0)),
    ("a gateway does not tell", at(IDLING, lasted=31.0, idle=31.0, told=False)),
    ("an old answer", at(IDLING, lasted=31.0, idle=31.0, fresh=False)),
    ("a pod loads at the last moment", at(IDLING, lasted=31.0, idle=31.0, replicas=2)),
    ("a gateway out of sight for a moment", at(IDLING, ready_gateways=0, told=False, deserted=2.4)),
    ("nobody asks", at(ASLEEP)),
    ("asleep, and no gateway for a moment", at(ASLEEP, ready_gateways=0, told=False, deserted=2.4)),
    ("a request is held", at(WAKING, ready=1)),
    ("two of three pods answer", at(WAKING, replicas=3, ready=2, held=False)),
    ("two of three pods answer, and the third has time", at(WAKING, replicas=3, ready=2, held=False, lasted=599.0)),
    ("the third began to load late", at(WAKING, replicas=3, ready=2, held=False, lasted=900.0, loading=10.0)),
    ("the demand wants more pods", at(WAKING, ready=1, held=False, wanted=3)),
    ("the pods cannot take what comes", at(WAKING, ready=1, held=False, enough=False)),
    ("a pod that loads until the last second", at(WAKING, lasted=599.9, held=False, busy=False)),
    ("a pod that began to load late", at(WAKING, lasted=900.0, loading=300.0, held=False, busy=False)),
    ("it does not wake, but a request is still held", at(WAKING, lasted=900.0)),
    ("the Service does not know its pods", at(RETURNING, lasted=60.0)),
    ("not every kube-proxy has heard", at(RETURNING, addresses=1, lasted=1.9)),
    ("no pod and no gateway", at(STRANDED)),
]


@pytest.mark.parametrize(("situation", "there"), [row[1:] for row in WAYS], ids=[row[0] for row in WAYS])
def test_way_is_taken(situation: Situation, there: Place) -> None:
    row = next_row(situation)
    assert row
    assert row.there == there


@pytest.mark.parametrize("situation", [row[1] for row in STAYS], ids=[row[0] for row in STAYS])
def test_model_stays_where_it_is(situation: Situation) -> None:
    assert next_row(situation) is None


def test_every_row_is_taken_by_one_of_the_cases() -> None:
    taken = {id(next_row(situation)) for _, situation, _ in WAYS}
    left = [f"{row.here} → {row.there}: {row.words}" for row in TABLE if id(row) not in taken]
    assert all("the spec asks for no pods" in words for words in left)


def cells(row: Row) -> str:
    """A row as `docs/zero.md` shows it."""
    here, there = (f"{place.state}, {place.mode}" for place in (row.here, row.there))
    return f"| {here} | {row.words} | {there} |"


def test_docs_show_the_same_rows_in_the_same_order() -> None:
    shown = [line for line in DOCS.read_text().splitlines() if line.startswith(tuple(f"| {s}," for s in State))]
    assert shown == [cells(row) for row in TABLE]


def test_gateways_come_in_before_the_pods_go_out_and_the_other_way_round() -> None:
    order = [Mode.DIRECT, Mode.HAND_OVER, Mode.PROXIED]
    for row in TABLE:
        step = order.index(row.there.mode) - order.index(row.here.mode)
        assert step <= 1, "from the pods to the gateways always by way of both"
        if step == -2:  # straight back to the pods only where no gateway is ready, or no pod is wanted
            assert row.when.__name__ in ("deserted", "emptied")


situations = st.builds(
    Situation,
    place=st.sampled_from(PLACES),
    lasted=st.floats(0, 1000),
    idle=st.floats(-10, 1000),
    window=st.just(60.0),
    grace=st.sampled_from([0.0, 30.0]),
    may_sleep=st.booleans(),
    may_rest=st.booleans(),
    called=st.booleans(),
    held=st.booleans(),
    busy=st.booleans(),
    told=st.booleans(),
    guarded=st.booleans(),
    fresh=st.booleans(),
    answered=st.sampled_from([None, True, False]),
    ready_gateways=st.integers(0, 2),
    deserted=st.floats(0, 10),
    replicas=st.integers(0, 3),
    ready=st.integers(0, 3),
    wanted=st.integers(0, 3),
    enough=st.booleans(),
    loading=st.none() | st.floats(0, 1000),
    deadline=st.just(600.0),
    addresses=st.integers(0, 3),
    slices=st.integers(0, 2),
)


@given(situations)
def test_nothing_falls_asleep_that_is_asked_for_or_not_known(seen: Situation) -> None:
    row = next_row(seen)
    if row and row.there == ASLEEP:
        assert seen.place in (IDLING, WAKING)
        assert seen.told
        assert not seen.busy
        assert not seen.called or seen.place == WAKING


@given(situations)
def test_service_never_goes_over_to_gateways_that_were_not_seen_to_answer(seen: Situation) -> None:
    row = next_row(seen)
    if row and (row.here, row.there) == (LEAVING, IDLING):
        assert seen.answered
        assert seen.guarded
        assert seen.slices
        assert seen.ready_gateways


@given(situations)
def test_sleeper_with_pods_is_never_left_asleep(seen: Situation) -> None:
    if seen.place == ASLEEP and seen.replicas:
        row = next_row(seen)
        assert row
        assert row.there != ASLEEP
