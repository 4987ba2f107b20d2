"""What each metric of `spec.scaling` asks for, and in which words. Pure; called by `scaling.py`.

metric                    a pod bears                                        asks for
────────────────────────  ─────────────────────────────────────────────────  ─────────────────────────
Concurrency               min(target, maxConcurrency) · utilization          ceil(concurrency / that)
RequestsPerSecond         target · utilization                               ceil(arrivals / that)
CPUUtilization            target percent of its CPU request                  ceil(processors / that)
LatencyP95Milliseconds    95 of 100 requests within the target               see `_latency`

concurrency 18.2, target 4 at a utilization of 100 %: 5 pods; at 70 % a pod bears 2.8: 7 pods
"""

import math
from dataclasses import dataclass
from typing import Final

from serinus_api.v1alpha1 import ModelDeploymentSpec, ScalingMetric, ScalingSpec
from serinus_operator.decide.demand import TICK_SECONDS, demand
from serinus_operator.decide.replicas import PANIC_SHARE, Ask, pods_for
from serinus_operator.loads import Demand, History
from serinus_operator.quantity import amount

CONCURRENCY: Final = "Concurrency"
RELAXED: Final = 0.5
"""Below this share of the target the latency metric gives a pod back."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What one metric asks for."""

    metric: str
    pods: Ask
    words: str
    """`concurrency 18.2 over target 4 in the last 60 s`."""
    short_words: str
    """The same of the short window."""


@dataclass(frozen=True, slots=True)
class Windows:
    """The demand, averaged over both windows."""

    stable: Demand
    short: Demand


def windows(scaling: ScalingSpec, history: History, now: float) -> Windows | None:
    """What a history tells of both windows; None where nothing is known any more."""
    stable = demand(history, now, scaling.stable_window_seconds)
    short = demand(history, now, PANIC_SHARE * scaling.stable_window_seconds)
    return Windows(stable, short) if stable and short else None


def asks(
    spec: ModelDeploymentSpec, seen: Windows | None, ready: int, settled_seconds: float
) -> tuple[tuple[Wish, ...], tuple[str, ...]]:
    """The wishes, and the metrics of which nothing is known; no wishes where no demand is known at all.

    `settled_seconds`: for how long the size has been as it is.
    """
    scaling = spec.scaling
    assert scaling is not None
    if seen is None or not ready:
        return (), ()
    stable, short = seen.stable, seen.short
    wishes: list[Wish] = []
    unknown = []
    for metric in scaling.metrics or (ScalingMetric(type=CONCURRENCY, target=spec.runtime.max_concurrency),):
        if metric.type == "LatencyP95Milliseconds":
            settled = settled_seconds >= scaling.stable_window_seconds
            wishes.append(_latency(metric.target, scaling, stable, short, ready, settled=settled))
            continue
        wish = _share(metric, spec, scaling, stable, short)
        if wish is None:
            unknown.append(metric.type)
        else:
            wishes.append(wish)
    return tuple(wishes), tuple(unknown)


def _share(
    metric: ScalingMetric, spec: ModelDeploymentSpec, scaling: ScalingSpec, stable: Demand, short: Demand
) -> Wish | None:
    """A metric that pods share: the sum of it over what one pod bears."""
    utilization = scaling.target_utilization_percent / 100
    if metric.type == CONCURRENCY:
        bears = min(metric.target, spec.runtime.max_concurrency) * utilization
        return _wish(
            metric.type, "concurrency {} over target {}", stable.concurrency, short.concurrency, bears, scaling
        )
    if metric.type == "RequestsPerSecond":
        bears = metric.target * utilization
        return _wish(metric.type, "{} requests/s over target {}", stable.arrivals, short.arrivals, bears, scaling)
    request = cpu_request(spec)
    if stable.cores is None or short.cores is None or not request:
        return None
    words = "CPU {} % of a pod's request over target {} %"
    used, now = 100 * stable.cores / request, 100 * short.cores / request
    return _wish(metric.type, words, used, now, metric.target, scaling)


def _wish(kind: str, words: str, stable: float, short: float, bears: float, scaling: ScalingSpec) -> Wish:
    seconds = scaling.stable_window_seconds
    short_seconds = max(PANIC_SHARE * seconds, TICK_SECONDS)
    return Wish(
        kind,
        Ask(pods_for(stable, bears), pods_for(short, bears)),
        f"{words.format(shown(stable), shown(bears))} in the last {seconds} s",
        f"{words.format(shown(short), shown(bears))} in the last {shown(short_seconds)} s",
    )


def _latency(target: int, scaling: ScalingSpec, stable: Demand, short: Demand, ready: int, *, settled: bool) -> Wish:
    """Pods by the time that requests take, which tells whether there are enough, and only roughly how many are.

    Both windows above the target: ready · time / target, but no more pods than requests at once, since a request that
    has a pod to itself gets no faster. Both below half of it: one pod less in each stable window. No requests: none;
    but requests without an answer take longer than anybody has measured, and all stays as it is.
    """
    times = [d.p95_seconds * 1000 for d in (stable, short) if d.p95_seconds is not None]
    seconds = scaling.stable_window_seconds
    if not times:
        stuck = max(stable.concurrency, short.concurrency) > 0
        pods, words = (ready, "no request answered") if stuck else (0, "no requests")
        words += f" in the last {seconds} s"
        return Wish("LatencyP95Milliseconds", Ask(pods, pods), words, words)
    pods = ready
    if min(times) > target:
        pods = max(ready, min(math.ceil(ready * min(times) / target), math.ceil(stable.concurrency)))
    elif max(times) < RELAXED * target and settled:
        pods = ready - 1
    words = f"95th percentile {shown(times[0])} ms over target {target} ms in the last {seconds} s"
    return Wish("LatencyP95Milliseconds", Ask(pods, pods), words, words)


def cpu_request(spec: ModelDeploymentSpec) -> float | None:
    """Processors that a pod asks for; its limit where it asks for nothing, as the API server fills it in."""
    resources = spec.runtime.resources
    if resources is None:
        return None
    found = amount(resources.requests.get("cpu") or resources.limits.get("cpu"))
    return None if found is None else float(found)


def shown(value: float) -> str:
    """A number for people: `18.2`, `4`, `0.35`."""
    text = f"{value:.1f}" if value >= 1 else f"{value:.2f}"
    return text.rstrip("0").rstrip(".")
