"""When an answer is the expected one, and what is said when it is not."""

import json
from typing import Any

import pytest

from serinus_runtime.errors import InvalidRequest
from serinus_runtime.golden import GoldenRequest, difference, read_golden

REQUEST = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}]}


def golden(outputs: list[dict[str, Any]], **tolerance: float) -> GoldenRequest:
    document: dict[str, Any] = {"request": REQUEST, "expected": {"outputs": outputs}}
    if tolerance:
        document["tolerance"] = tolerance
    return read_golden("first.json", json.dumps(document).encode(), 32)


def answer(datatype: str, data: list[Any], shape: list[int] | None = None) -> bytes:
    output = {"name": "y", "datatype": datatype, "shape": shape or [len(data)], "data": data}
    return json.dumps({"model_name": "m", "model_version": "1", "outputs": [output]}).encode()


SAME = [
    pytest.param("FP32", [2.0], [2.0002], {}, id="within the default: 0.000001 + 0.0001 * 2 = 0.000201"),
    pytest.param("FP32", [2.0], [1.9998], {}, id="below as well"),
    pytest.param("FP64", [-100.0], [-100.9], {"relative": 0.01}, id="relative to the size, whatever the sign"),
    pytest.param("FP64", [0.0], [0.05], {"absolute": 0.05, "relative": 0.0}, id="absolute, at its end"),
    pytest.param("FP64", [1], [1.0], {}, id="an integer for a float"),
    pytest.param("FP32", [None, 1.0], [None, 1.0], {}, id="null for NaN"),
    pytest.param("INT64", [7], [7], {}, id="equal integers"),
    pytest.param("BOOL", [True], [True], {}, id="equal truth values"),
    pytest.param("BYTES", ["setosa"], ["setosa"], {}, id="equal strings"),
    pytest.param("FP32", [[1.0, 2.0], [3.0, 4.0]], [1.0, 2.0, 3.0, 4.0], {}, id="nested and flat"),
    pytest.param("FP32", [], [], {}, id="nothing"),
]


@pytest.mark.parametrize(("datatype", "expected", "got", "tolerance"), SAME)
def test_right_answer_is_right(datatype: str, expected: Any, got: list[Any], tolerance: dict[str, float]) -> None:
    assert difference(golden([{"name": "y", "data": expected}], **tolerance), answer(datatype, got)) is None


WRONG = [
    pytest.param(
        "FP64",
        [2.0],
        [2.5],
        {"absolute": 0.1, "relative": 0.05},
        "output 'y'[0] is 2.5, expected 2.0: off by 0.5, tolerance 0.2 (absolute 0.1 + relative 0.05 of the expected)",
        id="off",
    ),
    pytest.param("FP64", [2.0], [2.0003], {}, "off by 0.0003, tolerance 0.000201", id="just beyond the default"),
    pytest.param("FP32", [1.0], [None], {}, "output 'y'[0] is null, expected 1.0: NaN and the", id="NaN for a number"),
    pytest.param("FP32", [None], [1.0], {}, "output 'y'[0] is 1.0, expected null", id="a number for NaN"),
    pytest.param("FP32", ["1"], [1.0], {}, 'is 1.0, expected "1"', id="a string for a float"),
    pytest.param("FP32", [True], [1.0], {}, "is 1.0, expected true", id="a truth value for a float"),
    pytest.param("INT64", [7], [8], {"absolute": 5.0}, "is 8, expected 7, and must be equal", id="no tolerance"),
    pytest.param("INT64", [1.0], [1], {}, "is 1, expected 1.0, and must be equal", id="a float for an integer"),
    pytest.param("INT64", [2**62 + 1], [2**62], {}, "must be equal", id="beyond what a float tells apart"),
    pytest.param("INT64", [True], [1], {}, "is 1, expected true", id="a truth value for an integer"),
    pytest.param("BYTES", ["rose"], ["iris"], {}, 'is "iris", expected "rose", and must be equal', id="strings"),
    pytest.param("FP32", [1.0, 2.0], [1.0], {}, "output 'y' has 1 elements, expected 2", id="another length"),
    pytest.param(
        "FP64",
        [0, 0, 0, 0, 0, 0],
        [0, 1.0, 0, 0, 0, 3.0],
        {},
        "; 2 of 6 elements are wrong, this one most",
        id="how many",
    ),
]


@pytest.mark.parametrize(("datatype", "expected", "got", "tolerance", "words"), WRONG)
def test_wrong_answer_is_told(
    datatype: str, expected: list[Any], got: list[Any], tolerance: dict[str, float], words: str
) -> None:
    found = difference(golden([{"name": "y", "data": expected}], **tolerance), answer(datatype, got))
    assert found
    assert words in found


def test_the_place_of_the_worst_element_is_told_by_dimensions() -> None:
    found = difference(golden([{"name": "y", "data": [0] * 6}]), answer("FP64", [0, 1.0, 0, 0, 0, 3.0], [2, 3]))
    assert str(found).startswith("output 'y'[1, 2] is 3.0, expected 0: off by 3")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"datatype": "FP64"}, "output 'y' has datatype FP32, expected FP64"),
        ({"shape": [1, 2]}, "output 'y' has shape [2], expected [1, 2]"),
        ({"name": "z"}, "output 'z' is not in the answer, which has 'y'"),
    ],
    ids=["datatype", "shape", "name"],
)
def test_datatype_and_shape_count_where_they_are_given(more: dict[str, Any], words: str) -> None:
    assert difference(golden([{"name": "y", "data": [1, 2], **more}]), answer("FP32", [1.0, 2.0])) == words


def test_every_output_is_compared() -> None:
    outputs = [{"name": name, "datatype": "INT8", "shape": [1], "data": [1]} for name in ("a", "b")]
    wrong = [outputs[0], {**outputs[1], "data": [2]}]
    assert str(difference(golden(outputs), json.dumps({"outputs": wrong}).encode())).startswith("output 'b'[0] is 2")


GOOD = {"request": REQUEST, "expected": {"outputs": [{"name": "y", "data": [1]}]}}
MALFORMED = [
    pytest.param(b"not JSON", "not valid JSON", id="no JSON"),
    pytest.param(b"[]", "must be a JSON object", id="no object"),
    pytest.param(b'{"request": {}, "request": {}, "expected": {}}', "a key twice", id="a key twice"),
    pytest.param({**GOOD, "tolerances": {}}, "'tolerances', which is none of expected, request, tol", id="a word"),
    pytest.param({"request": REQUEST}, "needs 'request' and 'expected'", id="no answer"),
    pytest.param({**GOOD, "expected": {"outputs": []}}, "at least one object", id="no output"),
    pytest.param({**GOOD, "expected": {"outputs": [{"name": "y"}]}}, "'name', a string, and 'data'", id="no data"),
    pytest.param(
        {**GOOD, "expected": {"outputs": [{"name": "y", "data": [1, [2]]}]}}, "neither flat nor", id="half nested"
    ),
    pytest.param(
        {**GOOD, "expected": {"outputs": [{"name": "y", "data": [], "shape": 3}]}}, "that is none", id="no shape"
    ),
    pytest.param({**GOOD, "tolerance": {"absolute": -1}}, "at least 0", id="a negative tolerance"),
    pytest.param({**GOOD, "tolerance": {"absolute": True}}, "at least 0", id="a truth value for a tolerance"),
    pytest.param({**GOOD, "tolerance": {"abs": 1}}, "'absolute' and 'relative' alone", id="another tolerance"),
]


@pytest.mark.parametrize(("given", "words"), MALFORMED)
def test_what_is_no_golden_request_is_refused(given: Any, words: str) -> None:
    raw = given if isinstance(given, bytes) else json.dumps(given).encode()
    with pytest.raises(InvalidRequest, match=words):
        read_golden("bad.json", raw, 32)
