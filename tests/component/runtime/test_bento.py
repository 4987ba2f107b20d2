"""The same model as a BentoML service: behind our port for every path that is not `/v2`, and with `bentoml serve`."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from tests import models
from tests.component.runtime.harness import DEADLINE, Answer, RuntimeProcess, ask, environment, place, wait_until

from serinus_api.runtime import EXIT_OK, RuntimeLimits
from serinus_operator.local.addresses import free_port

X = {"inputs": {"a": [[1.0, 2.0], [3.0, 4.0]], "b": [[10], [20]]}}
Y = {"sum": [[11.0, 12.0], [23.0, 24.0]], "count": [[10], [20]]}


def post(process: RuntimeProcess, document: Any, **headers: str) -> Answer:
    return process.ask("POST", "/predict", json.dumps(document).encode(), content_type="application/json", **headers)


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeProcess]:
    limits = RuntimeLimits(max_body_bytes=10_000)
    config = place(tmp_path_factory.mktemp("bento"), models.adder(), limits=limits)
    with RuntimeProcess(config) as process:
        process.wait_until_ready()
        assert "bentoml" not in Path(f"/proc/{process.pid}/maps").read_text()
        yield process
        process.signal()
        assert process.wait() == EXIT_OK
        assert [line["message"] for line in process.lines[-3:]] == ["Draining", "Stopped BentoML", "Stopped"]


def test_a_prediction_through_bentomls_own_endpoint(runtime: RuntimeProcess) -> None:
    answer = post(runtime, X, x_serinus_via="match")
    assert (answer.status, answer.json()) == (200, Y)
    assert answer.headers["x-serinus-revision"] == runtime.config.model_version
    assert answer.headers["server"].startswith("BentoML Service/")
    assert runtime.load().arrivals["match"] == 1
    page = runtime.ask_private("/metrics").body.decode()
    assert 'serinus_request_duration_seconds_count{code="200",via="match",revision="m-1a2b3c4d"} 1\n' in page


def test_bentomls_pages_are_there_and_count_for_nothing(runtime: RuntimeProcess) -> None:
    before = runtime.load().arrivals
    assert runtime.ask("GET", "/livez").status == 200
    assert runtime.ask("GET", "/readyz").status == 200
    assert "predict" in runtime.ask("GET", "/schema.json").body.decode()
    assert runtime.ask("GET", "/nothing").status == 404
    assert runtime.load().arrivals == before


def test_metrics_are_not_on_the_public_port(runtime: RuntimeProcess) -> None:
    assert runtime.ask("GET", "/metrics").status == 404
    assert runtime.ask("GET", "/load").status == 404
    assert runtime.ask_private("/v2/models/m").status == 404
    assert runtime.ask_private("/predict").status == 404


@pytest.mark.parametrize(
    ("document", "words"),
    [
        pytest.param({"inputs": {"a": [[1, 2]]}}, "the model's inputs are 'a', 'b'", id="an input is missing"),
        pytest.param({"inputs": {"a": [[1]], "b": [[1]]}}, "input 'a' has shape [-1, 2], not [1, 1]", id="a shape"),
        pytest.param({"inputs": {"a": [[1, 2]], "b": [["x"]]}}, "its data must be integers", id="a string"),
        pytest.param({"inputs": {"a": [[1, 2], [3]], "b": [[1], [2]]}}, "do not have shape [2, 2]", id="ragged"),
        pytest.param({"inputs": {"a": 1, "b": [[1]]}}, "input 'a' has shape [-1, 2], not []", id="a number"),
        pytest.param({"other": 1}, "validation error", id="another document"),
    ],
)
def test_a_bad_request_is_400(runtime: RuntimeProcess, document: Any, words: str) -> None:
    answer = post(runtime, document)
    assert answer.status == 400
    assert words in answer.body.decode()


def test_the_same_limits_hold(runtime: RuntimeProcess) -> None:
    answer = runtime.ask("POST", "/predict", bytes(10_001))
    assert (answer.status, answer.error) == (413, "the body is larger than 10000 bytes")
    answer = runtime.ask("POST", "/predict", b"--b", content_type="multipart/form-data; boundary=b")
    assert (answer.status, answer.error) == (415, "multipart bodies are not taken")


def test_the_protocol_is_answered_beside_it(runtime: RuntimeProcess) -> None:
    inputs = [
        {"name": "a", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]},
        {"name": "b", "datatype": "INT64", "shape": [1, 1], "data": [1]},
    ]
    assert runtime.infer({"inputs": inputs}).json()["outputs"][0]["data"] == [2.0, 3.0]


def test_bentoml_serve_serves_it_alone(tmp_path: Path) -> None:
    config = place(tmp_path, models.adder())
    port = free_port()
    command = [str(Path(sys.executable).with_name("bentoml")), "serve", "serinus_runtime.service:Model"]
    extra = {"BENTOML_HOME": str(tmp_path / "home"), "BENTOML_DO_NOT_TRACK": "true", "PYTHONUNBUFFERED": "1"}
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env=environment(config) | extra,
            cwd=tmp_path,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_until(lambda: asked(port, "GET", "/readyz") == 200)
        connection = HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
        answer = ask(connection, "POST", "/predict", json.dumps(X).encode(), content_type="application/json")
        connection.close()
        assert (answer.status, answer.json()) == (200, Y)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(DEADLINE)


def asked(port: int, method: str, path: str) -> int | None:
    connection = HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        return ask(connection, method, path).status
    except ConnectionError:
        return None
    finally:
        connection.close()
