"""Is the candidate good enough? Verdicts with their statistics, from windows of the pods' counters. Pure.

    interval of the candidate's value          verdict
    ─────────────────────────────────────────  ─────────────────────────────────────────────────────────────
    wholly beyond `max` or `min`               Fail, unless stable is beyond it as well and is not surely better
    surely above so many percent of stable's   Fail
    anything else, of enough requests          Pass: a difference that chance explains is none
    of fewer than `minRequests`                Inconclusive, TooFewRequests
    no pod can be read                         Inconclusive, MetricsUnavailable

Stable is measured in the same window; after the promotion, when it gets no traffic, it is what it was in the last
step. 429 is saturation and copies go to nobody, so neither is in any count (`windows.py`); latency is that of
successful answers, since errors have a measure of their own. Each metric is judged on the last window, which notices
what begins late, and on the whole step, which notices what is small; the worse counts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from serinus_api.runtime import LATENCY_BUCKETS
from serinus_api.v1alpha1 import AnalysisMetric
from serinus_operator.decide.plan import Analysis
from serinus_operator.decide.statistics import Interval, deviations, distance, excess, percentile, share
from serinus_operator.decide.windows import Ledger, Tally

WINDOW_SECONDS = 10.0
"""A window lasts at least so long, and until there are requests enough."""
STALE_SECONDS = 30.0
"""A revision none of whose pods was read for so long cannot be judged."""
SURE_PERCENT = 99
"""Confidence, at least, of what is said of the whole step: it is looked at again and again, and each look is a chance
to be misled."""
FEW_REQUESTS = 10
"""Below `minRequests` nothing passes; a metric can still fail over the whole step, from so many requests on."""


class Outcome(StrEnum):
    """What a verdict says, in the words of the status."""

    PASS = "Pass"  # noqa: S105 - a verdict
    FAIL = "Fail"
    INCONCLUSIVE = "Inconclusive"


class Gap(StrEnum):
    """Why there is no verdict."""

    TOO_FEW = "TooFewRequests"
    UNREACHABLE = "MetricsUnavailable"


@dataclass(frozen=True, slots=True)
class Judgement:
    """One metric's verdict with all that it rests on, in the metric's unit."""

    metric: str
    outcome: Outcome
    gap: Gap | None = None
    interval: Interval | None = None
    baseline: Interval | None = None
    samples: int = 0
    failures: int = 0
    """Windows in a row that failed, this one included."""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric of both revisions over the same stretch."""

    candidate: Interval
    stable: Interval | None
    """None: too few requests to compare with."""
    samples: int
    least: Callable[[Interval, float], float]
    """Of a baseline and a factor: by how much the candidate surely exceeds so many times the baseline."""


def look(
    analysis: Analysis, ledger: Ledger, candidate: str, stable: str, before: Mapping[str, int]
) -> tuple[Judgement, ...]:
    """The verdict on every metric at the end of a window. `before`: failures in a row until now, by metric."""
    judged, sure = [], _surely(analysis)
    for metric in analysis.metrics:
        window = judge(metric, _tally(ledger.window, candidate), _baseline(ledger, ledger.window, stable), analysis)
        whole = judge(metric, _tally(ledger.step, candidate), _baseline(ledger, ledger.step, stable), sure)
        verdict = _worded(metric, _worse(window, whole), ledger.difference(candidate))
        failures = before.get(metric.name, 0)
        if verdict.outcome is not Outcome.INCONCLUSIVE:
            failures = failures + 1 if verdict.outcome is Outcome.FAIL else 0
        judged.append(replace(verdict, failures=failures))
    return tuple(judged)


def window_ended(analysis: Analysis, ledger: Ledger, candidate: str, now: float) -> bool:
    """Whether the window lasted long enough, and holds enough requests of every kind that there is any of."""
    tally = _tally(ledger.window, candidate)
    kinds = {metric.type in COPIED for metric in analysis.metrics}
    seen = [count for copied in kinds if (count := tally.compared if copied else tally.answers)]
    return now - ledger.window_since >= WINDOW_SECONDS and bool(seen) and min(seen) >= analysis.min_requests


def readable(ledger: Ledger, revision: str, now: float) -> bool:
    """Whether a pod of the revision was read a short while ago, or none could be expected to be read yet."""
    return now - ledger.read_at.get(revision, ledger.window_since) < STALE_SECONDS


def so_far(analysis: Analysis, ledger: Ledger, candidate: str, stable: str) -> tuple[Judgement, ...]:
    """Every metric over the whole step, whether a window has ended or not."""
    ours, theirs = _tally(ledger.step, candidate), _baseline(ledger, ledger.step, stable)
    apart = ledger.difference(candidate)
    return tuple(_worded(metric, judge(metric, ours, theirs, analysis), apart) for metric in analysis.metrics)


def fails_already(analysis: Analysis, ledger: Ledger, candidate: str, stable: str) -> Judgement | None:
    """The metric that fails although there are fewer than `minRequests`: the whole step, and a higher confidence."""
    sure = replace(_surely(analysis), min_requests=min(analysis.min_requests, FEW_REQUESTS))
    judged = so_far(sure, ledger, candidate, stable)
    return next((verdict for verdict in judged if verdict.outcome is Outcome.FAIL), None)


def _surely(analysis: Analysis) -> Analysis:
    return replace(analysis, confidence_percent=max(analysis.confidence_percent, SURE_PERCENT))


def judge(metric: AnalysisMetric, candidate: Tally, stable: Tally, analysis: Analysis) -> Judgement:
    """One metric over one stretch of time."""
    samples = samples_of(metric, candidate)
    if samples < analysis.min_requests:
        message = f"{samples} of {analysis.min_requests} requests"
        return Judgement(metric.name, Outcome.INCONCLUSIVE, Gap.TOO_FEW, samples=samples, message=message)
    measured = measure(metric, candidate, stable, analysis)
    verdict = Judgement(
        metric.name, Outcome.PASS, interval=measured.candidate, baseline=measured.stable, samples=samples
    )
    if broken := _broken(metric, measured):
        return replace(verdict, outcome=Outcome.FAIL, message=broken)
    if metric.max_percent_of_stable is not None and measured.stable is None:
        message = "stable had too few requests to compare with"
        return replace(verdict, outcome=Outcome.INCONCLUSIVE, gap=Gap.TOO_FEW, message=message)
    return verdict


def _broken(metric: AnalysisMetric, measured: Measured) -> str | None:
    """The bound that is surely broken, in words."""
    ours, theirs = measured.candidate, measured.stable
    no_worse = theirs is not None and measured.least(theirs, 1.0) <= 0
    if metric.max is not None and ours.low > metric.max:
        stable_too = theirs is not None and theirs.value > metric.max
        if not (stable_too and no_worse):
            return f"above max {metric.max}"
    if metric.min is not None and ours.high < metric.min:
        stable_too = theirs is not None and theirs.value < metric.min
        if not (stable_too and ours.high >= (theirs.low if theirs else metric.min)):
            return f"below min {metric.min}"
    percent = metric.max_percent_of_stable
    if percent is not None and theirs is not None and measured.least(theirs, percent / 100) > 0:
        return f"above {percent} % of stable's"
    return None


def measure(metric: AnalysisMetric, candidate: Tally, stable: Tally, analysis: Analysis) -> Measured:
    """The metric's interval for both revisions, in its unit."""
    z, samples = deviations(analysis.confidence_percent), samples_of(metric, candidate)
    enough = samples_of(metric, stable) >= analysis.min_requests
    if metric.type in RANKS:
        ours = _milliseconds(candidate, RANKS[metric.type], z)
        theirs = _milliseconds(stable, RANKS[metric.type], z) if enough else None
        return Measured(ours, theirs, samples, lambda base, factor: ours.low - factor * base.high)
    if metric.type in SHARES:
        scale, hits = SHARES[metric.type]
        ours = _scaled(share(hits(candidate), samples, z), scale)
        theirs = _scaled(share(hits(stable), samples_of(metric, stable), z), scale) if enough else None
        return Measured(ours, theirs, samples, lambda base, factor: excess(ours, base, factor))
    if metric.type == "ShadowAgreementPercent":
        ours, itself = _scaled(share(candidate.agreed, candidate.compared, z), 100), Interval(100.0, 100.0, 100.0)
    else:
        apart = distance(candidate.outputs, stable.outputs, analysis.confidence_percent)
        ours, itself = _scaled(apart, 1000), Interval(0.0, 0.0, 0.0)
    # Both compare the candidate with stable already; what stable would score against itself is known.
    return Measured(ours, itself, samples, lambda base, factor: ours.low - factor * base.high)


COPIED = frozenset({"ShadowAgreementPercent"})
"""Metrics that rest on copies of the stable revision's requests, and on nothing that the candidate is asked itself."""
RANKS = {"LatencyP50Milliseconds": 0.5, "LatencyP95Milliseconds": 0.95, "LatencyP99Milliseconds": 0.99}
SHARES: Mapping[str, tuple[float, Callable[[Tally], int]]] = {
    "ErrorRatePermille": (1000.0, lambda tally: tally.errors),
    "OutputInvalidPermille": (1000.0, lambda tally: tally.invalid),
}


def samples_of(metric: AnalysisMetric, tally: Tally) -> int:
    """What a verdict on the metric rests on."""
    if metric.type in RANKS:
        return sum(tally.latency)
    if metric.type == "ShadowAgreementPercent":
        return tally.compared
    if metric.type == "OutputInvalidPermille":
        return tally.checked
    return sum(tally.outputs) if metric.type == "PredictionShiftPermille" else tally.answers


def _worse(window: Judgement, whole: Judgement) -> Judgement:
    """The window's verdict or the whole step's; a window without any request says nothing new."""
    if whole.outcome is Outcome.FAIL and window.samples:
        return whole
    if window.outcome is Outcome.INCONCLUSIVE and window.samples:
        return whole
    return window


def _worded(metric: AnalysisMetric, verdict: Judgement, difference: float) -> Judgement:
    """With what else is known of copies: how far apart the outputs were at most."""
    if metric.type not in COPIED or not verdict.samples:
        return verdict
    known = f"largest difference {difference:.3g}"
    return replace(verdict, message=f"{verdict.message}, {known}" if verdict.message else known)


def _milliseconds(tally: Tally, rank: float, z: float) -> Interval:
    return _scaled(percentile(tally.latency, LATENCY_BUCKETS, rank, z), 1000)


def _scaled(interval: Interval, scale: float) -> Interval:
    return Interval(interval.low * scale, interval.value * scale, interval.high * scale)


def _tally(tallies: Mapping[str, Tally], revision: str) -> Tally:
    return tallies.get(revision, Tally())


def _baseline(ledger: Ledger, tallies: Mapping[str, Tally], stable: str) -> Tally:
    return _tally(tallies, stable) if ledger.standing == Tally() else ledger.standing
