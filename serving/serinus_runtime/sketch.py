"""A bounded sketch of what a model answers: one value of each answer, by bins that every revision shares. Pure.

One and no more, drawn by chance: the values of one answer depend on each other, and a distance between distributions
that took them for so many witnesses would find differences that there are not. Used by the codec, exported by
`metrics.py`, compared by the operator.

    place of the output   value                      bin of that output
    ───────────────────   ────────────────────────   ─────────────────────────────────────────────────
    0 to 3                within ± 0.001             the middle one
                          up to ± 1,000,000          eight to a decade on either side
                          beyond, or infinite        the outermost ones
                          a string                   any, but always the same
    4 and above, or NaN   –                          none
"""

import math
import random
import zlib
from collections.abc import Callable, Sequence

from serinus_api.runtime import SKETCH_BINS, SKETCH_OUTPUTS
from serinus_runtime.tensors import Array

PER_DECADE = 8
SMALLEST = 1e-3
MIDDLE = SKETCH_BINS // 2


def drawn(places: Sequence[int], arrays: Sequence[Array], draw: Callable[[], float] = random.random) -> int | None:
    """The bin of one value of an answer; `places` says which output of the model each array is."""
    if not places:
        return None
    chosen = int(draw() * len(places))
    array, place = arrays[chosen], places[chosen]
    if place >= SKETCH_OUTPUTS or not array.size:
        return None
    found = bin_of(array.item(int(draw() * array.size)))
    return None if found is None else place * SKETCH_BINS + found


def bin_of(value: float | str | bytes) -> int | None:
    """0.5 → middle + 1 + floor(8 · log10(0.5 / 0.001)) = 73 + 1 + 21 = 95."""
    if isinstance(value, str | bytes):
        return zlib.crc32(value.encode() if isinstance(value, str) else value) % SKETCH_BINS
    if math.isnan(value):
        return None
    size = abs(value)
    if size < SMALLEST:
        return MIDDLE
    steps = math.floor(PER_DECADE * (math.log10(size) - math.log10(SMALLEST))) if math.isfinite(size) else MIDDLE
    away = 1 + min(steps, MIDDLE - 1)
    return MIDDLE + away if value > 0 else MIDDLE - away
