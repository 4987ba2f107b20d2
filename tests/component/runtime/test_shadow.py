"""Copies between two real runtimes: counted apart, compared, and of no concern to the client."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests import models
from tests.component.runtime.harness import INFER, REVISION, Answer, RuntimeProcess, ask, place, wait_until

from serinus_api import runtime
from serinus_api.runtime import SHADOW_PATH

CANDIDATE = "m-9f8e7d6c"
REQUEST = {"id": "7", "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}
DOUBLED = [2.0, 4.0, 6.0, 8.0]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def serve(stack: ExitStack, folder: Path, model: bytes, revision: str = REVISION) -> RuntimeProcess:
    config = place(folder, model, model_version=revision, shadow_network="127.0.0.0/8")
    return stack.enter_context(RuntimeProcess(config)).wait_until_ready()


def tell(stable: RuntimeProcess, port: int, revision: str = CANDIDATE, percent: int = 100, **more: Any) -> Answer:
    """Order copies."""
    connection = stable.connect()
    connection.port = stable.metrics_port
    document = {"revision": revision, "percent": percent, "host": "127.0.0.1", "port": port} | more
    try:
        return ask(connection, "PUT", SHADOW_PATH, json.dumps(document).encode())
    finally:
        connection.close()


def metric(process: RuntimeProcess, name: str, labels: str = "") -> float | None:
    """The value of a sample of the metrics page, or None where it is not there."""
    page = process.ask_private("/metrics").body.decode()
    found = re.search(rf"^{name}{{[^}}]*{re.escape(labels)}[^}}]*}} (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else None


def answers_right(stable: RuntimeProcess) -> None:
    """The client gets what the stable revision answers, in its name."""
    answer = stable.infer(REQUEST)
    assert answer.status == 200
    assert answer.headers[runtime.HEADER_REVISION] == REVISION
    assert answer.json()["outputs"][0]["data"] == DOUBLED


@pytest.mark.parametrize(
    ("factor", "agree", "largest"),
    [pytest.param(2.0, "true", 0.0, id="the same outputs"), pytest.param(2.5, "false", 2.0, id="others")],
)
def test_copies_are_compared_and_counted_apart(
    stack: ExitStack, tmp_path: Path, factor: float, agree: str, largest: float
) -> None:
    stable = serve(stack, tmp_path / "stable", models.doubler())
    candidate = serve(stack, tmp_path / "candidate", models.doubler(factor), CANDIDATE)
    assert metric(stable, runtime.METRIC_SHADOW_SENT) is None, "nothing is copied before it is asked for"
    assert tell(stable, candidate.http_port).status == 200
    for _ in range(5):
        answers_right(stable)
    wait_until(lambda: metric(stable, runtime.METRIC_SHADOW_COMPARED, f'agree="{agree}"') == 5)
    assert metric(stable, runtime.METRIC_SHADOW_SENT, f'candidate="{CANDIDATE}"') == 5
    assert metric(stable, runtime.METRIC_SHADOW_DIFFERENCE) == largest
    assert metric(stable, runtime.METRIC_SHADOW_FAILED) == 0
    assert candidate.load().arrivals == {"direct": 0, "split": 0, "match": 0, "shadow": 5}
    assert stable.load().arrivals["shadow"] == 0


def test_copies_are_not_copied_again(stack: ExitStack, tmp_path: Path) -> None:
    stable = serve(stack, tmp_path / "stable", models.doubler())
    candidate = serve(stack, tmp_path / "candidate", models.doubler(), CANDIDATE)
    assert tell(stable, candidate.http_port).status == 200
    assert stable.infer(REQUEST, x_serinus_via="shadow").status == 200
    answers_right(stable)
    wait_until(lambda: metric(stable, runtime.METRIC_SHADOW_COMPARED, 'agree="true"') == 1)
    assert candidate.load().arrivals["shadow"] == 1


def test_binary_answers_are_compared_too(stack: ExitStack, tmp_path: Path) -> None:
    stable = serve(stack, tmp_path / "stable", models.doubler())
    candidate = serve(stack, tmp_path / "candidate", models.doubler(), CANDIDATE)
    assert tell(stable, candidate.http_port).status == 200
    assert stable.infer(REQUEST | {"parameters": {"binary_data_output": True}}).status == 200
    wait_until(lambda: metric(stable, runtime.METRIC_SHADOW_COMPARED, 'agree="true"') == 1)


def test_dead_candidate_is_counted_and_nobody_notices(stack: ExitStack, tmp_path: Path) -> None:
    stable = serve(stack, tmp_path / "stable", models.doubler())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert tell(stable, port).status == 200
    answers_right(stable)
    wait_until(lambda: metric(stable, runtime.METRIC_SHADOW_FAILED) == 1)
    assert metric(stable, runtime.METRIC_SHADOW_SENT) == 0
    answers_right(stable)


def test_candidate_that_never_answers_fills_the_queue_and_no_client_waits(stack: ExitStack, tmp_path: Path) -> None:
    stable = serve(stack, tmp_path / "stable", models.doubler())
    silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))  # takes connections, and reads nothing
    assert tell(stable, silent.getsockname()[1]).status == 200
    connection = stable.connect()
    stack.callback(connection.close)
    body = json.dumps(REQUEST).encode()
    for _ in range(100):  # the queue has room for 64, and four are under way
        answer = ask(connection, "POST", INFER, body)
        assert answer.json()["outputs"][0]["data"] == DOUBLED
    assert (metric(stable, runtime.METRIC_SHADOW_DROPPED) or 0) >= 100 - 64 - 4
    assert metric(stable, runtime.METRIC_SHADOW_COMPARED, 'agree="true"') == 0


def test_candidate_that_fails_disagrees(stack: ExitStack, tmp_path: Path) -> None:
    """Another input name: each copy is a 400 of the candidate, where stable has an answer."""
    stable = serve(stack, tmp_path / "stable", models.doubler())
    candidate = serve(stack, tmp_path / "candidate", models.slow(), CANDIDATE)
    assert tell(stable, candidate.http_port).status == 200
    answers_right(stable)
    wait_until(lambda: metric(stable, runtime.METRIC_SHADOW_COMPARED, 'agree="false"') == 1)


def test_order_ends_by_itself_unless_it_is_said_again(stack: ExitStack, tmp_path: Path) -> None:
    stable = serve(stack, tmp_path / "stable", models.doubler())
    candidate = serve(stack, tmp_path / "candidate", models.doubler(), CANDIDATE)
    assert tell(stable, candidate.http_port, seconds=1).status == 200
    stable.wait_for_line("Copying ended")
    answers_right(stable)
    assert metric(stable, runtime.METRIC_SHADOW_SENT) == 0


@pytest.mark.parametrize(
    ("order", "words"),
    [
        pytest.param({"revision": "other-1a2b3c4d"}, "no other revision", id="another model's"),
        pytest.param({"revision": CANDIDATE, "percent": 101}, "percent", id="more than all"),
        pytest.param({"host": "192.0.2.1"}, "no address", id="somewhere else"),
    ],
)
def test_wrong_orders_are_refused(stack: ExitStack, tmp_path: Path, order: dict[str, Any], words: str) -> None:
    stable = serve(stack, tmp_path / "stable", models.doubler())
    answer = tell(stable, 80, **order)
    assert answer.status == 400
    assert words in answer.error


def test_outputs_that_are_no_numbers_are_counted(stack: ExitStack, tmp_path: Path) -> None:
    stable = serve(stack, tmp_path / "stable", models.doubler(3e38))
    for binary in (False, True):
        stable.infer(REQUEST | {"parameters": {"binary_data_output": binary}})
    small = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [0, 0, 0, 0]}
    assert stable.infer({"inputs": [small]}).status == 200
    assert metric(stable, runtime.METRIC_OUTPUTS, 'via="direct",result="invalid"') == 2
    assert metric(stable, runtime.METRIC_OUTPUTS, 'via="direct",result="finite"') == 1
