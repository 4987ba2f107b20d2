"""May the candidate leave its present step? Rule 6 of the rollout, as one ordered chain. Pure; called by the machine.

    first that holds                                          answer
    ────────────────────────────────────────────────────────  ──────────────────────────────────────
    a metric failed `consecutiveFailures` windows in a row    Fail
    its pods or stable's cannot be read                       `onInconclusive`: Hold, Fail or Pass
    the pause is not over                                     Wait
    they still cannot, and nobody minds                       Pass, MetricsUnavailable
    every metric passed                                       Pass
    a metric plainly fails over the whole step                Fail
    `lowTrafficWaitSeconds` are not over either               Wait, for more requests or another window
    too few requests                                          `onTooFewRequests`: Pass or Hold, LowTraffic
    one window failed, and no other came to confirm it        Pass

*Plainly* is said at `SURE_PERCENT`, from `FEW_REQUESTS` on.
"""

from dataclasses import dataclass
from enum import StrEnum

from serinus_operator.decide.analysis import Gap, Judgement, Outcome
from serinus_operator.decide.plan import Analysis
from serinus_operator.decide.statistics import number

METRICS_UNAVAILABLE = "MetricsUnavailable"
LOW_TRAFFIC = "LowTraffic"
UNREAD = "no pod could be asked for its counters for half a minute"
UNSEEN = Judgement("", Outcome.INCONCLUSIVE, Gap.TOO_FEW)
"""Stands for all metrics before the first window has ended."""


class Answer(StrEnum):
    """What the gate says. Its words do not count seconds: they go into the status, which is written when it changes."""

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

    @property
    def shown(self) -> tuple[Judgement, ...]:
        """What the status says of it, each metric once."""
        early = (self.early,) if self.early else ()
        return (*(verdict for verdict in self.verdicts if verdict.metric not in {e.metric for e in early}), *early)


def rule(analysis: Analysis, pause_seconds: float, elapsed_seconds: float, evidence: Evidence) -> Ruling:
    """The first line of the table that holds."""
    if failed := next((v for v in evidence.verdicts if v.failures >= analysis.consecutive_failures), None):
        return _failed(failed)
    if not evidence.readable:
        answer = {"Hold": Answer.HOLD, "Abort": Answer.FAIL, "Continue": Answer.PASS}[analysis.on_inconclusive]
        if answer is not Answer.PASS:
            return Ruling(answer, METRICS_UNAVAILABLE, UNREAD)
    left = pause_seconds - elapsed_seconds
    if left > 0:
        return Ruling(Answer.WAIT, message=f"watched for {pause_seconds:.0f} s")
    if not evidence.readable:
        return Ruling(Answer.PASS, METRICS_UNAVAILABLE, UNREAD)
    if not all(v.outcome is Outcome.PASS for v in evidence.verdicts or (UNSEEN,)):
        return _undecided(analysis, left, evidence)
    return Ruling(Answer.PASS)


def _undecided(analysis: Analysis, left: float, evidence: Evidence) -> Ruling:
    """`left`: seconds until the end of the pause; negative once it is over."""
    wait = analysis.low_traffic_wait_seconds
    failing = next((v.metric for v in evidence.verdicts if v.outcome is Outcome.FAIL), None)
    if evidence.early:
        return _failed(evidence.early)
    if wait + left > 0:
        what = f"another window to confirm that {failing} fails" if failing else "enough requests for a verdict"
        return Ruling(Answer.WAIT, message=f"waits for {what}, up to {wait} s after the pause")
    few = not evidence.verdicts or any(v.gap is Gap.TOO_FEW for v in evidence.verdicts)
    answer = Answer.HOLD if few and analysis.on_too_few_requests == "Hold" else Answer.PASS
    return Ruling(answer, LOW_TRAFFIC, "too few requests for a verdict, and nothing that speaks against it")


def _failed(verdict: Judgement) -> Ruling:
    interval, stable = verdict.interval, verdict.baseline
    value = f" is {interval}" if interval else ""
    beside = f", the stable one's {number(stable.value)}," if stable else ""
    message = f"{verdict.metric}{value}{beside} over {verdict.samples} requests: {verdict.message}"
    return Ruling(Answer.FAIL, "AnalysisFailed", message)
