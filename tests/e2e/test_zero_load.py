"""Sleep and wake under requests: none is lost, whenever it comes and whichever way.

`SERINUS_FULL=1` asks for as many flips and trials as the design promises; without it there are fewer.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.harness import ingress, oip
from tests.e2e.harness.models import Model
from tests.e2e.harness.prober import Prober
from tests.e2e.harness.sleepers import DOUBLED, SLEEP_SECONDS, ask, reach, scaling, side_by_side, sleepy
from tests.e2e.harness.waiting import until, wait_for
from tests.e2e.harness.world import World

pytestmark = pytest.mark.own_operator
FULL = bool(os.environ.get("SERINUS_FULL"))
FLIPS = 50 if FULL else 4
MODELS = ("one", "two", "three", "four")
TRIALS = 100 if FULL else 4
"""Of each model."""
WAKE_SECONDS = 30.0
"""A wake may take as long on a busy machine of two cores; on a quiet one it is a second."""
RATE = 20.0
BURST = 80
"""Requests after the model is awake again."""
LEARN_SECONDS = 5.0
"""Within this the operator leads past a gateway that is gone."""
STOP_GATEWAY = {"stopped": (), "killed": ("--force", "--grace-period=0")}


def go_on(prober: Prober) -> None:
    """Until so many more requests have been answered, or lost."""
    enough = len(prober.records) + BURST
    wait_for(lambda: len(prober.records) >= enough, seconds=60, what="requests go on", describe=lambda: prober.lost)


@pytest.mark.long
def test_flips_under_load_lose_nothing(world: World, namespace: str) -> None:
    _, (model,) = sleepy(world, namespace, "flipping")
    sent = 0
    for _ in range(FLIPS):
        reach(model, "Asleep")
        with model.probe(rate=RATE, deadline=WAKE_SECONDS) as prober:
            reach(model, "Awake")
            go_on(prober)
        prober.assert_none_lost()
        sent += len(prober.records)
    world.figures.note(f"{FLIPS} flips between sleep and wake at {RATE:g} requests/s", sent=sent, lost=0)


@pytest.mark.long
def test_requests_around_the_decision_to_sleep_are_answered(world: World, namespace: str) -> None:
    """At 50 ms steps after each of the moments on the way to sleep, the pod's SIGTERM among them."""

    def answered(model: Model, why: str) -> None:
        status, answer = oip.infer_once(model.url, model.name)
        assert (status, answer["outputs"][0]["data"]) == (200, DOUBLED["y"][0]), why

    def interrupt(model: Model) -> int:
        moments: dict[str, Callable[[], bool]] = {
            "HandOver": lambda: scaling(model).get("traffic") == "HandOver",
            "Proxied": lambda: scaling(model).get("traffic") == "Proxied" and scaling(model)["state"] == "Awake",
            "Asleep": lambda: scaling(model).get("state") == "Asleep",
            "SIGTERM": lambda: any("deletionTimestamp" in pod["metadata"] for pod in model.pods()),
        }
        slept_on, offset = 0, MODELS.index(model.name)
        for trial in range(TRIALS):
            name = list(moments)[(trial + offset) % len(moments)]
            wait_for(moments[name], seconds=SLEEP_SECONDS, what=name, describe=lambda: f"{scaling(model)}")
            until(0.05 * ((trial + offset) // len(moments) % 20))
            answered(model, f"trial {trial}: {name}")
            # What came after the last look was answered by the pod that goes: then the model sleeps on.
            if reach(model, "Awake", "Asleep") == "Asleep":
                slept_on += 1
                answered(model, f"trial {trial}: {name}, once more")
                reach(model, "Awake")
        return slept_on

    _, models = sleepy(world, namespace, *MODELS)
    slept_on = side_by_side(models, interrupt)
    sent = TRIALS * len(models) + slept_on
    world.figures.note("requests around the decision to sleep", sent=sent, lost=0, slept_on=slept_on)


def test_a_sleeper_is_woken_by_cluster_address_with_an_odd_host_and_through_an_ingress(
    world: World, namespace: str
) -> None:
    """The Ingress is a proxy of its own pod that writes another Host and calls the Service by its name."""
    _, (model,) = sleepy(world, namespace, "odd")
    through = start_ingress(world, model)
    path = f"/v2/models/{model.name}"
    answers = []
    for base, host in (
        (model.url, ""),
        (model.url, "models.example.org"),
        (model.url, "10.0.0.1"),
        (model.url, "odd.example:8443"),
        (through, "outer.example"),
    ):
        reach(model, "Asleep")
        status, cold = ask(base + path, host)
        reach(model, "Awake")
        assert (status, cold) == ask(base + path, host), f"{base} Host: {host}"
        answers.append((status, json.loads(cold)["name"]))
    assert answers == [(200, model.name)] * 5


@pytest.mark.parametrize("how", sorted(STOP_GATEWAY))
def test_one_of_two_gateways_goes_while_it_holds_requests(world: World, namespace: str, how: str) -> None:
    release, (model,) = sleepy(world, namespace, "waking", gateways=2)
    reach(model, "Asleep")
    with model.probe(rate=RATE, deadline=WAKE_SECONDS) as prober:
        wait_for(lambda: prober.records or model.pods(), seconds=30, what="a request is on its way")
        victim = release.gateways()[0]["metadata"]["name"]
        model.kubectl("delete", "pod", victim, "--wait=false", *STOP_GATEWAY[how])
        gone = time.monotonic()
        reach(model, "Awake", seconds=90)
        go_on(prober)
    subject = f"one of two gateways is {how} while a model wakes"
    if how == "stopped":
        prober.assert_none_lost()
        world.figures.note(subject, sent=prober.sent, lost=0)
        return
    world.figures.note(subject, asked=prober.sent, lost_in_flight=len(prober.lost))
    # Killed: what it held at that moment is lost, and what kube-proxy sent to it until it knew.
    late = [record for record in prober.lost if record["sent"] > gone + LEARN_SECONDS]
    assert not late, late[:3]


def start_ingress(world: World, model: Model) -> str:
    """The address of a proxy that calls the model's Service by name, under another Host."""
    program = {"ingress.py": Path(ingress.__file__).read_text()}
    pod = oip.python_pod(
        "ingress", world.images.runtime, "/code/ingress.py", f"{model.name}.{model.namespace}.svc", "inner.example",
        config="ingress",
    )  # fmt: skip
    pod["spec"]["containers"][0]["readinessProbe"] = {"tcpSocket": {"port": ingress.PORT}, "periodSeconds": 1}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ingress"}, "data": program}
    model.kubectl.apply(config, pod)
    model.kubectl("wait", "--for=condition=Ready", "pod/ingress", "--timeout=60s")
    return f"http://{model.kubectl.json('pod', 'ingress')['status']['podIP']}:{ingress.PORT}"
