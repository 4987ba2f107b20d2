"""Which port a model has at the gateways: stable, and never that of another."""

from hypothesis import given
from hypothesis import strategies as st

from serinus_api.gateway import FIRST_MODEL_PORT, LAST_MODEL_PORT
from serinus_operator.decide.ports import Claim, port_for

OLD, MINE, NEW = (Claim(f"2026-05-01T09:0{n}:00Z", "ml", name) for n, name in enumerate(("old", "mine", "new")))


def test_own_port_is_kept() -> None:
    assert port_for("u", 20017, MINE, {}) == 20017
    assert port_for("u", 20017, MINE, {20018: [OLD]}) == 20017


def test_of_two_models_with_one_port_the_older_keeps_it() -> None:
    assert port_for("u", 20017, MINE, {20017: [NEW]}) == 20017
    other = port_for("u", 20017, MINE, {20017: [OLD]})
    assert other not in (None, 20017)


def test_models_of_the_same_second_are_told_apart_by_name() -> None:
    twins = (Claim("t", "ml", "a"), Claim("t", "ml", "b"))
    kept = [port_for("u", 20017, me, {20017: [other]}) == 20017 for me, other in (twins, twins[::-1])]
    assert kept == [True, False]


def test_none_is_given_where_none_is_left() -> None:
    full = {port: [OLD] for port in range(FIRST_MODEL_PORT, LAST_MODEL_PORT + 1)}
    assert port_for("u", None, MINE, full) is None


@given(st.text(), st.sets(st.integers(FIRST_MODEL_PORT, LAST_MODEL_PORT), max_size=200))
def test_new_port_is_free_within_the_range_and_the_same_again(uid: str, taken: set[int]) -> None:
    others = {port: [OLD] for port in taken}
    port = port_for(uid, None, MINE, others)
    assert port is not None
    assert FIRST_MODEL_PORT <= port <= LAST_MODEL_PORT
    assert port not in taken
    assert port_for(uid, None, MINE, others) == port
