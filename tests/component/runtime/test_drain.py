"""How a pod ends: no request that reaches it is lost, and it does not take longer than it must."""

import asyncio
import http.client
import json
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests import models
from tests.component.runtime.harness import DEADLINE, INFER, RuntimeProcess, ask, place, wait_until

from serinus_api.runtime import EXIT_OK, Phase, RuntimeConfig, RuntimeLimits


def rounds(number: int) -> dict[str, Any]:
    return {"inputs": [{"name": "rounds", "datatype": "INT64", "shape": [1], "data": [number]}]}


BODY = json.dumps(rounds(1)).encode()


def slow(folder: Path, **more: Any) -> RuntimeConfig:
    return place(folder, models.slow(), **more)


@pytest.fixture
def draining(tmp_path: Path) -> Iterator[RuntimeProcess]:
    """A pod with a long drain, before its first signal."""
    limits = RuntimeLimits(max_concurrency=4, request_timeout_seconds=20)
    with RuntimeProcess(slow(tmp_path, drain_seconds=600, limits=limits)) as process:
        yield process.wait_until_ready()


async def test_under_constant_load_no_request_is_lost(tmp_path: Path) -> None:
    """An open loop of unique requests, on kept and on new connections, before the signal and through the drain."""
    limits = RuntimeLimits(max_queue=10_000)
    with RuntimeProcess(slow(tmp_path, drain_seconds=600, limits=limits)) as process:
        process.wait_until_ready()
        url = f"http://127.0.0.1:{process.http_port}{INFER}"
        answers: dict[str, tuple[int, str | None]] = {}

        async def one(session: aiohttp.ClientSession, name: str) -> None:
            async with session.post(url, json=rounds(1) | {"id": name}) as answer:
                document = await answer.json()
                assert document.get("id") == name, document
                answers[name] = (answer.status, answer.headers.get("connection"))

        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=8)) as kept,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, limit=0)) as new,
            asyncio.TaskGroup() as tasks,
        ):
            for number in range(400):
                if number == 150:
                    process.signal()
                tasks.create_task(one(new if number % 3 else kept, str(number)))
                await asyncio.sleep(0.003)  # the rate of the load
        process.signal()
        code = await asyncio.to_thread(process.wait)
    assert code == EXIT_OK
    assert {status for status, _ in answers.values()} == {200}
    assert len(answers) == 400
    assert answers["399"] == (200, "close")


def test_ready_turns_503_at_once_while_requests_are_still_taken(draining: RuntimeProcess) -> None:
    connection = draining.connect()
    assert "connection" not in ask(connection, "POST", INFER, BODY).headers
    draining.signal()
    draining.wait_for_line("Draining")
    answer = draining.ask("GET", "/v2/health/ready")
    assert (answer.status, answer.json()["ready"]) == (503, False)
    answer = draining.ask("GET", "/v2/models/m/ready")
    assert (answer.status, answer.json()["ready"]) == (200, True)
    assert draining.ask("GET", "/v2/health/live").status == 200
    answer = ask(connection, "POST", INFER, BODY)
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    answer = draining.ask("POST", INFER, BODY)
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert draining.load().revision == draining.config.model_version
    connection.close()


def test_a_second_signal_ends_the_wait_and_lets_what_is_in_flight_finish(draining: RuntimeProcess) -> None:
    with ThreadPoolExecutor() as pool:
        running = pool.submit(draining.infer, rounds(100_000))
        wait_until(lambda: draining.load().in_flight == 1)
        idle = draining.connect()
        assert ask(idle, "POST", INFER, BODY).status == 200
        draining.signal()
        draining.wait_for_line("Draining")
        draining.signal(signal.SIGINT)
        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            wait_until(lambda: ask(idle, "GET", "/v2/health/live").status != 200)
        answer = running.result(DEADLINE)
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert draining.wait() == EXIT_OK
    assert draining.lines[-1]["unanswered"] == 0
    idle.close()


def test_a_third_signal_ends_everything(draining: RuntimeProcess) -> None:
    connection = draining.connect()
    connection.request("POST", INFER, json.dumps(rounds(10**9)))
    wait_until(lambda: draining.load().in_flight == 1)
    draining.signal()
    draining.wait_for_line("Draining")
    draining.signal()
    wait_until(lambda: refused(draining))
    draining.signal()
    assert draining.wait() == EXIT_OK
    assert draining.lines[-1] | {"unanswered": 1} == draining.lines[-1]
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        connection.getresponse()
    connection.close()


def test_a_request_that_has_begun_to_arrive_is_answered(draining: RuntimeProcess) -> None:
    connection = draining.connect()
    head = f"POST {INFER} HTTP/1.1\r\nhost: h\r\ncontent-length: {len(BODY)}\r\n".encode()
    late_head, late_body = draining.connect(), draining.connect()
    for late, sent in ((late_head, head[:30]), (late_body, head + b"\r\n" + BODY[:5])):
        late.connect()
        late.sock.sendall(sent)
    assert ask(connection, "POST", INFER, BODY).status == 200  # so the others have been read
    draining.signal()
    draining.wait_for_line("Draining")
    draining.signal()
    wait_until(lambda: refused(draining))
    late_head.sock.sendall(head[30:] + b"\r\n" + BODY)
    late_body.sock.sendall(BODY[5:])
    for late in (late_head, late_body):
        answer = http.client.HTTPResponse(late.sock)
        answer.begin()
        assert (answer.status, answer.getheader("connection")) == (200, "close")
        late.close()
    assert draining.wait() == EXIT_OK
    connection.close()


def refused(process: RuntimeProcess) -> bool:
    """The listener is closed."""
    connection = process.connect()
    try:
        connection.connect()
    except ConnectionRefusedError:
        return True
    finally:
        connection.close()
    return False


def test_without_a_drain_the_end_is_quick(tmp_path: Path) -> None:
    with RuntimeProcess(slow(tmp_path)) as process:
        process.wait_until_ready().signal()
        assert process.wait() == EXIT_OK


def test_a_pod_that_is_still_loading_ends_at_once(tmp_path: Path) -> None:
    with RuntimeProcess(place(tmp_path, models.endless(), drain_seconds=600)) as process:
        assert process.ask("GET", "/v2/health/ready").status == 503
        assert process.ask("GET", "/v2/health/live").status == 200
        wait_until(lambda: process.phase() is Phase.INFERRING)
        answer = process.infer(rounds(1))
        assert (answer.status, answer.error, answer.headers["retry-after"]) == (503, "the model is loading", "1")
        assert process.ask("GET", "/v2/models/m").status == 503
        assert process.ask("GET", "/v2").status == 200
        process.signal()
        assert process.wait() == EXIT_OK


def test_a_connection_from_around_the_gateway_ends_after_its_time(tmp_path: Path) -> None:
    """Each request on two connections, until the direct one is ended; the one through the gateway lives on."""
    with RuntimeProcess(slow(tmp_path, connection_seconds=1)) as process:
        process.wait_until_ready()
        direct, gateway = process.connect(), process.connect()
        began = time.monotonic()

        def ended() -> bool:
            assert "connection" not in ask(gateway, "POST", INFER, BODY, x_serinus_via="split").headers
            return ask(direct, "POST", INFER, BODY).headers.get("connection") == "close"

        wait_until(ended)
        assert time.monotonic() - began >= 0.8
        wait_until(lambda: not ended() and time.monotonic() - began > 1.3)
        assert process.load().arrivals["split"] > 0
        direct.close()
        gateway.close()


def test_many_clients_at_once_are_all_answered(tmp_path: Path) -> None:
    with RuntimeProcess(slow(tmp_path, limits=RuntimeLimits(max_concurrency=2, max_queue=500))) as process:
        process.wait_until_ready()
        start = threading.Barrier(32)

        def client(_: int) -> list[int]:
            connection = process.connect()
            start.wait(DEADLINE)
            answers = [ask(connection, "POST", INFER, BODY).status for _ in range(10)]
            connection.close()
            return answers

        with ThreadPoolExecutor(32) as pool:
            assert {status for statuses in pool.map(client, range(32)) for status in statuses} == {200}
        assert process.load().arrivals["direct"] == 320
