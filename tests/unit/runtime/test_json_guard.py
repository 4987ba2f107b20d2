"""Depth and duplicate keys, which a fast parser lets through."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serinus_runtime.errors import InvalidRequest
from serinus_runtime.json_guard import depth_exceeds, parse_object

KEYS = st.text('ab:"\\{}[]', max_size=3)
DOCUMENTS = st.recursive(
    st.text('a:"\\{}[]', max_size=4) | st.integers(0, 9) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


@settings(max_examples=150, deadline=None)
@given(DOCUMENTS)
def test_the_depth_is_that_of_the_brackets_outside_of_strings(document: object) -> None:
    raw = orjson.dumps(document)
    assert not depth_exceeds(raw, depth(document))
    if depth(document):
        assert depth_exceeds(raw, depth(document) - 1)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYS, DOCUMENTS, max_size=3))
def test_no_honest_object_is_taken_for_one_with_a_key_twice(document: dict[str, object]) -> None:
    assert parse_object(orjson.dumps(document), 32)[0] == document


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b'{"a":1,"a":2}', id="at the top"),
        pytest.param(b'{"a":{"b":1,"b":1}}', id="below"),
        pytest.param(b'{"a":[[{"b":1,"b":1}]]}', id="in a list of lists"),
        pytest.param(b'{"a":":::","a":":"}', id="with colons in strings"),
        pytest.param(b'{"\\u0061":1,"a":2}', id="written in two ways"),
    ],
)
def test_a_key_twice_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequest, match="a key twice in one object"):
        parse_object(raw, 32)


@pytest.mark.parametrize(("raw", "has_bools"), [(b'{"a":1}', False), (b'{"a":true}', True), (b'{"a":false}', True)])
def test_it_is_known_whether_booleans_may_be_there(raw: bytes, has_bools: bool) -> None:
    assert parse_object(raw, 32)[1] is has_bools


def test_many_flat_arrays_are_not_deep() -> None:
    raw = orjson.dumps({"data": [[1]] * 100})
    assert parse_object(raw, 3)[0]["data"][99] == [1]
    with pytest.raises(InvalidRequest, match="deeper than 2 levels"):
        parse_object(raw, 2)
