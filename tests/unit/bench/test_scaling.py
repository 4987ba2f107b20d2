"""The arithmetic of the simulated load step: nothing is lost but what is refused, and the rules are what they say."""

import math

import pytest
from bench.scaling import Fleet, HpaRule, OurRule, Story, run

SHORT = Story(starts=3.0, before=90.0, after=120.0)


def test_every_request_is_answered_present_or_refused() -> None:
    fleet = Fleet(SHORT)
    fleet.resize(3, starts=0.0)
    came = answered = 0.0
    while fleet.now < 120.0:
        more = SHORT.rate_at(fleet.now) * 0.1
        admitted = min(fleet.present + more, 3 * (SHORT.places + SHORT.queue))
        answered += min(admitted, 3 * SHORT.places) / SHORT.seconds_each * 0.1
        came += more
        fleet.step()
    assert came == pytest.approx(answered + fleet.present + fleet.refused)
    assert fleet.refused > 0, "three pods cannot bear the step"


def test_pods_that_are_made_later_go_first_and_are_ready_later() -> None:
    fleet = Fleet(SHORT)
    fleet.resize(2, starts=0.0)
    fleet.resize(4, starts=3.0)
    assert [pod.name for pod in fleet.ready()] == ["p1", "p2"]
    fleet.resize(3, starts=3.0)
    fleet.now = 3.0
    assert [pod.name for pod in fleet.ready()] == ["p1", "p2", "p3"]


@pytest.mark.parametrize(
    ("present", "share", "expected"),
    [(4, 0.7, 4), (4, 0.75, 4), (4, 1.0, 6), (1, 1.0, 2), (4, 0.35, 4), (100, 1.0, 143)],
    ids=[
        "at the target nothing moves",
        "nor within the tolerance",
        "full pods ask for their number over the target",
        "of one pod as well",
        "nothing shrinks for five minutes",
        "a hundred full pods ask for them over the target as well",
    ],
)
def test_control_is_the_rule_that_kubernetes_documents(present: int, share: float, expected: int) -> None:
    fleet, rule = Fleet(SHORT, now=15.0), HpaRule(SHORT)
    fleet.resize(present, starts=0.0)
    rule.wanted = [(0.0, present)]
    for pod in fleet.pods:
        pod.busy = share * SHORT.places * 15.0
    assert rule(fleet) == expected


def test_control_counts_pods_that_are_not_ready_as_idle_when_it_grows() -> None:
    fleet, rule = Fleet(SHORT, now=15.0), HpaRule(SHORT)
    fleet.resize(2, starts=0.0)
    fleet.resize(4, starts=30.0)
    for pod in fleet.ready():
        pod.busy = SHORT.places * 15.0
    assert rule(fleet) == 4


@pytest.mark.parametrize("rule", [OurRule, HpaRule])
def test_story_ends_with_as_many_pods_as_the_load_needs(rule: type[OurRule] | type[HpaRule]) -> None:
    story = Story(starts=3.0, before=90.0, after=300.0)
    result = run(story, rule, phase=0.0)
    assert result.settled >= story.enough
    assert math.isfinite(result.seconds)
    assert result.seconds < story.after
    assert 0 < result.refused < 1
