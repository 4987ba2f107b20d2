"""Pods that die in mid-canary: one of the stable ones at each weight, or all of the model at once."""

import math
import os
import time
from functools import partial
from typing import Any

import pytest
from tests.chaos.shaken import ROLLOUT, Shaken, shaken, strike
from tests.chaos.test_api import noted
from tests.e2e.harness.kubectl import Manifest
from tests.e2e.harness.processes import container_id, kill, process_of, read
from tests.e2e.harness.waiting import wait_for
from tests.e2e.harness.world import World

pytestmark = [pytest.mark.own_operator, pytest.mark.own_node, pytest.mark.long]
FULL = bool(os.environ.get("SERINUS_FULL"))
WEIGHTS = [step["weight"] for step in ROLLOUT["steps"]]
ALL_AT = WEIGHTS if FULL else WEIGHTS[1:2]
SIZE = 3
MANUAL: dict[str, Any] = {**ROLLOUT, "steps": [{"weight": weight, "manual": True} for weight in WEIGHTS]}
RECOVERED_SECONDS = 60.0
ANSWERS = 40
"""Two seconds of answers, one after the other: it is recovered."""


def test_stable_pods_killed_at_each_weight_cost_what_they_were_answering(world: World, namespace: str) -> None:
    with shaken(world, namespace, replicas=SIZE, rollout=MANUAL) as story:
        story.renew()
        stable = story.model.stable
        for number, weight in enumerate(WEIGHTS):
            story.applied(weight)
            wanted = math.ceil(SIZE * (100 - weight) / 100)
            whole = partial(is_whole, story, stable, wanted)
            wait_for(whole, seconds=RECOVERED_SECONDS, what=f"{stable} has {wanted} pods", describe=story.told)
            killed(story, youngest(story, stable))
            wait_for(whole, seconds=RECOVERED_SECONDS, what=f"{stable} has {wanted} pods again", describe=story.told)
            story.model.kubectl("annotate", "--overwrite", "mdep", story.model.name, f"serinus.dev/promote={number}")
        story.promoted()
        noted(story, "a stable pod killed at each weight", trials=len(WEIGHTS), weights=str(WEIGHTS))


@pytest.mark.parametrize("weight", ALL_AT)
def test_all_pods_of_a_model_gone_at_once_are_back_after_a_cold_start(
    world: World, namespace: str, weight: int
) -> None:
    with shaken(world, namespace) as story:
        story.renew()
        story.applied(weight)
        struck, dead = time.monotonic(), len(story.prober.records)
        with strike(story.strikes):
            for pod in story.model.pods():
                killed(story, pod)
            wait_for(lambda: answers_again(story, dead), seconds=RECOVERED_SECONDS, what="requests are answered again")
        down = max((one["sent"] + one["seconds"] - struck for one in story.prober.lost), default=0.0)
        story.promoted()
        noted(story, f"all pods killed at {weight} %", last_loss_after=round(down, 2))


def killed(story: Shaken, pod: Manifest) -> None:
    """SIGKILL of its process, and the pod is gone: a dead container would be started again ever later.

    The strike lasts until the process was reaped. Its memory goes first, its sockets after that, and what is sent to
    them meanwhile is lost with it.
    """
    process, gone = process_of(pod), container_id(pod)
    with strike(story.strikes):
        kill(pod)
        wait_for(lambda: not read(process, "status"), seconds=10, what=f"{gone} is dead", period=0.01)
    story.model.kubectl("delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force", "--wait=false")


def is_whole(story: Shaken, revision: str, size: int) -> bool:
    found = (one for one in story.model.status().get("revisions", ()) if one["name"] == revision)
    return bool(next(found)["readyReplicas"] == size == len(story.model.pods(revision=revision)))


def youngest(story: Shaken, revision: str) -> Manifest:
    """All gateways know the other one; one that is ready since a moment they may not know yet."""
    return max(story.model.pods(revision=revision), key=lambda pod: str(pod["metadata"]["creationTimestamp"]))


def answers_again(story: Shaken, dead: int) -> bool:
    last: list[dict[str, Any]] = story.prober.records[dead:][-ANSWERS:]
    return len(last) == ANSWERS and not [record for record in last if record["error"]]
