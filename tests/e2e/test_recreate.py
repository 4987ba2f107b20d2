"""`strategy: Recreate` through real gateways: the old pods go first, and nobody who asks meanwhile is refused."""

import pytest
from tests.e2e.harness.waiting import wait_for
from tests.e2e.harness.world import World
from tests.e2e.test_canary import RATE, reach, rollout, settled, told
from tests.models import doubler

pytestmark = pytest.mark.own_operator
RECREATE = {"strategy": "Recreate"}


def test_a_candidate_takes_the_place_of_stable_and_one_without_a_node_costs_nothing(
    world: World, namespace: str
) -> None:
    world.own_release(namespace, gateways=2)
    model = world.model(namespace, "replaced")
    deadline = {"startupDeadlineSeconds": 60}
    model.apply_onnx(doubler(2.0), rollout=RECREATE, runtime=deadline)
    model.wait_ready()
    first = model.stable
    with model.probe(rate=RATE) as prober:
        model.apply_onnx(doubler(3.0), "three", rollout=RECREATE, runtime=deadline)
        reach(model, "Promoting")
        wait_for(lambda: model.stable != first, seconds=120, what="another is stable", describe=lambda: told(model))
        settled(model)
        second = model.stable
        nowhere = {**deadline, "nodeSelector": {"serinus.dev/test": "no-such-node"}}
        model.apply_onnx(doubler(3.0), "three", rollout=RECREATE, runtime=nowhere)
        model.wait_for("Ready", "False", "Unschedulable", seconds=90)
        assert rollout(model).get("phase") != "Promoting", "a preflight that finds no node costs stable nothing"
        model.apply_onnx(doubler(3.0), "three", rollout=RECREATE, runtime=deadline)
        settled(model)
    prober.assert_none_lost()
    assert model.stable == second
