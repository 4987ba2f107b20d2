"""Sizes that follow the demand: what is asked of the pods, what is written, and what is left alone."""

import asyncio
from typing import Any

import pytest
from prometheus_client import generate_latest
from tests.fakes.world import NAMESPACE, SETTINGS, World, config_map, model

from serinus_api import names
from serinus_api.runtime import LoadReport
from serinus_operator.cluster.errors import Missing, Unavailable
from serinus_operator.cluster.port import AUTOSCALER, DEPLOYMENT, MODEL_DEPLOYMENT, POD, SCALED_OBJECT, Manifest
from serinus_operator.main import outcomes, rollouts_of

SCALING: dict[str, Any] = {
    "maxReplicas": 8,
    "stableWindowSeconds": 6,
    "targetUtilizationPercent": 100,
    "metrics": [{"type": "Concurrency", "target": 4}],
}
CPU: dict[str, Any] = {"minReplicas": 2, "metrics": [{"type": "CPUUtilization", "target": 80}]}


def scaled(name: str = "iris", **scaling: Any) -> Manifest:
    manifest = model(name, scaling={**SCALING, **scaling}, runtime={"resources": {"requests": {"cpu": "500m"}}})
    del manifest["spec"]["replicas"]
    return manifest


class Load:
    """So many requests at once on each model, spread over the pods that are ready."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.requests = 0
        self.busiest = ""
        """The pod that has all of them to itself, if any."""
        self.silent = False
        world.load = self.report

    def report(self, pod: Manifest) -> LoadReport | None:
        if self.silent:
            return None
        revision = pod["metadata"]["labels"][names.LABEL_REVISION]
        ready = [p["metadata"]["name"] for p in self.world.kubelet.pods(revision)]
        here, rest = divmod(self.requests, len(ready))
        share = here + (ready.index(pod["metadata"]["name"]) < rest)
        if self.busiest:
            share = self.requests if pod["metadata"]["name"] == self.busiest else 0
        return LoadReport(revision=revision, in_flight=share, queued=0, arrivals={}, busy_seconds=0.0)


def replicas(world: World, name: str = "iris") -> int:
    deployment = world.object(DEPLOYMENT, world.status(name)["stableRevision"])
    assert deployment
    return int(deployment["spec"]["replicas"])


async def test_size_follows_the_demand_and_nothing_is_written_in_between(world: World) -> None:
    load = Load(world)
    world.apply(scaled())
    await world.ready()
    assert replicas(world) == 1
    load.requests = 18
    await world.until(lambda: replicas(world) == 5)
    await world.until(lambda: world.status()["scaling"]["readyReplicas"] == 5)
    assert world.is_ready(), "it never ceased to be"
    assert world.says("ScalingActive", "True", "MetricsAvailable")
    await world.advance(10)
    since, asked = len(world.cluster.calls), len(world.process.scraped)
    await world.advance(300)
    assert world.cluster.calls[since:] == []
    assert len(world.process.scraped) - asked == pytest.approx(5 * 150, abs=5), "one request per pod in two seconds"
    load.requests = 0
    took = await world.until(lambda: replicas(world) == 1, within=60)
    assert 4 <= took <= 30
    await world.advance(10)
    told = world.status()["scaling"]
    assert (told["engine"], told["state"], told["desiredReplicas"], told["reason"]) == (
        "Builtin",
        "Awake",
        1,
        "Concurrency",
    )
    assert told["message"].startswith("2 → 1: concurrency ")
    assert told["message"].endswith(" over target 4 in the last 6 s")


async def test_each_change_of_size_is_told_in_one_event_per_direction(world: World) -> None:
    load = Load(world)
    world.apply(scaled())
    await world.ready()
    for requests in (8, 16, 24):
        load.requests = requests
        await world.until(lambda wanted=requests // 4: replicas(world) == wanted)  # type: ignore[misc]
    await world.advance(5)
    (up,) = [m for (kind, _, _), m in world.cluster.objects.items() if kind == "Event" and m["reason"] == "ScaledUp"]
    assert up["type"] == "Normal"
    assert up["count"] >= 3
    assert "→ 6: concurrency" in up["message"]
    assert not [
        m for (kind, _, _), m in world.cluster.objects.items() if kind == "Event" and m["reason"] == "ScaledDown"
    ]


async def test_only_models_with_scaling_are_asked_and_only_by_the_active_operator(world: World) -> None:
    Load(world)
    world.apply(model("fixed"))
    world.apply(scaled("paused"))
    await world.ready("fixed")
    await world.ready("paused")
    world.cluster.edit(MODEL_DEPLOYMENT, NAMESPACE, "paused", lambda live: live["spec"].update(paused=True))
    await world.advance(5)
    asked = len(world.process.scraped)
    standby = world.start(SETTINGS.__class__(runtime_image=SETTINGS.runtime_image, identity="pod-2"))
    await world.advance(30)
    assert len(world.processes[0].scraped) == asked
    world.cluster.edit(MODEL_DEPLOYMENT, NAMESPACE, "paused", lambda live: live["spec"].update(paused=False))
    await world.advance(30)
    assert len(world.processes[0].scraped) - asked >= 14
    assert {name.rpartition("-")[0].rpartition("-")[0] for name in world.processes[0].scraped} == {
        world.status("paused")["stableRevision"]
    }
    assert standby.scraped == []


async def test_silent_pods_hold_the_size_and_it_is_said(world: World) -> None:
    load = Load(world)
    load.requests = 16
    world.apply(scaled())
    await world.ready()
    await world.until(lambda: replicas(world) == 4)
    await world.advance(20)
    load.silent, load.requests = True, 0
    took = await world.until(lambda: world.says("ScalingActive", "False", "MetricsUnavailable"))
    assert 7 <= took <= 14
    assert world.is_ready()
    await world.advance(1)  # its Event follows
    since = len(world.cluster.calls)
    await world.advance(120)
    assert (replicas(world), world.cluster.calls[since:]) == (4, [])
    load.silent = False
    await world.until(lambda: replicas(world) == 1, within=60)
    assert world.says("ScalingActive", "True", "MetricsAvailable")


async def test_operator_that_has_just_begun_shrinks_nothing_for_one_window(world: World) -> None:
    load = Load(world)
    load.requests = 16
    world.apply(scaled(stableWindowSeconds=60))
    await world.ready()
    await world.until(lambda: replicas(world) == 4)
    await world.advance(120)
    load.requests = 0
    await world.restart()
    took = await world.until(lambda: replicas(world) < 4, within=120)
    assert took >= 60


async def test_pods_that_have_least_to_do_go_first(world: World) -> None:
    load = Load(world)
    load.requests = 16
    world.apply(scaled())
    revision = await world.ready()
    await world.until(lambda: len(world.kubelet.pods(revision)) == 4)
    await world.advance(20)
    pods = [pod["metadata"]["name"] for pod in world.kubelet.pods(revision)]
    load.busiest, load.requests = pods[-1], 2
    since = len(world.cluster.calls)
    await world.until(lambda: replicas(world) == 1, within=60)
    await world.until(lambda: len(world.kubelet.pods(revision)) == 1)
    assert [pod["metadata"]["name"] for pod in world.kubelet.pods(revision)] == [pods[-1]]
    calls = [(call.verb, call.kind) for call in world.changes(since)]
    marks = [call for call in calls if call == ("apply", POD.kind)]
    assert len(marks) == 3, "only the pods that go are marked"
    assert calls.index(("apply", POD.kind)) < calls.index(("scale", DEPLOYMENT.kind))


@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_operator_that_is_killed_while_it_scales_scales_once(world: World, number: int, when: str) -> None:
    load = Load(world)
    world.apply(scaled())
    await world.ready()
    await world.advance(10)
    since, world.requests, world.kill_at = len(world.cluster.calls), 0, (number, when)
    load.requests = 16
    await asyncio.wait_for(world.killed.wait(), 60)
    world.kill_at = None
    await world.restart()
    await world.until(lambda: world.status()["scaling"]["readyReplicas"] == 4)
    await world.advance(120)
    assert (replicas(world), world.status()["scaling"]["desiredReplicas"]) == (4, 4)
    assert "1 → 4: concurrency 16 over target 4" in world.status()["scaling"]["message"]
    assert [call.verb for call in world.changes(since)].count("scale") == 1


def autoscaler(target: str) -> Manifest:
    spec = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}, "maxReplicas": 5}
    meta = {"namespace": NAMESPACE, "name": "by-hand"}
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta, "spec": spec}


async def test_outage_is_met_with_the_back_off_although_the_pods_are_asked_on(world: World) -> None:
    Load(world)
    world.apply(scaled())
    await world.ready()
    await world.advance(60)
    asked = len(world.process.scraped)
    outage = world.cluster.fail(Unavailable("no answer"), verb="list", kind=AUTOSCALER.kind)
    await world.until(lambda: outage.struck > 0, within=60)
    begun = outage.struck
    await world.advance(120)
    assert outage.struck - begun <= 20, "0.2 s doubling to 15 s; the look at the pods comes 60 times"
    assert len(world.process.scraped) - asked >= 60
    outage.lift()
    load = Load(world)
    load.requests = 18
    await world.until(lambda: replicas(world) == 5, within=40)


async def test_foreign_scaler_is_named_and_left_the_field(world: World) -> None:
    load = Load(world)
    world.apply(scaled())
    revision = await world.ready()
    world.cluster.put(autoscaler(revision))
    await world.until(lambda: world.says("ScalingActive", "False", "ReplicaOwnershipConflict"), within=45)
    assert "HorizontalPodAutoscaler by-hand" in world.condition("ScalingActive")["message"]
    await world.advance(5)
    load.requests, since = 20, len(world.cluster.calls)
    await world.advance(60)
    assert (replicas(world), world.changes(since)) == (1, [])
    world.cluster.remove(AUTOSCALER, NAMESPACE, "by-hand")
    await world.until(lambda: replicas(world) == 5, within=45)
    assert world.says("ScalingActive", "True", "MetricsAvailable")


async def test_somebody_who_writes_replicas_again_and_again_is_a_conflict(world: World) -> None:
    Load(world)
    world.apply(scaled())
    revision = await world.ready()
    await world.advance(10)
    for _ in range(3):
        world.cluster.edit(DEPLOYMENT, NAMESPACE, revision, lambda live: live["spec"].update(replicas=6))
        await world.advance(20)
    await world.until(lambda: world.says("ScalingActive", "False", "ReplicaOwnershipConflict"))
    assert replicas(world) == 6


async def test_new_revision_takes_over_at_the_size_of_the_old_one(world: World) -> None:
    load = Load(world)
    load.requests = 12
    world.apply(scaled())
    first = await world.ready()
    await world.until(lambda: replicas(world) == 3)
    world.apply(config_map("second", b"model two"))
    changed = scaled()
    changed["spec"]["model"]["uri"] = "configmap://second/model.onnx"
    world.apply(changed)
    await world.until(lambda: world.status()["stableRevision"] != first)
    assert len(world.kubelet.pods(world.status()["stableRevision"])) == 3
    await world.ready()
    assert replicas(world) == 3


async def test_autoscaler_of_the_cluster_is_made_followed_and_removed(world: World) -> None:
    Load(world)
    world.apply(scaled(engine="HPA", **CPU))
    revision = await world.ready()
    made = world.object(AUTOSCALER, "iris")
    assert made
    assert made["spec"]["scaleTargetRef"]["name"] == revision
    assert (made["spec"]["minReplicas"], made["spec"]["maxReplicas"]) == (2, 8)
    world.cluster.edit(DEPLOYMENT, NAMESPACE, revision, lambda live: live["spec"].update(replicas=5))
    condition = {"type": "ScalingActive", "status": "False", "message": "unable to get metrics for resource cpu"}
    world.cluster.edit(AUTOSCALER, NAMESPACE, "iris", lambda live: live.update(status={"conditions": [condition]}))
    await world.until(lambda: world.says("ScalingActive", "False", "MetricsUnavailable"), within=60)
    assert "unable to get metrics" in world.condition("ScalingActive")["message"]
    assert (replicas(world), world.status()["summary"]["engine"]) == (5, "HPA")
    assert world.process.scraped == []
    since = len(world.cluster.calls)
    await world.advance(120)
    assert world.cluster.calls[since:] == []
    world.apply(scaled())
    await world.until(lambda: world.object(AUTOSCALER, "iris") is None)
    await world.until(lambda: world.status()["summary"]["engine"] == "Builtin")
    await world.until(lambda: replicas(world) == 1, within=60)


async def test_autoscaler_of_a_model_that_may_sleep_leaves_the_last_pod_to_the_operator(world: World) -> None:
    Load(world)
    world.apply(scaled(engine="HPA", **(CPU | {"minReplicas": 0})))
    await world.ready()
    made = world.object(AUTOSCALER, "iris")
    assert made
    assert made["spec"]["minReplicas"] == 1
    assert replicas(world) == 1


async def test_autoscaler_of_that_name_of_somebody_else_is_left_alone(world: World) -> None:
    other = autoscaler("their-deployment")
    other["metadata"]["name"] = "iris"
    before = world.cluster.put(other)
    world.apply(scaled(engine="HPA", **CPU))
    await world.until(lambda: world.condition("Ready").get("reason") == "NameConflict")
    assert world.object(AUTOSCALER, "iris") == before


async def test_cluster_without_keda_says_so_and_serves(world: World) -> None:
    fault = world.cluster.fail(
        Missing("the server could not find the requested resource"), verb="list", kind="ScaledObject"
    )
    created = world.cluster.fail(
        Missing("the server could not find the requested resource"), verb="create", kind="ScaledObject"
    )
    world.apply(scaled(engine="KEDA", **CPU))
    await world.until(lambda: world.says("ScalingActive", "False", "EngineUnavailable"))
    await world.until(lambda: world.says("Available", "True", "Serving"))
    assert "install KEDA" in world.condition("ScalingActive")["message"]
    await world.ready()
    await world.advance(20)
    since = len(world.cluster.calls)
    await world.advance(120)
    assert world.cluster.calls[since:] == []
    fault.lift()
    created.lift()
    await world.until(lambda: world.object(SCALED_OBJECT, "iris") is not None, within=60)
    await world.until(lambda: world.says("ScalingActive", "True", "MetricsAvailable"), within=60)


async def test_model_that_may_sleep_stays_awake_without_a_gateway_and_says_so(world: World) -> None:
    Load(world)
    world.apply(scaled(minReplicas=0))
    await world.ready()
    await world.advance(60)
    assert replicas(world) == 1
    assert world.says("ScalingActive", "False", "GatewayUnavailable")
    assert "set minReplicas to 1" in world.condition("ScalingActive")["message"]
    assert world.status()["scaling"]["state"] == "Awake"
    world.apply(scaled())
    await world.until(lambda: world.says("ScalingActive", "True", "MetricsAvailable"))


async def test_operators_metrics_tell_size_wish_panic_and_reason(world: World) -> None:
    load = Load(world)
    world.process.telemetry.follow(
        depth=lambda: 0.0,
        oldest=lambda: 0.0,
        held=lambda: 1.0,
        sizes=lambda: [(key.namespace, key.name, o) for key, o in outcomes(world.process.reconciler.memories)],
        rollouts=lambda: rollouts_of(world.process.cache),
    )
    world.apply(scaled())
    await world.ready()
    load.requests = 80
    await world.until(lambda: replicas(world) == 8)
    text = generate_latest(world.process.telemetry.registry).decode()
    key = f'name="iris",namespace="{NAMESPACE}"'
    assert f"serinus_scaling_desired_replicas{{{key}}} 8.0" in text
    assert f"serinus_scaling_wanted_replicas{{{key}}} 20.0" in text
    assert f"serinus_scaling_panic{{{key}}} 1.0" in text
    assert f'serinus_scaling_reason{{{key},reason="MaxReplicas"}} 1.0' in text
    world.delete()
    await world.advance(5)
    assert "iris" not in generate_latest(world.process.telemetry.registry).decode()
