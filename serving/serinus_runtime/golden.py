"""Golden requests: what they look like, and whether an answer is the expected one. Pure; used by `validation.py`.

One golden request is a JSON document:

    {"request":   {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]},
     "expected":  {"outputs": [{"name": "y", "data": [2.0, 4.0]}]},
     "tolerance": {"absolute": 0.000001, "relative": 0.0001}}

`expected` may be a whole answer of the server, as `curl` shows it. Of each output named there the data are compared,
and datatype and shape where they are given. Rules, in the order in which a client would trip over them:

    datatype                    right
    ──────────────────────────  ─────────────────────────────────────────────────────────────
    FP16, FP32, FP64            |got - expected| <= absolute + relative * |expected|
    the same, expected is null  got is null: NaN and the infinite have no other JSON
    everything else             equal: integers, truth values and strings have no tolerance
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import orjson

from serinus_runtime.errors import InvalidRequest
from serinus_runtime.json_guard import parse_object

FLOATS = frozenset({"FP16", "FP32", "FP64"})
ABSOLUTE = 1e-6
RELATIVE = 1e-4
_FIELDS = frozenset({"request", "expected", "tolerance"})
_SHOWN = 100
"""Characters of one value in a message."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a number may be off."""

    absolute: float = ABSOLUTE
    relative: float = RELATIVE

    def of(self, expected: float) -> float:
        """`absolute + relative * |expected|`: 0.000001 + 0.0001 * 2 = 0.000201."""
        return self.absolute + self.relative * abs(expected)


@dataclass(frozen=True, slots=True)
class Expected:
    """One output as it should be."""

    name: str
    data: Sequence[Any]
    """Flat, in row-major order."""
    datatype: str | None
    shape: list[int] | None


@dataclass(frozen=True, slots=True)
class GoldenRequest:
    """A request and the answer that is expected of it."""

    name: str
    body: bytes
    outputs: tuple[Expected, ...]
    tolerance: Tolerance


def read_golden(name: str, raw: bytes, max_depth: int) -> GoldenRequest:
    """The golden request in a file.

    Raises:
        InvalidRequest: it is none, in words that say what is wrong with it.

    """
    document, _ = parse_object(raw, max_depth + 2)
    if unknown := sorted(document.keys() - _FIELDS):
        raise InvalidRequest(f"it has {unknown[0]!r}, which is none of {', '.join(sorted(_FIELDS))}")
    request, expected = document.get("request"), document.get("expected")
    if type(request) is not dict or type(expected) is not dict:
        raise InvalidRequest("it needs 'request' and 'expected', both objects")
    outputs = expected.get("outputs")
    if type(outputs) is not list or not outputs:
        raise InvalidRequest("'expected' needs 'outputs', an array of at least one object")
    return GoldenRequest(
        name,
        orjson.dumps(request),
        tuple(_expected(entry) for entry in outputs),
        _tolerance(document.get("tolerance", {})),
    )


def difference(golden: GoldenRequest, answer: bytes) -> str | None:
    """Where the answer (JSON) is not what is expected, in one sentence; None: nowhere."""
    got = {output["name"]: output for output in orjson.loads(answer)["outputs"]}
    for expected in golden.outputs:
        if expected.name not in got:
            return f"output {expected.name!r} is not in the answer, which has {', '.join(map(repr, got))}"
        if found := _difference(expected, got[expected.name], golden.tolerance):
            return f"output {expected.name!r}{found}"
    return None


def _difference(expected: Expected, got: dict[str, Any], tolerance: Tolerance) -> str | None:
    for field, wanted in (("datatype", expected.datatype), ("shape", expected.shape)):
        if wanted is not None and got[field] != wanted:
            return f" has {field} {got[field]}, expected {wanted}"
    data = got["data"]
    if len(data) != len(expected.data):
        return f" has {len(data)} elements, expected {len(expected.data)}"
    excess = _close if got["datatype"] in FLOATS else _same
    wrong = [
        (beyond, index)
        for index, pair in enumerate(zip(expected.data, data, strict=True))
        if (beyond := excess(*pair, tolerance)) > 0
    ]
    if not wrong:
        return None
    _, index = max(wrong, key=lambda one: (one[0], -one[1]))
    words = _words(expected.data[index], data[index], tolerance if got["datatype"] in FLOATS else None)
    more = f"; {len(wrong)} of {len(data)} elements are wrong, this one most" if len(wrong) > 1 else ""
    return f"{_place(index, got['shape'])} {words}{more}"


def _close(expected: Any, got: Any, tolerance: Tolerance) -> float:
    """By how much a float is outside of its tolerance; infinite where one of the two is no number."""
    if expected is None or got is None:
        return 0.0 if expected is got else math.inf
    if type(expected) not in (int, float):
        return math.inf
    return abs(float(got) - float(expected)) - tolerance.of(expected)


def _same(expected: Any, got: Any, _: Tolerance) -> float:
    """Infinite where the two are not equal: `true` is not 1, and 1.0 is not 1."""
    return 0.0 if type(expected) is type(got) and expected == got else math.inf


def _words(expected: Any, got: Any, tolerance: Tolerance | None) -> str:
    lead = f"is {_shown(got)}, expected {_shown(expected)}"
    if tolerance is None:
        return f"{lead}, and must be equal"
    if got is None:
        return f"{lead}: NaN and the infinite arrive as null"
    if type(expected) not in (int, float):
        return lead
    return (
        f"{lead}: off by {abs(got - expected):.6g}, tolerance {tolerance.of(expected):.6g} "
        f"(absolute {tolerance.absolute:g} + relative {tolerance.relative:g} of the expected)"
    )


def _place(index: int, shape: list[int]) -> str:
    """The index of an element by dimensions: the sixth of shape [2, 3] is `[1, 2]`."""
    place: list[int] = []
    for dim in reversed(shape):
        index, last = divmod(index, dim)
        place.append(last)
    return str(place[::-1])


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _expected(entry: Any) -> Expected:
    if type(entry) is not dict or type(entry.get("name")) is not str or type(entry.get("data")) is not list:
        raise InvalidRequest("each of the expected outputs needs 'name', a string, and 'data', an array")
    name, datatype, shape = entry["name"], entry.get("datatype"), entry.get("shape")
    if not isinstance(datatype, str | None) or not isinstance(shape, list | None):
        raise InvalidRequest(
            f"the expected output {name!r} has a 'datatype' that is no string or a 'shape' that is none"
        )
    data: list[Any] = entry["data"]
    while data and all(type(item) is list for item in data):
        data = list(chain.from_iterable(data))
    if any(type(item) in (list, dict) for item in data):
        raise InvalidRequest(f"the data of the expected output {name!r} are neither flat nor nested evenly")
    return Expected(name, data, datatype, shape)


def _tolerance(given: Any) -> Tolerance:
    if type(given) is not dict or given.keys() - {"absolute", "relative"}:
        raise InvalidRequest("'tolerance' may have 'absolute' and 'relative' alone")
    for name, value in given.items():
        if type(value) not in (int, float) or value < 0:
            raise InvalidRequest(f"the {name} tolerance must be a number of at least 0")
    return Tolerance(**given)
