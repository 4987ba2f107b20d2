"""What a user does in mid-canary, another version, the old one, a deletion; and models that hardly anybody asks."""

import http
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from tests.chaos.checker import breaches, lives
from tests.chaos.shaken import ROLLOUT, SLOW, Shaken, shaken
from tests.chaos.test_api import noted
from tests.e2e.harness.audit import instant, writes
from tests.e2e.harness.needs import lacking
from tests.e2e.harness.waiting import Stopwatch, until, wait_for
from tests.e2e.harness.watching import objects
from tests.e2e.harness.world import World
from tests.models import doubler

from serinus_api.runtime import METRICS_PORT

pytestmark = [pytest.mark.own_operator, pytest.mark.long]
FULL = bool(os.environ.get("SERINUS_FULL"))
WEIGHTS = [step["weight"] for step in ROLLOUT["steps"]]
SOME = WEIGHTS if FULL else WEIGHTS[1:2]
BLIND_SECONDS = 600.0 if FULL else 45.0
"""The metrics are missed after half a minute."""
WATCHED = {**ROLLOUT, "steps": [{"weight": WEIGHTS[1], "pauseSeconds": 60}]}
FEW_PER_SECOND = 0.4
GONE_SECONDS = 120.0
KINDS = (
    "modeldeployments,deployments,pods,services,endpointslices,controllerrevisions,networkpolicies,poddisruptionbudgets"
)


@pytest.mark.parametrize("weight", SOME)
def test_third_revision_in_a_step_takes_the_place_of_the_second(world: World, namespace: str, weight: int) -> None:
    with shaken(world, namespace, rollout=SLOW) as story:
        stable, before = story.model.stable, story.model.incarnations()
        story.renew()
        story.applied(weight)
        story.renew()
        wait_for(lambda: begun(story) == 2, seconds=120, what="the third is tried", describe=story.told)
        assert story.model.stable == stable
        assert before == story.model.incarnations(stable), "a stable pod was restarted"
        story.promoted()
        noted(story, f"a third revision at {weight} %")
    second, third = lives(objects(story.files[0]))
    assert (second.stable, third.stable) == (stable, stable)


def begun(story: Shaken) -> int:
    return len(lives(objects(story.files[0])))


@pytest.mark.parametrize("weight", SOME)
def test_return_to_stable_in_a_step_restarts_nothing(world: World, namespace: str, weight: int) -> None:
    with shaken(world, namespace, rollout=SLOW) as story:
        stable, before = story.model.stable, story.model.incarnations()
        story.renew()
        story.applied(weight)
        back = Stopwatch()
        story.return_to_first()
        story.promoted()
        assert story.model.stable == stable
        assert before == story.model.incarnations(), "a stable pod was restarted"
        noted(story, f"a return to stable at {weight} %", seconds=back.seconds)


def test_yesterdays_revision_takes_over_without_steps(world: World, namespace: str) -> None:
    with shaken(world, namespace) as story:
        first = story.model.stable
        story.renew()
        story.promoted()
        tried, back = len(objects(story.files[0])), Stopwatch()
        story.return_to_first()
        wait_for(lambda: story.model.stable == first, seconds=60, what="it takes over", describe=story.told)
        noted(story, "yesterday's revision again", seconds=back.seconds)
        story.promoted()
        seen = [one.get("status", {}) for one in objects(story.files[0])[tried:]]
        phases = {(one.get("rollout") or {}).get("phase") for one in seen}
        assert not phases & {"Stepping", "Held", "Aborting"}, phases
        assert not [one for one in seen if (one.get("resolution") or {}).get("phase") == "Preflight"]


@pytest.mark.parametrize("weight", SOME)
def test_deletion_in_a_step_leaves_nothing(world: World, namespace: str, weight: int) -> None:
    with shaken(world, namespace, rollout=SLOW, lasting=False) as story:
        story.renew()
        story.applied(weight)
        assert not story.prober.lost
        story.model.kubectl("delete", "mdep", story.model.name, "--wait=false")
        began = instant()
        wait_for(lambda: not left(story), seconds=GONE_SECONDS, what="nothing is left", describe=lambda: left(story))
        assert breaches(*map(objects, story.files)) == []
        assert not created(story, began)
        noted(story, f"deleted at {weight} %")


def test_namespace_deleted_in_a_step_goes_and_takes_everything_along(world: World, namespace: str) -> None:
    """The operator lives elsewhere, and has other models to look after."""
    place = world.namespace("deleted-in-a-step")
    with shaken(world, namespace, rollout=SLOW, lasting=False, place=place) as story:
        story.renew()
        story.applied(SOME[0])
        assert not story.prober.lost
        watch, began = Stopwatch(), instant()
        world.kubectl("delete", "namespace", place, "--wait=false")
        wait_for(
            lambda: world.api.get("namespaces", None, place) is None,
            seconds=GONE_SECONDS,
            what="the namespace is gone",
            describe=lambda: world.api.read("namespaces", None, place)["status"],
        )
        gone = watch.seconds
        other = world.model(namespace, "other")
        other.apply_onnx(doubler(2.0))
        other.wait_ready()
        assert breaches(*map(objects, story.files)) == []
        assert not created(story, began)
        assert not left(story, namespace)
        assert story.operator.complaints() == []
        assert not story.operator.is_dead()
        noted(story, f"namespace deleted at {SOME[0]} %", gone_within=gone)


def left(story: Shaken, namespace: str = "") -> str:
    """What there is of the model, by its label; in its own namespace, or in another one."""
    label = f"serinus.dev/deployment={story.model.name}"
    there = story.world.kubectl.to(namespace or story.model.namespace)
    return there.try_("get", KINDS, "-l", label, "-o=name", "--ignore-not-found").stdout


def created(story: Shaken, since: str) -> list[str]:
    """What the operator has made since then. It may have asked before it knew: a namespace that ends refuses that."""
    if story.world.audit is None:
        lacking(
            "what is made after a deletion is found in the API server's audit log, which this cluster does not show"
        )
    found = writes(story.world.audit.requests(story.operator.user, since, namespace=story.model.namespace))
    made = (one for one in found if one.verb == "create" and one.code < http.HTTPStatus.BAD_REQUEST)
    return [one.resource for one in made if one.resource != "events"]


@pytest.mark.parametrize("few", ["Continue", "Hold"])
def test_too_few_requests_for_a_verdict(world: World, namespace: str, few: str) -> None:
    analysis = {**ROLLOUT["analysis"], "onTooFewRequests": few}
    with shaken(world, namespace, rate=FEW_PER_SECOND, rollout={**ROLLOUT, "analysis": analysis}) as story:
        story.renew()
        if few == "Hold":
            story.model.wait_for("RolloutHealthy", "False", "Held", "LowTraffic", seconds=120)
            story.model.kubectl("annotate", "mdep", story.model.name, "serinus.dev/promote=full/1")
        story.promoted()
        seen = [one.get("status", {}).get("rollout") or {} for one in objects(story.files[0])]
        verdicts = {verdict["verdict"] for one in seen for verdict in one.get("analysis", ())}
        assert verdicts <= {"Inconclusive"}
        told = story.model.kubectl("get", "events", "-o=jsonpath={.items[*].message}")
        assert "LowTraffic" in told
        noted(story, f"too few requests: {few}")


def test_metrics_that_nobody_can_read_hold_the_rollout_and_no_more(world: World, namespace: str) -> None:
    with shaken(world, namespace, rollout=WATCHED) as story:
        story.renew()
        story.applied(WEIGHTS[1])
        with blind(story):
            story.model.wait_for("RolloutHealthy", "False", "Held", "MetricsUnavailable", seconds=90)
            weight = story.rollout()["requestedWeight"]
            until(BLIND_SECONDS - 30)
            assert (story.rollout()["phase"], story.rollout()["requestedWeight"]) == ("Held", weight)
        story.promoted()
        noted(story, f"no metrics for {BLIND_SECONDS:g} s", held_at=weight)


@contextmanager
def blind(story: Shaken) -> Iterator[None]:
    """Nobody on this machine, where the operator runs, reaches the pods' second port; gateways do."""
    addresses = [pod["status"]["podIP"] for pod in story.model.pods()]
    rules = [("OUTPUT", "-p", "tcp", "-d", one, "--dport", f"{METRICS_PORT}", "-j", "REJECT") for one in addresses]
    with ExitStack() as undo:
        for rule in rules:
            subprocess.run(["iptables", "-w", "-I", *rule], check=True)
            undo.callback(subprocess.run, ["iptables", "-w", "-D", *rule], check=True)
        yield
