"""`spec.rollout`: how a new revision takes over from the stable one."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from serinus_api.base import ApiModel, Rule
from serinus_api.v1alpha1.types import DnsLabel, Percent

MAX_STEPS = 16
NEIGHBOURS = list(range(MAX_STEPS - 1))
"""Each position that may have a step after it: standard CEL has no macro that counts."""


class RolloutStep(ApiModel):
    """One share of the traffic for the candidate, and how long it is watched there."""

    name: DnsLabel | None = None
    """Name of the step in status and events. Default: its position."""
    weight: Percent
    """Share of the requests that the candidate gets, in percent, more than in the step before. 0, in the first step: it
    gets copies alone (`shadow`)."""
    pause_seconds: Annotated[int, Field(ge=0, le=604_800)] | None = None
    """How long the candidate is watched at this weight, in seconds."""
    manual: bool | None = None
    """True: go on only when the annotation serinus.dev/promote asks for it."""


class HeaderMatch(ApiModel):
    """A request header with exactly this value."""

    name: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
    """Name of the header; case does not matter."""
    value: Annotated[str, Field(min_length=1, max_length=1024)]
    """Value of the header."""


class MatchSpec(ApiModel):
    """Requests that always go to the candidate while there is one."""

    headers: Annotated[
        tuple[HeaderMatch, ...],
        Field(
            min_length=1,
            max_length=8,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ]
    """All of these headers."""


class ShadowSpec(ApiModel):
    """Copies of requests for the candidate, whose answers go nowhere but into the comparison."""

    percent: Percent
    """Share of the stable revision's requests that is copied, in percent. 0: none. A busy pod copies fewer."""


class AnalysisMetric(ApiModel):
    """One measure of the candidate and its bounds; at least one bound."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.max) || has(self.min) || has(self.maxPercentOfStable)",
            "analysis metrics must have a bound; set max, min or maxPercentOfStable",
        ),
        Rule(
            "!has(self.max) || !has(self.min) || self.min <= self.max",
            "analysis metrics must not have min above max; lower min or raise max",
            field=".min",
        ),
        Rule(
            "self.type != 'ShadowAgreementPercent' || (!has(self.max) && !has(self.maxPercentOfStable))",
            "ShadowAgreementPercent has a lowest value alone; set min, remove max and maxPercentOfStable",
            field=".type",
        ),
        Rule(
            "self.type != 'PredictionShiftPermille' || (!has(self.min) && !has(self.maxPercentOfStable))",
            "PredictionShiftPermille has a highest value alone; set max, remove min and maxPercentOfStable",
            field=".type",
        ),
    )

    name: DnsLabel
    """Name of the metric in status and events."""
    type: Literal[
        "ErrorRatePermille",
        "LatencyP50Milliseconds",
        "LatencyP95Milliseconds",
        "LatencyP99Milliseconds",
        "ShadowAgreementPercent",
        "PredictionShiftPermille",
        "OutputInvalidPermille",
    ]
    """What is measured; the unit is in the name."""
    max: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """Highest value allowed, in the metric's unit."""
    min: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """Lowest value allowed, in the metric's unit."""
    max_percent_of_stable: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Highest value allowed, in percent of the stable revision's in the same window: 120 is a fifth more."""


class AnalysisSpec(ApiModel):
    """When the candidate is good enough to go on."""

    min_requests: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Requests a verdict needs at least."""
    confidence_percent: Annotated[int, Field(ge=50, le=99)] | None = None
    """Confidence of a verdict, in percent."""
    consecutive_failures: Annotated[int, Field(ge=1, le=100)] | None = None
    """Windows in a row that must fail before the rollout is aborted."""
    on_too_few_requests: Literal["Continue", "Hold"] | None = None
    """What to do when traffic is low: go on after the pause plus `lowTrafficWaitSeconds`, or hold."""
    low_traffic_wait_seconds: Annotated[int, Field(ge=0, le=604_800)] | None = None
    """How much longer than the pause to wait for requests, in seconds."""
    on_inconclusive: Literal["Hold", "Abort", "Continue"] | None = None
    """What to do when the metrics cannot be reached."""
    hold_deadline_seconds: Annotated[int, Field(ge=1, le=604_800)] | None = None
    """A rollout that is held this many seconds is aborted."""
    metrics: Annotated[
        tuple[AnalysisMetric, ...],
        Field(
            max_length=16, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
        ),
    ] = ()
    """What is measured; every metric must pass."""


class RolloutSpec(ApiModel):
    """How a new revision takes over from the stable one."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"!has(self.steps) || {NEIGHBOURS}.all(i, i + 1 >= size(self.steps) || "
            "self.steps[i].weight < self.steps[i + 1].weight)",
            "rollout.steps must have strictly rising weights; order them and give each a larger weight than the one "
            "before",
            field=".steps",
        ),
        Rule(
            "!has(self.steps) || self.steps.all(s, !has(s.name) || "
            "self.steps.exists_one(t, has(t.name) && t.name == s.name))",
            "rollout.steps must not share a name; rename one",
            field=".steps",
        ),
        Rule(
            "!has(self.steps) || size(self.steps) == 0 || !has(self.strategy) || self.strategy == 'Canary'",
            "rollout.steps belong to strategy: Canary; remove them or choose it",
            field=".steps",
        ),
        Rule(
            "!has(self.steps) || !self.steps.exists(s, s.weight == 0) || "
            "has(self.analysis) && has(self.analysis.metrics) && "
            "self.analysis.metrics.exists(m, m.type == 'ShadowAgreementPercent')",
            "rollout.steps with weight 0 are judged by copies alone; add a ShadowAgreementPercent metric to "
            "rollout.analysis or give the step a weight",
            field=".steps",
        ),
        Rule(
            "!has(self.shadow) || self.shadow.percent == 0 || !has(self.strategy) || self.strategy == 'Canary'",
            "rollout.shadow belongs to strategy: Canary; remove it or choose it",
            field=".shadow",
        ),
        Rule(
            "!has(self.analysis) || !has(self.analysis.metrics) || "
            "!self.analysis.metrics.exists(m, m.type == 'ShadowAgreementPercent') || "
            "has(self.shadow) && self.shadow.percent > 0",
            "rollout.analysis.metrics with ShadowAgreementPercent need rollout.shadow.percent above 0; set it or "
            "remove the metric",
            field=".analysis",
        ),
    )

    strategy: Literal["Canary", "BlueGreen", "Recreate"] | None = None
    """Canary: in steps. BlueGreen: all at once when every pod is ready. Recreate: the old pods go first, for clusters
    without spare capacity."""
    steps: Annotated[
        tuple[RolloutStep, ...], Field(max_length=MAX_STEPS, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    ] = ()
    """Shares of the traffic, strictly rising."""
    match: MatchSpec | None = None
    """Requests that always go to the candidate while there is one."""
    shadow: ShadowSpec | None = None
    """Copies of requests for the candidate, for comparison only."""
    analysis: AnalysisSpec | None = None
    """When the candidate is good enough to go on."""
    bake_seconds: Annotated[int, Field(ge=0, le=604_800)] | None = None
    """How long the old revision is kept warm after the promotion, in seconds; a failure in it returns to it."""
    revision_history_limit: Annotated[int, Field(ge=0, le=20)] = 5
    """Old revisions that are kept to return to, without pods."""

    @property
    def gradual(self) -> bool:
        """Whether anything of a canary, or of a bake, is asked for; otherwise a revision takes over at once."""
        asked = self.strategy, self.steps or None, self.match, self.analysis, self.bake_seconds or None
        return bool(self.copied_percent) or any(part is not None for part in asked)

    @property
    def copied_percent(self) -> int:
        """Share of the stable revision's requests that a candidate is to get as copies."""
        return self.shadow.percent if self.shadow else 0
