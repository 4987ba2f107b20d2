"""Bodies as they are sent, and answers that nobody foresaw."""

import json
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from serinus_operator.cluster.errors import ClusterError
from serinus_operator.cluster.kubernetes import encode, parse_error
from serinus_operator.cluster.port import POD

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(texts, texts | st.lists(texts | st.integers() | st.none(), max_size=3), max_size=3))
def test_body_is_json_and_yaml_with_the_same_meaning(body: dict[str, Any]) -> None:
    encoded = encode(body)
    assert json.loads(encoded) == body
    assert yaml.safe_load(encoded) == body or _yaml_keeps_less(body)


def _yaml_keeps_less(body: Any) -> bool:
    """PyYAML folds a next-line or line separator in a text into a space; the API server's library does not."""
    return any(c in json.dumps(body, ensure_ascii=False) for c in "\x85\u2028\u2029")


@settings(deadline=None)
@given(status=st.integers(300, 599), body=st.binary(max_size=300))
def test_any_answer_is_some_error(status: int, body: bytes) -> None:
    assert isinstance(parse_error(status, body, "get", POD, {}), ClusterError)
