"""An operator that is killed, paused, or not alone: the same end state, and one writer."""

import pytest
from dev.cluster import api as cluster
from tests.e2e.harness.audit import Request, instant, writes
from tests.e2e.harness.models import Model
from tests.e2e.harness.needs import lacking
from tests.e2e.harness.processes import container_id, kill, pause, resume
from tests.e2e.harness.waiting import Stopwatch, hold, until, wait_for
from tests.e2e.harness.world import World
from tests.models import doubler

from serinus_api import names

pytestmark = [pytest.mark.own_operator, pytest.mark.own_node]
KILLS = 6
LATEST_KILL_SECONDS = 8.0
TAKE_OVER_SECONDS = 40
AFTER_WAKING_SECONDS = 20


@pytest.fixture
def own_cluster() -> None:
    if not cluster.is_own():
        lacking("signals are sent to processes of the node, and writers told apart in its audit log: our own only")


def tidy(world: World, model: Model) -> None:
    """Nothing is there but what the status speaks of."""
    status = model.status()
    stable, revisions = status["stableRevision"], set(model.revisions)
    found = {
        plural: {item["metadata"]["name"] for item in world.api.list(plural, model.namespace, model.labels())}
        for plural in ("deployments", "services", "controllerrevisions", "configmaps")
    }
    assert found == {
        "deployments": {stable},
        "services": {stable, model.name},
        "controllerrevisions": revisions,
        "configmaps": revisions,
    }
    assert not status.get("candidateRevision")
    assert not status.get("resolution")
    assert not model.pods(names.ROLE_PREFLIGHT)
    assert world.api.read("services", model.namespace, model.name)["spec"]["selector"][names.LABEL_REVISION] == stable


@pytest.mark.long
def test_an_operator_that_is_killed_at_random_comes_to_the_same_end(
    own_cluster: None, world: World, namespace: str
) -> None:
    chances = world.random("killed_at_random")
    release = world.own_release(namespace)
    model = world.model(namespace, "shaken")
    model.apply_onnx(doubler(2.0))
    model.wait_ready()
    with model.probe(rate=10) as light:
        for number in range(KILLS):
            model.apply_onnx(doubler(3.0 + number), f"model-{number}")
            # Reconciling began within the moment; what it has come to is chance.
            moment = chances.uniform(0.0, LATEST_KILL_SECONDS)
            until(moment)
            pods = release.pods()
            (victim,) = [pod for pod in pods if pod["status"].get("phase") == "Running"]
            phase = (model.status().get("resolution") or {}).get("phase", "settled")
            kill(victim)
            world.figures.note("operator killed", after_seconds=round(moment, 2), phase=phase)
            if number % 2:
                # A dead container is started again by the kubelet, ever later; a deleted pod is replaced at once.
                world.kubectl.to(namespace)("delete", "pod", victim["metadata"]["name"], "--grace-period=0", "--force")
            if number < KILLS - 1:
                release.wait_for_another(container_id(victim))
        model.wait_ready(seconds=120)
        wait_for(lambda: len(model.pods()) == 1, seconds=30, what="only the newest pods are left")
    light.assert_none_lost()
    tidy(world, model)
    assert light.records[-1]["output"][0] == 3.0 + KILLS - 1
    world.figures.note("operator killed at random", kills=KILLS, sent=len(light.records), lost=0)


def writers(requests: list[Request]) -> set[str | None]:
    return {request.pod for request in writes(requests)}


def test_of_two_operators_one_writes_and_a_paused_one_stays_silent_when_it_wakes(
    own_cluster: None, world: World, namespace: str
) -> None:
    assert world.audit
    began = instant()
    release = world.own_release(namespace, replicas=2)
    model = world.model(namespace, "fenced")
    model.apply_onnx(doubler(2.0))
    model.wait_ready()
    leader = release.wait_for_leader()
    name, holder = leader["metadata"]["name"], release.lease()["spec"]["holderIdentity"]
    model.apply_onnx(doubler(3.0), "second")
    model.wait_ready()
    assert writers(world.audit.requests(release.user, began)) == {name}
    assert release.lease()["spec"]["holderIdentity"] == holder

    wait_for(lambda: len(model.pods()) == 1, seconds=30, what="the replaced pods are gone, nothing is left to write")
    pause(leader)
    paused, watch = instant(), Stopwatch()
    try:
        with model.probe(rate=5) as light:
            model.apply_onnx(doubler(4.0), "third")
            successor = release.wait_for_leader(leader["metadata"]["uid"], TAKE_OVER_SECONDS)
            took_over = watch.seconds
            model.wait_ready()
    finally:
        woken = instant()
        resume(leader)
    light.assert_none_lost()
    assert writers(world.audit.requests(release.user, paused)) == {successor["metadata"]["name"]}
    model.apply_onnx(doubler(5.0), "fourth")
    model.wait_ready()
    second = release.lease()["spec"]["holderIdentity"]
    hold(
        lambda: release.lease()["spec"]["holderIdentity"] == second,
        seconds=AFTER_WAKING_SECONDS,
        what="the lease stays with the successor",
    )
    late = [r for r in writes(world.audit.requests(release.user, woken)) if r.pod == name]
    refused = [r for r in late if r.code >= 400]
    world.figures.note(
        "two operators",
        successor_after_seconds=took_over,
        writes_of_the_woken_one=len(late) - len(refused),
        refused=len(refused),
        sent=len(light.records),
        lost=0,
    )
    assert late == []


def test_an_operator_that_is_told_to_end_hands_over_at_once(own_cluster: None, world: World, namespace: str) -> None:
    release = world.own_release(namespace, replicas=2)
    leader = release.wait_for_leader()
    watch = Stopwatch()
    world.kubectl.to(namespace).delete("pod", leader["metadata"]["name"])
    release.wait_for_leader(leader["metadata"]["uid"], 10)
    world.figures.note("two operators", hand_over_on_sigterm_seconds=watch.seconds)
