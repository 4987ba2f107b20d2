"""Is a shape what the model takes? Pure; Python integers only, so that nothing overflows and nothing is allocated."""

import math
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
    name = tensor.name
    if not isinstance(shape, list) or any(type(dim) is not int or dim < 0 for dim in shape):
        raise InvalidRequest(f"the shape of input {name!r} must be an array of non-negative integers")
    if len(shape) > limits.max_rank:
        raise InvalidRequest(f"input {name!r} has {len(shape)} dimensions; at most {limits.max_rank} are taken")
    if math.prod(max(dim, 1) for dim in shape) > MAX_ELEMENTS:
        raise InvalidRequest(f"input {name!r} has more than {MAX_ELEMENTS} elements")
    wanted = tensor.shape
    if not wanted:
        return tuple(shape)
    if len(shape) != len(wanted) or any(w not in (-1, dim) for w, dim in zip(wanted, shape, strict=True)):
        raise InvalidRequest(f"input {name!r} has shape {list(wanted)}, not {shape} (-1: any size)")
    if wanted[0] < 0 and shape[0] > limits.max_batch_rows:
        raise InvalidRequest(f"input {name!r} has {shape[0]} rows; at most {limits.max_batch_rows} are taken at once")
    return tuple(shape)
