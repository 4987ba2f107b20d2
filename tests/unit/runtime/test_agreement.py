"""Two answers to one request: alike or not, and how far apart."""

import json
import struct
from typing import Any

import pytest

from serinus_runtime.agreement import NO_ANSWER, compare
from serinus_runtime.codec import EncodedAnswer


def answer(data: list[Any], datatype: str = "FP32", shape: tuple[int, ...] | None = None) -> EncodedAnswer:
    output = {"name": "y", "datatype": datatype, "shape": list(shape or (len(data),)), "data": data}
    return EncodedAnswer(json.dumps({"outputs": [output]}).encode(), None)


def binary(*values: float) -> EncodedAnswer:
    size = {"binary_data_size": 4 * len(values)}
    output = {"name": "y", "datatype": "FP32", "shape": [len(values)], "parameters": size}
    head = json.dumps({"outputs": [output]}).encode()
    return EncodedAnswer(head + struct.pack(f"<{len(values)}f", *values), len(head))


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("stable", "candidate", "agree", "largest"),
    [
        pytest.param(answer([1, 2]), answer([1, 2]), True, 0.0, id="equal"),
        # allowed at 2: 0.000001 + 0.0001 * 2 = 0.000201
        pytest.param(answer([1, 2.0]), answer([1, 2.0002]), True, 0.0002, id="within the tolerance"),
        pytest.param(answer([1, 2.0]), answer([1, 2.0003]), False, 0.0003, id="beyond it"),
        pytest.param(answer([None, 1]), answer([None, 1]), True, 0.0, id="no number in both"),
        pytest.param(answer([None, 1]), answer([0, 1]), False, 0.0, id="a number where stable has none"),
        pytest.param(answer([1]), answer([1], shape=(1, 1)), False, 0.0, id="another shape"),
        pytest.param(answer([1]), answer([1], "FP64"), False, 0.0, id="another datatype"),
        pytest.param(answer([]), answer([]), True, 0.0, id="nothing in both"),
        pytest.param(answer([2**53], "INT64"), answer([2**53 + 1], "INT64"), False, 0.0, id="integers must be equal"),
        pytest.param(answer(["a"], "BYTES"), answer(["a"], "BYTES"), True, 0.0, id="equal strings"),
        pytest.param(answer(["a"], "BYTES"), answer(["b"], "BYTES"), False, 0.0, id="other strings"),
        pytest.param(binary(1, NAN), binary(1, NAN), True, 0.0, id="binary, alike"),
        pytest.param(binary(1, INF), binary(1.5, INF), False, 0.5, id="binary, apart"),
        pytest.param(answer([1]), EncodedAnswer(b'{"outputs": []}', None), False, 0.0, id="an output is missing"),
    ],
)
def test_answers_are_compared(stable: EncodedAnswer, candidate: EncodedAnswer, agree: bool, largest: float) -> None:
    found = compare(stable, candidate)
    assert found.agree is agree
    assert found.largest == pytest.approx(largest, abs=1e-9)


def test_what_is_no_answer_is_refused() -> None:
    for body in (
        b"<html>",
        b"[]",
        b"{}",
        b'{"outputs": [1]}',
        b'{"outputs": [{"name": "y"}]}',
        b'{"outputs": [{"name": []}]}',
    ):
        with pytest.raises(NO_ANSWER):
            compare(answer([1]), EncodedAnswer(body, None))
