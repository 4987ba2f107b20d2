"""The `data` of one JSON tensor → a numpy array, exact or refused. Pure; used by `codec.py`."""

import math
from itertools import chain
from typing import Any

import numpy as np

from serinus_runtime.errors import InvalidRequest
from serinus_runtime.tensors import Array, Tensor


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
    kind = tensor.dtype.kind
    if kind == "O":
        _require(tensor, flat, {str}, "strings")
        array: Array = np.empty(len(flat), dtype=np.object_)
        array[:] = flat
    elif kind == "b":
        _require(tensor, flat, {bool}, "true or false")
        array = np.array(flat, dtype=np.bool_)
    elif kind == "f":
        array = _floats(tensor, flat, has_bools=has_bools)
    else:
        array = _integers(tensor, flat, has_bools=has_bools)
    return array.reshape(shape)


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


def _require(tensor: Tensor, flat: list[Any], types: set[type], words: str) -> None:
    if not set(map(type, flat)) <= types:
        raise InvalidRequest(f"input {tensor.name!r} is {tensor.datatype}: its data must be {words}")


def _floats(tensor: Tensor, flat: list[Any], *, has_bools: bool) -> Array:
    found = _discover(flat)
    if has_bools or found is None or found.dtype.kind not in "fiu":
        _require(tensor, flat, {float, int}, "numbers")
    if found is None:
        raise _beyond(tensor)
    with np.errstate(over="ignore"):
        array = found.astype(tensor.dtype)
    if not np.isfinite(array).all():
        raise _beyond(tensor)
    return array


def _integers(tensor: Tensor, flat: list[Any], *, has_bools: bool) -> Array:
    found = _discover(flat)
    if has_bools or found is None or found.dtype.kind not in "iu":
        _require(tensor, flat, {int}, "integers")
        try:
            return np.array(flat, dtype=tensor.dtype)
        except OverflowError as error:
            raise _beyond(tensor) from error
    info = np.iinfo(tensor.dtype.name)
    if int(found.min()) < info.min or int(found.max()) > info.max:
        raise _beyond(tensor)
    return found.astype(tensor.dtype, copy=False)


def _discover(flat: list[Any]) -> Array | None:
    """The row of numbers that numpy makes of the elements by itself; None when it finds something else."""
    try:
        array = np.array(flat)
    except (ValueError, OverflowError):
        return None
    return array if array.ndim == 1 else None


def _beyond(tensor: Tensor) -> InvalidRequest:
    return InvalidRequest(f"input {tensor.name!r} has a number that {tensor.datatype} cannot hold")
