"""What can be said of a share, a percentile or a distribution after so many requests. Called by `analysis`. Pure.

Everything is an interval at a confidence, written by hand because the operator's image carries no numerics; the tests
hold it against scipy. An interval says what chance leaves open: a bound is broken only when the interval lies wholly
beyond it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import NormalDist

NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate, and the ends between which the truth lies at the confidence that was asked."""

    low: float
    value: float
    high: float

    def __str__(self) -> str:
        """`48 (31 to 72)`."""
        return f"{number(self.value)} ({number(self.low)} to {number(self.high)})"


def number(value: float) -> str:
    """In words for a reader: three digits are enough, and a thousand is no power of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def deviations(confidence_percent: float) -> float:
    """Standard deviations on either side of the mean that hold so much of a normal distribution: 95 gives 1.96."""
    return NORMAL.inv_cdf(0.5 + confidence_percent / 200)


def share(hits: int, total: int, z: float) -> Interval:
    """Wilson's score interval of a share, corrected for continuity; everything is possible after no request.

    n·p ∓ ½ in place of n·p in (p + z²/2n ∓ z·√(p(1-p)/n + z²/4n²)) / (1 + z²/n). Without the correction a single error
    among a hundred requests would count as sure excess over a service that has none.

    5 of 100 at 95 %: 0.0186 … 0.1183. 0 of 100: 0 … 0.0461.
    """
    if total == 0:
        return Interval(0.0, 0.0, 1.0)
    p, square = hits / total, z * z
    miss, scale = 1 - p, 2 * (total + square)
    below = square - 2 - 1 / total + 4 * p * (total * miss + 1)
    above = square + 2 - 1 / total + 4 * p * (total * miss - 1)
    low = 0.0 if hits == 0 else (2 * hits + square - 1 - z * math.sqrt(below)) / scale
    high = 1.0 if hits == total else (2 * hits + square + 1 + z * math.sqrt(above)) / scale
    return Interval(max(0.0, low), p, min(1.0, high))


def excess(ours: Interval, theirs: Interval, factor: float) -> float:
    """The least by which `ours` exceeds `factor` times `theirs`, both independent; above 0 it exceeds it surely.

    The ends of the two intervals are combined as in Newcombe's eleventh method (factor 1), extended to multiples:

    (a - f·b) - √((a - a_low)² + f²·(b_high - b)²)

    56 of 70 against 48 of 80 at 95 %: 0.2 apart, by at least 0.0428.
    """
    apart = ours.value - factor * theirs.value
    return apart - math.hypot(ours.value - ours.low, factor * (theirs.high - theirs.value))


def percentile(counts: Sequence[int], bounds: Sequence[float], rank: float, z: float) -> Interval:
    """A percentile of a histogram, in the unit of `bounds`; `counts` has one more entry, for what lies beyond them.

    Both ends are bucket bounds: the low one is the highest bound below which surely less than `rank` of all lies, the
    high one the lowest bound below which surely at least so much lies (infinite when no bound is known to be high
    enough). Nothing is assumed of how requests lie inside a bucket. Only the value, which is for reading, is
    interpolated.
    """
    total = sum(counts)
    if total == 0:
        return Interval(0.0, 0.0, math.inf)
    below = list(accumulate(counts))
    shares = [share(count, total, z) for count in below[: len(bounds)]]
    low = max((bound for bound, seen in zip(bounds, shares, strict=True) if seen.high < rank), default=0.0)
    high = min((bound for bound, seen in zip(bounds, shares, strict=True) if seen.low >= rank), default=math.inf)
    return Interval(low, _interpolated(counts, below, bounds, rank), high)


def _interpolated(counts: Sequence[int], below: Sequence[int], bounds: Sequence[float], rank: float) -> float:
    wanted = rank * below[-1]
    for place, bound in enumerate(bounds):
        if below[place] >= wanted:
            lower = bounds[place - 1] if place else 0.0
            inside = wanted - (below[place] - counts[place])
            return lower + (bound - lower) * (inside / counts[place] if counts[place] else 1.0)
    return bounds[-1]


def distance(ours: Sequence[int], theirs: Sequence[int], confidence_percent: float) -> Interval:
    """Kolmogorov's distance of two distributions over the same ordered bins: 0 alike, 1 without anything in common.

    The interval is that of Dvoretzky, Kiefer and Wolfowitz (with Massart's constant) for each of the two, each at half
    of what may be wrong: it holds for every distribution and every number of bins.
    """
    n, m = sum(ours), sum(theirs)
    if n == 0 or m == 0:
        return Interval(0.0, 0.0, 1.0)
    pairs = zip(accumulate(ours), accumulate(theirs), strict=True)
    apart = max((abs(a / n - b / m) for a, b in pairs), default=0.0)
    wrong = (1 - confidence_percent / 100) / 2
    slack = sum(math.sqrt(math.log(2 / wrong) / (2 * size)) for size in (n, m))
    return Interval(max(0.0, apart - slack), apart, min(1.0, apart + slack))
