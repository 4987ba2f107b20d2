"""Bad candidates under load: refused without a request, or taken back; and stable answers as if nothing was.

One that never becomes ready is refused in `tests/e2e/test_refused_pods.py`, bytes that are no model in
`tests/e2e/test_bad_model.py`, wrong inputs and more golden requests in `tests/e2e/test_golden.py`.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.chaos.checker import lives
from tests.chaos.exposure import CHANCE, seen, shares
from tests.chaos.shaken import ROLLOUT_SECONDS, Shaken, shaken
from tests.chaos.test_api import noted
from tests.e2e.harness.waiting import Stopwatch, wait_for
from tests.e2e.harness.watching import objects
from tests.e2e.harness.world import World
from tests.e2e.test_golden import ASKED, golden
from tests.models import doubler, memory_hog, moody

pytestmark = [pytest.mark.own_operator, pytest.mark.long]
FULL = bool(os.environ.get("SERINUS_FULL"))
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
PATIENT: dict[str, Any] = {**STRICT, "steps": [{"weight": weight, "pauseSeconds": 40} for weight in WEIGHTS]}
"""Of 200 requests ten fail; so few that nobody could be sure do once in thousands of runs."""
BY_MEDIAN: dict[str, Any] = {
    **STRICT,
    "analysis": {
        "minRequests": 50,
        "metrics": [{"name": "latency", "type": "LatencyP50Milliseconds", "maxPercentOfStable": 120}],
    },
}
"""What a machine does beside it reaches the slowest answers first, and the median last."""
SMALL: dict[str, Any] = {"resources": {"limits": {"memory": "512Mi"}}}
ANSWERS = 40
SEVERAL = 4
"""Of so many pods stable gives some up in each step, which it must have again before its requests."""


@dataclass(frozen=True)
class Bad:
    """What the candidate is, and what its users are told of it."""

    content: Callable[[], bytes]
    reason: str
    words: str
    dies: bool = False
    """It takes the requests with it that it was answering: nobody says whose they were."""
    first: Callable[[], bytes] = doubler
    rollout: dict[str, Any] = field(default_factory=lambda: STRICT)
    pods: int = 1


BAD = {
    "answers that are no numbers": Bad(moody.undefined, "AnalysisFailed", "numbers"),
    "five errors in a hundred": Bad(
        lambda: moody.failing_now_and_then(50), "AnalysisFailed", "errors", rollout=PATIENT, pods=SEVERAL
    ),
    "many times the latency": Bad(lambda: moody.dawdling(1500), "AnalysisFailed", "latency", rollout=BY_MEDIAN),
    "out of memory under load": Bad(lambda: moody.hungry(2048), "OutOfMemory", "memory", dies=True),
}
THREE_TIMES = Bad(
    lambda: moody.dawdling(450), "AnalysisFailed", "latency", first=lambda: moody.dawdling(100), rollout=BY_MEDIAN
)
"""Of the full tier alone, where fewer stories share the two cores: beside others, how long either works is chance."""
if FULL:
    BAD["three times the latency"] = THREE_TIMES


@pytest.mark.parametrize("what", BAD)
def test_a_candidate_that_is_bad_with_real_requests_is_taken_back(world: World, namespace: str, what: str) -> None:
    bad = BAD[what]
    asked_for: dict[str, Any] = {"rollout": bad.rollout, "replicas": bad.pods, "runtime": SMALL}
    with (
        shaken(world, namespace, first=bad.first, **asked_for) as story,
        seen(story.model) as sights,
    ):
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
        wait_for(
            lambda: len(story.model.pods(revision=stable)) == bad.pods, seconds=60, what="stable is at its full size"
        )
        assert story.model.stable == stable
        least = fewest(story, stable)
        assert len(before & story.model.incarnations(stable)) >= least, "a stable pod was restarted"
        assert bad.pods == 1 or least < bad.pods, "stable gave no pod up: that it has them again says nothing"
        found = shares(list(story.prober.records), sights, life.candidate)
        noted(story, f"a candidate with {what}", seconds_to_abort=told, exposed=", ".join(map(str, found)))
        assert bad.dies or any(share.given for share in found)
        assert not [f"{share}" for share in found if share.chance < CHANCE]


def fewest(story: Shaken, revision: str) -> int:
    """Pods that it was to have at least, as its Deployment said."""
    told = [one for one in objects(story.files[1]) if one["metadata"]["name"] == revision]
    return min(int(one["spec"]["replicas"]) for one in told)


@dataclass(frozen=True)
class Refused:
    """What the candidate is, and what its users are told before it gets anything."""

    content: Callable[[], bytes]
    reason: str
    words: str
    spec: dict[str, Any] = field(default_factory=dict)


REFUSED = {
    "wrong answers": Refused(lambda: doubler(3.0), "GoldenMismatch", "is 12.0, expected 8", {"validation": ASKED}),
    "out of memory at load": Refused(memory_hog, "OutOfMemory", "512 MiB"),
    # The interpreter does not find its library, whatever the model is.
    "crashes at start": Refused(
        doubler,
        "CrashLoop",
        "exit code 1",
        {"runtime": {**SMALL, "env": [{"name": "PYTHONHOME", "value": "/nowhere"}]}},
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_candidate_that_is_bad_before_any_request_gets_none(world: World, namespace: str, what: str) -> None:
    bad = REFUSED[what]
    with shaken(world, namespace, rollout=STRICT, runtime=SMALL) as story:
        stable, before = story.model.stable, story.model.incarnations()
        story.model.kubectl.apply(golden(2, 4, 6, 8))
        story.model.apply_onnx(bad.content(), "bad", **{**story.spec, **bad.spec})
        watch = Stopwatch()
        story.model.wait_for("Ready", "False", bad.reason, bad.words, seconds=ROLLOUT_SECONDS)
        told, asked = watch.seconds, len(story.prober.records)
        wait_for(lambda: stable_alone(story, asked, stable), seconds=60, what="stable answers on")
        assert story.model.stable == stable
        assert before == story.model.incarnations(stable), "a stable pod was restarted"
        assert not lives(objects(story.files[0])), "it was rolled out"
        assert {record["revision"] for record in story.prober.records} == {stable}
        noted(story, f"a candidate: {what}", seconds_to_refusal=told)


def stable_alone(story: Shaken, since: int, stable: str) -> bool:
    last = story.prober.records[since:][-ANSWERS:]
    return len(last) == ANSWERS and all(not one["error"] and one["revision"] == stable for one in last)
