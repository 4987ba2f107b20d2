"""Hands in a rollout: the route edited or gone, workloads scaled, the same manifest applied again and again."""

import json
import os
import time
from functools import partial
from typing import Any

import pytest
from tests.chaos.checker import breaches, lives
from tests.chaos.shaken import ROLLOUT_SECONDS, Shaken, assert_none_lost, shaken, strike
from tests.chaos.test_api import noted
from tests.e2e.harness.models import Model
from tests.e2e.harness.oip import infer_once
from tests.e2e.harness.waiting import Stopwatch, until, wait_for
from tests.e2e.harness.watching import objects, watched
from tests.e2e.harness.world import World
from tests.e2e.test_canary import RATE, ROLLOUT, rollout
from tests.e2e.test_route import REPAIRED_SECONDS, applied, routed
from tests.models import doubler

FULL = bool(os.environ.get("SERINUS_FULL"))
APPLY_EVERY = 5.0 if FULL else 2.0
APPLY_SECONDS = 600.0 if FULL else 0.0
"""At least so long, and through the whole canary."""
WAITING: dict[str, Any] = {**ROLLOUT, "steps": [{"weight": 10, "manual": True}, {"weight": 50, "pauseSeconds": 4}]}
SPEC: dict[str, Any] = {"route": {"gatewayRef": {"name": "public"}}, "rollout": WAITING}


@pytest.mark.own_node
@pytest.mark.long
def test_hands_on_a_routed_rollout_change_nothing_for_long_and_no_step(world: World, namespace: str) -> None:
    model, url = routed(world, namespace, "handled", rollout=WAITING)
    first = model.stable
    files = world.folder / f"{namespace}-models.json", world.folder / f"{namespace}-deployments.json"
    strikes: list[tuple[float, float]] = []
    with (
        watched(model, files[0], "-o=json"),
        watched(model, files[1], "-o=json", what=("deployments", "-l", f"serinus.dev/deployment={model.name}")),
        model.probe(rate=RATE, url=url) as outside,
        model.probe() as inside,
    ):
        model.apply_onnx(doubler(3.0), "three", **SPEC)
        applied(model, 10)
        place, generation = where(model), model.live()["metadata"]["generation"]
        edit_the_route(world, model, url, strikes)
        scale_the_workloads(world, model)
        apply_again(model)
        assert where(model) == place
        assert model.live()["metadata"]["generation"] == generation
        model.kubectl("annotate", "mdep", model.name, "serinus.dev/promote=1")
        model.wait_ready(seconds=ROLLOUT_SECONDS)
    assert_none_lost(outside, strikes)
    inside.assert_none_lost()
    assert breaches(*map(objects, files)) == []
    assert (model.stable != first, len(lives(objects(files[0])))) == (True, 1)
    world.figures.note(
        "chaos: hands on a routed rollout",
        sent=outside.sent + inside.sent,
        lost=len(inside.lost),
        lost_while_the_route_was_edited=len(outside.lost),
        seconds_without_its_route=round(sum(ended - begun for begun, ended in strikes), 2),
    )


def where(model: Model) -> tuple[Any, ...]:
    here = rollout(model)
    return here["phase"], here.get("stepIndex"), here["requestedWeight"], model.status()["candidateRevision"]


def edit_the_route(world: World, model: Model, url: str, strikes: list[tuple[float, float]]) -> None:
    """Weights and marks, which lose nothing; the rules and the whole route, which lose what comes meanwhile."""
    before = world.api.read("httproutes", model.namespace, model.name)["spec"]
    even = json.loads(json.dumps(before["rules"]))
    for rule in even:
        for ref in rule["backendRefs"]:
            ref["weight"] = 50
    bare = [{key: value for key, value in rule.items() if key != "filters"} for rule in before["rules"]]
    for what, rules in (("even weights", even), ("no marks", bare)):
        edit(world, model, rules)
        restored(world, model, before, what)
    with strike(strikes):
        edit(world, model, [{"backendRefs": [{"name": "elsewhere", "port": 80}]}])
        restored(world, model, before, "other rules")
        leads_again(model, url)
    with strike(strikes):
        model.kubectl.delete("httproute", model.name)
        restored(world, model, before, "no route")
        leads_again(model, url)


def edit(world: World, model: Model, rules: list[dict[str, Any]]) -> None:
    world.api.patch("httproutes", model.namespace, model.name, {"spec": {"rules": rules}})


def restored(world: World, model: Model, before: dict[str, Any], what: str) -> None:
    clock = Stopwatch()
    wait_for(
        lambda: (world.api.get("httproutes", model.namespace, model.name) or {}).get("spec") == before,
        seconds=REPAIRED_SECONDS,
        what=f"the route is as before: {what}",
    )
    world.figures.note("chaos: hands, repaired", what=what, within=round(clock.seconds, 2))


def leads_again(model: Model, url: str) -> None:
    """The Gateway takes a moment to learn what the route says."""
    wait_for(lambda: infer_once(url, model.name)[0] == 200, seconds=30, what="the Gateway leads to the model")
    begun = time.monotonic()
    wait_for(
        lambda: time.monotonic() > begun + 1 and infer_once(url, model.name)[0] == 200,
        seconds=30,
        what="the Gateway's proxy has settled",
    )


def scale_the_workloads(world: World, model: Model) -> None:
    for revision in (model.stable, model.status()["candidateRevision"]):
        wanted = size(model, revision)
        model.kubectl("scale", f"deployment/{revision}", f"--replicas={wanted + 2}")
        clock = Stopwatch()
        wait_for(
            partial(has_size, model, revision, wanted), seconds=REPAIRED_SECONDS, what=f"{revision} has its size again"
        )
        world.figures.note("chaos: hands, repaired", what=f"{revision} scaled", within=round(clock.seconds, 2))


def size(model: Model, revision: str) -> int:
    return int(model.api.read("deployments", model.namespace, revision)["spec"]["replicas"])


def has_size(model: Model, revision: str, wanted: int) -> bool:
    return size(model, revision) == wanted


def apply_again(model: Model) -> None:
    """As a GitOps controller does, which looks first whether anything differs."""
    wanted = json.dumps(model.applied)
    model.kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=gitops", "-f", "-", stdin=wanted)
    shown = model.kubectl.try_("diff", "--server-side", "--field-manager=gitops", "-f", "-", stdin=wanted)
    assert (shown.returncode, shown.stdout) == (0, ""), shown.stderr


@pytest.mark.own_operator
@pytest.mark.long
def test_the_same_manifest_applied_through_a_whole_canary_begins_no_other(world: World, namespace: str) -> None:
    with shaken(world, namespace) as story:
        story.renew()
        generation = story.model.live()["metadata"]["generation"]
        applies, watch = 0, Stopwatch()
        while not (is_over(story) and watch.seconds >= APPLY_SECONDS):
            assert watch.seconds < APPLY_SECONDS + ROLLOUT_SECONDS, story.told()
            apply_again(story.model)
            applies += 1
            until(APPLY_EVERY)
        story.promoted()
        assert story.model.live()["metadata"]["generation"] == generation
        assert len(story.model.revisions) == 2
        assert len(lives(objects(story.files[0]))) == 1
        noted(story, "the same manifest applied again", applies=applies, differences=0)


def is_over(story: Shaken) -> bool:
    return bool(story.model.conditions().get("Ready", {}).get("status") == "True")
