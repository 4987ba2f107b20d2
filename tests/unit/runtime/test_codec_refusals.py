"""What the codec refuses, each with its words; and that nothing else happens to bytes of any kind."""

import contextlib
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.runtime.codecs import LIMITS, QUICK, TEXT, decode_request, same

from serinus_runtime.errors import InvalidRequest, RequestRefused, Unsupported
from serinus_runtime.tensors import DTYPES, Signature, Tensor


def x(**changes: Any) -> dict[str, Any]:
    """A request for `x` FP32 [-1, 2] with `changes` to its input; a value of None takes the key away."""
    entry = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]} | changes
    return {"inputs": [{key: value for key, value in entry.items() if value is not None}]}


def of(datatype: str, *data: Any) -> tuple[str, dict[str, Any]]:
    return datatype, x(datatype=datatype, shape=[1, len(data)] if len(data) != 2 else [1, 2], data=list(data))


BAD_NUMBERS = [
    ("FP32", None, "must be numbers"),
    ("FP32", "1", "must be numbers"),
    ("FP32", True, "must be numbers"),
    ("FP32", [1], "must be numbers"),
    ("FP32", -1e39, "that FP32 cannot hold"),
    ("FP16", 65520, "that FP16 cannot hold"),
    ("UINT8", 256, "that UINT8 cannot hold"),
    ("UINT8", -1, "that UINT8 cannot hold"),
    ("INT64", 2**63, "that INT64 cannot hold"),
    ("UINT64", -1, "that UINT64 cannot hold"),
    ("UINT64", 0.5, "must be integers"),
    ("INT32", True, "must be integers"),
    ("INT32", "1", "must be integers"),
    ("BOOL", 1, "must be true or false"),
    ("BYTES", 1, "must be strings"),
]


@pytest.mark.parametrize("place", [0, 150, 299])
@pytest.mark.parametrize(("datatype", "bad", "words"), BAD_NUMBERS)
def test_one_bad_element_of_many_is_found(datatype: str, bad: Any, words: str, place: int) -> None:
    good = {"BYTES": "a", "BOOL": True}.get(datatype, 2**63 if datatype == "UINT64" else 1)
    data = [good] * 300
    data[place] = bad
    if place == 0 and isinstance(bad, list):
        words = "do not have shape [150, 2]"
    with pytest.raises(InvalidRequest) as caught:
        decode_request(orjson.dumps(x(datatype=datatype, shape=[150, 2], data=data)), None, same(datatype), LIMITS)
    assert words in caught.value.message


REFUSALS = [
    ("no inputs at all", "FP32", {}, "'inputs' must be an array of objects"),
    ("inputs that are an object", "FP32", {"inputs": {}}, "'inputs' must be an array of objects"),
    ("an input that is no object", "FP32", {"inputs": [1]}, "'inputs' must be an array of objects"),
    ("an empty list of inputs", "FP32", {"inputs": []}, "input 'x' is missing"),
    ("an id that is a number", "FP32", x() | {"id": 7}, "'id' must be a string"),
    ("an unknown input", "FP32", x(name="z"), "input 'z' is not one of the model's: 'x'"),
    ("a name that is a list", "FP32", x(name=["x"]), "input ['x'] is not one of the model's: 'x'"),
    ("an input twice", "FP32", {"inputs": x()["inputs"] * 2}, "input 'x' is given twice"),
    ("another datatype", "FP32", x(datatype="FP64"), "input 'x' has datatype FP32, not 'FP64'"),
    ("a datatype in lower case", "FP32", x(datatype="fp32"), "input 'x' has datatype FP32, not 'fp32'"),
    ("no datatype", "FP32", x(datatype=None), "input 'x' has datatype FP32, not None"),
    ("no shape", "FP32", x(shape=None), "the shape of input 'x' must be an array of non-negative integers"),
    (
        "a negative dimension",
        "FP32",
        x(shape=[-1, 2]),
        "the shape of input 'x' must be an array of non-negative integers",
    ),
    ("a dimension that is true", "FP32", x(shape=[True, 2]), "must be an array of non-negative integers"),
    ("a dimension of 1.0", "FP32", x(shape=[1.0, 2]), "must be an array of non-negative integers"),
    ("too few dimensions", "FP32", x(shape=[2]), "input 'x' has shape [-1, 2], not [2] (-1: any size)"),
    ("another fixed dimension", "FP32", x(shape=[1, 3], data=[1, 2, 3]), "input 'x' has shape [-1, 2], not [1, 3]"),
    ("too many dimensions", "FP32", x(shape=[1] * 9), "input 'x' has 9 dimensions; at most 8 are taken"),
    ("too many rows", "FP32", x(shape=[1025, 2]), "input 'x' has 1025 rows; at most 1024 are taken at once"),
    ("a product beyond 64 bits", "FP32", x(shape=[2**62, 2**62]), "input 'x' has more than 2147483648 elements"),
    ("a huge dimension beside a zero", "FP32", x(shape=[0, 2**40], data=[]), "has more than 2147483648 elements"),
    ("fewer elements than the shape", "FP32", x(data=[1]), "input 'x' has 1 elements, but shape [1, 2] needs 2"),
    ("more elements than the shape", "FP32", x(data=[1, 2, 3]), "input 'x' has 3 elements, but shape [1, 2] needs 2"),
    ("a ragged nest", "FP32", x(shape=[2, 2], data=[[1, 2], [3]]), "nested data of input 'x' do not have shape [2, 2]"),
    ("a transposed nest", "FP32", x(data=[[1], [2]]), "the nested data of input 'x' do not have shape [1, 2]"),
    ("a nest half as deep as the shape", "FP32", x(shape=[2, 2], data=[[1, 2, 3, 4]]), "do not have shape [2, 2]"),
    ("a nest deeper than the shape", "FP32", x(data=[[[1, 2]]]), "nested data of input 'x' do not have shape [1, 2]"),
    (
        "a nest one too deep at each element",
        "FP32",
        x(data=[[[1], [2]]]),
        "input 'x' is FP32: its data must be numbers",
    ),
    ("numbers beside lists", "FP32", x(data=[1, [2]]), "input 'x' is FP32: its data must be numbers"),
    ("lists beside numbers", "FP32", x(data=[[1, 2], 3]), "the nested data of input 'x' do not have shape [1, 2]"),
    ("data that are a number", "FP32", x(data=1), "the data of input 'x' must be an array"),
    ("data that are an object", "FP32", x(data={"b64": ""}), "the data of input 'x' must be an array"),
    ("no data", "FP32", x(data=None), "input 'x' has neither 'data' nor 'binary_data_size'"),
    ("data both ways", "FP32", x(parameters={"binary_data_size": 8}), "has both 'data' and 'binary_data_size'"),
    ("a null among numbers", *of("FP32", 1.5, None), "input 'x' is FP32: its data must be numbers"),
    ("a string among numbers", *of("FP32", 1.5, "2"), "input 'x' is FP32: its data must be numbers"),
    ("a boolean among numbers", *of("FP32", 1.5, True), "input 'x' is FP32: its data must be numbers"),
    ("booleans for numbers", *of("FP64", True, False), "input 'x' is FP64: its data must be numbers"),
    ("an object among numbers", *of("FP32", 1.5, {}), "input 'x' is FP32: its data must be numbers"),
    ("a number beyond FP32", *of("FP32", 1, 1e39), "input 'x' has a number that FP32 cannot hold"),
    ("a number beyond FP16", *of("FP16", 1, 65520), "input 'x' has a number that FP16 cannot hold"),
    ("a number beyond UINT8", *of("UINT8", 1, 256), "input 'x' has a number that UINT8 cannot hold"),
    ("a negative UINT64", *of("UINT64", 1, -1), "input 'x' has a number that UINT64 cannot hold"),
    ("a negative beside a huge UINT64", *of("UINT64", 2**64 - 1, -1), "input 'x' has a number that UINT64 cannot hold"),
    ("a number beyond INT8", *of("INT8", 1, -129), "input 'x' has a number that INT8 cannot hold"),
    ("a number beyond INT64", *of("INT64", 1, 2**63), "input 'x' has a number that INT64 cannot hold"),
    ("a fraction for INT32", *of("INT32", 1, 2.5), "input 'x' is INT32: its data must be integers"),
    ("a whole float for INT32", *of("INT32", 1, 2.0), "input 'x' is INT32: its data must be integers"),
    ("a boolean for INT32", *of("INT32", 1, True), "input 'x' is INT32: its data must be integers"),
    ("a string for INT32", *of("INT32", 1, "2"), "input 'x' is INT32: its data must be integers"),
    ("a null for INT32", *of("INT32", 1, None), "input 'x' is INT32: its data must be integers"),
    ("a list for INT32", *of("INT32", 1, [2]), "input 'x' is INT32: its data must be integers"),
    ("a number for BOOL", *of("BOOL", True, 1), "input 'x' is BOOL: its data must be true or false"),
    ("a number for BYTES", *of("BYTES", "a", 1), "input 'x' is BYTES: its data must be strings"),
    ("a null for BYTES", *of("BYTES", "a", None), "input 'x' is BYTES: its data must be strings"),
    ("an unknown output", "FP32", x() | {"outputs": [{"name": "z"}]}, "output 'z' is not one of the model's: 'y'"),
    ("an output twice", "FP32", x() | {"outputs": [{"name": "y"}] * 2}, "output 'y' is given twice"),
    ("outputs that are names", "FP32", x() | {"outputs": ["y"]}, "'outputs' must be an array of objects"),
    ("parameters that are a list", "FP32", x() | {"parameters": []}, "'parameters' of the request must be an object"),
    (
        "a parameter that is an object",
        "FP32",
        x() | {"parameters": {"a": {}}},
        "parameter 'a' of the request must be a",
    ),
    ("a flag that is a number", "FP32", x() | {"parameters": {"binary_data_output": 1}}, "must be true or false"),
    (
        "a flag that is a string",
        "FP32",
        x() | {"outputs": [{"name": "y", "parameters": {"binary_data": "no"}}]},
        "'binary_data' must be true",
    ),
]


@pytest.mark.parametrize(
    ("datatype", "document", "words"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS]
)
def test_json_is_refused_with_the_cause(datatype: str, document: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_request(orjson.dumps(document), None, same(datatype), LIMITS)
    assert words in caught.value.message
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        pytest.param(b"", "the request is not valid JSON", id="nothing"),
        pytest.param(b"\xff{}", "the request is not valid JSON", id="not UTF-8"),
        pytest.param(b'{"inputs":[]', "the request is not valid JSON", id="cut off"),
        pytest.param(b'{"inputs":[]}x', "the request is not valid JSON", id="more behind"),
        pytest.param(b'{"id":NaN}', "the request is not valid JSON", id="NaN"),
        pytest.param(b'{"id":-Infinity}', "the request is not valid JSON", id="Infinity"),
        pytest.param(b'{"id":1e999}', "the request is not valid JSON", id="a number beyond all"),
        pytest.param(b'{"id":"\\ud800"}', "the request is not valid JSON", id="half a character"),
        pytest.param(b"[]", "the request must be a JSON object", id="an array"),
        pytest.param(b'"inputs"', "the request must be a JSON object", id="a string"),
        pytest.param(b'{"id":"a","id":"b"}', "a key twice in one object", id="a key twice"),
        pytest.param(
            b'{"inputs":[{"name":"x","name":"y"}]}', "a key twice in one object", id="a key twice in an input"
        ),
        pytest.param(b'{"a":' * 40 + b"1" + b"}" * 40, "nested deeper than 32 levels", id="40 objects deep"),
        pytest.param(b'{"a":' + b"[" * 900 + b"]" * 900 + b"}", "nested deeper than 32 levels", id="900 arrays deep"),
        pytest.param(b'{"a":' + b"[" * 9999 + b"]" * 9999 + b"}", "not valid JSON", id="9999 arrays deep"),
    ],
)
def test_broken_or_hostile_json_is_refused(raw: bytes, words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_request(raw, None, same("FP32"), LIMITS)
    assert words in caught.value.message


def binary(size: Any, blob: bytes, datatype: str = "FP32", shape: tuple[int, ...] = (1, 2)) -> tuple[bytes, int]:
    entry = {"name": "x", "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}}
    header = orjson.dumps({"inputs": [entry]})
    return header + blob, len(header)


@pytest.mark.parametrize(
    ("size", "blob", "datatype", "words"),
    [
        pytest.param(8, bytes(7), "FP32", "announces 8 bytes, but 7 remain", id="too few bytes"),
        pytest.param(8, bytes(9), "FP32", "1 bytes behind the JSON belong to no input", id="too many bytes"),
        pytest.param(4, bytes(4), "FP32", "announces 4 bytes, but shape [1, 2] needs 8", id="less than the shape"),
        pytest.param(12, bytes(12), "FP32", "announces 12 bytes, but shape [1, 2] needs 8", id="more than the shape"),
        pytest.param(-8, bytes(8), "FP32", "must be a non-negative integer", id="a negative size"),
        pytest.param("8", bytes(8), "FP32", "must be a non-negative integer", id="a size in a string"),
        pytest.param(True, bytes(8), "FP32", "must be a non-negative integer", id="a size of true"),
        pytest.param(8.0, bytes(8), "FP32", "must be a non-negative integer", id="a size of 8.0"),
        pytest.param(2, b"\x01\x02", "BOOL", "each byte must be 0 or 1", id="a boolean of 2"),
        pytest.param(4, b"\x00\0\0\0", "BYTES", "4 bytes, too few for 2 elements", id="one element of two"),
        pytest.param(9, b"\x00\0\0\0\xff\xff\xff\xffa", "BYTES", "element 1 of input 'x' leaves", id="a huge element"),
        pytest.param(9, b"\x00\0\0\0\x00\0\0\0a", "BYTES", "1 bytes behind its last element", id="a byte too many"),
        pytest.param(10, b"\x01\0\0\0\xff\x01\0\0\0a", "BYTES", "must be UTF-8", id="not UTF-8"),
        pytest.param(10, b"\x04\0\0\0\0\0\0\0\0\0", "BYTES", "element 1 of input 'x' leaves", id="half a length"),
    ],
)
def test_binary_data_are_refused_with_the_cause(size: Any, blob: bytes, datatype: str, words: str) -> None:
    body, length = binary(size, blob, datatype)
    with pytest.raises(InvalidRequest) as caught:
        decode_request(body, length, same(datatype), LIMITS)
    assert words in caught.value.message


def test_a_header_longer_than_the_body_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="is 9, but the body has only 2 bytes"):
        decode_request(b"{}", 9, same("FP32"), LIMITS)


@pytest.mark.parametrize(
    ("signature", "size", "words"),
    [
        pytest.param(same("FP32"), 9, "9 bytes do not fill input 'x' of shape [-1, 2]", id="half a row"),
        pytest.param(same("FP32", (-1, -1, -1)), 8, "too many variable dimensions", id="three variable dimensions"),
        pytest.param(same("FP32"), 8 * 1025, "has 1025 rows", id="too many rows"),
        pytest.param(
            Signature((Tensor("a", "FP32", (2,)), Tensor("b", "FP32", (2,))), ()),
            8,
            "needs a model with one input",
            id="two inputs",
        ),
        pytest.param(same("FP32", (-1, 0)), 8, "8 bytes do not fill", id="rows without elements"),
    ],
)
def test_a_raw_request_is_refused_with_the_cause(signature: Signature, size: int, words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_request(bytes(size), 0, signature, LIMITS)
    assert words in caught.value.message


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(x(data=None, parameters={"shared_memory_region": "r"}), id="shared memory"),
        pytest.param(x() | {"outputs": [{"name": "y", "parameters": {"classification": 3}}]}, id="classification"),
    ],
)
def test_extensions_that_are_not_here_are_refused_as_such(document: dict[str, Any]) -> None:
    with pytest.raises(Unsupported) as caught:
        decode_request(orjson.dumps(document), None, same("FP32"), LIMITS)
    assert caught.value.status == 501


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.none() | st.integers(0, 250))
def test_any_bytes_are_answered_or_refused_on_purpose(body: bytes, length: int | None) -> None:
    with contextlib.suppress(RequestRefused):
        decode_request(body, length, same("INT8"), LIMITS)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("datatype", sorted(DTYPES))
@QUICK
@given(data=JSON_VALUES, shape=JSON_VALUES | st.lists(st.integers(0, 3), max_size=3), parameters=JSON_VALUES)
def test_any_json_is_answered_or_refused_on_purpose(datatype: str, data: Any, shape: Any, parameters: Any) -> None:
    entry = {"name": "x", "datatype": datatype, "shape": shape, "data": data, "parameters": parameters}
    try:
        body = orjson.dumps({"inputs": [entry], "parameters": parameters})
    except TypeError:  # an integer that orjson does not write
        return
    with contextlib.suppress(RequestRefused):
        decode_request(body, None, same(datatype, ()), LIMITS)
