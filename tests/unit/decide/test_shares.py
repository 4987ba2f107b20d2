"""How many pods a revision has while two share the requests: its share of the whole, or what its own load asks for."""

import pytest

from serinus_api.v1alpha1 import SideStatus
from serinus_operator.decide.shares import Need, Needs


def needs(*, matched: int = 0, most: int | None = 20, stable: Need | None = None, tried: Need | None = None) -> Needs:
    return Needs(10, {"s": stable or Need(10), "c": tried or Need(10)}, most, matched)


@pytest.mark.parametrize(
    ("whole", "percent", "pods"),
    [(10, 25, 3), (10, 5, 1), (10, 100, 10), (1, 1, 1), (3, 34, 2), (10, 0, 0)],
    ids=str,
)
def test_share_of_the_whole_is_rounded_up(whole: int, percent: int, pods: int) -> None:
    found = needs(tried=Need(whole), stable=Need(whole))
    assert found.size("c", percent, tried=True) == found.size("s", percent, tried=False) == pods


def test_each_revision_goes_by_its_own_whole() -> None:
    found = needs(stable=Need(4), tried=Need(12))
    assert (found.size("s", 75, tried=False), found.size("c", 25, tried=True)) == (3, 3)


def test_own_load_goes_before_the_share_and_the_bound_before_both() -> None:
    assert needs(tried=Need(10, own=7)).size("c", 25, tried=True) == 7
    assert needs(tried=Need(10, own=7), most=5).size("c", 25, tried=True) == 5


def test_size_that_somebody_else_writes_is_left() -> None:
    assert needs(tried=Need(10, own=1, fixed=True)).size("c", 50, tried=True) == 1


def test_matched_requests_go_to_the_candidate_whatever_the_weight() -> None:
    """The example of the module: 25 % of 60 % and 40 % are 55 %; 75 % of 60 % are 45 %."""
    found = needs(matched=40)
    assert (found.size("c", 25, tried=True), found.size("s", 75, tried=False)) == (6, 5)
    assert found.size("s", 100, tried=False) == 10, "on the way back they come to stable"


@pytest.mark.parametrize("whole", [1, 2, 3, 7, 10, 40])
@pytest.mark.parametrize("matched", [0, 10, 50, 90])
def test_pods_for_a_share_hold_that_share(whole: int, matched: int) -> None:
    """Or the weight would wait for ever for pods that nobody asks for."""
    found = needs(matched=matched, most=None, tried=Need(whole))
    for percent in range(101):
        pods = found.share("c", percent, tried=True)
        assert found.holds("c", pods, tried=True) >= percent
        if pods and percent and found.share("c", percent - 1, tried=True) < pods:
            assert found.holds("c", pods - 1, tried=True) < percent, "one less does not"


def test_revision_that_gives_holds_percent_of_the_whole() -> None:
    found = needs(matched=50)
    assert [found.holds("s", ready, tried=False) for ready in (0, 5, 10, 11)] == [0, 50, 100, 100]
    assert Needs(0).holds("s", 0, tried=False) == 100, "nobody is to have pods"


def test_status_says_the_number_and_why_it_last_changed() -> None:
    found = needs(tried=Need(10, own=7, reason="Concurrency", words="concurrency 28 over target 4"))
    first = found.side("s", 75, None, tried=False)
    assert (first.desired_replicas, first.reason) == (8, "Share")
    assert first.message == "75 % of the 10 with which it could take every request"
    grown = found.side("c", 25, SideStatus(name="c", desired_replicas=3, reason="Share"), tried=True)
    assert (grown.reason, grown.message) == ("Concurrency", "3 → 7: concurrency 28 over target 4")
    assert found.side("c", 30, grown, tried=True) is grown, "a figure that moves is no reason to write"
    fixed = needs(tried=Need(10, own=1, fixed=True)).side("c", 25, None, tried=True)
    assert fixed.reason == "ReplicaOwnershipConflict"
