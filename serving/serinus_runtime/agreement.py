"""Whether two revisions answered the same request alike. Pure; used by `shadow.py`.

Both answers have the same form, since both were asked with the same bytes. Rules, for each output of the stable one:

    datatype            alike
    ──────────────────  ────────────────────────────────────────────────────────────────────
    FP16, FP32, FP64    |candidate - stable| <= absolute + relative * |stable|
    the same, no number both are none: NaN and the infinite are alike only among themselves
    everything else     equal
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from serinus_runtime.codec import EncodedAnswer
from serinus_runtime.golden import FLOATS, Tolerance
from serinus_runtime.tensors import DTYPES, Array

NO_ANSWER = (AttributeError, KeyError, TypeError, ValueError)
"""What reading a document finds that has not the form of an answer."""
_TOLERANCE = Tolerance()


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of comparing two answers."""

    agree: bool
    largest: float
    """Of the absolute differences between finite floats."""


def compare(stable: EncodedAnswer, candidate: EncodedAnswer) -> Comparison:
    """Compare the candidate's answer with the stable one's.

    Raises:
        one of NO_ANSWER: the candidate's is no answer of the protocol.

    """
    ours, theirs = _outputs(stable), _outputs(candidate)
    agree, largest = True, 0.0
    for name, (datatype, shape, mine) in ours.items():
        if name not in theirs or theirs[name][:2] != (datatype, shape):
            agree = False
        elif datatype not in FLOATS:
            agree = agree and bool(np.array_equal(mine, theirs[name][2]))
        else:
            alike, difference = _floats(mine, theirs[name][2])
            agree, largest = agree and alike, max(largest, difference)
    return Comparison(agree, largest)


def _floats(stable: Array, candidate: Array) -> tuple[bool, float]:
    """Whether all are alike, and the largest difference."""
    one, other = stable.astype(np.float64), candidate.astype(np.float64)
    finite = np.isfinite(one)
    if not np.array_equal(finite, np.isfinite(other)):
        return False, 0.0
    one, other = one[finite], other[finite]
    if not one.size:
        return True, 0.0
    with np.errstate(over="ignore"):  # of two huge numbers: infinitely far apart
        difference = np.abs(other - one)
    allowed = _TOLERANCE.absolute + _TOLERANCE.relative * np.abs(one)
    return bool((difference <= allowed).all()), float(difference.max())


def _outputs(answer: EncodedAnswer) -> dict[str, tuple[str, list[int], Array]]:
    """Datatype, shape and elements of each output."""
    end = len(answer.body) if answer.header_length is None else answer.header_length
    found: dict[str, tuple[str, list[int], Array]] = {}
    for output in orjson.loads(memoryview(answer.body)[:end])["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        if size is None:
            elements = _elements(output)
        else:
            elements, end = _binary(answer.body[end : end + size], output["datatype"]), end + size
        found[output["name"]] = (output["datatype"], output["shape"], elements)
    return found


def _elements(output: dict[str, Any]) -> Array:
    """JSON's null, which stands for what is no number, becomes NaN."""
    return np.array(output["data"], dtype=np.float64 if output["datatype"] in FLOATS else np.object_)


def _binary(data: bytes, datatype: str) -> Array:
    """Of numbers that must be equal, and of strings, the bytes tell all that is asked."""
    return np.frombuffer(data, dtype=DTYPES[datatype] if datatype in FLOATS else np.uint8)
