"""The setting of the stories of sleep: a model that may sleep, two gateways, and requests that are accounted for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from tests.fakes.plane import GATEWAY_LABELS, Plane
from tests.fakes.world import NAMESPACE, SETTINGS, World, config_map, model

from serinus_operator.cluster.port import DEPLOYMENT, Manifest

WITH_GATEWAYS = replace(SETTINGS, gateway_pod_labels=GATEWAY_LABELS)
WINDOW_SECONDS = 6
SCALING: dict[str, Any] = {
    "minReplicas": 0,
    "maxReplicas": 8,
    "stableWindowSeconds": WINDOW_SECONDS,
    "targetUtilizationPercent": 100,
    "metrics": [{"type": "Concurrency", "target": 4}],
    "scaleToZero": {"gracePeriodSeconds": 3},
}
FIRST, SECOND = "10.9.0.1", "10.9.0.2"


def sleepy(name: str = "iris", **scaling: Any) -> Manifest:
    """A model that may sleep."""
    manifest = model(name, scaling={**SCALING, **scaling}, runtime={"startupDeadlineSeconds": 60})
    del manifest["spec"]["replicas"]
    return manifest


@asynccontextmanager
async def stage(*, gateways: int = 2, start: bool = True) -> AsyncIterator[tuple[World, Plane]]:
    """A cluster with an operator and gateways. In the end no request is lost, and nothing that must hold is broken."""
    async with World() as world:
        plane = Plane(world, NAMESPACE)
        world.apply(config_map("iris-model", b"model one"))
        for number in range(gateways):
            plane.add_gateway(f"gateway-{number}", (FIRST, SECOND)[number])
        if start:
            world.start(WITH_GATEWAYS)
        yield world, plane
        assert not world.invariants.broken, f"{world.invariants.broken}\n{world.describe()}"
        assert not plane.broken, f"{plane.broken}\n{world.describe()}"


def state(world: World, name: str = "iris") -> tuple[str, str]:
    """State and traffic, as the status says them."""
    scaling = world.status(name).get("scaling", {})
    return scaling.get("state", ""), scaling.get("traffic", "Direct")


def replicas(world: World, name: str = "iris") -> int:
    """What the Deployment of the revision that serves asks for."""
    deployment = world.object(DEPLOYMENT, world.status(name)["stableRevision"])
    assert deployment
    return int(deployment["spec"]["replicas"])


async def asleep(world: World, name: str = "iris", *, within: float = 60.0) -> None:
    """Wait until it sleeps and its pods are gone."""
    await world.until(lambda: state(world, name)[0] == "Asleep" and replicas(world, name) == 0, within=within)
    await world.until(lambda: not world.kubelet.pods(world.status(name)["stableRevision"]))


async def awake(world: World, name: str = "iris", *, within: float = 60.0) -> None:
    """Wait until its pods take the traffic."""
    await world.until(lambda: state(world, name) == ("Awake", "Direct"), within=within)
