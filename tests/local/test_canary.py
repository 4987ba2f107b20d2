"""A candidate in steps without a cluster: Envoy splits, real pods count, the operator's own steps judge."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from tests.local.stage import Stage, condition, model_of
from tests.models import moody
from tests.models.good import doubler, limited

from serinus_api.runtime import HEADER_REVISION
from serinus_operator.cluster.port import EVENT

RATE = 20.0
"""Requests a second."""
NUMBERS = 10
"""They ask for 0 to 9 in turns."""
SURE = 4.5
"""Standard deviations: one run in a hundred thousand is beyond them by chance."""
ROLLOUT: dict[str, Any] = {
    "strategy": "Canary",
    "steps": [{"weight": 25, "pauseSeconds": 12}, {"weight": 75, "pauseSeconds": 12}],
    "analysis": {"minRequests": 30, "metrics": [{"name": "errors", "type": "ErrorRatePermille", "max": 20}]},
    "bakeSeconds": 1,
}


SCALING = {
    "maxReplicas": 4,
    "stableWindowSeconds": 6,
    "targetUtilizationPercent": 100,
    "metrics": [{"type": "RequestsPerSecond", "target": 8}],
}
"""Three pods for all of it, one for a quarter and three for three quarters."""


def canary(uri: str, size: dict[str, Any] | None = None) -> dict[str, Any]:
    return model_of(uri, rollout=ROLLOUT, **(size or {"replicas": 1}))


def rollout_of(stage: Stage) -> dict[str, Any]:
    found: dict[str, Any] = stage.get().get("status", {}).get("rollout") or {}
    return found


@dataclass
class Load:
    """An open loop at a constant rate, with each request accounted for."""

    stage: Stage
    sent: int = 0
    answers: Counter[tuple[str, int, float | None]] = field(default_factory=Counter)
    """By revision, code, and by how much the answer multiplies; None where there is no answer."""
    split: dict[int, Counter[str]] = field(default_factory=dict)
    """By the weight that was in force, how many requests each revision got."""
    lost: list[str] = field(default_factory=list)

    async def run(self, over: asyncio.Event) -> None:
        clock = asyncio.get_running_loop().time
        async with asyncio.TaskGroup() as requests:
            due = clock()
            while not over.is_set():
                requests.create_task(self._account(1 + self.sent % NUMBERS))
                self.sent += 1
                due += 1 / RATE
                await asyncio.sleep(max(0.0, due - clock()))

    async def _account(self, number: int) -> None:
        rollout = rollout_of(self.stage)
        weight = rollout.get("requestedWeight")
        in_force = weight if weight == rollout.get("appliedWeight") else None
        tensor = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [float(number)] * 4}
        try:
            async with self.stage.session.post(self.stage.url("/v2/models/m/infer"), json={"inputs": [tensor]}) as got:
                said = await got.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self.lost.append(f"{number}: {error!r}")
            return
        revision = got.headers.get(HEADER_REVISION)
        if revision is None:
            self.lost.append(f"{number}: {got.status} {said}")
            return
        times = said["outputs"][0]["data"][0] / number if got.status == 200 else None
        self.answers[revision, got.status, times] += 1
        if in_force:
            self.split.setdefault(in_force, Counter())[revision] += 1


@asynccontextmanager
async def loaded(stage: Stage, size: dict[str, Any] | None = None) -> AsyncIterator[Load]:
    """The doubler serves, under load; the load is complete afterwards."""
    await stage.apply(canary(stage.file("two.onnx", doubler(2.0)), size))
    await stage.ready()
    load, over = Load(stage), asyncio.Event()
    running = asyncio.create_task(load.run(over))
    try:
        yield load
    finally:
        over.set()
        await running


def courses(stage: Stage) -> list[tuple[str, int]]:
    """The phases and weights that the status goes through from now on."""
    seen: list[tuple[str, int]] = []

    def note(*_: Any) -> None:
        rollout = rollout_of(stage)
        here = str(rollout.get("phase")), int(rollout.get("requestedWeight") or 0)
        if here != (seen[-1] if seen else None):
            seen.append(here)

    stage.cluster.watch(note)
    return seen


async def test_good_candidate_takes_over_in_steps_with_the_split_that_was_asked_for_and_nothing_lost(
    fronted: Stage,
) -> None:
    async with loaded(fronted) as load:
        seen = courses(fronted)
        first = fronted.get()["status"]["stableRevision"]
        await fronted.apply(canary(fronted.file("three.onnx", doubler(3.0))))
        for weight in (25, 75):
            await fronted.until(lambda weight=weight: rollout_of(fronted).get("appliedWeight") == weight)
            await fronted.until(lambda: rollout_of(fronted).get("weightVerified") == "True")
            assert rollout_of(fronted)["requestedWeight"] == weight
        await fronted.ready()
        second = fronted.get()["status"]["stableRevision"]
        await fronted.until(lambda: {pod.revision for pod in fronted.instance.pods("default", "m")} == {second})
    assert load.lost == []
    assert set(load.answers) == {(first, 200, 2.0), (second, 200, 3.0)}
    assert load.answers.total() == load.sent
    assert list(dict.fromkeys(weight for _, weight in seen if weight)) == [25, 75, 100]
    for weight in (25, 75):
        counts = load.split[weight]
        share, whole = weight / 100, counts.total()
        expected, deviation = share * whole, math.sqrt(share * (1 - share) * whole)
        assert abs(counts[second] - expected) < SURE * deviation, load.split
    assert fronted.get()["status"]["scaling"]["traffic"] == "Direct"


def pods(stage: Stage) -> Counter[str]:
    """How many pods of each revision there are."""
    return Counter(pod.revision for pod in stage.instance.pods("default", "m"))


async def test_each_side_has_the_pods_for_its_share_of_the_requests(fronted: Stage) -> None:
    size = {"scaling": SCALING}
    async with loaded(fronted, size) as load:
        first = fronted.get()["status"]["stableRevision"]
        await fronted.until(lambda: pods(fronted)[first] == 3)
        before: dict[int, tuple[int, int]] = {}

        def note(*_: Any) -> None:
            status = fronted.get()["status"]
            weight = int((status.get("rollout") or {}).get("requestedWeight") or 0)
            ready = {one["name"]: one["readyReplicas"] for one in status.get("revisions", ())}
            before.setdefault(weight, (ready.pop(first, 0), max(ready.values(), default=0)))

        fronted.cluster.watch(note)
        await fronted.apply(canary(fronted.file("three.onnx", doubler(3.0)), size))
        await fronted.until(lambda: rollout_of(fronted).get("appliedWeight") == 75)
        await fronted.until(lambda: pods(fronted)[first] == 1)
        second = (await fronted.ready())["status"]["stableRevision"]
        await fronted.until(lambda: pods(fronted) == {second: 3})
    assert load.lost == []
    assert second != first
    assert before[25][1] >= 1
    assert min(before[75]) >= 3, "neither had fewer when the weight was raised"
    assert before[100][1] >= 3


async def test_candidate_that_fails_one_request_in_five_is_taken_back(fronted: Stage) -> None:
    async with loaded(fronted) as load:
        seen = courses(fronted)
        first = fronted.get()["status"]["stableRevision"]
        await fronted.apply(canary(fronted.file("limited.onnx", limited(3.0, 8))))
        refusal = await fronted.stalled()
        await fronted.until(lambda: {pod.revision for pod in fronted.instance.pods("default", "m")} == {first})
    assert refusal["reason"] == "AnalysisFailed"
    assert "errors is" in refusal["message"]
    assert condition(fronted.get(), "RolloutHealthy")["status"] == "False"
    assert load.lost == []
    failed = {revision for revision, code, _ in load.answers if code != 200}
    assert len(failed) == 1
    assert first not in failed
    assert max(weight for _, weight in seen) == 25
    assert fronted.get()["status"]["stableRevision"] == first
    assert "RolledBack" in [event["reason"] for event in fronted.cluster.select(EVENT)]


AGAINST_STABLE: dict[str, Any] = {
    **ROLLOUT,
    "analysis": {
        "minRequests": 30,
        "metrics": [{"name": "latency", "type": "LatencyP95Milliseconds", "maxPercentOfStable": 200}],
    },
}


async def test_candidate_many_times_as_slow_as_stable_is_taken_back(fronted: Stage) -> None:
    async with loaded(fronted) as load:
        first = fronted.get()["status"]["stableRevision"]
        slow = fronted.file("slow.onnx", moody.dawdling(1500))
        await fronted.apply(model_of(slow, replicas=1, rollout=AGAINST_STABLE))
        refusal = await fronted.stalled()
        (verdict,) = rollout_of(fronted)["analysis"]
    assert refusal["reason"] == "AnalysisFailed"
    assert (verdict["metric"], verdict["verdict"]) == ("latency", "Fail")
    assert verdict["value"] > 2 * verdict["baseline"]
    assert load.lost == []
    assert fronted.get()["status"]["stableRevision"] == first


COPIES: dict[str, Any] = {
    "steps": [{"weight": 0, "pauseSeconds": 10}, {"weight": 50, "pauseSeconds": 5}],
    "shadow": {"percent": 50},
    "analysis": {
        "minRequests": 30,
        "consecutiveFailures": 1,
        "metrics": [{"name": "agreement", "type": "ShadowAgreementPercent", "min": 99}],
    },
    "bakeSeconds": 1,
}


async def test_candidate_that_answers_otherwise_is_taken_back_before_anybody_asked_it(fronted: Stage) -> None:
    """Half of the numbers times 3, and copies of the answers times 2: the pods themselves find that they disagree."""
    async with loaded(fronted) as load:
        seen = courses(fronted)
        first = fronted.get()["status"]["stableRevision"]
        three = fronted.file("three.onnx", doubler(3.0))
        await fronted.apply(model_of(three, replicas=1, rollout=COPIES))
        refusal = await fronted.stalled()
    assert refusal["reason"] == "AnalysisFailed"
    assert "agreement is 0" in refusal["message"]
    assert "largest difference 10," in f"{refusal['message']},"
    assert load.lost == []
    assert set(load.answers) == {(first, 200, 2.0)}
    assert {weight for _, weight in seen} == {0}
