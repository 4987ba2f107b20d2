"""Sizes that follow the demand on a real cluster, without metrics-server, Prometheus or KEDA; who else writes them."""

import json
import os
import re
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.e2e.harness import oip
from tests.e2e.harness.models import Model
from tests.e2e.harness.waiting import Stopwatch, wait_for
from tests.e2e.harness.watching import watched
from tests.e2e.harness.world import World
from tests.models import doubler, slow

from serinus_api.runtime import HTTP_PORT, LOAD_PATH, METRICS_PORT

LIGHT, HEAVY = 4.0, 26.0
"""Requests per second: less than one pod bears, and what five of them bear."""
SCALING: dict[str, Any] = {
    "maxReplicas": 3,
    "stableWindowSeconds": 6,
    "targetUtilizationPercent": 100,
    "metrics": [{"type": "RequestsPerSecond", "target": 6}],
}
CPU: dict[str, Any] = {"maxReplicas": 3, "metrics": [{"type": "CPUUtilization", "target": 80}]}
STUB: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "scaledobjects.keda.sh"},
    "spec": {
        "group": "keda.sh",
        "scope": "Namespaced",
        "names": {"kind": "ScaledObject", "plural": "scaledobjects", "singular": "scaledobject"},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}
"""KEDA's kind without KEDA: enough to see what the operator makes of it."""


def sized(model: Model, replicas: str, seconds: float = 60) -> None:
    wait_for(
        lambda: model.status().get("summary", {}).get("replicas") == replicas,
        seconds=seconds,
        what=f"{model.name} has {replicas} pods",
        describe=lambda: model.status().get("scaling"),
    )


def test_a_step_of_load_brings_pods_and_takes_them_away_without_a_lost_request(world: World, namespace: str) -> None:
    model = world.model(namespace, "stepped")
    model.apply_onnx(doubler(2.0), scaling=SCALING)
    model.wait_ready()
    file, watch = world.folder / f"{namespace}-watch.txt", Stopwatch()
    with watched(model, file), model.probe(rate=LIGHT) as light:
        with model.probe(rate=HEAVY) as heavy:
            sized(model, "3/3")
            watch.lap("up")
            model.wait_for("ScalingActive", "True", "MetricsAvailable")
            assert model.conditions()["Ready"]["status"] == "True"
            told = model.status()["scaling"]["message"]
            assert re.search(r"→ 3: [\d.]+ requests/s over target 6 in the last (6|2) s", told), told
        sized(model, "1/1")
        watch.lap("down again")
        wait_for(lambda: len(model.incarnations()) == 1, seconds=60, what="one pod is left", describe=model.brief)
    heavy.assert_none_lost()
    light.assert_none_lost()
    seen = re.findall(r"\b(\d)/(\d)\b", file.read_text())
    assert ("3", "3") in seen
    assert seen[-1] == ("1", "1")
    world.figures.note(
        "a step of load, up and down", sent=len(heavy.records) + len(light.records), lost=0, **watch.laps
    )
    print(file.read_text())
    described = model.kubectl("describe", "mdep", model.name)
    assert re.search(r"Normal\s+ScaledUp\s.* → 3: ", described), described
    assert re.search(r"Normal\s+ScaledDown\s.* → 1: ", described), described


def test_kubectl_scale_is_refused_under_scaling_and_works_without(world: World, namespace: str) -> None:
    model = world.model(namespace, "asked")
    model.apply_onnx(doubler(2.0), scaling=SCALING)
    model.wait_ready()
    refused = model.kubectl.try_("scale", "mdep/asked", "--replicas=3")
    assert refused.returncode != 0
    assert "replicas must not be set together with scaling" in refused.stderr
    assert "replicas" not in model.live()["spec"]
    model.apply("configmap://asked-model/model.onnx")
    model.wait_ready()
    model.kubectl("scale", "mdep/asked", "--replicas=2")
    sized(model, "2/2")
    model.wait_ready()
    assert "ScalingActive" not in model.conditions()


def test_a_long_request_outlives_the_scale_down_of_its_pod(world: World, namespace: str) -> None:
    seconds = 35 if os.environ.get("SERINUS_FULL") else 8
    model = world.model(namespace, "patient")
    model.apply_onnx(slow(), replicas=3, runtime={"requestTimeoutSeconds": 120, "maxConcurrency": 1})
    model.wait_ready()
    addresses = [pod["status"]["podIP"] for pod in model.pods()]
    rounds = round(seconds / min(run_rounds(address, model, 2000) / 2000 for address in addresses))
    with ThreadPoolExecutor(len(addresses)) as pool:
        answers = [pool.submit(run_rounds, address, model, rounds) for address in addresses]
        wait_for(lambda: sum(map(in_flight, addresses)) == 3, seconds=20, what="each pod works on one")
        model.kubectl("scale", f"mdep/{model.name}", "--replicas=1")
        wait_for(lambda: len(model.incarnations()) == 1, seconds=30, what="two pods are told to stop")
        assert not any(answer.done() for answer in answers), "the requests were too short for this machine"
        lasted = [answer.result() for answer in answers]
    world.figures.note("requests whose pod is scaled away", sent=3, lost=0, seconds=round(max(lasted), 1))


def test_an_autoscaler_of_somebody_else_is_named_and_left_the_field(world: World, namespace: str) -> None:
    model = world.model(namespace, "shared")
    model.apply_onnx(doubler(2.0), scaling=SCALING)
    model.wait_ready()
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": model.stable}
    model.kubectl.apply(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "theirs"},
            "spec": {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 2},
        }
    )
    model.wait_for("ScalingActive", "False", "ReplicaOwnershipConflict", "HorizontalPodAutoscaler theirs", seconds=60)
    model.wait_for("Available", "True", "Serving")
    model.kubectl("delete", "hpa", "theirs")
    model.wait_for("ScalingActive", "True", "MetricsAvailable", seconds=60)
    sized(model, "1/1", seconds=90)


@pytest.mark.long
def test_other_engines_are_made_changed_and_removed_and_say_what_they_lack(world: World, namespace: str) -> None:
    model = world.model(namespace, "engine")
    model.apply_onnx(doubler(2.0), scaling={"engine": "HPA", **CPU})
    model.wait_ready()
    hpa = wait_for(lambda: named(model, "hpa", "engine"), seconds=30, what="an HPA", describe=model.brief)
    assert hpa["spec"]["scaleTargetRef"]["name"] == model.stable
    uri = "configmap://engine-model/model.onnx"
    if not world.api.get("apiservices", None, "v1beta1.metrics.k8s.io"):
        model.wait_for("ScalingActive", "False", "MetricsUnavailable", "engine HPA", seconds=90)
    model.apply(uri, scaling={"engine": "HPA", **CPU, "maxReplicas": 2})
    wait_for(
        lambda: named(model, "hpa", "engine")["spec"]["maxReplicas"] == 2,
        seconds=30,
        what="the HPA has the new bound",
        describe=model.brief,
    )

    model.apply(uri, scaling={"engine": "KEDA", **CPU})
    wait_for(lambda: not named(model, "hpa", "engine"), seconds=30, what="the HPA is gone", describe=model.brief)
    model.wait_for("ScalingActive", "False", "EngineUnavailable", "install KEDA", seconds=60)
    model.wait_for("Ready", "True")
    world.kubectl.apply(STUB)
    try:
        wait_for(
            lambda: named(model, "scaledobjects", "engine"), seconds=60, what="a ScaledObject", describe=model.brief
        )
        model.apply(uri, scaling={"engine": "KEDA", **CPU, "maxReplicas": 2})
        wait_for(
            lambda: named(model, "scaledobjects", "engine")["spec"]["maxReplicaCount"] == 2,
            seconds=30,
            what="the ScaledObject has the new bound",
            describe=model.brief,
        )
        model.apply(uri, scaling=SCALING)
        wait_for(lambda: not named(model, "scaledobjects", "engine"), seconds=30, what="the ScaledObject is gone")
    finally:
        world.kubectl("delete", "crd", "scaledobjects.keda.sh", "--wait=false")
    model.wait_for("ScalingActive", "True", "MetricsAvailable", seconds=60)


def named(model: Model, kind: str, name: str) -> dict[str, Any]:
    """The object as kubectl reads it, in one read; empty where there is none, or no such kind yet."""
    found: dict[str, Any] = json.loads(model.kubectl.try_("get", kind, name, "-o", "json").stdout or "{}")
    return found


def run_rounds(address: str, model: Model, rounds: int) -> float:
    """Seconds that a request of so many rounds takes at one pod."""
    tensor = {"name": "rounds", "datatype": "INT64", "shape": [1], "data": [rounds]}
    body = json.dumps({"inputs": [tensor]}).encode()
    request = urllib.request.Request(f"http://{address}:{HTTP_PORT}/v2/models/{model.name}/infer", data=body)
    began = time.monotonic()
    with urllib.request.urlopen(request, timeout=120) as response:
        assert response.status == 200
        response.read()
    return time.monotonic() - began


def in_flight(address: str) -> int:
    """Requests that a pod works on."""
    found: int = oip.get_json(f"http://{address}:{METRICS_PORT}{LOAD_PATH}")["inFlight"]
    return found
