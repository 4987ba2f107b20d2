"""Round trips of every datatype through JSON and through the binary extension."""

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.unit.runtime.codecs import LIMITS, QUICK, TEXT, decode_request, same

from serinus_runtime.codec import Codec, EncodedAnswer, InferRequest, Selection
from serinus_runtime.tensors import BYTES, DTYPES, Array, Signature, Tensor

NUMERIC = sorted(set(DTYPES) - {BYTES})
SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4)


def arrays(datatype: str) -> st.SearchStrategy[Array]:
    """Arrays of small shapes with every finite value of the datatype."""
    if datatype == BYTES:
        return hnp.arrays(np.object_, SHAPES, elements=TEXT)
    dtype = DTYPES[datatype]
    finite = {"allow_nan": False, "allow_infinity": False} if dtype.kind == "f" else {}
    return hnp.arrays(dtype, SHAPES, elements=finite or None)


def encoded(array: Array, tensor: Tensor, *, binary: bool = False, request_id: str | None = None) -> EncodedAnswer:
    """The answer with one output."""
    asked = InferRequest(request_id, {}, Selection([(tensor, binary)], {tensor.name: 0}))
    return Codec(Signature((), (tensor,)), LIMITS, "m", "v").encode(asked, [array])


def plain(document: dict[str, Any]) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def infer(datatype: str, array: Array, data: Any, **more: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "x", "datatype": datatype, "shape": list(array.shape), "data": data}], **more}


def assert_same(left: Array, right: Array) -> None:
    assert left.dtype == right.dtype
    assert left.shape == right.shape
    assert left.tolist() == right.tolist()


@pytest.mark.parametrize("datatype", sorted(DTYPES))
@pytest.mark.parametrize("form", ["flat", "nested"])
@QUICK
@given(data=st.data())
def test_json_input_becomes_the_same_array(datatype: str, form: str, data: st.DataObject) -> None:
    array = data.draw(arrays(datatype))
    variable = same(datatype, (-1,) * array.ndim)
    values = array.ravel().tolist() if form == "flat" else array.tolist()
    request = decode_request(plain(infer(datatype, array, values)), None, variable, LIMITS)
    assert_same(request.feeds["x"], array)


@pytest.mark.parametrize("datatype", sorted(DTYPES))
@QUICK
@given(data=st.data(), binary=st.booleans())
def test_an_answer_taken_as_the_next_request_is_the_same_array(
    datatype: str, binary: bool, data: st.DataObject
) -> None:
    array = data.draw(arrays(datatype))
    variable = same(datatype, (-1,) * array.ndim)
    answer = encoded(array, variable.outputs[0], binary=binary, request_id="7")
    header = answer.body[: answer.header_length]
    assert (answer.header_length is not None) is binary
    document = orjson.loads(header)
    assert document["id"] == "7"
    assert (document["model_name"], document["model_version"]) == ("m", "v")
    back = document["outputs"][0] | {"name": "x"}
    body = orjson.dumps({"inputs": [back]})
    length = len(body) if binary else None
    request = decode_request(body + answer.body[len(header) :], length, variable, LIMITS)
    assert_same(request.feeds["x"], array)


@pytest.mark.parametrize("datatype", NUMERIC)
def test_an_unaligned_binary_tensor_is_read_right(datatype: str) -> None:
    array = np.arange(6).reshape(3, 2).astype(DTYPES[datatype])
    for blanks in range(8):
        entry = {"name": "x", "datatype": datatype, "shape": [3, 2]}
        header = orjson.dumps({"inputs": [entry | {"parameters": {"binary_data_size": array.nbytes}}]}) + b" " * blanks
        request = decode_request(header + array.tobytes(), len(header), same(datatype), LIMITS)
        assert_same(request.feeds["x"], array)
        assert request.feeds["x"].flags.aligned


def test_json_and_binary_inputs_mix_in_the_order_of_inputs() -> None:
    signature = Signature(
        (Tensor("a", "INT16", (2,)), Tensor("b", "FP32", (1,)), Tensor("c", BYTES, (2,))), (Tensor("y", "FP32", (1,)),)
    )
    document = {
        "inputs": [
            {"name": "c", "datatype": BYTES, "shape": [2], "parameters": {"binary_data_size": 12}},
            {"name": "b", "datatype": "FP32", "shape": [1], "data": [0.5]},
            {"name": "a", "datatype": "INT16", "shape": [2], "parameters": {"binary_data_size": 4}},
        ]
    }
    header = orjson.dumps(document)
    body = header + b"\x03\0\0\0\xe2\x82\xac\x01\0\0\0z" + b"\x01\x00\xff\xff"
    feeds = decode_request(body, len(header), signature, LIMITS).feeds
    assert feeds["a"].tolist() == [1, -1]
    assert feeds["b"].tolist() == [0.5]
    assert feeds["c"].tolist() == ["€", "z"]


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [((-1, 4), 48, (3, 4)), ((2, 3), 24, (2, 3)), ((-1, -1, 2), 48, (1, 6, 2)), ((-1,), 0, (0,))],
)
def test_a_raw_request_takes_its_shape_from_its_size(
    shape: tuple[int, ...], size: int, expected: tuple[int, ...]
) -> None:
    request = decode_request(bytes(size), 0, same("FP32", shape, outputs=2), LIMITS)
    assert request.feeds["x"].shape == expected
    assert [binary for _, binary in request.selection.choices] == [True, True]


def test_a_raw_request_of_bytes_is_one_element() -> None:
    request = decode_request("grün".encode(), 0, same(BYTES, (-1, 1)), LIMITS)
    assert request.feeds["x"].tolist() == [["grün"]]


@pytest.mark.parametrize(
    ("outputs", "parameters", "expected"),
    [
        pytest.param(None, None, {"y": False, "y1": False}, id="all outputs in JSON without a word"),
        pytest.param([], None, {"y": False, "y1": False}, id="an empty list asks for all"),
        pytest.param(None, {"binary_data_output": True}, {"y": True, "y1": True}, id="all in binary"),
        pytest.param([{"name": "y1"}], None, {"y1": False}, id="one by name"),
        pytest.param([{"name": "y1"}, {"name": "y"}], None, {"y1": False, "y": False}, id="in the order asked for"),
        pytest.param(
            [{"name": "y", "parameters": {"binary_data": False}}, {"name": "y1"}],
            {"binary_data_output": True},
            {"y": False, "y1": True},
            id="the flag of an output wins",
        ),
        pytest.param(
            [{"name": "y", "parameters": {"binary_data": True}}], {"priority": 1}, {"y": True}, id="one binary"
        ),
    ],
)
def test_outputs_are_chosen(outputs: Any, parameters: Any, expected: dict[str, bool]) -> None:
    array = np.zeros((1, 2), dtype=np.float32)
    document = infer("FP32", array, [0, 0], outputs=outputs, parameters=parameters, id=None)
    request = decode_request(plain(document), None, same("FP32", outputs=2), LIMITS)
    assert {tensor.name: binary for tensor, binary in request.selection.choices} == expected
    assert request.selection.names == list(expected)
    assert request.selection.any_binary is any(expected.values())
    assert request.id is None


def test_numbers_that_json_cannot_hold_are_answered_as_null() -> None:
    answer = encoded(np.array([np.nan, np.inf, 1], dtype=np.float32), Tensor("y", "FP32", (-1,)))
    assert orjson.loads(answer.body)["outputs"][0]["data"] == [None, None, 1.0]


@pytest.mark.parametrize("datatype", sorted(DTYPES))
def test_many_elements_keep_their_values(datatype: str) -> None:
    array: Array = np.arange(300).reshape(150, 2).astype(DTYPES[datatype])
    if datatype == BYTES:
        array = np.vectorize(str, otypes=[np.object_])(array)
    if datatype in ("INT64", "UINT64"):
        array[0] = np.iinfo(datatype.lower()).max
    request = decode_request(plain(infer(datatype, array, array.tolist())), None, same(datatype), LIMITS)
    assert_same(request.feeds["x"], array)
