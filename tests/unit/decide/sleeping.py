"""A model that may sleep, and what is seen of it, its pods and its gateways, for the tests of this folder."""

from typing import Any

from tests.unit.decide.loading import report, sample
from tests.unit.decide.subjects import at, observation, pod, spec, subject, workload

from serinus_api.gateway import ModelTraffic
from serinus_api.v1alpha1 import ModelDeploymentSpec, ModelDeploymentStatus, ScalingStatus
from serinus_operator.decide import zero
from serinus_operator.places import AWAKE, EntryState, GatewayLook, GatewayPod, Place, ZeroMemory
from serinus_operator.state import Observation, Progress, Subject

PODS = (GatewayPod("g0", ("10.0.0.1",)), GatewayPod("g1", ("10.0.0.2", "fd00::2")))
PORT = 20017


def sleepy(**scaling: Any) -> ModelDeploymentSpec:
    given = {"minReplicas": 0, "stableWindowSeconds": 6, "scaleToZero": {"gracePeriodSeconds": 3}, **scaling}
    return spec(replicas=None, scaling=given)


def model(place: Place = AWAKE, given: ModelDeploymentSpec | None = None) -> Subject:
    scaling = ScalingStatus(engine="Builtin", state=place.state, traffic=place.mode)  # type: ignore[arg-type]
    return subject(given or sleepy(), ModelDeploymentStatus(stable_revision="r", scaling=scaling, gateway_port=PORT))


def gateways(now: float, *, held: int = 0, in_flight: int | None = 0, pods: int = 2, **more: Any) -> GatewayLook:
    said = ModelTraffic(
        namespace="ml", name="iris", port=PORT, held=held, in_flight=in_flight, arrivals=9, guarded=True, applied=True
    )
    known: dict[str, Any] = {"installed": True, "pods": PODS[:pods], "at": now, "traffic": (said,) * pods}
    return GatewayLook(**{**known, **more})


def seen(now: float, arrivals: int = 5, *, replicas: int = 1, ready: int = 1, **more: Any) -> Observation:
    reports = [report(arrivals=arrivals)] * ready
    known: dict[str, Any] = {
        "workloads": {"r": workload(ready, replicas, *(pod(Progress.READY, name=f"p{n}") for n in range(ready)))},
        "entry_revision": "r",
        "load": sample(now, *reports),
        "gateways": gateways(now),
        "entry": EntryState(address="10.1.1.1", pods=ready),
        "gateway_port": PORT,
    }
    return observation(**{**known, **more})


def step(
    given: Subject, look: Observation, memory: ZeroMemory, now: float, *, wanted: int = 0, settled: bool = True
) -> zero.Sleep:
    return zero.step(given, look, memory, at(now), wanted=wanted, settled=settled)


def after(given: Subject, *looks: tuple[float, Observation], settled: bool = True) -> zero.Sleep:
    """What several passes come to, with the memory handed on and the status unchanged."""
    memory = ZeroMemory()
    for now, look in looks:
        result = step(given, look, memory, now, settled=settled)
        memory = result.memory
    return result
