"""The loop guard: every failure becomes another try, none ends the loop."""

import logging
from typing import Any

import pytest

from serinus_operator.cluster.errors import ClusterError, Conflict, FenceLost, Missing, Terminating, Unavailable
from serinus_operator.guard import Guard
from serinus_operator.queue import Key, RetryLater
from serinus_operator.report.telemetry import Telemetry

IRIS = Key("ml", "iris")


class Stub:
    """A reconciler whose pass ends as it is told, and a fence."""

    def __init__(self, end: float | Exception | None = None, *, held: bool = True) -> None:
        self.end, self._held, self.passes = end, held, 0
        self.told: list[Exception] = []
        self.deaf = False

    async def reconcile(self, key: Key) -> float | None:
        self.passes += 1
        if isinstance(self.end, Exception):
            raise self.end
        return self.end

    async def report_bug(self, key: Key, error: Exception) -> None:
        self.told.append(error)
        if self.deaf:
            raise KeyError("the same bug again")

    def held(self) -> bool:
        return self._held


def guard(stub: Stub) -> tuple[Guard, Telemetry]:
    telemetry = Telemetry()
    return Guard(stub, stub, telemetry), telemetry


def count(telemetry: Telemetry, result: str) -> float:
    return telemetry.registry.get_sample_value("serinus_reconciles_total", {"result": result}) or 0.0


async def test_pass_that_ends_well_says_when_to_look_again() -> None:
    work, telemetry = guard(Stub(15.0))
    assert await work(IRIS) == 15.0
    assert count(telemetry, "ok") == 1
    assert telemetry.registry.get_sample_value("serinus_reconcile_duration_seconds_count") == 1


async def test_nothing_is_done_without_the_fence() -> None:
    stub = Stub(held=False)
    work, _ = guard(stub)
    assert await work(IRIS) is None
    assert stub.passes == 0


@pytest.mark.parametrize("error", [Conflict("x"), Missing("x"), Unavailable("x")], ids=lambda e: type(e).__name__)
async def test_passing_failure_is_retried(error: ClusterError) -> None:
    work, telemetry = guard(Stub(error))
    with pytest.raises(RetryLater) as caught:
        await work(IRIS)
    assert caught.value.seconds == 0.0
    assert count(telemetry, "retry") == 1


async def test_wait_that_the_server_asked_for_is_passed_on() -> None:
    work, _ = guard(Stub(Unavailable("429", retry_after=12.0)))
    with pytest.raises(RetryLater) as caught:
        await work(IRIS)
    assert caught.value.seconds == 12.0


@pytest.mark.parametrize(
    ("error", "result"), [(FenceLost("x"), "fenced"), (Terminating("x"), "ok")], ids=["fence lost", "namespace going"]
)
async def test_what_no_retry_can_help_waits_for_news(error: ClusterError, result: str) -> None:
    work, telemetry = guard(Stub(error))
    assert await work(IRIS) is None
    assert count(telemetry, result) == 1


async def test_bug_is_logged_with_its_traceback_and_retried(caplog: pytest.LogCaptureFixture) -> None:
    work, telemetry = guard(Stub(ZeroDivisionError("oops")))
    with caplog.at_level(logging.ERROR), pytest.raises(RetryLater):
        await work(IRIS)
    record: Any = caplog.records[0]
    assert record.key == "ml/iris"
    assert record.exc_info
    assert count(telemetry, "error") == 1


async def strike(work: Guard, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(RetryLater):
            await work(IRIS)


async def test_bug_is_told_from_its_second_time_in_a_row() -> None:
    stub = Stub(ZeroDivisionError("oops"))
    work, _ = guard(stub)
    await strike(work)
    assert stub.told == []
    await strike(work, 2)
    assert [type(error) for error in stub.told] == [ZeroDivisionError, ZeroDivisionError]


async def test_pass_that_ends_well_starts_the_count_anew_and_an_outage_does_not() -> None:
    stub = Stub(ZeroDivisionError("oops"))
    work, _ = guard(stub)
    await strike(work)
    stub.end = None
    await work(IRIS)
    stub.end = ZeroDivisionError("oops")
    await strike(work)
    assert stub.told == []
    stub.end = Unavailable("x")
    await strike(work)
    stub.end = ZeroDivisionError("oops")
    await strike(work)
    assert len(stub.told) == 1


async def test_bug_that_cannot_be_told_is_retried_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    stub = Stub(ZeroDivisionError("oops"))
    stub.deaf = True
    work, _ = guard(stub)
    await strike(work, 2)
    assert caplog.records[-1].message == "Failure not told"
