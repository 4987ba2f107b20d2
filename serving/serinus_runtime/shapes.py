"""Is a shape what the model takes? Pure; Python integers only, so that nothing overflows and nothing is allocated."""

from typing import Any

from serinus_api.runtime import RuntimeLimits
from serinus_runtime.errors import InvalidRequest
from serinus_runtime.tensors import Tensor

MAX_ELEMENTS = 2**31


def check_shape(tensor: Tensor, shape: Any, limits: RuntimeLimits) -> tuple[int, ...]:
    """`shape` as a tuple, checked against the model's and the limits; a model shape of `()` takes any rank.

    Raises:
        InvalidRequest: not a list of non-negative integers, another rank, another fixed dimension, too many rows.

    """
    if type(shape) is not list:
        raise _malformed(tensor)
    elements = 1
    for dim in shape:
        if type(dim) is not int or dim < 0:
            raise _malformed(tensor)
        elements *= dim or 1
    if len(shape) > limits.max_rank:
        msg = f"input {tensor.name!r} has {len(shape)} dimensions; at most {limits.max_rank} are taken"
        raise InvalidRequest(msg)
    if elements > MAX_ELEMENTS:
        raise InvalidRequest(f"input {tensor.name!r} has more than {MAX_ELEMENTS} elements")
    found = tuple(shape)
    if tensor.shape:
        _compare(tensor, found, limits)
    return found


def _compare(tensor: Tensor, found: tuple[int, ...], limits: RuntimeLimits) -> None:
    wanted = tensor.shape
    fits = len(found) == len(wanted)
    for want, dim in zip(wanted, found, strict=False):
        fits = fits and want in (-1, dim)
    if not fits:
        msg = f"input {tensor.name!r} has shape {list(wanted)}, not {list(found)} (-1: any size)"
        raise InvalidRequest(msg)
    if wanted[0] < 0 and found[0] > limits.max_batch_rows:
        msg = f"input {tensor.name!r} has {found[0]} rows; at most {limits.max_batch_rows} are taken at once"
        raise InvalidRequest(msg)


def _malformed(tensor: Tensor) -> InvalidRequest:
    return InvalidRequest(f"the shape of input {tensor.name!r} must be an array of non-negative integers")
