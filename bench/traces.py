"""Made-up traffic for the canary simulation: what each request would meet at either revision. Seeded, vectorised.

One trace holds, for every request, where it would be sent at which weight and what both revisions would do with it. So
two ways of deciding meet the very same requests, and differ only in what they make of them.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from serinus_api.runtime import LATENCY_BUCKETS

TICK_SECONDS = 5
BINS = len(LATENCY_BUCKETS) + 1
SIGMA = 0.5
"""Of the logarithm of the latency: the slowest of twenty takes 2.3 times as long as the median."""
USUAL_ERRORS = 0.001


@dataclass(frozen=True)
class Candidate:
    """How the new revision differs from the stable one."""

    name: str
    errors: float = USUAL_ERRORS
    slower: float = 1.0

    @property
    def bad(self) -> bool:
        """Whether it should be refused."""
        return self.errors > USUAL_ERRORS or self.slower > 1.2


@dataclass(frozen=True)
class Trace:
    """Requests in the order of their ticks; the stable revision's outcome in row 0, the candidate's in row 1."""

    ticks: npt.NDArray[np.int64]
    """Index of the first request of each tick, and of the end."""
    lot: npt.NDArray[np.float64]
    """Below the weight, the request goes to the candidate."""
    failed: npt.NDArray[np.bool_]
    place: npt.NDArray[np.int64]
    """Latency bucket."""
    usual_p95: float
    """Seconds: what stable's P95 is known to be."""


@dataclass(frozen=True)
class Served:
    """What one revision did in one tick."""

    answers: int
    errors: int
    latency: npt.NDArray[np.int64]


def make(candidate: Candidate, rate: float, seconds: int, random: np.random.Generator) -> Trace:
    """A trace of so many seconds; the median latency lies anywhere between 10 and 100 ms."""
    counts = random.poisson(rate * TICK_SECONDS, seconds // TICK_SECONDS)
    total = int(counts.sum())
    median = 0.01 * 10 ** random.random()
    latency = random.lognormal(np.log(median), SIGMA, (2, total))
    latency[1] *= candidate.slower
    odds = np.array([[USUAL_ERRORS], [candidate.errors]])
    return Trace(
        ticks=np.concatenate([[0], np.cumsum(counts)]),
        lot=random.random(total),
        failed=random.random((2, total)) < odds,
        place=np.searchsorted(LATENCY_BUCKETS, latency, side="left"),
        usual_p95=median * float(np.exp(1.6448536 * SIGMA)),
    )


def served(trace: Trace, tick: int, weight: int) -> tuple[Served, Served]:
    """What stable and candidate did in a tick in which the candidate had the weight."""
    part = slice(int(trace.ticks[tick]), int(trace.ticks[tick + 1]))
    ours = trace.lot[part] < weight / 100
    return _served(trace, part, 0, ~ours), _served(trace, part, 1, ours)


def _served(trace: Trace, part: slice, row: int, chosen: npt.NDArray[np.bool_]) -> Served:
    failed = trace.failed[row, part][chosen]
    latency = np.bincount(trace.place[row, part][chosen][~failed], minlength=BINS)
    return Served(int(chosen.sum()), int(failed.sum()), latency)
