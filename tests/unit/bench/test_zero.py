"""The arithmetic of wakes, and the small servers they are measured with: what is woken, and the two controls."""

import asyncio

import pytest
from bench.gateway import pod, wire, zero
from bench.gateway.controls import KINDS
from bench.gateway.zero import NARROW, ROOMY, Answer, Case, Size, Wake
from dev.gateway.processes import new_address

from serinus_api.runtime import HTTP_PORT, LOAD_PATH, METRICS_PORT, LoadReport
from serinus_operator.local.addresses import free_port

SIZE = Size(wakes={1: 4, 25: 2}, narrow=1, seed=7)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        pytest.param(range(1, 21), 95, 19, id="of twenty the nineteenth"),
        pytest.param(range(1, 101), 95, 95, id="of a hundred the ninety-fifth"),
        pytest.param([3, 1, 2], 50, 2, id="in any order"),
        pytest.param([8], 95, 8, id="of one that one"),
    ],
)
def test_percentile(values: list[float], percent: int, expected: float) -> None:
    assert zero.percentile(values, percent) == expected


def test_every_way_gets_the_same_wakes_in_the_same_order() -> None:
    made = zero.cases(SIZE)
    assert made == zero.cases(SIZE)
    assert made != zero.cases(Size(SIZE.wakes, SIZE.narrow, seed=8))
    assert sorted((case.at_once, case.places) for case in made) == sorted(
        [(1, ROOMY)] * 4 + [(25, ROOMY)] * 2 + [(100, NARROW)]
    )
    low, high = zero.LOAD_SECONDS
    assert all(low <= case.load_seconds <= high for case in made)


def wake(*milliseconds: int, places: int = ROOMY, refused: int = 0) -> Wake:
    """A pod that takes 500 ms from 10.010 on, where all were sent at 10; by how much later each was answered."""
    answers = [Answer(10.0, 10.5 + ms / 1e3, 200, ready=10.51) for ms in milliseconds]
    answers += [Answer(10.0, 10.2, 429)] * refused
    at_once = len(answers) if places == ROOMY else 100
    return Wake(Case(at_once, places, 0.0, 0.5), 10.01, tuple(answers))


def test_pods_own_start_does_not_count_and_the_request_for_it_does() -> None:
    assert wake(30).added() == [pytest.approx(0.03)]
    assert wake(30).asked() == pytest.approx(0.01)


def test_refused_requests_have_no_time() -> None:
    assert wake(30, refused=3).added() == [pytest.approx(0.03)]


def test_lines_hold_ours_against_the_aim_and_count_what_was_lost() -> None:
    found = {"ours": [wake(20), wake(60)], "poller": [wake(300), wake(400)]}
    first, asked = zero.lines(found, seed=7)
    assert first.value == "**40 / 60** (poller 350 / 400); 2 answered, 0 lost"
    assert (first.aim, first.reached, first.raw["seed"]) == ("≤ 50", False, 7)
    assert asked.value == "p50 10, p95 10"
    (lost, *_) = zero.lines({"ours": [wake(20, refused=1)], "poller": [wake(300, 300)]}, seed=7)
    assert lost.value.endswith("1 answered, 1 lost")
    assert lost.reached


def test_narrow_pod_has_a_line_of_its_own() -> None:
    found = {
        "ours": [wake(20), wake(10, 30, places=NARROW)],
        "poller": [wake(20), wake(10, places=NARROW, refused=1)],
    }
    *_, narrow = zero.lines(found, seed=7)
    assert narrow.value == "ours 2 of 2, 20 / 30; poller 1 of 2, 10 / 10"
    assert narrow.aim == ""


def test_way_that_answers_nobody_is_said_to() -> None:
    found = {"ours": [wake(20)], "poller": [wake(refused=1)]}
    assert "poller none" in zero.lines(found, seed=7)[0].value


async def test_pod_tells_its_load_and_refuses_beyond_its_places_and_queue() -> None:
    host = new_address()
    with zero.process(pod.COMMAND) as kubelet:
        zero.NoWake(kubelet).begin(host, Case(5, places=1, work_seconds=0.5, load_seconds=0.0))
        await zero.until_open(host, HTTP_PORT)
        asked = [asyncio.create_task(wire.exchange(host, HTTP_PORT, wire.request(host, "/"))) for _ in range(5)]
        report = LoadReport(revision="", in_flight=0, queued=0, arrivals={}, busy_seconds=0)
        while report.arrivals.get("split", 0) < 5:
            status, body = wire.read(await wire.exchange(host, METRICS_PORT, wire.request(host, LOAD_PATH)))
            assert status == 200
            report = LoadReport.model_validate_json(body)
        assert (report.in_flight, report.queued) == (1, 2)
        statuses = [wire.read(text)[0] for text in await asyncio.gather(*asked)]
    assert sorted(statuses) == [200, 200, 200, 429, 429]


async def test_controls_hold_requests_until_their_pod_answers() -> None:
    case = Case(3, ROOMY, 0.0, load_seconds=0.3)
    with zero.process(pod.COMMAND) as kubelet:
        async with zero.controls() as ports:
            found = {kind: await zero.Control(kubelet, kind, port).wake(0, case) for kind, port in ports.items()}
    assert found.keys() == KINDS.keys()
    for one in found.values():
        assert [answer.status for answer in one.answers] == [200] * 3
        assert all(answer.sent < one.begun < answer.ready < answer.answered for answer in one.answers)


async def test_pod_that_is_ready_is_asked_without_any_wake() -> None:
    with zero.process(pod.COMMAND) as kubelet:
        found = await zero.NoWake(kubelet).wake(0, Case(3, ROOMY, 0.0, load_seconds=60.0))
    assert [one.status for one in found.answers] == [200] * 3
    assert found.added() == [pytest.approx(one.answered - one.sent) for one in found.answers]


async def test_request_that_is_cut_counts_as_lost() -> None:
    assert (await zero.ask(free_port(), new_address())).status == 0


@pytest.mark.parametrize("text", [b"", b"HTTP/1.1 200"], ids=["nothing", "half a head"])
def test_half_an_answer_is_none(text: bytes) -> None:
    with pytest.raises(ValueError, match="before an answer"):
        wire.read(text)
