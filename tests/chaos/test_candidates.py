"""Candidates that pass every trial and are bad with real requests: taken back, and stable answers as if nothing was."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.chaos.checker import lives
from tests.chaos.shaken import ROLLOUT_SECONDS, Shaken, shaken
from tests.chaos.test_api import noted
from tests.e2e.harness.waiting import Stopwatch, wait_for
from tests.e2e.harness.watching import objects
from tests.e2e.harness.world import World
from tests.models import moody

pytestmark = [pytest.mark.own_operator, pytest.mark.long]
WEIGHTS = (25, 50)
STRICT: dict[str, Any] = {
    "steps": [{"weight": weight, "pauseSeconds": 20} for weight in WEIGHTS],
    "analysis": {
        "minRequests": 50,
        "metrics": [
            {"name": "errors", "type": "ErrorRatePermille", "max": 5},
            {"name": "numbers", "type": "OutputInvalidPermille", "max": 5},
            {"name": "latency", "type": "LatencyP95Milliseconds", "maxPercentOfStable": 150},
        ],
    },
    "bakeSeconds": 4,
}
SMALL: dict[str, Any] = {"resources": {"limits": {"memory": "512Mi"}}}
ANSWERS = 40


@dataclass(frozen=True)
class Bad:
    """What the candidate is, and what its users are told of it."""

    content: Callable[[], bytes]
    reason: str
    words: str
    dies: bool = False
    """It takes the requests with it that it was answering: nobody says whose they were."""


BAD = {
    "answers that are no numbers": Bad(moody.undefined, "AnalysisFailed", "numbers"),
    "five errors in a hundred": Bad(lambda: moody.failing_now_and_then(50), "AnalysisFailed", "errors"),
    "many times the latency": Bad(lambda: moody.dawdling(1500), "AnalysisFailed", "latency"),
    "out of memory under load": Bad(lambda: moody.hungry(2048), "OutOfMemory", "memory", dies=True),
}


@pytest.mark.parametrize("what", BAD)
def test_a_candidate_that_is_bad_with_real_requests_is_taken_back(world: World, namespace: str, what: str) -> None:
    bad = BAD[what]
    with shaken(world, namespace, rollout=STRICT, runtime=SMALL) as story:
        stable, before = story.model.stable, story.model.incarnations()
        story.model.apply_onnx(bad.content(), "bad", **story.spec)
        story.reach("Stepping")
        watch, begun = Stopwatch(), time.monotonic()
        story.model.wait_for("Ready", "False", bad.reason, bad.words, seconds=ROLLOUT_SECONDS)
        told = watch.seconds
        story.reach("Aborted")
        (life,) = lives(objects(story.files[0]))
        story.excused.add(life.candidate)
        if bad.dies:
            story.strikes.append((begun, time.monotonic()))
        asked = len(story.prober.records)
        wait_for(lambda: stable_alone(story, asked, stable), seconds=60, what="stable answers everything again")
        assert story.model.stable == stable
        assert before == story.model.incarnations(stable), "a stable pod was restarted"
        exposed = sum(record.get("revision") == life.candidate for record in story.prober.records)
        noted(story, f"a candidate with {what}", seconds_to_abort=told, exposed=exposed, weights=str(set(life.weights)))
        assert exposed <= max(life.weights) / 100 * len(story.prober.records)


def stable_alone(story: Shaken, since: int, stable: str) -> bool:
    last = story.prober.records[since:][-ANSWERS:]
    return len(last) == ANSWERS and all(not one["error"] and one["revision"] == stable for one in last)
