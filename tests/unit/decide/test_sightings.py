"""What is seen of a rollout: whether the requests that the weights sent agree with the weight."""

from dataclasses import replace

import pytest
from tests.unit.decide.subjects import observation, workload
from tests.unit.decide.subjects import pod as pod_of

from serinus_api.conditions import Reason
from serinus_api.gateway import ModelTraffic, RevisionTraffic
from serinus_api.runtime import LoadReport
from serinus_api.v1alpha1 import ModelDeploymentStatus, RolloutPhase, RolloutSpec
from serinus_operator.decide.course import Course, Side
from serinus_operator.decide.plan import plan_of
from serinus_operator.decide.shares import Needs
from serinus_operator.decide.sightings import Sightings, kept, looked, remembered, side, verified
from serinus_operator.loads import LoadSample, PodLoad
from serinus_operator.places import EntryState, GatewayLook, GatewayPod
from serinus_operator.state import Observation, Progress, Verdict, WorkloadState
from serinus_runtime.limits import Gate
from serinus_runtime.metrics import Metrics

PLAN = plan_of(RolloutSpec())
COURSE = Course("s", RolloutPhase.STEPPING, "c", attempt=1, step_weight=50, weight=50)


def pod(revision: str, answers: int) -> PodLoad:
    """A pod that has answered so many requests that the weights sent to it."""
    metrics = Metrics(revision, Gate(2, 0))
    for _ in range(answers):
        metrics.observe("split", 200, 0.02)
    return PodLoad(f"uid-{revision}", revision, revision, None, metrics.render())


def seen(at: float, candidate: int, stable: int, weight: int) -> Observation:
    traffic = ModelTraffic(
        namespace="ml",
        name="iris",
        port=10_000,
        revisions=(RevisionTraffic(name="c", weight=weight), RevisionTraffic(name="s", weight=100 - weight)),
        applied=True,
        in_flight=0,
    )
    return observation(
        load=LoadSample(at, (pod("c", candidate), pod("s", stable))),
        gateways=GatewayLook(True, (GatewayPod("g1", ("10.0.0.1",)),), at=at, traffic=(traffic,)),
        entry=EntryState(proxied=True),
    )


def after(*looks: tuple[float, float, int, int, int]) -> Sightings:
    """Each look: now, when the pods were asked, what candidate and stable had answered by then, the weight in force."""
    known = remembered(None, COURSE, ModelDeploymentStatus(), 0.0)
    for now, at, candidate, stable, weight in looks:
        known = looked(known, seen(at, candidate, stable, weight), PLAN, now)
    return known


@pytest.mark.parametrize(
    ("candidate", "stable", "expected"),
    [(200, 200, True), (100, 300, False), (40, 40, None)],
    ids=["they agree", "they do not", "too few to say"],
)
def test_share_is_judged_by_what_came_under_the_weight(candidate: int, stable: int, expected: bool | None) -> None:
    known = after((2.0, 2.0, 0, 0, 50), (4.0, 4.0, 0, 0, 50), (6.0, 6.0, candidate, stable, 50))
    assert verified(known) is expected


def test_what_a_pod_had_counted_before_the_weight_was_seen_in_force_is_no_evidence() -> None:
    looks = ((2.0, 2.0, 0, 0, 10), (4.0, 3.0, 0, 0, 50), (6.0, 5.0, 40, 360, 50))
    assert verified(after(*looks)) is None
    assert verified(after(*looks, (8.0, 7.0, 240, 560, 50))) is True


def test_what_came_under_one_weight_is_not_judged_by_the_next() -> None:
    known = after((2.0, 2.0, 0, 0, 50), (4.0, 4.0, 0, 0, 50), (6.0, 6.0, 200, 200, 50))
    assert verified(kept(known, COURSE, 6.0)) is True
    assert verified(kept(known, replace(COURSE, step_index=1, step_weight=75, weight=75), 6.0)) is None


def test_split_that_is_mended_is_seen_although_many_went_astray_before() -> None:
    begun = (2.0, 2.0, 0, 0, 50), (4.0, 4.0, 0, 0, 50), (6.0, 6.0, 0, 4000, 50)
    assert verified(after(*begun)) is False
    assert verified(after(*begun, (8.0, 8.0, 40, 4040, 50))) is False, "too few to say that it is mended"
    assert verified(after(*begun, (8.0, 8.0, 60, 4060, 50))) is True


def test_one_late_answer_of_stable_does_not_speak_against_a_weight_of_a_hundred_for_good() -> None:
    whole = replace(COURSE, step_weight=100, weight=100)
    known = remembered(None, whole, ModelDeploymentStatus(), 0.0)
    for at, candidate, stable in ((2.0, 0, 0), (4.0, 0, 0), (6.0, 400, 1)):
        known = looked(known, seen(at, candidate, stable, 100), PLAN, at)
    assert verified(known) is False
    assert verified(looked(known, seen(8.0, 600, 1, 100), PLAN, 8.0)) is True


def with_copies(told: Observation, copies: int) -> Observation:
    """The same look, and the candidate has received and answered so many copies as well."""
    assert told.load
    ours, theirs = told.load.pods
    metrics = Metrics("c", Gate(2, 0))
    for _ in range(copies):
        metrics.observe("shadow", 200, 0.02)
    page = f"{ours.page}{metrics.render()}"
    arrivals = {"direct": 0, "split": 0, "match": 0, "shadow": copies}
    report = LoadReport(revision="c", in_flight=0, queued=0, arrivals=arrivals, busy_seconds=0.0)
    return replace(told, load=replace(told.load, pods=(replace(ours, page=page, report=report), theirs)))


def test_copies_are_neither_evidence_of_a_share_nor_an_arrival() -> None:
    known = remembered(None, COURSE, ModelDeploymentStatus(), 0.0)
    for at, split, copies in ((2.0, 0, 0), (4.0, 0, 0), (6.0, 200, 50_000)):
        known = looked(known, with_copies(seen(at, split, split, 50), copies), PLAN, at)
    assert verified(known) is True
    assert "c" not in known.called


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (workload(2, 4, pod_of(Progress.READY), pod_of(Progress.WAITING)), Side(2, 50, stuck=True)),
        (workload(2, 4, problem=Verdict(Reason.PODS_REFUSED, "quota")), Side(2, 50, stuck=True)),
        (workload(2, 4, pod_of(Progress.STARTING)), Side(2, 50)),
        (workload(2, 2, problem=Verdict(Reason.PODS_REFUSED, "quota")), Side(2, 50)),
    ],
    ids=["no node has room", "a quota", "it starts", "all that are asked for are there"],
)
def test_pods_that_cannot_come_are_told_from_those_that_have_not_come_yet(seen: WorkloadState, expected: Side) -> None:
    assert side(observation(workloads={"s": seen}), "s", Needs(4), COURSE) == expected
