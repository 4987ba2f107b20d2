"""The control plane itself is gone for a while in mid-canary: an API server that is killed, an etcd that stands still.

One fault after the other in one story, which is alone on the cluster: all others would stand still with it.
"""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from dev.cluster import api as cluster
from dev.cluster.faults import killed, paused
from dev.cluster.paths import default_layout
from tests.chaos.shaken import HEALED_SECONDS, Shaken, shaken
from tests.chaos.test_api import STEPS_SECONDS, noted
from tests.e2e.harness.needs import lacking
from tests.e2e.harness.waiting import Stopwatch, until
from tests.e2e.harness.world import World

pytestmark = [pytest.mark.own_control_plane, pytest.mark.own_node, pytest.mark.long]
FULL = bool(os.environ.get("SERINUS_FULL"))
DEATHS = (5.0, 30.0, 70.0) if FULL else (5.0,)
PAUSES = (20.0,) if FULL else (5.0,)


def test_a_control_plane_that_is_gone_in_mid_canary_delays_it_and_no_more(world: World, namespace: str) -> None:
    if not cluster.is_own():
        lacking("the API server and etcd are processes of our own cluster alone")
    faults: list[tuple[str, float, Callable[[], AbstractContextManager[None]]]] = [
        *(("API server killed", seconds, lambda: killed("kube-apiserver", default_layout())) for seconds in DEATHS),
        *(("etcd paused", seconds, lambda: paused("etcd", default_layout())) for seconds in PAUSES),
    ]
    with shaken(world, namespace) as story:
        for what, seconds, fault in faults:
            gone_for(story, what, seconds, fault())


def gone_for(story: Shaken, what: str, seconds: float, fault: AbstractContextManager[None]) -> None:
    """One rollout with one fault in the middle of it."""
    story.renew()
    story.reach("Stepping")
    with fault:
        until(seconds)
    healed = Stopwatch()
    if story.operator.is_dead():
        story.operator.start()  # it lost its Lease and said so; a kubelet starts it again
    story.promoted(STEPS_SECONDS + HEALED_SECONDS)
    noted(story, f"{what} for {seconds:g} s", seconds_after=healed.seconds, starts=story.operator.starts)
