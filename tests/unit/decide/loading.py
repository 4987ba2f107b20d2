"""What pods say of their load, for the tests of this folder."""

from typing import Any

from serinus_api.runtime import LATENCY_BUCKETS, LoadReport
from serinus_operator.loads import LoadSample, PodLoad

NOTHING = (0,) * (len(LATENCY_BUCKETS) + 1)


def report(in_flight: int = 0, queued: int = 0, arrivals: int = 0, busy: float = 0.0, **more: Any) -> LoadReport:
    """What a pod answers."""
    fields = {"uptime_seconds": 1000.0, "latency_counts": NOTHING, **more}
    return LoadReport(
        revision="r", in_flight=in_flight, queued=queued, arrivals={"direct": arrivals}, busy_seconds=busy, **fields
    )


def sample(at: float, *reports: LoadReport | None, held: int = 0, revision: str = "r") -> LoadSample:
    """One look at pods `p0`, `p1` and so on of one revision."""
    pods = tuple(PodLoad(f"uid-p{n}", f"p{n}", revision, told) for n, told in enumerate(reports))
    return LoadSample(at, pods, held)


def latencies(**counts: int) -> tuple[int, ...]:
    """Answers by the bucket that ends at so many tenths of a millisecond: `t10=20` are 20 of up to 1 ms."""
    found = list(NOTHING)
    for name, count in counts.items():
        found[LATENCY_BUCKETS.index(int(name.removeprefix("t")) / 10_000)] = count
    return tuple(found)
