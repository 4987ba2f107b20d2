"""How much is asked of a revision, from what its pods say of themselves. Pure; called by `scaling.py`.

Each look at the pods becomes a `Point`; the points of a window are averaged. A pod's counters tell what happened
between two looks, its gauges only what is so now: a model that answers in a millisecond is hardly ever seen at work, so

    concurrency = max(mean of (in flight + queued + held by gateways), busy time / time)

    two pods, 1.5 and 0.5 s busy in the last second, nothing in flight at the moment → 2.0

Counters that went back, or are younger than the last look, are those of a new process and count from zero. A pod that
does not answer is taken to bear what it bore when it last did; one that never did adds nothing, and `silent` says so.
So does one that answers what cannot be: pods run what their users brought, and no figure of theirs is trusted.
"""

import math
from collections.abc import Iterable, Sequence

from serinus_api.runtime import LATENCY_BUCKETS, LoadReport
from serinus_operator.loads import Demand, History, LoadSample, PodPast, Point

TICK_SECONDS = 2.0
"""The pods of a model that is awake are asked this often."""
STALE_SECONDS = 10.0
"""The last answers are good for this long."""
SHORTEST_SECONDS = TICK_SECONDS / 2
"""Between two answers of a pod lies at least this: a clock of its own that hardly moves makes no endless rate."""
MOST = 1e15
"""No figure of a pod is larger; what is can overflow."""


def is_sane(report: LoadReport) -> bool:
    """Whether all numbers can be true: not below zero, and finite."""
    numbers: list[float] = [report.in_flight, report.queued, report.busy_seconds, *report.arrivals.values()]
    numbers += [n for n in (report.uptime_seconds, report.cpu_seconds) if n is not None]
    numbers += report.latency_counts or ()
    buckets = report.latency_counts is None or len(report.latency_counts) == len(LATENCY_BUCKETS) + 1
    return buckets and all(0 <= number <= MOST for number in numbers)


def fold(history: History, sample: LoadSample, revision: str, keep_seconds: float) -> History:
    """The history with one more look at the revision's pods; the same when the sample is known already."""
    if history.at is not None and sample.at <= history.at:
        return history
    mine = [pod for pod in sample.pods if pod.revision == revision]
    pods: dict[str, PodPast] = {}
    answered = 0
    for pod in mine:
        before = history.pods.get(pod.uid)
        if pod.report is not None and is_sane(pod.report):
            pods[pod.uid] = _past(before, pod.report, sample.at, history.at)
            answered += 1
        elif before is not None and sample.at - before.at <= keep_seconds:
            pods[pod.uid] = before
    points = tuple(point for point in history.points if point.at > sample.at - keep_seconds)
    if answered:
        points = (*points, _point(sample, pods, silent=len(mine) - answered))
    return History(sample.at, pods, points)


def demand(history: History, now: float, seconds: float, *, rated: bool = False) -> Demand | None:
    """The averages over the last `seconds`, at least over the last look; None where nothing is known any more.

    `rated`: only over looks at which the arrivals of all pods were known, so that both speak of the same requests.
    """
    if not history.points or now - history.points[-1].at > STALE_SECONDS:
        return None
    begin = history.points[-1].at - max(seconds, TICK_SECONDS)
    points = [point for point in history.points if point.at > begin and (point.rated or not rated)]
    if not points:
        return None
    cores = [point.cores for point in points if point.cores is not None]
    return Demand(
        concurrency=max(_mean(p.waiting for p in points), _mean(p.busy for p in points)),
        arrivals=_mean(p.arrivals for p in points),
        cores=_mean(cores) if cores else None,
        p95_seconds=percentile([p.answers for p in points if p.answers is not None], 0.95),
        requests=sum(p.arrivals for p in points) * TICK_SECONDS,
        matched=_mean(p.matched for p in points),
        copied=_mean(p.copied for p in points),
    )


def percentile(counts: Sequence[Sequence[int]], share: float) -> float | None:
    """The time that `share` of the requests did not exceed, linear within a bucket; None without a request.

    20 requests in the bucket that ends at 1 ms and begins at 0.75 ms: 95 of 100 took up to 0.75 + 0.95 · 0.25 ms.
    """
    totals: list[int] = [sum(column) for column in zip(*counts, strict=True)]
    wanted, below = share * sum(totals), 0
    if not wanted:
        return None
    for number, count in enumerate(totals):
        if below + count >= wanted:
            low = LATENCY_BUCKETS[number - 1] if number else 0.0
            high = LATENCY_BUCKETS[min(number, len(LATENCY_BUCKETS) - 1)]
            part: float = (wanted - below) / count
            return low + (high - low) * part
        below += count
    return LATENCY_BUCKETS[-1]


def _past(before: PodPast | None, report: LoadReport, at: float, looked_at: float | None) -> PodPast:
    """What a pod bore since it was last seen; only what it says of this moment when that is not known."""
    last = before.report if before else None
    uptime = report.uptime_seconds
    since = at - (before.at if before else looked_at if looked_at is not None else math.inf)
    young = uptime is not None and math.isfinite(since) and uptime < since
    if young or (last is not None and report.busy_seconds < last.busy_seconds):
        last = None
        seconds = min(uptime, since) if uptime is not None else since
    elif last is not None and uptime is not None and last.uptime_seconds is not None:
        seconds = uptime - last.uptime_seconds  # by the pod's own clock: its answer may have taken a while
    else:
        seconds = since
    if not math.isfinite(seconds) or seconds <= 0 or (last is None and before is None and not young):
        return PodPast(at, report, rated=False)
    seconds = max(seconds, SHORTEST_SECONDS)
    cores = None
    if report.cpu_seconds is not None:
        cores = max(0.0, report.cpu_seconds - ((last.cpu_seconds or 0.0) if last else 0.0)) / seconds
    return PodPast(
        at=at,
        report=report,
        busy=(report.busy_seconds - (last.busy_seconds if last else 0.0)) / seconds,
        arrivals=max(0, _received(report) - (_received(last) if last else 0)) / seconds,
        cores=cores,
        matched=_arrived(report, last, "match") / seconds,
        copied=_arrived(report, last, "shadow") / seconds,
        answers=_since(last.latency_counts if last else None, report.latency_counts),
    )


def _arrived(report: LoadReport, last: LoadReport | None, via: str) -> int:
    return max(0, report.arrivals.get(via, 0) - (last.arrivals.get(via, 0) if last else 0))


def _received(report: LoadReport) -> int:
    return sum(report.arrivals.values())


def _since(before: Sequence[int] | None, after: Sequence[int] | None) -> tuple[int, ...] | None:
    if after is None:
        return None
    if before is None:
        return tuple(after)
    return tuple(max(0, b - a) for a, b in zip(before, after, strict=True))


def _point(sample: LoadSample, pods: dict[str, PodPast], *, silent: int) -> Point:
    cores = [past.cores for past in pods.values() if past.cores is not None]
    fresh = [past.answers for past in pods.values() if past.answers is not None and past.at == sample.at]
    return Point(
        at=sample.at,
        waiting=sum(past.report.in_flight + past.report.queued for past in pods.values()) + sample.held,
        busy=sum(past.busy for past in pods.values()),
        arrivals=sum(past.arrivals for past in pods.values()),
        cores=sum(cores) if cores else None,
        answers=tuple(map(sum, zip(*fresh, strict=True))) if fresh else None,
        silent=silent,
        matched=sum(past.matched for past in pods.values()),
        copied=sum(past.copied for past in pods.values()),
        rated=all(past.rated for past in pods.values()),
    )


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)
