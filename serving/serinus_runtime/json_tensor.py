"""The `data` of one JSON tensor → a numpy array, exact or refused. Pure; used by `codec.py`."""

import math
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from serinus_runtime.errors import InvalidRequest
from serinus_runtime.tensors import BYTES, Array, Tensor


class _Kind(NamedTuple):
    """What JSON may hold for a datatype."""

    types: frozenset[type]
    words: str
    low: float = 0
    high: float = 0
    """0: no numbers."""


def _integers(low: int, high: int) -> _Kind:
    return _Kind(frozenset({int}), "integers", low, high)


def _floats(beyond: float) -> _Kind:
    """Numbers that round to a finite one: `beyond` is the first that does not."""
    largest = math.nextafter(beyond, 0)
    return _Kind(frozenset({float, int}), "numbers", -largest, largest)


_KINDS = {
    "BOOL": _Kind(frozenset({bool}), "true or false"),
    BYTES: _Kind(frozenset({str}), "strings"),
    "UINT8": _integers(0, 2**8 - 1),
    "UINT16": _integers(0, 2**16 - 1),
    "UINT32": _integers(0, 2**32 - 1),
    "UINT64": _integers(0, 2**64 - 1),
    "INT8": _integers(-(2**7), 2**7 - 1),
    "INT16": _integers(-(2**15), 2**15 - 1),
    "INT32": _integers(-(2**31), 2**31 - 1),
    "INT64": _integers(-(2**63), 2**63 - 1),
    "FP16": _floats(65520.0),
    "FP32": _floats(2.0**128 - 2.0**103),
    "FP64": _floats(math.inf),
}
_MANY = 256
"""From here on numpy finds type and range of the elements faster than Python does."""


def json_array(tensor: Tensor, shape: tuple[int, ...], data: Any, *, has_bools: bool) -> Array:
    """The array of `shape` (checked already) in row-major `data`, nested or flat.

    Args:
        tensor: Name and datatype.
        shape: Full shape.
        data: What orjson made of it.
        has_bools: Whether a boolean may be among numbers, which numpy would take as 0 or 1.

    Raises:
        InvalidRequest: another number of elements, a wrong JSON type, or a number that the datatype cannot hold.

    """
    flat = _flat(tensor.name, shape, data)
    kind = _KINDS[tensor.datatype]
    if len(flat) >= _MANY and not has_bools and kind.high:
        found = _discovered(flat, kind)
        if found is not None:
            if found.min() < kind.low or found.max() > kind.high:
                raise _beyond(tensor)
            return found.astype(tensor.dtype, copy=False).reshape(shape)
    if not kind.types.issuperset(map(type, flat)):
        raise InvalidRequest(f"input {tensor.name!r} is {tensor.datatype}: its data must be {kind.words}")
    if kind.high and flat and (min(flat) < kind.low or max(flat) > kind.high):
        raise _beyond(tensor)
    return np.array(flat, dtype=tensor.dtype).reshape(shape)


def _flat(name: str, shape: tuple[int, ...], data: Any) -> list[Any]:
    """The elements in order; nested lists must have exactly the lengths of `shape`."""
    if type(data) is not list:
        raise InvalidRequest(f"the data of input {name!r} must be an array")
    elements: list[Any] = data
    if data and type(data[0]) is list:
        elements = [data]
        for dim in shape or (-1,):
            if set(map(type, elements)) - {list} or set(map(len, elements)) - {dim}:
                raise InvalidRequest(f"the nested data of input {name!r} do not have shape {list(shape)}")
            elements = list(chain.from_iterable(elements))
    count = math.prod(shape)
    if len(elements) != count:
        raise InvalidRequest(f"input {name!r} has {len(elements)} elements, but shape {list(shape)} needs {count}")
    return elements


def _discovered(flat: list[Any], kind: _Kind) -> Array | None:
    """The row of numbers that numpy makes of the elements by itself; None when that is not what is wanted."""
    try:
        array = np.array(flat)
    except (ValueError, OverflowError):
        return None
    wanted = "iu" if float not in kind.types else "fiu"
    return array if array.ndim == 1 and array.dtype.kind in wanted else None


def _beyond(tensor: Tensor) -> InvalidRequest:
    return InvalidRequest(f"input {tensor.name!r} has a number that {tensor.datatype} cannot hold")
