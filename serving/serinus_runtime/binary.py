"""The binary tensor extension: raw little-endian elements, row-major, behind the JSON. Pure; used by `codec.py`."""

import math
import sys
from typing import Any

import numpy as np

from serinus_runtime.errors import InvalidRequest
from serinus_runtime.tensors import BYTES, Array, Tensor

_LENGTH = 4
"""Each element of BYTES is led by its length in this many bytes."""

if sys.byteorder != "little":
    msg = "the binary tensor extension is little-endian, as every platform of ONNX Runtime is"
    raise ImportError(msg)


class Blobs:
    """The bytes behind the JSON part of a body, taken tensor by tensor in the order of `inputs`."""

    def __init__(self, body: bytes, start: int) -> None:
        self._body = body
        self._at = start

    def take(self, tensor: Tensor, shape: tuple[int, ...], size: Any) -> Array:
        """The next `size` bytes as an array; the elements are not copied when they lie aligned.

        Raises:
            InvalidRequest: `size` is not what the shape needs, or more than there is.

        """
        name = tensor.name
        if type(size) is not int or size < 0:
            raise InvalidRequest(f"binary_data_size of input {name!r} must be a non-negative integer")
        if self._at + size > len(self._body):
            raise InvalidRequest(f"input {name!r} announces {size} bytes, but {len(self._body) - self._at} remain")
        start, self._at = self._at, self._at + size
        count = math.prod(shape)
        if tensor.datatype == BYTES:
            return _strings(name, memoryview(self._body)[start : self._at], count).reshape(shape)
        if size != count * tensor.dtype.itemsize:
            needed = count * tensor.dtype.itemsize
            raise InvalidRequest(f"input {name!r} announces {size} bytes, but shape {list(shape)} needs {needed}")
        return _fixed(tensor, self._body, start, count).reshape(shape)

    def check_all_taken(self) -> None:
        """Refuse bytes that belong to no input."""
        if self._at != len(self._body):
            raise InvalidRequest(f"{len(self._body) - self._at} bytes behind the JSON belong to no input")


def raw_shape(tensor: Tensor, size: int) -> tuple[int, ...]:
    """The shape of a raw request of `size` bytes.

    One variable dimension follows from the size; with more, the first is a batch of 1. BYTES are one element.
    `[-1, 4]` FP32 with 48 bytes is `(3, 4)`; `[-1, -1, 2]` FP32 with 48 bytes is `(1, 6, 2)`.
    """
    if tensor.datatype == BYTES:
        return (1,) * max(1, len(tensor.shape))
    shape = list(tensor.shape)
    if shape.count(-1) > 1 and shape[0] < 0:
        shape[0] = 1
    if shape.count(-1) > 1:
        raise InvalidRequest(f"input {tensor.name!r} has too many variable dimensions for a raw request")
    if -1 in shape:
        row = math.prod(dim for dim in shape if dim >= 0) * tensor.dtype.itemsize
        shape[shape.index(-1)] = size // row if row else 0
    if math.prod(shape) * tensor.dtype.itemsize != size:
        raise InvalidRequest(f"{size} bytes do not fill input {tensor.name!r} of shape {list(tensor.shape)}")
    return tuple(shape)


def raw_array(tensor: Tensor, shape: tuple[int, ...], body: bytes) -> Array:
    """The whole body as one tensor."""
    if tensor.datatype == BYTES:
        return np.array([_text(tensor.name, body)], dtype=np.object_).reshape(shape)
    return _fixed(tensor, body, 0, math.prod(shape)).reshape(shape)


def pack(array: Array, datatype: str) -> bytes:
    """An output in the extension's bytes."""
    if datatype != BYTES:
        return array.tobytes()
    pieces: list[bytes] = []
    for element in array.ravel().tolist():
        data = element.encode()
        pieces += (len(data).to_bytes(_LENGTH, "little"), data)
    return b"".join(pieces)


def _fixed(tensor: Tensor, body: bytes, start: int, count: int) -> Array:
    if not count:
        return np.empty(0, dtype=tensor.dtype)
    if tensor.datatype == "BOOL":
        octets = np.frombuffer(body, dtype=np.uint8, count=count, offset=start)
        if (octets > 1).any():
            raise InvalidRequest(f"input {tensor.name!r} is BOOL: each byte must be 0 or 1")
        return octets.view(np.bool_)
    array = np.frombuffer(body, dtype=tensor.dtype, count=count, offset=start)
    return array if array.flags.aligned else array.copy()


def _strings(name: str, data: memoryview, count: int) -> Array:
    """`count` elements, each a 4-byte length and that many bytes of UTF-8."""
    if count * _LENGTH > len(data):
        raise InvalidRequest(f"input {name!r} has {len(data)} bytes, too few for {count} elements")
    elements = np.empty(count, dtype=np.object_)
    at = 0
    for index in range(count):
        length = int.from_bytes(data[at : at + _LENGTH], "little")
        at += _LENGTH
        if at + length > len(data):
            raise InvalidRequest(f"element {index} of input {name!r} leaves its binary data")
        elements[index] = _text(name, data[at : at + length])
        at += length
    if at != len(data):
        raise InvalidRequest(f"input {name!r} has {len(data) - at} bytes behind its last element")
    return elements


def _text(name: str, data: bytes | memoryview) -> str:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"input {name!r} is BYTES for a string tensor and must be UTF-8") from error
