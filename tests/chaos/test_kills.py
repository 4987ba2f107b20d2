"""SIGKILL of the operator at one request after the other of a canary 5-25-50-promote-bake, under load.

A rollout without a kill counts the requests that change something; then each of them is a crash point twice: before it
is carried out, and after, when the operator has not learnt of it. `SERINUS_FULL=1` tries all, else three of either by
seed.
"""

import os

import pytest
from tests.chaos.shaken import Shaken, shaken
from tests.e2e.harness.waiting import until
from tests.e2e.harness.world import World

pytestmark = [pytest.mark.own_operator, pytest.mark.long]
FULL = bool(os.environ.get("SERINUS_FULL"))
POINTS = 3
PARTS = range(3 if FULL else 1)
"""Side by side, all take a third of the time."""
ROLLOUT_SECONDS = 240.0


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_operator_killed_at_any_request_comes_to_the_same_end(
    world: World, namespace: str, moment: str, part: int
) -> None:
    chances = world.random(f"killed {moment} a request")
    with shaken(world, namespace) as story:
        before = story.proxy.numbers
        story.renew()
        story.promoted()
        whole = story.proxy.numbers - before
        every = range(1 + part, whole + 1, len(PARTS))
        points = every if FULL else sorted(chances.sample(every, POINTS))
        for number in points:
            killed_at(story, number, moment)
        world.figures.note(
            f"chaos: killed {moment} a request",
            requests_of_a_canary=whole,
            crash_points=len(points),
            sent=len(story.prober.records),
            lost=len(story.prober.lost),
        )


def killed_at(story: Shaken, number: int, moment: str) -> None:
    """One rollout with one kill; what the rollout has fewer requests than that ends without it."""
    at = story.proxy.numbers + number

    def kill(now: int, _: str) -> None:
        if now == at:
            story.operator.kill()

    with story.proxy.wrong(**{moment: kill}):
        story.renew()
        goal = story.model.live()["metadata"]["generation"]
        for _ in range(int(ROLLOUT_SECONDS * 10)):
            if story.operator.is_dead():
                story.operator.start()
            if is_done(story, goal):
                break
            until(0.1)
    story.promoted()


def is_done(story: Shaken, generation: int) -> bool:
    ready = story.model.conditions().get("Ready", {})
    return bool(ready.get("observedGeneration") == generation and ready.get("status") == "True")
