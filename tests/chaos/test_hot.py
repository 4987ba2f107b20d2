"""Testers who all ask the candidate by their header: it grows for them; stable, idle beside it, does not."""

from functools import partial
from typing import Any

import pytest
from tests.chaos.shaken import ROLLOUT, ROLLOUT_SECONDS, Shaken, shaken
from tests.chaos.test_api import noted
from tests.e2e.harness.waiting import wait_for
from tests.e2e.harness.watching import objects
from tests.e2e.harness.world import World

pytestmark = [pytest.mark.own_operator, pytest.mark.long]
TESTER = {"x-tester": "yes"}
WEIGHT = 5
TESTED: dict[str, Any] = {
    **ROLLOUT,
    "steps": [{"weight": WEIGHT, "manual": True}],
    "match": {"headers": [{"name": name, "value": value} for name, value in TESTER.items()]},
}
SCALING: dict[str, Any] = {
    "maxReplicas": 3,
    "stableWindowSeconds": 6,
    "targetUtilizationPercent": 100,
    "metrics": [{"type": "RequestsPerSecond", "target": 25}],
}
"""One pod for those who ask stable, two for the testers."""
IDLE_RATE, TESTERS_RATE = 4.0, 40.0


def test_a_candidate_that_is_hot_beside_an_idle_stable_grows_alone(world: World, namespace: str) -> None:
    with shaken(world, namespace, rate=IDLE_RATE, rollout=TESTED, scaling=SCALING) as story:
        stable = story.model.stable
        story.renew()
        story.applied(WEIGHT)
        candidate = story.model.status()["candidateRevision"]
        with story.model.probe(rate=TESTERS_RATE, headers=TESTER) as testers:
            wait_for(
                partial(has_two, story, candidate), seconds=ROLLOUT_SECONDS, what="it has grown", describe=story.told
            )
        testers.assert_none_lost()
        assert set(testers.by_revision()) == {candidate}
        asked = {one["spec"]["replicas"] for one in objects(story.files[1]) if one["metadata"]["name"] == stable}
        assert asked == {1}, "stable grew with it"
        story.model.kubectl("annotate", "mdep", story.model.name, "serinus.dev/promote=1")
        story.promoted()
        noted(story, "a hot candidate beside an idle stable", by_header=testers.sent)


def has_two(story: Shaken, revision: str) -> bool:
    found = (one for one in story.model.status().get("revisions", ()) if one["name"] == revision)
    return any(one["readyReplicas"] >= 2 for one in found)
