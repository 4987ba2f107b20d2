"""All ways to a pod at the same time: the split, a header, copies, and callers inside the cluster.

Each is counted by its own mark, by the pods themselves, exactly as often as it was sent; and the split, which alone is
judged, is found to be as asked for.
"""

import re
import urllib.request
from collections import Counter
from typing import Any

import pytest
from tests.e2e.harness.models import Model
from tests.e2e.harness.oip import infer_once
from tests.e2e.harness.waiting import wait_for
from tests.e2e.harness.world import World
from tests.e2e.test_canary import RATE, ROLLOUT, ROLLOUT_SECONDS, rollout, told
from tests.e2e.test_route import CANARY_HEADER, applied, routed
from tests.models import doubler

from serinus_api.runtime import METRICS_PATH, METRICS_PORT

pytestmark = [pytest.mark.own_node, pytest.mark.long]
WEIGHT = 25
BY_HEADER = 200
SPLIT = 400
"""Requests of the split at least: a quarter of them is known to some nine hundredths, four deviations."""
MIXED: dict[str, Any] = {
    **ROLLOUT,
    "steps": [{"weight": WEIGHT, "manual": True}],
    "match": {"headers": [{"name": name, "value": value} for name, value in CANARY_HEADER.items()]},
    "shadow": {"percent": 50},
}
COUNTED = re.compile(r'^serinus_request_duration_seconds_count\{code="200",via="(\w+)",revision="[^"]*"\} (\d+)', re.M)


def test_each_way_to_a_pod_is_counted_by_its_own_mark(world: World, namespace: str) -> None:
    model, url = routed(world, namespace, "mixed", rollout=MIXED)
    stable = model.stable
    model.apply_onnx(doubler(3.0), "three", route={"gatewayRef": {"name": "public"}}, rollout=MIXED)
    applied(model, WEIGHT)
    candidate = model.status()["candidateRevision"]
    before = {revision: counts(model, revision) for revision in (stable, candidate)}
    with model.probe(rate=RATE, url=url) as outside, model.probe(rate=RATE) as inside:
        answers = [infer_once(url, model.name, headers=CANARY_HEADER)[0] for _ in range(BY_HEADER)]
        wait_for(lambda: len(outside.records) >= SPLIT, seconds=120, what=f"{SPLIT} requests of the split")
        wait_for(
            lambda: rollout(model).get("weightVerified") == "True",
            seconds=ROLLOUT_SECONDS,
            what="the split is verified",
            describe=lambda: told(model),
        )
    outside.assert_none_lost()
    inside.assert_none_lost()
    assert set(answers) == {200}
    of_stable, of_candidate = (counts(model, name) - before[name] for name in (stable, candidate))
    assert (of_stable["direct"], of_candidate["direct"]) == (inside.sent, 0)
    assert (of_stable["match"], of_candidate["match"]) == (0, BY_HEADER)
    assert of_stable["split"] + of_candidate["split"] == outside.sent
    assert (of_stable["shadow"], of_candidate["shadow"] > 0) == (0, True)
    share, wanted = of_candidate["split"] / outside.sent, WEIGHT / 100
    assert abs(share - wanted) < 4 * (wanted * (1 - wanted) / outside.sent) ** 0.5, share
    world.figures.note(
        "chaos: all ways at once",
        sent=outside.sent + inside.sent,
        lost=0,
        stable=str(dict(of_stable)),
        candidate=str(dict(of_candidate)),
    )


def counts(model: Model, revision: str) -> Counter[str]:
    """Requests answered by the pods of a revision, by mark."""
    found: Counter[str] = Counter()
    for pod in model.pods(revision=revision):
        address = f"http://{pod['status']['podIP']}:{METRICS_PORT}{METRICS_PATH}"
        with urllib.request.urlopen(address, timeout=10) as response:
            for via, number in COUNTED.findall(response.read().decode()):
                found[via] += int(number)
    return found
