"""Models that sleep and wake on a real cluster, with nothing in it but Serinus: no request is lost on the way.

`SERINUS_FULL=1` asks for as many flips as the design promises; without it there are fewer.
"""

import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from tests.e2e.harness import oip
from tests.e2e.harness.helm import Release
from tests.e2e.harness.models import Model
from tests.e2e.harness.waiting import Stopwatch, wait_for
from tests.e2e.harness.world import World
from tests.models import doubler

from serinus_api import names
from serinus_api.gateway import LABEL_SERVICE_NAME, LABEL_SLICE_MANAGER, SLICE_MANAGER

pytestmark = pytest.mark.own_operator
FLIPS = 50 if os.environ.get("SERINUS_FULL") else 5
RATE = 20.0
BURST_SECONDS = 4.0
SLEEPY: dict[str, Any] = {
    "minReplicas": 0,
    "maxReplicas": 2,
    "stableWindowSeconds": 6,
    "scaleToZero": {"gracePeriodSeconds": 2},
}
SLEEP_SECONDS = 60.0
OURS = {LABEL_SLICE_MANAGER: SLICE_MANAGER}
DOUBLED = {"y": [[2.0, 4.0, 6.0, 8.0]]}


def scaling(model: Model) -> dict[str, Any]:
    found: dict[str, Any] = model.status().get("scaling", {})
    return found


def reach(model: Model, state: str, seconds: float = SLEEP_SECONDS) -> None:
    """Wait for a state; asleep means that no pod is left, awake that the pods take the traffic."""

    def there() -> bool:
        told = scaling(model)
        if told.get("state") != state:
            return False
        return not model.pods() if state == "Asleep" else told.get("traffic") == "Direct"

    wait_for(there, seconds=seconds, what=f"{model.name} is {state}", describe=lambda: f"{scaling(model)}")


def sleepy(world: World, namespace: str, name: str, *, gateways: int = 2) -> tuple[Release, Model]:
    """A release with gateways, and a model of its own that may sleep."""
    release = world.own_release(namespace, gateways=gateways)
    model = world.model(namespace, name)
    model.apply_onnx(doubler(2.0), scaling=SLEEPY)
    model.wait_ready()
    return release, model


def ask(url: str, host: str = "") -> int:
    """The status of the model's metadata, asked for with a Host header of one's own."""
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_model_sleeps_when_nobody_asks_and_a_request_wakes_it(world: World, namespace: str) -> None:
    _, model = sleepy(world, namespace, "drowsy")
    url, watch = model.url, Stopwatch()
    reach(model, "Asleep")
    watch.lap("to sleep")
    assert model.shown_reason() == "Asleep"
    assert model.kubectl.columns("mdep", model.name)["STATE"] == "Asleep"
    assert model.conditions()["Ready"]["status"] == "True"
    assert model.conditions()["Available"]["status"] == "True"
    (ours,) = model.api.list("endpointslices", namespace, {LABEL_SERVICE_NAME: model.name, **OURS})
    assert [port["port"] for port in ours["ports"]] == [model.status()["gatewayPort"]]
    began = time.monotonic()
    assert oip.predict(url, model.name) == DOUBLED
    cold = time.monotonic() - began
    reach(model, "Awake")
    watch.lap("awake again")
    assert not model.api.list("endpointslices", namespace, {LABEL_SERVICE_NAME: model.name, **OURS})
    described = model.kubectl("describe", "mdep", model.name)
    assert "Asleep, 0 replicas" in described
    assert "Waking, 1 replicas" in described
    world.figures.note("sleep and wake", cold_seconds=round(cold, 2), **watch.laps)


@pytest.mark.long
def test_flips_under_load_lose_nothing(world: World, namespace: str) -> None:
    _, model = sleepy(world, namespace, "flipping")
    sent = 0
    for _ in range(FLIPS):
        reach(model, "Asleep")
        with model.probe(rate=RATE) as prober:
            reach(model, "Awake")
            time.sleep(BURST_SECONDS)
        prober.assert_none_lost()
        sent += len(prober.records)
    world.figures.note(f"{FLIPS} flips between sleep and wake at {RATE:g} requests/s", sent=sent, lost=0)


def test_requests_around_the_decision_to_sleep_are_answered(world: World, namespace: str) -> None:
    _, model = sleepy(world, namespace, "interrupted")
    url, trials = model.url, 400 if os.environ.get("SERINUS_FULL") else 20
    moments: dict[str, Callable[[], bool]] = {
        "HandOver": lambda: scaling(model).get("traffic") == "HandOver",
        "Proxied": lambda: scaling(model).get("traffic") == "Proxied" and scaling(model)["state"] == "Awake",
        "Asleep": lambda: scaling(model).get("state") == "Asleep",
    }
    for trial in range(trials):
        name = list(moments)[trial % len(moments)]
        wait_for(moments[name], seconds=SLEEP_SECONDS, what=name, describe=lambda: f"{scaling(model)}")
        time.sleep(0.05 * (trial // len(moments) % 20))
        assert oip.predict(url, model.name) == DOUBLED, f"trial {trial}: {name}"
        reach(model, "Awake")
    world.figures.note("requests around the decision to sleep", sent=trials, lost=0)


def test_a_sleeper_is_woken_by_cluster_address_and_with_an_odd_host(world: World, namespace: str) -> None:
    _, model = sleepy(world, namespace, "odd")
    path = f"{model.url}/v2/models/{model.name}"
    for host in ("", "models.example.org", "10.0.0.1", "odd.example:8443"):
        reach(model, "Asleep")
        assert ask(path, host) == 200, f"Host: {host}"
        reach(model, "Awake")


def test_a_hand_that_scales_up_at_the_moment_of_going_to_sleep_is_heard(world: World, namespace: str) -> None:
    _, model = sleepy(world, namespace, "raised")
    for delay in (0.0, 0.02, 0.05, 0.1, 0.3):
        wait_for(lambda: scaling(model).get("state") == "Asleep", seconds=SLEEP_SECONDS, what="it falls asleep")
        time.sleep(delay)
        model.api.patch("deployments", namespace, f"{model.stable}/scale", {"spec": {"replicas": 2}})
        wait_for(lambda: scaling(model).get("state") == "Waking", seconds=10, what="it wakes")
        live = model.api.get("deployments", namespace, model.stable)
        assert live
        assert live["spec"]["replicas"] == 2
        reach(model, "Awake")


def test_sleepers_are_led_back_to_pods_when_the_last_gateway_is_gone(world: World, namespace: str) -> None:
    _, model = sleepy(world, namespace, "stranded", gateways=1)
    reach(model, "Asleep")
    (gateway,) = model.api.list("deployments", namespace, {"app.kubernetes.io/component": "gateway"})
    watch = Stopwatch()
    model.kubectl("scale", f"deployment/{gateway['metadata']['name']}", "--replicas=0")
    model.wait_for("ScalingActive", "False", "GatewayUnavailable")
    wait_for(lambda: scaling(model).get("traffic") == "Direct", seconds=90, what="the Service leads to pods")
    watch.lap("led back")
    reach(model, "Awake")
    model.wait_for_answer(DOUBLED)
    model.kubectl("scale", f"deployment/{gateway['metadata']['name']}", "--replicas=1")
    reach(model, "Asleep", seconds=120)
    world.figures.note("the last gateway goes while a model sleeps", **watch.laps)


def test_a_sleeper_wakes_while_the_operator_is_down(world: World, namespace: str) -> None:
    release, model = sleepy(world, namespace, "alone")
    reach(model, "Asleep")
    release.scale(0)
    assert oip.predict(model.url, model.name) == DOUBLED
    assert scaling(model)["state"] == "Asleep"
    release.scale(1)
    watch = Stopwatch()
    reach(model, "Awake")
    watch.lap("awake in the status")
    assert names.LABEL_PROXIED not in (model.api.get("services", namespace, model.name) or {})["spec"]["selector"]
    world.figures.note("the operator comes back to a model that was woken without it", **watch.laps)
