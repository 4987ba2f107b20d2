"""A rollout in steps of a model whose size follows the demand: each side has the pods for its share, and in time."""

from typing import Any

import pytest
from tests.e2e.harness.waiting import wait_for
from tests.e2e.harness.watching import watched
from tests.e2e.harness.world import World
from tests.e2e.test_canary import FORM, RATE, ROLLOUT, ROLLOUT_SECONDS, check_way, lived_through, rollout, settled, told
from tests.e2e.test_missing_source import TRIPLED
from tests.models import doubler

pytestmark = pytest.mark.own_operator
SCALING: dict[str, Any] = {
    "maxReplicas": 4,
    "stableWindowSeconds": 10,
    "targetUtilizationPercent": 100,
    "metrics": [{"type": "RequestsPerSecond", "target": 8}],
}
"""Three pods for the requests of the prober, one for a tenth of them, two for half."""
SLEEPY: dict[str, Any] = {
    "minReplicas": 0,
    "maxReplicas": 2,
    "stableWindowSeconds": 6,
    "scaleToZero": {"gracePeriodSeconds": 3},
}


@pytest.mark.long
def test_each_side_has_the_pods_for_its_share_before_the_weight_moves(world: World, namespace: str) -> None:
    world.own_release(namespace, gateways=2)
    model = world.model(namespace, "shared")
    model.apply_onnx(doubler(2.0), rollout=ROLLOUT, scaling=SCALING)
    model.wait_ready()
    first = model.stable

    def ready(revision: str) -> int:
        found = (one for one in model.status().get("revisions", ()) if one["name"] == revision)
        return int(next((one["readyReplicas"] for one in found), 0))

    ways = world.folder / f"{namespace}-ways.txt"
    with watched(model, ways, FORM), model.probe(rate=RATE) as prober:
        wait_for(lambda: ready(first) == 3, seconds=60, what="three pods serve", describe=model.brief)
        model.apply_onnx(doubler(3.0), "three", rollout=ROLLOUT, scaling=SCALING)
        counts: dict[int, tuple[int, int]] = {}

        def promoted() -> bool:
            here = rollout(model)
            if here.get("phase") == "Stepping" and (weight := here.get("requestedWeight")):
                candidate = model.status().get("candidateRevision") or ""
                counts.setdefault(weight, (ready(first), ready(candidate)))
            return here.get("phase") in ("Baking", "Stable") and model.stable != first

        wait_for(promoted, seconds=ROLLOUT_SECONDS, what="the candidate takes over", describe=lambda: told(model))
        settled(model)
        wait_for(lambda: ready(model.stable) == 3, seconds=60, what="it has its full size", describe=model.brief)
    prober.assert_none_lost()
    check_way(lived_through(ways))
    assert counts[50][1] >= 2, counts
    assert counts[10] >= (3, 1), counts
    world.figures.note("a canary sized by demand", sent=prober.sent, lost=0, pods=str(counts))
    print(ways.read_text(), model.kubectl("describe", "mdep", model.name))


def test_a_sleeping_model_takes_a_new_version_with_one_pod_and_sleeps_again(world: World, namespace: str) -> None:
    world.own_release(namespace, gateways=2)
    model = world.model(namespace, "dozing")
    model.apply_onnx(doubler(2.0), rollout=ROLLOUT, scaling=SLEEPY)
    model.wait_ready()
    first = model.stable

    def sleeps() -> bool:
        return bool(model.status().get("scaling", {}).get("state") == "Asleep")

    wait_for(sleeps, seconds=120, what="it falls asleep", describe=model.brief)
    most = 0

    def sleeps_with_another() -> bool:
        nonlocal most
        most = max(most, sum("deletionTimestamp" not in pod["metadata"] for pod in model.pods()))
        return model.stable != first and sleeps() and model.conditions().get("Ready", {}).get("reason") == "Asleep"

    model.apply_onnx(doubler(3.0), "three", rollout=ROLLOUT, scaling=SLEEPY)
    wait_for(sleeps_with_another, seconds=180, what="the new one sleeps", describe=model.brief)
    assert most == 1
    assert not rollout(model).get("requestedWeight")
    assert model.conditions()["Ready"]["status"] == "True"
    model.wait_for_answer(TRIPLED)
