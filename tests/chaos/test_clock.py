"""A clock that is set by an hour in mid-canary promotes nothing early. The operator's clock, not the machine's.

The operator runs with libfaketime of Debian, unpacked and not installed, which reads from a file what is added to its
wall clock; its monotonic clock stays the machine's.
"""

import datetime as dt
from functools import partial
from pathlib import Path

import pytest
from dev.cluster.console import ClusterError
from dev.cluster.packages import unpacked
from dev.cluster.paths import default_layout
from tests.chaos.shaken import LONG_PAUSE_SECONDS, SLOW, Shaken, shaken
from tests.chaos.test_api import noted
from tests.e2e.harness.audit import instant
from tests.e2e.harness.needs import lacking
from tests.e2e.harness.waiting import Stopwatch, wait_for
from tests.e2e.harness.world import World

pytestmark = [pytest.mark.own_operator, pytest.mark.own_node, pytest.mark.long]
LATE_SECONDS = 2.0
"""A step may be seen in the status this much after it began."""
HOURS = {5: 1, 25: -1}


def test_a_clock_that_is_set_by_an_hour_shortens_no_step(world: World, namespace: str) -> None:
    added = world.folder / f"{namespace}-clock"
    added.write_text("+0")
    with shaken(world, namespace, environment=stepped_by(added), rollout=SLOW) as story:
        story.renew()
        for weight, hours in HOURS.items():
            story.applied(weight)
            lasted = Stopwatch()
            added.write_text(f"{hours * 3600:+d}")
            wait_for(partial(tells, story, hours), seconds=30, what=f"its clock is {hours:+d} h off")
            wait_for(partial(is_past, story, weight), seconds=90, what="the next step", describe=story.told)
            assert lasted.seconds > LONG_PAUSE_SECONDS - LATE_SECONDS, f"{weight} % lasted {lasted.seconds:.1f} s"
            noted(story, f"its clock is set by {hours:+d} h at {weight} %", step_seconds=lasted.seconds)
        story.promoted()


def stepped_by(file: Path) -> dict[str, str]:
    """The environment of a process whose wall clock is off by what the file says."""
    try:
        folder = unpacked("libfaketime", default_layout().cache / "debian")
    except ClusterError as error:
        lacking(str(error))
    (library,) = folder.rglob("libfaketime.so.1")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def tells(story: Shaken, hours: int) -> bool:
    """Whether the Lease was renewed by a clock that is off like this: the test would prove nothing otherwise."""
    ahead = story.operator.renewed() - dt.datetime.fromisoformat(instant())
    return abs(ahead - dt.timedelta(hours=hours)) < dt.timedelta(minutes=10)


def is_past(story: Shaken, weight: int) -> bool:
    return int(story.rollout().get("requestedWeight") or 0) > weight
