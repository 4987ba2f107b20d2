"""A load step ×10 in virtual time: our scaling on one side, a rule like the HorizontalPodAutoscaler's on the other.

No cluster, no clock: a fluid model of pods that work on so many requests at once, each for so long, of those that wait
in a pod's queue, and of those that are refused because the queues are full. `scaling.size` is the operator's own;
`HpaRule` is the control, made from what Kubernetes documents: every 15 s, the CPU of the last 15 s, a tolerance of 0.1,
at most twice the pods or four more in each period, pods that are not ready counted as idle on the way up, and the
largest answer of 300 s on the way down. Nobody knows where in the rule's period a step comes: each is run at several.
"""

import datetime as dt
import math
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bench.report import Line, bounded
from serinus_api.runtime import LoadReport
from serinus_api.v1alpha1 import ModelDeploymentSpec, ModelDeploymentStatus
from serinus_operator.decide import scaling
from serinus_operator.decide.demand import TICK_SECONDS
from serinus_operator.loads import LoadSample, PodLoad, ScalingMemory
from serinus_operator.state import Instant, Observation, PodState, Progress, Subject, WorkloadState

GROUP = "scaling"
STEP_SECONDS = 0.1
REVISION = "iris-1"
HPA_SECONDS = 15.0
HPA_TOLERANCE = 0.1
HPA_DOWN_SECONDS = 300.0
FULL = 0.7
"""How full a pod shall be: of its places on our side, of its processor on the other."""


@dataclass(frozen=True)
class Story:
    """What comes, and what the pods can do."""

    rate: float = 24.0
    """Requests per second before the step."""
    factor: float = 10.0
    seconds_each: float = 0.25
    places: int = 4
    """Requests that a pod works on at once."""
    queue: int = 8
    """Requests that wait in a pod at most: twice the places, as the operator sets it."""
    starts: float = 10.0
    """Seconds until a new pod is ready."""
    before: float = 180.0
    after: float = 420.0

    def rate_at(self, now: float) -> float:
        """Requests per second."""
        return self.rate * (self.factor if now >= self.before else 1.0)

    @property
    def enough(self) -> int:
        """Pods without which requests wait after the step."""
        return math.ceil(self.rate * self.factor * self.seconds_each / self.places)

    @property
    def meant(self) -> int:
        """Pods that both rules aim at after the step."""
        return math.ceil(self.rate * self.factor * self.seconds_each / self.places / FULL)


@dataclass
class Pod:
    """One pod, and its counters."""

    name: str
    made: float
    ready_at: float
    busy: float = 0.0
    arrivals: float = 0.0


@dataclass
class Fleet:
    """The pods, and what has come of the requests so far."""

    story: Story
    now: float = 0.0
    present: float = 0.0
    """Requests in the pods, worked on or waiting."""
    refused: float = 0.0
    pods: list[Pod] = field(default_factory=list)
    made: int = 0

    def ready(self) -> list[Pod]:
        """Pods that answer."""
        return [pod for pod in self.pods if pod.ready_at <= self.now]

    def waiting(self) -> float:
        """Requests in the pods' queues."""
        return max(0.0, self.present - len(self.ready()) * self.story.places)

    def resize(self, size: int, starts: float) -> None:
        """More pods, or fewer: the youngest go first."""
        while len(self.pods) < size:
            self.made += 1
            self.pods.append(Pod(f"p{self.made}", self.now, self.now + starts))
        del self.pods[size:]

    def step(self) -> None:
        """One tenth of a second."""
        came, ready = self.story.rate_at(self.now) * STEP_SECONDS, self.ready()
        most = len(ready) * (self.story.places + self.story.queue)
        self.refused += max(0.0, self.present + came - most)
        self.present = min(self.present + came, most)
        working = min(self.present, len(ready) * self.story.places)
        for pod in ready:
            pod.arrivals += came / len(ready)
            pod.busy += working / len(ready) * STEP_SECONDS
        self.present -= min(self.present, working / self.story.seconds_each * STEP_SECONDS)
        self.now += STEP_SECONDS


class OurRule:
    """What the operator decides, from what such pods tell of themselves."""

    period = TICK_SECONDS

    def __init__(self, story: Story) -> None:
        metrics = [{"type": "Concurrency", "target": story.places}]
        wish = {"maxReplicas": 1000, "targetUtilizationPercent": round(100 * FULL), "metrics": metrics}
        given = {
            "model": {"uri": "https://models.example/iris.onnx"},
            "runtime": {"maxConcurrency": story.places},
            "scaling": wish,
        }
        spec = ModelDeploymentSpec.model_validate(given)
        self.subject = Subject("ml", "iris", "u", 1, "1", spec, ModelDeploymentStatus(stable_revision=REVISION))
        self.memory = ScalingMemory()

    def __call__(self, fleet: Fleet) -> int:
        """One look at the pods, one decision."""
        ready = fleet.ready()
        whole = round(min(fleet.present, len(ready) * fleet.story.places))
        queued = round(fleet.waiting())
        told = [
            PodLoad(
                pod.name, pod.name, REVISION, _report(pod, fleet.now, _share(whole, n, ready), _share(queued, n, ready))
            )
            for n, pod in enumerate(ready)
        ]
        states = tuple(
            PodState(pod.name, pod.name, Progress.READY if pod in ready else Progress.STARTING) for pod in fleet.pods
        )
        workload = WorkloadState("w", len(fleet.pods), len(ready), updated=True, problem=None, pods=states)
        seen = Observation(
            records={},
            workloads={REVISION: workload},
            preflight=None,
            entry_revision=REVISION,
            source=None,
            load=LoadSample(fleet.now, tuple(told)),
        )
        now = Instant(dt.datetime.fromtimestamp(fleet.now, dt.UTC), fleet.now)
        sizing = scaling.size(self.subject, seen, self.memory, now)
        self.memory = sizing.memory
        return sizing.size


class HpaRule:
    """The control: what a HorizontalPodAutoscaler documents that it does, by CPU."""

    period = HPA_SECONDS

    def __init__(self, _: Story) -> None:
        self.busy: dict[str, float] = {}
        self.wanted: list[tuple[float, int]] = []

    def __call__(self, fleet: Fleet) -> int:
        """desired = ceil(pods · use / target), within its limits."""
        ready, present = fleet.ready(), len(fleet.pods)
        use = [(pod.busy - self.busy.get(pod.name, 0.0)) / HPA_SECONDS / fleet.story.places for pod in ready]
        self.busy = {pod.name: pod.busy for pod in ready}
        ratio = sum(use) / max(1, len(use)) / FULL
        if ratio > 1 and present > len(ready):
            ratio = max(1.0, sum(use) / present / FULL)
        asked = present if abs(ratio - 1) <= HPA_TOLERANCE else math.ceil(present * ratio)
        asked = max(1, min(asked, max(2 * present, present + 4)))
        self.wanted = [(at, size) for at, size in self.wanted if at > fleet.now - HPA_DOWN_SECONDS]
        self.wanted.append((fleet.now, asked))
        return asked if asked >= present else min(present, max(size for _, size in self.wanted))


@dataclass(frozen=True)
class Result:
    """What came of one run."""

    seconds: float
    """From the step until enough pods were ready; what is left of the story where they never were."""
    overshoot: float
    """Most pods, as a multiple of those that the rule aims at."""
    refused: float
    """Share of the requests since the step."""
    settled: int
    """Pods in the end."""


def run(story: Story, make: type[OurRule] | type[HpaRule], phase: float) -> Result:
    """One story; the rule looks `phase` seconds after its beginning for the first time."""
    fleet, rule = Fleet(story), make(story)
    fleet.resize(math.ceil(story.rate * story.seconds_each / story.places / FULL), starts=0.0)
    look, enough_at, most, refused_before = phase, story.before + story.after, 0, 0.0
    while fleet.now < story.before + story.after:
        if fleet.now + STEP_SECONDS / 2 >= look:
            fleet.resize(rule(fleet), story.starts)
            look += rule.period
        fleet.step()
        if fleet.now < story.before:
            refused_before = fleet.refused
        else:
            most = max(most, len(fleet.pods))
            if len(fleet.ready()) >= story.enough:
                enough_at = min(enough_at, fleet.now)
    refused = (fleet.refused - refused_before) / (story.rate * story.factor * story.after)
    return Result(enough_at - story.before, most / story.meant, refused, len(fleet.pods))


def runs(story: Story, make: type[OurRule] | type[HpaRule]) -> list[Result]:
    """The same story with the step at five moments of our period, and at each second of the control's."""
    number = 15 if make is HpaRule else 5
    return [run(story, make, phase=n * make.period / number) for n in range(number)]


def measure(starts: tuple[float, ...] = (3.0, 10.0, 30.0)) -> list[Line]:
    """For each time that a pod takes to be ready."""
    lines: list[Line] = []
    for seconds in starts:
        story = Story(starts=seconds)
        ours, control = runs(story, OurRule), runs(story, HpaRule)
        raw = {"ours": [vars(result) for result in ours], "control": [vars(result) for result in control]}
        until = [median(result.seconds for result in side) for side in (ours, control)]
        refused = [100 * median(result.refused for result in side) for side in (ours, control)]
        most = [max(result.overshoot for result in side) for side in (ours, control)]
        pod = f"pods ready after {seconds:g} s"
        lines += [
            _ratio(f"×10, {pod}: until enough pods are ready, ours / HPA-like", until, "s", raw),
            _ratio(f"×10, {pod}: refused in the 7 minutes after, ours / HPA-like", refused, "%", raw),
            Line(GROUP, f"×10, {pod}: most pods / pods aimed at", f"{most[0]:.2f}, HPA-like {most[1]:.2f}", raw=raw),
        ]
    return lines


def _ratio(what: str, pair: list[float], unit: str, raw: dict[str, Any]) -> Line:
    ratio = pair[0] / pair[1]
    value = f"{pair[0]:.1f} / {pair[1]:.1f} {unit} = {ratio:.2f}"
    return bounded(GROUP, what, value, number=ratio, at_most=1.0, raw=raw)


def _share(whole: int, number: int, pods: list[Pod]) -> int:
    """What of so many falls to one of the pods."""
    each, rest = divmod(whole, len(pods))
    return each + (number < rest)


def _report(pod: Pod, now: float, in_flight: int, queued: int) -> LoadReport:
    return LoadReport(
        revision=REVISION,
        in_flight=in_flight,
        queued=queued,
        arrivals={"direct": round(pod.arrivals)},
        busy_seconds=pod.busy,
        uptime_seconds=now - pod.made,
    )
