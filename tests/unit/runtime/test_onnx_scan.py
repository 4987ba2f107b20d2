"""The walk through a model's protobuf: finds external data wherever they hide, and survives anything."""

from collections.abc import Callable
from typing import Any

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto
from tests import models

from serinus_runtime.onnx_scan import NotProtobuf, external_locations


def outside(location: str) -> TensorProto:
    """A tensor whose data lie in another file."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    tensor.external_data.add(key="offset", value="0")
    return tensor


def sparse(**parts: TensorProto) -> onnx.SparseTensorProto:
    return onnx.SparseTensorProto(dims=[9], **parts)


def some(**attribute: Any) -> onnx.NodeProto:
    """A node with one attribute."""
    return onnx.NodeProto(op_type="Some", attribute=[onnx.AttributeProto(name="a", **attribute)])


def graph(*nodes: onnx.NodeProto) -> onnx.GraphProto:
    return onnx.GraphProto(name="inner", node=nodes)


PLACES: dict[str, Callable[[TensorProto], dict[str, Any]]] = {
    "initializer": lambda w: {"graph": onnx.GraphProto(initializer=[w])},
    "sparse initializer": lambda w: {"graph": onnx.GraphProto(sparse_initializer=[sparse(values=w)])},
    "sparse indices": lambda w: {"graph": onnx.GraphProto(sparse_initializer=[sparse(indices=w)])},
    "attribute": lambda w: {"graph": graph(some(t=w))},
    "list of tensors": lambda w: {"graph": graph(some(tensors=[w]))},
    "sparse attribute": lambda w: {"graph": graph(some(sparse_tensor=sparse(values=w)))},
    "list of sparse": lambda w: {"graph": graph(some(sparse_tensors=[sparse(values=w)]))},
    "branch": lambda w: {"graph": graph(some(g=graph(some(g=graph(some(t=w))))))},
    "list of graphs": lambda w: {"graph": graph(some(graphs=[graph(some(t=w))]))},
    "function": lambda w: {"functions": [onnx.FunctionProto(name="f", node=[some(t=w)])]},
    "attribute of a function": lambda w: {
        "functions": [onnx.FunctionProto(name="f", attribute_proto=[onnx.AttributeProto(name="a", t=w)])]
    },
    "training": lambda w: {"training_info": [onnx.TrainingInfoProto(initialization=graph(some(t=w)))]},
    "training step": lambda w: {"training_info": [onnx.TrainingInfoProto(algorithm=graph(some(t=w)))]},
}


def holding(place: str, tensor: TensorProto) -> bytes:
    """A model with `tensor` in that place."""
    data: bytes = onnx.ModelProto(ir_version=9, **PLACES[place](tensor)).SerializeToString()
    return data


@pytest.mark.parametrize("place", PLACES)
def test_external_data_are_found_wherever_a_tensor_can_be(place: str) -> None:
    assert external_locations(holding(place, outside("wéights.bin"))) == {"wéights.bin"}


def test_all_places_at_once_are_found() -> None:
    merged = b"".join(holding(place, outside(place)) for place in PLACES)  # protobuf merges messages end to end
    assert external_locations(merged) == set(PLACES)


def test_a_location_twice_in_one_tensor_counts_twice() -> None:
    tensor = outside("a")
    tensor.external_data.add(key="location", value="b")
    assert external_locations(holding("initializer", tensor)) == {"a", "b"}


def test_a_location_without_the_word_external_is_only_a_note() -> None:
    tensor = outside("a")
    tensor.data_location = TensorProto.DEFAULT
    assert external_locations(holding("initializer", tensor)) == set()


def test_a_model_in_one_file_has_none() -> None:
    assert external_locations(models.everything()) == set()
    assert external_locations(models.slow()) == set()


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_model_that_is_cut_is_refused_or_shows_no_more_than_it_has(cut: int) -> None:
    data = models.external("weights.bin")
    try:
        found = external_locations(data[:-cut])
    except NotProtobuf:
        return
    assert found <= {"weights.bin"}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"<!doctype html>", id="a web page"),
        pytest.param(b"\x3a\x05abc", id="a length beyond the end"),
        pytest.param(b"\xff" * 20, id="a number without end"),
        pytest.param(b"\x3b\x3c", id="groups, which are no longer in use"),
        pytest.param(b"\x02\x00", id="field number zero"),
        pytest.param(b"\x3a\x02\x0a\x7f", id="a length that leaves its message"),
        pytest.param(b"\x09\x00", id="a fixed number that is cut"),
    ],
)
def test_what_is_no_protobuf_is_refused(data: bytes) -> None:
    with pytest.raises(NotProtobuf):
        external_locations(data)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_end_with_an_answer(data: bytes) -> None:
    try:
        external_locations(data)
    except NotProtobuf:
        assert data
