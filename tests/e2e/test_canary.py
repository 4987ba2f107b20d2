"""A rollout in steps through real gateways: promoted, taken back, held, carried on after its operator was killed."""

import itertools
import time
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.harness import oip
from tests.e2e.harness.helm import Release
from tests.e2e.harness.models import Model
from tests.e2e.harness.prober import Prober
from tests.e2e.harness.processes import container_id, kill
from tests.e2e.harness.readers import course, read, words_in
from tests.e2e.harness.telling import Told, describe
from tests.e2e.harness.waiting import until, wait_for
from tests.e2e.harness.watching import objects, watched
from tests.e2e.harness.world import World
from tests.models import brittle, doubler

pytestmark = pytest.mark.own_operator
RATE = 20.0
ROLLOUT_SECONDS = 180.0
STEPS = (10, 50)
ROLLOUT: dict[str, Any] = {
    "strategy": "Canary",
    "steps": [{"weight": weight, "pauseSeconds": 10} for weight in STEPS],
    "analysis": {
        "minRequests": 20,
        "lowTrafficWaitSeconds": 10,
        "metrics": [{"name": "errors", "type": "ErrorRatePermille", "max": 100}],
    },
    "bakeSeconds": 5,
}
FORM = '-o=jsonpath={.status.rollout.phase} {.status.rollout.requestedWeight} {.status.rollout.weightVerified}{"\\n"}'
KILLS = 6
LATEST_KILL_SECONDS = 4.0
LED_BACK_SECONDS = 10.0
"""Within this kube-proxy leads to pods again; five on a quiet machine."""
LONG_BAKE: dict[str, Any] = {**ROLLOUT, "bakeSeconds": 30}
"""The last ones come after the promotion."""
BEGUN = Told("RolloutStep", "step 1 of 2")
PROMOTED = (
    Told("RolloutStep", "step 2 of 2"),
    Told("RolloutPromoting"),
    Told("RolloutPromoted"),
    Told("RolloutCompleted"),
)
TAKEN_BACK = (Told("AnalysisFail"), Told("RolloutAborted", "taken back"), Told("RolledBack"))
HELD = (Told("RolloutHeld", "GatewayUnavailable"), Told("RolloutResumed"))


def rollout(model: Model) -> dict[str, Any]:
    found: dict[str, Any] = model.status().get("rollout", {})
    return found


def told(model: Model) -> str:
    return f"{rollout(model)} {model.brief()}"


def reach(model: Model, *phases: str) -> None:
    wait_for(
        lambda: rollout(model).get("phase") in phases,
        seconds=ROLLOUT_SECONDS,
        what=f"{model.name} is {phases}",
        describe=lambda: told(model),
    )


def installed(world: World, namespace: str, name: str) -> tuple[Release, Model]:
    """A release with two gateways, and a model with one revision."""
    release = world.own_release(namespace, gateways=2)
    model = world.model(namespace, name)
    model.apply_onnx(doubler(2.0), rollout=ROLLOUT)
    model.wait_ready()
    return release, model


def settled(model: Model) -> None:
    """Ready, and the gateways are out of the path again."""
    model.wait_ready(seconds=ROLLOUT_SECONDS)
    wait_for(
        lambda: model.status().get("scaling", {}).get("traffic", "Direct") == "Direct",
        seconds=60,
        what="the pods take the requests again",
        describe=lambda: f"{model.status().get('scaling')}",
    )


def stable_alone(prober: Prober, stable: str) -> bool:
    """The last hundred requests, five seconds of them."""
    last = prober.records[-100:]
    return len(last) == 100 and all(record["error"] is None and record["revision"] == stable for record in last)


def lived_through(file: Path) -> list[tuple[str, int]]:
    """Phases with their weights, each once, as the watcher saw them."""
    rows = (line.split() for line in file.read_text().splitlines())
    seen = ((row[0], int(row[1]) if len(row) > 1 and row[1].isdigit() else 0) for row in rows if row)
    return [place for place, _ in itertools.groupby(seen)]


def check_way(way: list[tuple[str, int]]) -> None:
    """No step twice, no weight that falls before the candidate is the stable one."""
    phases = [phase for phase, _ in itertools.groupby(place[0] for place in way if place[0] != "Held")]
    order = [phase for phase in phases if phase in ("Stepping", "Promoting", "Baking", "Stable")]
    assert order[order.index("Stepping") :] == ["Stepping", "Promoting", "Baking", "Stable"], way
    weights = [weight for phase, weight in way if phase in ("Stepping", "Promoting")]
    assert weights == sorted(weights), way
    assert set(STEPS) <= set(weights), way


@pytest.mark.long
def test_a_good_candidate_is_promoted_step_by_step_without_a_lost_request(world: World, namespace: str) -> None:
    _, model = installed(world, namespace, "stepped")
    first = model.stable
    ways, table = world.folder / f"{namespace}-ways.txt", world.folder / f"{namespace}-watch.txt"
    life = world.folder / f"{namespace}-life.json"
    with (
        watched(model, ways, FORM),
        watched(model, table),
        watched(model, life, "-o=json"),
        model.probe(rate=RATE) as prober,
    ):
        model.apply_onnx(doubler(3.0), "three", rollout=ROLLOUT)
        reach(model, "Promoting", "Baking")
        promoted = model.incarnations(model.status()["candidateRevision"] or model.stable)
        settled(model)
    prober.assert_none_lost()
    assert promoted
    assert promoted <= model.incarnations(model.stable), "a promoted pod was restarted"
    assert model.stable != first
    check_way(lived_through(ways))
    assert "True" in {line.split()[-1] for line in ways.read_text().splitlines() if line.startswith("Stepping")}
    seen = read(objects(life))
    assert course(seen) == [(1, "Current"), (2, "InProgress"), (2, "Current")]
    assert words_in(seen, "Stepping") == words_in(seen, "Baking") == {"InProgress"}
    described = describe(model, (BEGUN, *PROMOTED))
    world.figures.note("a canary of 10 and 50 %, promoted", sent=prober.sent, lost=0, **prober.by_revision())
    print(table.read_text(), described)


@pytest.mark.long
def test_a_candidate_that_fails_under_real_requests_is_taken_back(world: World, namespace: str) -> None:
    _, model = installed(world, namespace, "returned")
    first = model.stable
    before = model.incarnations()
    table, life = world.folder / f"{namespace}-watch.txt", world.folder / f"{namespace}-life.json"
    with watched(model, table), watched(model, life, "-o=json"), model.probe(rate=RATE) as prober:
        model.apply_onnx(brittle(), "brittle", rollout=ROLLOUT)
        model.wait_for("Ready", "False", "AnalysisFailed", "taken back", seconds=ROLLOUT_SECONDS)
        reach(model, "Aborted", "Stable")
        asked_bad = len(prober.records)
        wait_for(lambda: len(prober.records) > asked_bad + 100, seconds=30, what="requests go on")
    of_stable = [record for record in prober.lost if record["revision"] == first]
    assert not of_stable, of_stable[:3]
    assert prober.lost, "the candidate got no request"
    assert not [record for record in prober.records[asked_bad:] if record["error"]]
    assert model.stable == first
    assert before <= model.incarnations(first), "a stable pod was restarted"
    conditions = model.conditions()
    assert {name: conditions[name]["status"] for name in ("Available", "Ready", "Stalled")} == {
        "Available": "True",
        "Ready": "False",
        "Stalled": "True",
    }
    verdicts = rollout(model).get("analysis", [])
    assert [verdict["verdict"] for verdict in verdicts] == ["Fail"], verdicts
    world.figures.note("a canary that fails", sent=prober.sent, given_to_the_candidate=len(prober.lost))
    seen = read(objects(life))
    assert course(seen) == [(1, "Current"), (2, "InProgress"), (2, "Failed")]
    assert (words_in(seen, "Aborting"), words_in(seen, "Aborted")) == ({"InProgress"}, {"Failed"})
    print(table.read_text(), describe(model, (BEGUN, *TAKEN_BACK)))


@pytest.mark.own_node
@pytest.mark.long
def test_an_operator_that_is_killed_in_mid_rollout_carries_it_to_the_same_end(world: World, namespace: str) -> None:
    chances = world.random("killed_in_a_canary")
    release, model = installed(world, namespace, "shaken")
    ways = world.folder / f"{namespace}-ways.txt"
    with watched(model, ways, FORM), model.probe(rate=RATE) as prober:
        model.apply_onnx(doubler(3.0), "three", rollout=LONG_BAKE)
        reach(model, "Stepping")
        struck = []
        for _ in range(KILLS):
            until(chances.uniform(0.0, LATEST_KILL_SECONDS))
            (victim,) = release.pods()
            struck.append(f"{rollout(model)['phase']} {rollout(model).get('requestedWeight', 0)}")
            ended = container_id(victim)
            kill(victim)
            # A dead container is started again by the kubelet ever later; a deleted pod is replaced at once.
            world.kubectl.to(namespace)("delete", "pod", victim["metadata"]["name"], "--grace-period=0", "--force")
            release.wait_for_another(ended)
        settled(model)
    prober.assert_none_lost()
    check_way(lived_through(ways))
    assert any(place.startswith("Stepping") for place in struck), struck
    world.figures.note("an operator killed in mid-rollout", at=", ".join(struck), sent=prober.sent, lost=0)


@pytest.mark.long
def test_gateways_that_go_in_mid_rollout_bring_every_request_back_to_stable(world: World, namespace: str) -> None:
    release, model = installed(world, namespace, "held")
    first = model.stable
    model.apply_onnx(doubler(3.0), "three", rollout=ROLLOUT)
    wait_for(
        lambda: rollout(model).get("appliedWeight"),
        seconds=ROLLOUT_SECONDS,
        what="the candidate has a share",
        describe=lambda: told(model),
    )
    gateway = f"deployment/{release.name}-gateway"
    table, life = world.folder / f"{namespace}-watch.txt", world.folder / f"{namespace}-life.json"
    with watched(model, table), watched(model, life, "-o=json"):
        with model.probe(rate=RATE) as prober:
            model.kubectl("scale", gateway, "--replicas=0")
            gone = time.monotonic()
            model.wait_for("RolloutHealthy", "False", "Held", "GatewayUnavailable", seconds=60)
            wait_for(lambda: not rollout(model)["requestedWeight"], seconds=30, what="the candidate has no share")
            wait_for(lambda: stable_alone(prober, first), seconds=60, what="stable answers every request")
        model.kubectl("scale", gateway, "--replicas=2")
        settled(model)
    late = [record for record in prober.lost if record["sent"] > gone + LED_BACK_SECONDS]
    assert not late, late[:3]
    led_back = max((record["sent"] - gone for record in prober.lost), default=0.0)
    world.figures.note(
        "all gateways stop in mid-rollout", sent=prober.sent, lost=len(prober.lost), led_back=round(led_back, 2)
    )
    assert model.stable != first
    assert {"Held", "Ready"} <= {line.split()[-2] for line in table.read_text().splitlines()[1:]}
    seen = read(objects(life))
    assert course(seen) == [(2, "InProgress"), (2, "Current")]
    assert words_in(seen, "Held") == {"InProgress"}
    print(table.read_text(), describe(model, (BEGUN, *HELD, *PROMOTED)))


@pytest.mark.long
def test_a_candidate_gets_copies_before_requests_and_one_that_disagrees_never_gets_any(
    world: World, namespace: str
) -> None:
    metrics = [*ROLLOUT["analysis"]["metrics"], {"name": "agreement", "type": "ShadowAgreementPercent", "min": 99}]
    copies = {
        **ROLLOUT,
        "steps": [{"weight": 0, "pauseSeconds": 30}, {"weight": 50, "pauseSeconds": 10}],
        "shadow": {"percent": 50},
        "analysis": {**ROLLOUT["analysis"], "metrics": metrics},
    }
    _, model = installed(world, namespace, "copied")
    with model.probe(rate=RATE) as prober:
        model.apply_onnx(doubler(2.0), rollout=copies, runtime={"maxConcurrency": 4})
        wait_for(
            lambda: [v["verdict"] for v in rollout(model).get("analysis", ())] == ["Pass"],
            seconds=ROLLOUT_SECONDS,
            what="copies agree",
            describe=lambda: told(model),
        )
        assert (rollout(model)["phase"], rollout(model)["requestedWeight"]) == ("Stepping", 0)
        settled(model)
        second = model.stable
        assert model.live()["spec"]["runtime"]["maxConcurrency"] == 4
        begun = len(prober.records)
        model.apply_onnx(doubler(3.0), "three", rollout=copies)
        model.wait_for("Ready", "False", "AnalysisFailed", "agreement is", seconds=ROLLOUT_SECONDS)
        reach(model, "Aborted", "Stable")
    prober.assert_none_lost()
    assert {record["revision"] for record in prober.records[begun:]} == {second}
    assert model.stable == second
    described = model.conditions()["Ready"]["message"]
    assert "largest difference" in described, described
    world.figures.note("a candidate that copies take back", sent=prober.sent, lost=0, given_to_the_candidate=0)


def test_a_tester_with_the_header_always_meets_the_candidate_and_misleads_no_count(
    world: World, namespace: str
) -> None:
    """Many requests with the header beside those without it: the split is judged by its own mark."""
    tester = {"X-Tester": "yes"}
    asked = {
        **ROLLOUT,
        "steps": [{"weight": 10, "manual": True}],
        "match": {"headers": [{"name": name, "value": value} for name, value in tester.items()]},
    }
    _, model = installed(world, namespace, "tested")
    with model.probe(rate=RATE) as prober:
        model.apply_onnx(doubler(3.0), "three", rollout=asked)
        wait_for(
            lambda: rollout(model).get("appliedWeight") == STEPS[0],
            seconds=ROLLOUT_SECONDS,
            what="the candidate has a share",
            describe=lambda: told(model),
        )
        answers: set[str] = set()

        def verified() -> bool:
            answers.update(str(oip.infer_once(model.url, model.name, headers=tester)) for _ in range(20))
            return rollout(model).get("weightVerified") == "True"

        wait_for(verified, seconds=ROLLOUT_SECONDS, what="the split is verified", describe=lambda: told(model))
        model.kubectl("annotate", "mdep", model.name, "serinus.dev/promote=1")
        settled(model)
    prober.assert_none_lost()
    assert len(answers) == 1, answers
    assert "3.0, 6.0, 9.0, 12.0" in answers.pop()
