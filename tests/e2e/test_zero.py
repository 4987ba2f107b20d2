"""A model sleeps and wakes on a real cluster, with nothing in it but Serinus, and what else may happen meanwhile."""

import re
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.e2e.harness import envoy_gateway, oip
from tests.e2e.harness.helm import Release
from tests.e2e.harness.sleepers import DOUBLED, SLEEPY, ask, reach, scaling, sleepy
from tests.e2e.harness.waiting import Stopwatch, until, wait_for
from tests.e2e.harness.world import World
from tests.models import doubler

from serinus_api import names
from serinus_api.gateway import AGENT_PORT, LABEL_SERVICE_NAME, LABEL_SLICE_MANAGER, METRICS_PATH, SLICE_MANAGER

pytestmark = pytest.mark.own_operator
OURS = {LABEL_SLICE_MANAGER: SLICE_MANAGER}
GATEWAY_GROUP = "gateway.networking.k8s.io"
ADD_ONS = (GATEWAY_GROUP, "keda.sh", "metrics.k8s.io", "monitoring.coreos.com", "serving.knative.dev")
"""API groups of Gateway API, KEDA, metrics-server, Prometheus' operator and Knative."""
COLD_SERIES = "serinus_gateway_cold_start_seconds_sum"


def phases(release: Release) -> dict[str, float]:
    """Seconds by phase of all cold starts that the release's gateways saw."""
    found: dict[str, float] = {}
    for pod in release.gateways():
        _, text = ask(f"http://{pod['status']['podIP']}:{AGENT_PORT}{METRICS_PATH}")
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == COLD_SERIES:
                    phase = sample.labels["phase"]
                    found[phase] = round(found.get(phase, 0.0) + sample.value, 3)
    return found


def test_a_model_sleeps_when_nobody_asks_and_a_request_wakes_it(world: World, namespace: str) -> None:
    """On our own cluster, which has none of what others need for it but what another story is trying just now."""
    looked_for = set(ADD_ONS) - ({GATEWAY_GROUP} if envoy_gateway.is_installed(world) else set())
    present = sorted(group for group in looked_for if group in world.kubectl("api-versions"))
    world.figures.note("add-ons on this cluster", looked_for=sorted(looked_for), present=present)
    assert not present or not world.audit, "this story is to show that none of them is needed"
    release, (model,) = sleepy(world, namespace, "drowsy")
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
    in_path = {LABEL_SERVICE_NAME: model.name, **OURS}
    wait_for(
        lambda: not model.api.list("endpointslices", namespace, in_path), seconds=10, what="no slice leads to a gateway"
    )
    described = model.kubectl("describe", "mdep", model.name)
    assert "Asleep, 0 replicas" in described
    assert "Waking, 1 replicas" in described
    world.figures.note("sleep and wake", cold_seconds=round(cold, 2), **watch.laps)
    world.figures.note("a cold start by phase, seconds", **phases(release))


def test_a_hand_that_scales_up_at_the_moment_of_going_to_sleep_is_heard(world: World, namespace: str) -> None:
    _, (model,) = sleepy(world, namespace, "raised")
    for delay in (0.0, 0.02, 0.05, 0.1, 0.3):
        wait_for(lambda: scaling(model).get("state") == "Asleep", seconds=60, what="it falls asleep")
        until(delay)
        model.api.patch("deployments", namespace, f"{model.stable}/scale", {"spec": {"replicas": 2}})
        wait_for(lambda: scaling(model).get("state") == "Waking", seconds=10, what="it wakes")
        live = model.api.get("deployments", namespace, model.stable)
        assert live
        assert live["spec"]["replicas"] == 2
        reach(model, "Awake")


def test_sleepers_are_led_back_to_pods_when_the_last_gateway_is_gone(world: World, namespace: str) -> None:
    _, (model,) = sleepy(world, namespace, "stranded", gateways=1)
    reach(model, "Asleep")
    (gateway,) = model.api.list("deployments", namespace, {"app.kubernetes.io/component": "gateway"})
    watch = Stopwatch()
    model.kubectl("scale", f"deployment/{gateway['metadata']['name']}", "--replicas=0")
    model.wait_for("ScalingActive", "False", "GatewayUnavailable")
    wait_for(lambda: scaling(model).get("traffic") == "Direct", seconds=90, what="the Service leads to pods")
    watch.lap("led back")
    reach(model, "Awake")
    # Nothing had the Service's address meanwhile, so kube-proxy refused; it learns of the pods a moment after us.
    wait_for(lambda: oip.accepts(model.url), seconds=30, what="kube-proxy knows the pods")
    model.wait_for_answer(DOUBLED)
    model.kubectl("scale", f"deployment/{gateway['metadata']['name']}", "--replicas=1")
    reach(model, "Asleep", seconds=120)
    world.figures.note("the last gateway goes while a model sleeps", **watch.laps)


def test_a_sleeper_wakes_while_the_operator_is_down(world: World, namespace: str) -> None:
    release, (model,) = sleepy(world, namespace, "alone")
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


def test_a_new_version_of_a_sleeper_is_tried_and_sleeps_on(world: World, namespace: str) -> None:
    _, (model,) = sleepy(world, namespace, "renewed")
    reach(model, "Asleep")
    first = model.stable
    model.apply_onnx(doubler(3.0), "second", scaling=SLEEPY)
    wait_for(lambda: model.stable != first, seconds=90, what="the new version is stable", describe=model.brief)
    reach(model, "Asleep")
    assert oip.predict(model.url, model.name) == {"y": [[3.0, 6.0, 9.0, 12.0]]}


def test_a_sleeper_that_no_node_takes_is_told_by_the_deadline_and_wakes_once_one_does(
    world: World, namespace: str
) -> None:
    label = f"e2e-{namespace[-5:]}"
    node = world.kubectl("get", "nodes", "-o", "name").split()[0]
    world.kubectl("label", node, f"{label}=yes")
    try:
        runtime = {"nodeSelector": {label: "yes"}}
        sleeping = {**SLEEPY, "activation": {"deadlineSeconds": 10}}
        _, (model,) = sleepy(world, namespace, "homeless", scaling=sleeping, runtime=runtime)
        reach(model, "Asleep")
        world.kubectl("label", node, f"{label}-")
        watch = Stopwatch()
        status, words = ask(f"{model.url}/v2/models/{model.name}")
        watch.lap("refused")
        assert status == 503, words
        assert re.search(r"did not answer within 10 s: \w*[sS]chedulable: .*node", words), words
        model.wait_for("Ready", "False", "Unschedulable", "node")
        assert model.shown_reason() == "Unschedulable"
        world.kubectl("label", node, f"{label}=yes")
        watch = Stopwatch()
        wait_for(lambda: ask(f"{model.url}/v2/models/{model.name}")[0] == 200, seconds=60, what="it wakes on the node")
        watch.lap("answered again")
        world.figures.note("a sleeper that no node takes", **watch.laps)
    finally:
        world.kubectl.try_("label", node, f"{label}-")


def test_the_gateway_may_wake_what_is_ours_and_nothing_else(world: World, namespace: str) -> None:
    release = world.own_release(namespace, gateways=1, admission_policy=True)
    model = world.model(namespace, "fenced")
    model.apply_onnx(doubler(2.0), scaling=SLEEPY)
    model.wait_ready()
    foreign = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "theirs"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "theirs"}},
            "template": {
                "metadata": {"labels": {"app": "theirs"}},
                "spec": {"containers": [{"name": "main", "image": world.images.runtime}]},
            },
        },
    }
    model.kubectl.apply(foreign)
    (gateway,) = release.gateways()
    account = f"--as=system:serviceaccount:{namespace}:{gateway['spec']['serviceAccountName']}"

    def scale(deployment: str, replicas: int) -> str:
        words = ("patch", "deployment", deployment, "--subresource=scale", "--type=merge", "--dry-run=server", account)
        return model.kubectl.try_(*words, "-p", f'{{"spec":{{"replicas":{replicas}}}}}').stderr

    wait_for(
        lambda: "the gateway only wakes models of Serinus" in scale("theirs", 1), seconds=30, what="the policy is there"
    )
    assert "the gateway only wakes what has no replicas" in scale(model.stable, 5)
    assert "the gateway only wakes what has no replicas" in scale(model.stable, 0)
    reach(model, "Asleep")
    assert scale(model.stable, 1) == ""
    assert oip.predict(model.url, model.name) == DOUBLED
