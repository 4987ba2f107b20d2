"""May the candidate leave its present step? Rule 6 of the rollout, as one ordered chain. Pure; called by the machine.

first that holds                                          answer
────────────────────────────────────────────────────────  ──────────────────────────────────────
a metric failed `consecutiveFailures` windows in a row    Fail
its pods or stable's cannot be read                       `onInconclusive`: Hold, Fail or Pass
the pause is not over                                     Wait
too few requests for a metric, `lowTrafficWait` not over  Wait
too few requests, and a metric fails all the same         Fail
too few requests                                          `onTooFewRequests`: Pass or Hold, LowTraffic
the last window failed, but not enough in a row           Wait
every metric passed                                       Pass
"""

from dataclasses import dataclass
from enum import StrEnum

from serinus_operator.decide.analysis import Gap, Judgement, Outcome
from serinus_operator.decide.plan import Analysis

METRICS_UNAVAILABLE = "MetricsUnavailable"
LOW_TRAFFIC = "LowTraffic"


class Answer(StrEnum):
    """What the gate says."""

    WAIT = "Wait"
    PASS = "Pass"  # noqa: S105 - an answer
    HOLD = "Hold"
    FAIL = "Fail"


@dataclass(frozen=True, slots=True)
class Ruling:
    """The answer, its reason in one word, and a sentence."""

    answer: Answer
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the candidate in its present step."""

    verdicts: tuple[Judgement, ...] = ()
    """Of the last window that ended; none before the first has."""
    readable: bool = True
    """Whether pods of both revisions were read a short while ago."""
    early: Judgement | None = None
    """The metric that fails although there are too few requests for a verdict."""


def rule(analysis: Analysis, pause_seconds: float, elapsed_seconds: float, evidence: Evidence) -> Ruling:
    """The first line of the table that holds."""
    if failed := next((v for v in evidence.verdicts if v.failures >= analysis.consecutive_failures), None):
        return _failed(failed)
    if not evidence.readable:
        message = "no pod could be asked for its counters for half a minute"
        answer = {"Hold": Answer.HOLD, "Abort": Answer.FAIL, "Continue": Answer.PASS}[analysis.on_inconclusive]
        if answer is not Answer.PASS:
            return Ruling(answer, METRICS_UNAVAILABLE, message)
    left = pause_seconds - elapsed_seconds
    if left > 0:
        return Ruling(Answer.WAIT, message=f"watched for another {left:.0f} s")
    if evidence.readable and _too_few(evidence.verdicts):
        return _little_traffic(analysis, left, evidence)
    if failing := next((v for v in evidence.verdicts if v.outcome is Outcome.FAIL), None):
        return Ruling(Answer.WAIT, message=f"{failing.metric} failed in the last window; the next one decides")
    return Ruling(Answer.PASS)


def _too_few(verdicts: tuple[Judgement, ...]) -> bool:
    return not verdicts or any(verdict.gap is Gap.TOO_FEW for verdict in verdicts)


def _little_traffic(analysis: Analysis, left: float, evidence: Evidence) -> Ruling:
    """`left`: seconds until the end of the pause; negative once it is over."""
    wait = analysis.low_traffic_wait_seconds + left
    if wait > 0:
        return Ruling(Answer.WAIT, message=f"too few requests for a verdict; waiting for more for another {wait:.0f} s")
    failing = next((v for v in evidence.verdicts if v.outcome is Outcome.FAIL), evidence.early)
    if failing:
        return _failed(failing)
    answer = Answer.PASS if analysis.on_too_few_requests == "Continue" else Answer.HOLD
    return Ruling(answer, LOW_TRAFFIC, "too few requests for a verdict, and nothing that speaks against it")


def _failed(verdict: Judgement) -> Ruling:
    value = f" is {verdict.interval.value:.3g}" if verdict.interval else ""
    message = f"{verdict.metric}{value} over {verdict.samples} requests: {verdict.message}"
    return Ruling(Answer.FAIL, "AnalysisFailed", message)
