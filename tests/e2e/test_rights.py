"""Failure table: a right of the operator is taken away. And: it uses every right that it has."""

import json
from collections.abc import Callable
from functools import partial

import pytest
from tests.e2e.harness.api import JSON_PATCH
from tests.e2e.harness.helm import Release
from tests.e2e.harness.needs import lacking
from tests.e2e.harness.rows import healed
from tests.e2e.harness.waiting import Stopwatch
from tests.e2e.harness.world import World
from tests.models import doubler

Right = tuple[str, str, str]
"""Group, resource, verb."""


def change_verbs(world: World, release: Release, resource: str, change: Callable[[list[str]], list[str]]) -> list[str]:
    """Change the verbs of one resource in the operator's Role; the verbs as they were."""
    (role,) = [r for r in world.api.list("roles", release.namespace) if not r["metadata"]["name"].endswith("-lease")]
    (index,) = [i for i, rule in enumerate(role["rules"]) if rule["resources"] == [resource]]
    before: list[str] = role["rules"][index]["verbs"]
    edit = [{"op": "replace", "path": f"/rules/{index}/verbs", "value": change(before)}]
    world.api.patch("roles", release.namespace, role["metadata"]["name"], edit, JSON_PATCH)
    return before


def without(verb: str, verbs: list[str]) -> list[str]:
    return [word for word in verbs if word != verb]


def instead(verbs: list[str], _: list[str]) -> list[str]:
    return verbs


RESYNC_SECONDS = 72
"""Once a minute, a fifth later at most."""
TAKEN = (("pods", "create", "pods"), ("deployments", "create", "deployments.apps"), ("configmaps", "get", "configmaps"))


@pytest.mark.own_operator
def test_a_right_that_is_taken_away_is_named_and_heals(world: World, namespace: str) -> None:
    release = world.own_release(namespace)
    model = world.model(namespace, "iris")
    model.apply_onnx(doubler(2.0))
    model.wait_ready()
    with model.probe() as light:
        for number, (resource, verb, shown) in enumerate(TAKEN):
            stable = model.stable
            before = change_verbs(world, release, resource, partial(without, verb))
            model.apply_onnx(doubler(3.0 + number), f"model-{number}")
            watch = Stopwatch()
            model.wait_for("Ready", "False", "RBACDenied", f"{verb} {shown}")
            model.wait_for("Available", "True", "Serving")
            model.wait_for("Reconciling", "True", "RBACDenied")
            assert model.shown_reason() == "RBACDenied"
            assert model.stable == stable
            world.figures.note(
                "failure table", reason="RBACDenied", verb=verb, resource=shown, told_within=watch.seconds
            )
            change_verbs(world, release, resource, partial(instead, before))
            healed(world, model, f"{verb} {shown}", kind="ModelValidated")
            assert model.stable != stable
    light.assert_none_lost()
    world.figures.note("light probers of the failure table", namespace=namespace, sent=len(light.records), lost=0)


@pytest.mark.own_node
@pytest.mark.long
@pytest.mark.own_operator
def test_a_watch_that_is_taken_away_is_named_and_heard_again(world: World, namespace: str) -> None:
    """Kopf gives up a watch that is refused, for good: the operator looks once a minute, and starts afresh."""
    release = world.own_release(namespace)
    model = world.model(namespace, "iris")
    model.apply_onnx(doubler(2.0))
    model.wait_ready()
    with model.probe() as light:
        watch = Stopwatch()
        before = change_verbs(world, release, "pods", partial(without, "watch"))
        model.wait_for("Ready", "False", "RBACDenied", "watch pods", seconds=RESYNC_SECONDS + 10)
        model.wait_for("Available", "True", "Serving")
        assert model.shown_reason() == "RBACDenied"
        world.figures.note(
            "failure table", reason="RBACDenied", verb="watch", resource="pods", told_within=watch.seconds
        )
        change_verbs(world, release, "pods", partial(instead, before))
        watch = Stopwatch()
        model.wait_ready()
        world.figures.note("healing", what="watch pods", ready_within=watch.seconds)
        stable = model.stable
        model.apply_onnx(doubler(3.0), "second")
        model.wait_ready()
        assert model.stable != stable
    light.assert_none_lost()


@pytest.mark.last
def test_rights_granted_and_rights_used_are_the_same(world: World) -> None:
    if world.audit is None:
        lacking("uses are read from the API server's audit log, which this cluster does not show")
    granted, used = rights_granted(world), rights_used(world)
    unused = sorted(granted - used)
    world.figures.note("rights", granted=len(granted), used=len(granted & used), unused=unused)
    assert not used - granted, "used, but not granted by the chart"
    assert not any("*" in right for right in granted)
    assert not any(resource == "secrets" for _, resource, _ in granted)
    assert not unused, "granted by the chart, but never used in the whole suite"


def rights_granted(world: World) -> set[Right]:
    """What the chart gives to the operator, of all releases of this run."""
    return {
        (group, resource, verb)
        for file in world.folder.glob("grants-*.json")
        for role in json.loads(file.read_text())
        if role["metadata"]["name"] not in ("serinus-edit", "serinus-view")
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def rights_used(world: World) -> set[Right]:
    """What the API server let the operators of this run do."""
    assert world.audit
    used: set[Right] = set()
    for file in world.folder.glob("grants-*.json"):
        user = f"system:serviceaccount:{file.stem.removeprefix('grants-')}:"
        for request in world.audit.requests(user, world.began()):
            if request.code < 400 or request.code in (404, 409, 422):
                used.add((request.group, request.resource, request.verb))
            if request.verb == "patch" and request.code == 201:
                used.add((request.group, request.resource, "create"))  # server-side apply asks for both
    return {right for right in used if right[1] and not right[1].startswith("selfsubject")}


@pytest.mark.last
def test_no_invariant_was_broken_in_the_whole_run(world: World) -> None:
    breaches = world.folder / "breaches.txt"
    assert not breaches.exists(), breaches.read_text()
