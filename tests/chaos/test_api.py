"""An API server that refuses, loses, stalls, forgets or is gone, in the middle of a canary: nothing is lost, and the
rollout ends as it would have without it.

`make chaos` has each fault last as long as the design asks; `make e2e` tries the same in less time.
"""

import os
import random
from collections.abc import Callable
from typing import Any

import pytest
from tests.chaos.proxy import Judge, Refusal
from tests.chaos.shaken import HEALED_SECONDS, ROLLOUT_SECONDS, Shaken, shaken
from tests.e2e.harness.waiting import Stopwatch, until
from tests.e2e.harness.world import World

pytestmark = [pytest.mark.own_operator, pytest.mark.long]
FULL = bool(os.environ.get("SERINUS_FULL"))
OUTAGE_SECONDS = (5.0, 30.0, 70.0) if FULL else (5.0,)
SILENCE_SECONDS = 60.0 if FULL else 15.0
STEPS_SECONDS = 70.0
"""What the steps that are still to be taken need."""


def every_third_write(_: random.Random) -> Judge:
    counted = iter(range(1_000_000))

    def judge(method: str, path: str) -> Refusal | None:
        if method in ("PUT", "PATCH") and "/leases/" not in path and next(counted) % 3 == 2:
            return Refusal(409, "Conflict")
        return None

    return judge


def too_many(chances: random.Random) -> Judge:
    return lambda *_: Refusal(429, "TooManyRequests", retry_after=1) if chances.random() < 0.3 else None


def failing(chances: random.Random) -> Judge:
    return lambda *_: Refusal(chances.choice((500, 502, 503)), "InternalError") if chances.random() < 0.3 else None


NOISE: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "409 on every third write": lambda chances: {"judge": every_third_write(chances)},
    "429 on three of ten": lambda chances: {"judge": too_many(chances)},
    "5xx on three of ten": lambda chances: {"judge": failing(chances)},
    "one answer to a write in five is lost": lambda chances: {"lose": lambda *_: chances.random() < 0.2},
}
SILENCE: dict[str, dict[str, bool]] = {
    "watches tell nothing": {"stalled": True},
    "watches leave out what happens": {"deaf": True},
    "lists are old and watches deaf": {"stale": True, "deaf": True},
}


@pytest.mark.parametrize("what", NOISE)
def test_requests_that_fail_through_a_whole_canary(world: World, namespace: str, what: str) -> None:
    chances = world.random(what)
    with shaken(world, namespace) as story:
        with story.proxy.wrong(**NOISE[what](chances)):
            story.renew()
            story.promoted()
        noted(story, what)
        assert story.proxy.refused > 0


@pytest.mark.parametrize("what", SILENCE)
def test_a_watch_that_keeps_silent_in_mid_canary(world: World, namespace: str, what: str) -> None:
    with shaken(world, namespace) as story:
        story.renew()
        story.reach("Stepping")
        with story.proxy.wrong(**SILENCE[what]):
            until(SILENCE_SECONDS)
        story.proxy.cut_watches()
        healed = Stopwatch()
        story.promoted(STEPS_SECONDS + HEALED_SECONDS)
        noted(story, what, seconds_after=healed.seconds)


def test_watches_that_are_cut_again_and_again(world: World, namespace: str) -> None:
    chances = world.random("cut")
    with shaken(world, namespace) as story:
        story.renew()
        watch = Stopwatch()
        while story.rollout().get("phase") not in ("Promoting", "Baking") and watch.seconds < ROLLOUT_SECONDS:
            story.proxy.cut_watches()
            until(chances.uniform(0.2, 2.0))
        story.promoted()
        noted(story, "watches cut again and again", cut=story.proxy.cut)
        assert story.proxy.cut > 0


@pytest.mark.parametrize("seconds", OUTAGE_SECONDS)
def test_an_api_server_that_is_gone_for_a_while(world: World, namespace: str, seconds: float) -> None:
    """As the operator sees it: no connection, to the watches and to its Lease either."""
    with shaken(world, namespace) as story:
        story.renew()
        story.reach("Stepping")
        with story.proxy.wrong(down=True):
            until(seconds)
        healed = Stopwatch()
        if story.operator.is_dead():
            story.operator.start()  # it lost its Lease and said so; a kubelet starts it again
        story.promoted(STEPS_SECONDS + HEALED_SECONDS)
        noted(story, f"no API server for {seconds:g} s", seconds_after=healed.seconds, starts=story.operator.starts)


def noted(story: Shaken, what: str, **more: Any) -> None:
    story.world.figures.note(
        f"chaos: {what}",
        refused=story.proxy.refused,
        unheard=story.proxy.unheard,
        outdated=story.proxy.outdated,
        sent=len(story.prober.records),
        lost=len(story.prober.lost),
        **more,
    )
