"""`python -m bench canary`: how the defaults of the analysis decide, simulated. Makes the lines of the report.

Equal and bad candidates at 1, 10 and 100 requests/s are taken through the default steps by the operator's own rollout
machine, and by a control that decides the same traces as Argo Rollouts does by its documented defaults: one
measurement per step, a fixed threshold, no statistics. What is counted: how often each aborts, with the 95 % interval
of that share; after how many requests that the candidate got, after how long; and how many requests it got in all
rollouts, aborted or not.
"""

import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from dev.cluster.console import step

from bench import traces
from bench.report import Line, bounded
from bench.traces import BINS, TICK_SECONDS, USUAL_ERRORS, Candidate, Served, Trace
from serinus_api.runtime import LATENCY_BUCKETS
from serinus_api.v1alpha1 import RolloutPhase as Phase
from serinus_api.v1alpha1 import RolloutSpec
from serinus_operator.decide.course import Course, Facts, Side, intent_of
from serinus_operator.decide.plan import plan_of
from serinus_operator.decide.statistics import deviations, percentile, share
from serinus_operator.decide.transitions import advance
from serinus_operator.decide.watch import begun, evidence_of, watched
from serinus_operator.decide.windows import Reading, Tally

GROUP = "canary"
SEED = 20260501
RATES = (1, 10, 100)
CANDIDATES = (
    Candidate("equal"),
    Candidate("1 % errors", errors=0.01),
    Candidate("5 % errors", errors=0.05),
    Candidate("50 % errors", errors=0.5),
    Candidate("1.2× latency", slower=1.2),
    Candidate("2× latency", slower=2.0),
    Candidate("10× latency", slower=10.0),
)
PLAN = plan_of(RolloutSpec())
LONGEST_SECONDS = (
    sum(step.pause_seconds + PLAN.analysis.low_traffic_wait_seconds for step in PLAN.steps) + PLAN.bake_seconds + 300
)
"""All steps with little traffic, the bake, and some looks between them."""
FULL = Side(ready=4, holds=100)
ARGO_SUCCESS, ARGO_SLOWER = 0.95, 1.2
ARGO_ERROR_LIMIT, ARGO_RETRY_SECONDS = 4, 10
FALSE_ABORTS_AIM = 1.0
CONFIDENCE_PERCENT = 95


@dataclass(frozen=True)
class Size:
    """How many rollouts are simulated for each candidate and rate."""

    good: int = 500
    bad: int = 100


@dataclass(frozen=True)
class End:
    """How one rollout ended."""

    aborted: bool
    exposed: int
    """Requests that the candidate got."""
    seconds: int


Decider = Callable[[Trace], End]


def measure(size: Size) -> list[Line]:
    """Simulate every candidate at every rate, decided by both; one line each."""
    with ProcessPoolExecutor() as pool:
        cells = {
            (candidate, rate): pool.submit(simulate, candidate, rate, size.bad if candidate.bad else size.good)
            for candidate in CANDIDATES
            for rate in RATES
        }
        lines = []
        for (candidate, rate), cell in cells.items():
            with step(f"simulate {candidate.name}, {rate} requests/s"):
                lines.append(_line(candidate, rate, *cell.result()))
    return lines


def simulate(candidate: Candidate, rate: int, rollouts: int) -> tuple[list[End], list[End]]:
    """So many rollouts, each decided by ours and by the control; the same seed makes the same traces."""
    place = [CANDIDATES.index(candidate), rate]
    randoms = (np.random.default_rng([SEED, *place, number]) for number in range(rollouts))
    made = (traces.make(candidate, rate, LONGEST_SECONDS, random) for random in randoms)
    ends = [(ours(trace), argo(trace)) for trace in made]
    return [end for end, _ in ends], [end for _, end in ends]


class Pods:
    """The counters of one pod of each revision, as the operator reads them."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._tick = 0
        self._counts = [[0, 0], [0, 0]]
        self._latency = np.zeros((2, BINS), dtype=np.int64)

    @property
    def seconds(self) -> int:
        """Time since the beginning."""
        return self._tick * TICK_SECONDS

    @property
    def exposed(self) -> int:
        """Requests that the candidate got so far."""
        return self._counts[1][0]

    def pass_time(self, weight: int) -> tuple[Served, Served]:
        """One tick at the weight."""
        both = traces.served(self._trace, self._tick, weight)
        self._tick += 1
        for row, part in enumerate(both):
            self._counts[row][0] += part.answers
            self._counts[row][1] += part.errors
            self._latency[row] += part.latency
        return both

    def readings(self) -> list[Reading]:
        """What a scrape says."""
        rows = zip(("stable", "candidate"), self._counts, self._latency.tolist(), strict=True)
        return [
            Reading(name, name, Tally(answers=answers, errors=errors, latency=tuple(latency)))
            for name, (answers, errors), latency in rows
        ]


def ours(trace: Trace) -> End:
    """Decided by the operator's own machine and defaults, in a cluster that does at once what it is asked for."""
    pods, course = Pods(trace), Course(stable="stable")
    watch = begun(0.0, {})
    facts = Facts(wanted="candidate", sides={"stable": FULL, "candidate": FULL}, entry="stable", passed=TICK_SECONDS)
    while course.phase is not Phase.ABORTING and not (course.phase is Phase.STABLE and course.stable == "candidate"):
        pods.pass_time(100 if facts.entry == "candidate" else course.weight)
        watch = watched(watch, course, PLAN, pods.readings(), pods.seconds)
        facts = replace(facts, applied=course.weight, evidence=evidence_of(watch, course, PLAN, pods.seconds))
        course = advance(course, facts, PLAN)
        facts = replace(facts, entry=intent_of(course, facts, PLAN).entry)
    return End(course.phase is Phase.ABORTING, pods.exposed, pods.seconds)


def argo(trace: Trace) -> End:
    """The control: an inline analysis after each pause, with what Argo Rollouts documents and defaults.

    Neither interval nor count: one measurement. `failureLimit` 0. Success rate of the documentation's template, at
    least 0.95, over the last five minutes; P95 within 120 % of what is known of stable, which is more than a fixed
    number in a template can know. Without any request there is no value: an error, repeated every 10 s, the fifth in a
    row aborts.
    """
    pods = Pods(trace)
    recent: list[Served] = []
    for stage in PLAN.steps:
        recent += [pods.pass_time(stage.weight)[1] for _ in range(stage.pause_seconds // TICK_SECONDS)]
        for _ in range(ARGO_ERROR_LIMIT):
            if not _argo_answers(recent):
                recent += [pods.pass_time(stage.weight)[1] for _ in range(ARGO_RETRY_SECONDS // TICK_SECONDS)]
        if not _argo_passes(recent, trace.usual_p95):
            return End(True, pods.exposed, pods.seconds)
    return End(False, pods.exposed, pods.seconds)


def _argo_answers(recent: list[Served]) -> int:
    return sum(part.answers for part in recent[-300 // TICK_SECONDS :])


def _argo_passes(recent: list[Served], usual_p95: float) -> bool:
    window, answers = recent[-300 // TICK_SECONDS :], _argo_answers(recent)
    if not answers:
        return False
    latency = np.sum([part.latency for part in window], axis=0).tolist()
    p95 = percentile(latency, LATENCY_BUCKETS, 0.95, 0.0).value if sum(latency) else 0.0
    success = 1 - sum(part.errors for part in window) / answers
    return success >= ARGO_SUCCESS and p95 <= ARGO_SLOWER * usual_p95


def _line(candidate: Candidate, rate: int, ends: list[End], control: list[End]) -> Line:
    what = f"{candidate.name}, {rate} requests/s: ours · Argo's default"
    value = f"{_words(ends)} · {_words(control)}"
    raw = {"ours": summary(ends), "argo": summary(control), "usual errors": USUAL_ERRORS, "seed": SEED}
    if candidate.bad:
        return Line(GROUP, what, value, raw=raw)
    aborted = summary(ends)["aborted percent"]
    return bounded(GROUP, what, value, number=aborted, at_most=FALSE_ABORTS_AIM, raw=raw)


def summary(ends: Sequence[End]) -> dict[str, float]:
    """The figures of one cell: share aborted and its 95 % interval; medians of those; requests in the mean of all."""
    aborted = [end for end in ends if end.aborted]
    found = share(len(aborted), len(ends), deviations(CONFIDENCE_PERCENT))
    return {
        "rollouts": len(ends),
        "aborted percent": 100 * found.value,
        "low percent": 100 * found.low,
        "high percent": 100 * found.high,
        "requests": statistics.median(end.exposed for end in aborted) if aborted else 0.0,
        "seconds": statistics.median(end.seconds for end in aborted) if aborted else 0.0,
        "requests of all": statistics.fmean(end.exposed for end in ends),
    }


def _words(ends: Sequence[End]) -> str:
    """`0.4 % (0.1 to 1.6) after 118 requests, 250 s; of all 8,510`."""
    of = summary(ends)
    words = f"{of['aborted percent']:.3g} % ({of['low percent']:.2g} to {of['high percent']:.3g})"
    if of["aborted percent"]:
        words += f" after {of['requests']:.0f} requests, {of['seconds']:.0f} s"
    return f"{words}; of all {of['requests of all']:,.0f}"
