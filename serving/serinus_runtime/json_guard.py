"""JSON from strangers: a strict parser on top of orjson, which itself refuses NaN, Infinity and invalid UTF-8.

Adds a depth limit and refuses duplicate keys, both by counting bytes, so that a small request pays next to nothing.
"""

import re
from typing import Any

import orjson

from serinus_runtime.errors import InvalidRequest

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_OTHERS = bytes(byte for byte in range(256) if byte not in b"[]{}")


def parse_object(raw: bytes, max_depth: int) -> tuple[dict[str, Any], bool]:
    """The JSON object in `raw`, and whether a boolean may be anywhere in it (numpy would take one for a number).

    Raises:
        InvalidRequest: not JSON, no object, nested deeper than `max_depth`, or a key twice in one object.

    """
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"the request is not valid JSON: {error}") from error
    if raw.count(b"[") + raw.count(b"{") > max_depth and depth_exceeds(raw, max_depth):
        raise InvalidRequest(f"the request's JSON is nested deeper than {max_depth} levels")
    if type(document) is not dict:
        raise InvalidRequest("the request must be a JSON object")
    pairs = _pairs(document)
    if raw.count(b":") != pairs and _STRING.sub(b"", raw).count(b":") != pairs:
        raise InvalidRequest("the request's JSON has a key twice in one object")
    return document, b"true" in raw or b"false" in raw


def depth_exceeds(raw: bytes, limit: int) -> bool:
    """Whether valid JSON is nested deeper than `limit`.

    What remains without strings is a row of brackets, and each round takes the innermost pairs away:
    `[[][[]]]` → `[[]]` → `[]` → nothing: three levels.
    """
    brackets = _STRING.sub(b"", raw).translate(_BRACKETS, _OTHERS)
    for _ in range(limit):
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def _pairs(value: dict[str, Any]) -> int:
    """Pairs of keys and values in `value` and below. `data` and `shape` are left out: a tensor holds no objects."""
    total = len(value)
    for key, item in value.items():
        kind = type(item)
        if kind is dict:
            total += _pairs(item)
        elif kind is list and key != "data" and key != "shape":
            total += _pairs_in_list(item)
    return total


def _pairs_in_list(items: list[Any]) -> int:
    total = 0
    for item in items:
        kind = type(item)
        if kind is dict:
            total += _pairs(item)
        elif kind is list:
            total += _pairs_in_list(item)
    return total
