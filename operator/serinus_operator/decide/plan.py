"""`spec.rollout` with every default filled in: what the rollout machine and the analysis go by. Pure.

The defaults are here and not in the schema, because an optional block that is absent must stay absent there. What they
amount to is simulated by `python -m bench canary` and shown in docs/canary.md.
"""

from dataclasses import dataclass
from typing import Literal

from serinus_api.v1alpha1 import AnalysisMetric, AnalysisSpec, RolloutSpec, RolloutStep

PAUSE_SECONDS = 60
BAKE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Step:
    """One weight of the candidate, and what has to happen before the next."""

    name: str
    weight: int
    pause_seconds: int
    manual: bool = False


@dataclass(frozen=True, slots=True)
class Analysis:
    """When a candidate is good enough; the fields of `spec.rollout.analysis`."""

    min_requests: int
    confidence_percent: int
    consecutive_failures: int
    on_too_few_requests: Literal["Continue", "Hold"]
    low_traffic_wait_seconds: int
    on_inconclusive: Literal["Hold", "Abort", "Continue"]
    hold_deadline_seconds: int
    metrics: tuple[AnalysisMetric, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a candidate takes over."""

    strategy: Literal["Canary", "BlueGreen", "Recreate"]
    steps: tuple[Step, ...]
    """Empty for the strategies without weights."""
    analysis: Analysis
    bake_seconds: int

    def place(self, index: int) -> str:
        """`2 of 3`; without steps there is one."""
        return f"{index + 1} of {max(1, len(self.steps))}"

    @property
    def recreates(self) -> bool:
        """Whether stable's pods go before the candidate's start."""
        return self.strategy == "Recreate"


DEFAULT_STEPS = (Step("0", 5, 60), Step("1", 25, 120), Step("2", 50, 120))
DEFAULT_METRICS = (
    AnalysisMetric(name="errors", type="ErrorRatePermille", max=10, max_percent_of_stable=150),
    AnalysisMetric(name="latency", type="LatencyP95Milliseconds", max_percent_of_stable=120),
)


def plan_of(spec: RolloutSpec) -> Plan:
    """The plan that a spec amounts to."""
    strategy = spec.strategy or "Canary"
    steps = tuple(_step(place, step) for place, step in enumerate(spec.steps)) or DEFAULT_STEPS
    return Plan(
        strategy=strategy,
        steps=steps if strategy == "Canary" else (),
        analysis=_analysis(spec.analysis or AnalysisSpec()),
        bake_seconds=_or(spec.bake_seconds, 0 if strategy == "Recreate" else BAKE_SECONDS),
    )


def _step(place: int, step: RolloutStep) -> Step:
    return Step(step.name or str(place), step.weight, _or(step.pause_seconds, PAUSE_SECONDS), bool(step.manual))


def _analysis(spec: AnalysisSpec) -> Analysis:
    return Analysis(
        min_requests=_or(spec.min_requests, 100),
        confidence_percent=_or(spec.confidence_percent, 95),
        consecutive_failures=_or(spec.consecutive_failures, 2),
        on_too_few_requests=spec.on_too_few_requests or "Continue",
        low_traffic_wait_seconds=_or(spec.low_traffic_wait_seconds, 300),
        on_inconclusive=spec.on_inconclusive or "Hold",
        hold_deadline_seconds=_or(spec.hold_deadline_seconds, 3600),
        metrics=spec.metrics or DEFAULT_METRICS,
    )


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
