"""Which files beside itself an ONNX model refers to, read from its protobuf encoding without loading it.

Called by `model_store.py` on the local copy. Reading the model with the `onnx` package would hold all weights in memory
a second time; this walks tags and lengths and looks at nothing else. It follows every message that can hold a tensor:

    ModelProto     7 graph, 20 training_info, 25 functions
    GraphProto     1 node, 5 initializer, 15 sparse_initializer
    NodeProto      5 attribute
    AttributeProto 5 t, 6 g, 10 tensors, 11 graphs, 22 sparse_tensor, 23 sparse_tensors
    SparseTensor   1 values, 2 indices
    FunctionProto  7 node, 11 attribute_proto
    TrainingInfo   1 initialization, 2 algorithm
    TensorProto    13 external_data (key 1, value 2), 14 data_location (1: external)
"""

import mmap
from collections.abc import Iterator
from typing import TypeAlias

Data: TypeAlias = bytes | mmap.mmap

MARK = b"location"
"""A model without these bytes anywhere cannot name an external file, so it need not be walked."""

_TENSOR = "tensor"
_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "graph": {1: "node", 5: _TENSOR, 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: _TENSOR, 6: "graph", 10: _TENSOR, 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: _TENSOR, 2: _TENSOR},
    "function": {7: "node", 11: "attribute"},
    "training": {1: "graph", 2: "graph"},
}
_EXTERNAL_DATA, _DATA_LOCATION, _EXTERNAL = 13, 14, 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10


class NotProtobuf(ValueError):  # noqa: N818 - says what it found
    """The bytes are no protobuf message: cut off, or something else altogether."""


def external_locations(data: Data) -> set[str]:
    """Every `location` that a tensor of the model gives for data outside of the file.

    Raises:
        NotProtobuf: a length leaves its message, or a tag is none; ONNX Runtime would refuse it too.

    """
    found: set[str] = set()
    todo = [("model", 0, len(data))]
    while todo:
        kind, start, end = todo.pop()
        if kind == _TENSOR:
            found |= _tensor_locations(data, start, end)
            continue
        children = _CHILDREN[kind]
        for number, wire, begin, stop in _fields(data, start, end):
            child = children.get(number)
            if child is not None and wire == _BYTES:
                todo.append((child, begin, stop))
    return found


def _tensor_locations(data: Data, start: int, end: int) -> set[str]:
    locations: set[str] = set()
    external = False
    for number, wire, begin, stop in _fields(data, start, end):
        if number == _EXTERNAL_DATA and wire == _BYTES:
            entry = {field: data[b:s] for field, kind, b, s in _fields(data, begin, stop) if kind == _BYTES}
            if entry.get(1) == MARK:
                locations.add(entry.get(2, b"").decode("utf-8", "surrogateescape"))
        elif number == _DATA_LOCATION and wire == _VARINT:
            external = _varint(data, begin, end)[0] == _EXTERNAL
    return locations if external else set()


def _fields(data: Data, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """`(field number, wire type, begin, end)` of the value of each field between `start` and `end`."""
    at = start
    while at < end:
        tag, at = _varint(data, at, end)
        wire = tag & 7
        if wire == _BYTES:
            length, at = _varint(data, at, end)
            stop = at + length
        elif wire == _VARINT:
            stop = _varint(data, at, end)[1]
        elif wire == _FIXED64:
            stop = at + 8
        elif wire == _FIXED32:
            stop = at + 4
        else:
            msg = f"wire type {wire} at byte {at}"
            raise NotProtobuf(msg)
        if stop > end or tag < 8:
            msg = f"the field at byte {at} leaves its message"
            raise NotProtobuf(msg)
        yield tag >> 3, wire, at, stop
        at = stop


def _varint(data: Data, at: int, end: int) -> tuple[int, int]:
    """The number at `at`, and where it ends."""
    number = shift = 0
    for here in range(at, min(end, at + _MAX_VARINT_BYTES)):
        byte = data[here]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, here + 1
        shift += 7
    msg = f"no number at byte {at}"
    raise NotProtobuf(msg)
