"""What a rollout tells: each happening is one Event and one count, whoever is killed meanwhile."""

import re
from collections import Counter
from typing import Any

from prometheus_client import generate_latest
from tests.component.reconcile.test_canary import ROLLOUT, TWO, canary, phase, served, weight
from tests.component.reconcile.zero import WITH_GATEWAYS
from tests.fakes.world import NAMESPACE, World

from serinus_operator.decide.gate import UNREAD
from serinus_operator.main import rollouts_of


def events(world: World, *reasons: str) -> list[dict[str, Any]]:
    """The Events that there are with these reasons."""
    return [e for (kind, *_), e in world.cluster.objects.items() if kind == "Event" and e["reason"] in reasons]


def metrics(world: World) -> str:
    telemetry = world.process.telemetry
    telemetry.rollouts.follow(lambda: rollouts_of(world.process.cache))
    if telemetry.rollouts not in telemetry.registry._collector_to_names:
        telemetry.registry.register(telemetry.rollouts)
    return generate_latest(telemetry.registry).decode()


async def test_promoted_candidate_tells_each_step_and_verdict() -> None:
    async with served() as (world, _, first, _):
        world.apply(canary(model=TWO))
        second = await world.ready(within=400)
        steps = sorted(event["message"] for event in events(world, "RolloutStep"))
        assert steps == [
            f"step {place} of 3: {second} is to get {share} %" for place, share in ((1, 5), (2, 25), (3, 50))
        ]
        (promoted,) = events(world, "RolloutPromoted")
        assert promoted["message"] == f"{second} is stable, and is watched for 20 s; {first} is kept"
        await world.until(lambda: len(events(world, "RolloutCompleted")) == 1)
        passes = events(world, "AnalysisPass")
        assert passes
        assert all(
            event["type"] == "Normal" and f"errors of {second}: Pass, 0 (0 to " in event["message"] for event in passes
        )
        assert {event["count"] for event in events(world, "RolloutStep", "RolloutPromoted")} == {1}
        text, key = metrics(world), f'name="iris",namespace="{NAMESPACE}"'
        assert f'serinus_rollout_phase{{{key},phase="Stable"}} 1.0' in text
        counted = next(line for line in text.splitlines() if 'metric="errors"' in line and 'result="Pass"' in line)
        assert float(counted.split()[-1]) == sum(event["count"] for event in passes)


async def test_aborted_candidate_tells_the_verdict_with_its_figures() -> None:
    async with served() as (world, plane, _, _):
        world.apply(canary(model=TWO))
        await world.until(lambda: weight(world) == 5, within=200)
        second = world.status()["candidateRevision"]
        plane.errors[second] = 0.5
        await world.until(lambda: world.says("Stalled", "True", "RolledBack"), within=300)
        (aborted,) = events(world, "RolloutAborted")
        assert (aborted["type"], aborted["count"]) == ("Warning", 1)
        assert aborted["message"].startswith(f"{second} is taken back: errors is ")
        fails = events(world, "AnalysisFail")
        assert any(f"errors of {second}: Fail, " in event["message"] for event in fails), "the verdict that decided"
        key = f'name="iris",namespace="{NAMESPACE}"'
        assert f'serinus_rollout_aborts_total{{{key},reason="AnalysisFailed"}} 1.0' in metrics(world)


async def test_hold_and_its_end_are_told() -> None:
    async with served() as (world, plane, _, _):
        world.apply(canary(model=TWO))
        await world.until(lambda: weight(world) == 25, within=200)
        for name in ("gateway-0", "gateway-1"):
            plane.remove_gateway(name)
        await world.until(lambda: phase(world) == "Held", within=5)
        await world.until(lambda: bool(events(world, "RolloutHeld")))
        (held,) = events(world, "RolloutHeld")
        assert (held["type"], "GatewayUnavailable" in held["message"]) == ("Warning", True)
        assert 'phase="Held"} 1.0' in metrics(world)
        plane.add_gateway("gateway-2", "10.9.0.3")
        await world.until(lambda: bool(events(world, "RolloutResumed")), within=60)
        await world.advance(1)  # until every kube-proxy has forgotten the gateways that are gone
        plane.lost.clear()  # what came in these seconds died with them


async def test_restart_tells_the_present_step_under_its_name_and_counts_nothing_twice() -> None:
    async with served() as (world, _, _, _):
        world.apply(canary(model=TWO, rollout={"steps": [{"weight": 25, "manual": True, "pauseSeconds": 5}]}))
        await world.until(lambda: weight(world) == 25, within=200)
        before = {event["metadata"]["name"] for event in events(world, "RolloutStep")}
        world.cluster.objects = {at: one for at, one in world.cluster.objects.items() if at[0] != "Event"}
        await world.restart(WITH_GATEWAYS)
        await world.until(lambda: bool(events(world, "RolloutStep")))
        assert {event["metadata"]["name"] for event in events(world, "RolloutStep")} == before
        world.annotate(abort="1")
        await world.until(lambda: phase(world) == "Aborted", within=60)
        assert Counter(event["reason"] for event in events(world, "RolloutStep", "RolloutAborted")) == {
            "RolloutStep": 1,
            "RolloutAborted": 1,
        }
        assert 'reason="Aborted"} 1.0' in metrics(world)
        await world.restart(WITH_GATEWAYS)
        await world.advance(30)
        assert "serinus_rollout_aborts_total{" not in metrics(world)


async def test_abort_that_another_process_has_told_is_not_counted_again() -> None:
    async with served() as (world, _, _, _):
        world.apply(canary(model=TWO))
        await world.until(lambda: weight(world) == 25, within=200)
        world.annotate(abort="1")
        await world.until(lambda: phase(world) == "Aborting" and bool(events(world, "RolloutAborted")))
        await world.restart(WITH_GATEWAYS)
        await world.until(lambda: phase(world) == "Aborted", within=60)
        assert len(events(world, "RolloutAborted")) == 1
        assert "serinus_rollout_aborts_total{" not in metrics(world)


async def test_step_that_is_passed_without_a_verdict_is_told_as_low_traffic() -> None:
    async with served(per_second=0.01) as (world, _, _, _):
        world.apply(canary(model=TWO))
        second = await world.ready(within=2000)
        few = "LowTraffic: too few requests for a verdict, and nothing that speaks against it"
        told = [event["message"] for event in events(world, "RolloutStep", "RolloutPromoting")]
        assert sorted(told) == [
            f"{second} is to get every request; the step before is passed, {few}",
            f"step 1 of 3: {second} is to get 5 %",
            f"step 2 of 3: {second} is to get 25 %; the step before is passed, {few}",
            f"step 3 of 3: {second} is to get 50 %; the step before is passed, {few}",
        ]
        assert not events(world, "AnalysisPass", "AnalysisFail")
        looks = events(world, "AnalysisInconclusive")
        assert [(look["type"], look["count"]) for look in looks] == [("Normal", 1)] * 3, "once for each step"
        words = re.compile(rf"errors of {second}: Inconclusive, no value over (\d+) requests: \1 of 20 requests")
        assert all(words.fullmatch(look["message"]) for look in looks)
        key = f'metric="errors",name="iris",namespace="{NAMESPACE}",result="Inconclusive"'
        assert f"serinus_rollout_verdicts_total{{{key}}} 3.0" in metrics(world)


async def test_hold_for_too_few_requests_tells_the_look_that_found_them_too_few() -> None:
    async with served(per_second=0.01) as (world, _, _, _):
        few = {**ROLLOUT["analysis"], "onTooFewRequests": "Hold"}
        world.apply(canary(model=TWO, rollout={"analysis": few}))
        await world.until(lambda: phase(world) == "Held", within=2000)
        await world.advance(300)
        (look,) = events(world, "AnalysisInconclusive")
        assert look["count"] == 1


async def test_hold_for_pods_that_cannot_be_asked_tells_that_nothing_is_known() -> None:
    async with served() as (world, _, _, _):
        world.apply(canary(model=TWO))
        await world.until(lambda: weight(world) == 5, within=200)
        world.page = lambda pod: None
        await world.until(lambda: phase(world) == "Held", within=200)
        await world.until(lambda: bool(events(world, "AnalysisInconclusive")))
        (look,) = events(world, "AnalysisInconclusive")
        assert look["message"].endswith(f": {UNREAD}")
