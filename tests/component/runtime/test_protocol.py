"""Every endpoint of the Open Inference Protocol v2 over HTTP, in JSON, with real models."""

import json
from typing import Any

import pytest
from tests import models
from tests.component.runtime.conftest import Servers
from tests.component.runtime.harness import INFER, REVISION, RuntimeProcess, ask

from serinus_runtime import __version__

VALUES: dict[str, list[Any]] = {
    "BOOL": [True, False, False, True],
    "UINT8": [0, 1, 254, 255],
    "UINT16": [0, 1, 2, 2**16 - 1],
    "UINT32": [0, 1, 2, 2**32 - 1],
    "UINT64": [0, 1, 2**63, 2**64 - 1],
    "INT8": [-128, -1, 0, 127],
    "INT16": [-(2**15), -1, 0, 2**15 - 1],
    "INT32": [-(2**31), -1, 0, 2**31 - 1],
    "INT64": [-(2**63), -1, 2**53 + 1, 2**63 - 1],
    "FP16": [-65504.0, 0.5, 0.0, 65504.0],
    "FP32": [-0.5, 1.0, 3.4e38, 1e-38],
    "FP64": [-0.1, 1.0, 1.7e308, 5e-324],
    "BYTES": ["", "a", "€ 😀", 'q"\\\n'],
}


def tensor(name: str, datatype: str, shape: list[int], data: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def doubled(**more: Any) -> dict[str, Any]:
    return {"inputs": [tensor("x", "FP32", [1, 4], [1, 2, 3, 4])], **more}


@pytest.fixture
def doubler(servers: Servers) -> RuntimeProcess:
    return servers.serving("doubler")


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        ("/v2", {"name": "serinus", "version": __version__, "extensions": ["binary_tensor_data"]}),
        ("/v2/", {"name": "serinus", "version": __version__, "extensions": ["binary_tensor_data"]}),
        ("/v2/models/m/ready", {"name": "m", "ready": True}),
        (f"/v2/models/m/versions/{REVISION}/ready", {"name": "m", "ready": True}),
    ],
)
def test_health_and_server_metadata(doubler: RuntimeProcess, path: str, document: Any) -> None:
    answer = doubler.ask("GET", path)
    assert (answer.status, answer.json()) == (200, document)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-serinus-revision"] == REVISION
    head = doubler.ask("HEAD", path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == answer.headers["content-length"]


@pytest.mark.parametrize("path", ["/v2/models/m", f"/v2/models/m/versions/{REVISION}"])
def test_model_metadata_name_every_tensor_with_minus_one_for_variable_dimensions(servers: Servers, path: str) -> None:
    answer = servers.serving("everything").ask("GET", path)
    assert answer.json() == {
        "name": "m",
        "versions": [REVISION],
        "platform": "onnx_onnxv1",
        "inputs": [{"name": f"in_{name}", "datatype": name, "shape": [-1, 2]} for name in models.DATATYPES],
        "outputs": [{"name": f"out_{name}", "datatype": name, "shape": [-1, 2]} for name in models.DATATYPES],
    }


@pytest.mark.parametrize("form", ["flat", "nested"])
def test_all_thirteen_datatypes_go_in_and_come_out(servers: Servers, form: str) -> None:
    def data(values: list[Any]) -> list[Any]:
        return values if form == "flat" else [values[:2], values[2:]]

    inputs = [tensor(f"in_{name}", name, [2, 2], data(values)) for name, values in VALUES.items()]
    answer = servers.serving("everything").infer({"inputs": inputs})
    assert answer.status == 200
    assert [output["name"] for output in answer.json()["outputs"]] == [f"out_{name}" for name in VALUES]
    for output, (name, values) in zip(answer.json()["outputs"], VALUES.items(), strict=True):
        assert (output["datatype"], output["shape"]) == (name, [2, 2])
        expected = pytest.approx(values) if name == "FP32" else values
        assert output["data"] == expected, name
        assert [type(value) for value in output["data"]] == [type(value) for value in values]


@pytest.mark.parametrize("path", [INFER, f"/v2/models/m/versions/{REVISION}/infer"])
def test_an_inference_is_answered_with_the_id_and_the_revision(doubler: RuntimeProcess, path: str) -> None:
    answer = doubler.infer(doubled(id="Nº 7", parameters={"priority": 3, "note": "kept out"}), path)
    assert answer.status == 200
    assert answer.json() == {
        "model_name": "m",
        "model_version": REVISION,
        "id": "Nº 7",
        "outputs": [tensor("y", "FP32", [1, 4], [2.0, 4.0, 6.0, 8.0])],
    }
    assert answer.headers["x-serinus-revision"] == REVISION
    assert answer.headers["content-type"] == "application/json"


def test_without_an_id_none_is_answered(doubler: RuntimeProcess) -> None:
    assert "id" not in doubler.infer(doubled()).json()


@pytest.mark.parametrize("rows", [0, 1, 3, 1024])
def test_the_batch_is_as_large_as_the_client_says(doubler: RuntimeProcess, rows: int) -> None:
    answer = doubler.infer({"inputs": [tensor("x", "FP32", [rows, 4], [0.5] * 4 * rows)]})
    assert answer.json()["outputs"] == [tensor("y", "FP32", [rows, 4], [1.0] * 4 * rows)]


def test_outputs_are_answered_in_the_order_asked_for(servers: Servers) -> None:
    inputs = [tensor("b", "INT64", [1, 1], [3]), tensor("a", "FP32", [1, 2], [0.5, 1.5])]
    adder = servers.serving("adder")
    every = adder.infer({"inputs": inputs}).json()["outputs"]
    assert every == [tensor("sum", "FP32", [1, 2], [3.5, 4.5]), tensor("count", "INT64", [1, 1], [3])]
    chosen = adder.infer({"inputs": inputs, "outputs": [{"name": "count"}, {"name": "sum"}]}).json()["outputs"]
    assert chosen == list(reversed(every))
    assert adder.infer({"inputs": inputs, "outputs": [{"name": "count"}]}).json()["outputs"] == every[1:]


def test_a_scalar_goes_in_and_comes_out(servers: Servers) -> None:
    answer = servers.serving("scalar").infer({"inputs": [tensor("x", "FP32", [], [2.5])]})
    assert answer.json()["outputs"] == [tensor("y", "FP32", [], [-2.5])]


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/v2/models/other", 404, "model 'other' is not served here"),
        ("GET", "/v2/models/other/ready", 404, "model 'other' is not served here"),
        ("POST", "/v2/models/other/infer", 404, "model 'other' is not served here"),
        ("GET", "/v2/models/m/versions/2", 404, "version '2' of the model is not served here"),
        ("GET", "/v2/models/m/versions/2/ready", 404, "version '2' of the model is not served here"),
        ("POST", "/v2/models/m/versions/2/infer", 404, "version '2' of the model is not served here"),
        ("GET", "/v2/models", 404, "no such path"),
        ("GET", "/v2/models/m/config", 404, "no such path"),
        ("GET", "/v2/repository/index", 404, "no such path"),
        ("GET", INFER, 405, "inference is a POST"),
        ("POST", "/v2", 405, "this path is read with GET"),
        ("PUT", "/v2/models/m", 405, "this path is read with GET"),
        ("DELETE", "/v2/health/ready", 405, "this path is read with GET"),
    ],
)
def test_other_paths_and_methods_are_refused(
    doubler: RuntimeProcess, method: str, path: str, status: int, message: str
) -> None:
    answer = doubler.ask(method, path, b"{}" if method in ("POST", "PUT") else None)
    assert (answer.status, answer.error) == (status, message)
    assert ("allow" in answer.headers) is (status == 405)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b"", "the request is not valid JSON", id="nothing"),
        pytest.param(b"{", "the request is not valid JSON", id="cut off"),
        pytest.param(b'{"inputs":[{"name":"x"},NaN]}', "the request is not valid JSON", id="NaN"),
        pytest.param(b'{"a":1,"a":2}', "a key twice", id="a key twice"),
        pytest.param(b"[" * 5000 + b"]" * 5000, "the request is not valid JSON", id="deep"),
        pytest.param(json.dumps({"inputs": []}).encode(), "input 'x' is missing", id="no input"),
        pytest.param(
            json.dumps({"inputs": [tensor("x", "FP32", [1, 3], [1, 2, 3])]}).encode(),
            "input 'x' has shape [-1, 4], not [1, 3] (-1: any size)",
            id="another shape",
        ),
        pytest.param(
            json.dumps({"inputs": [tensor("x" * 5000, "FP32", [1, 4], [])]}).encode(), "input 'xxxx", id="a long name"
        ),
    ],
)
def test_a_bad_request_is_400_and_the_connection_lives(doubler: RuntimeProcess, body: bytes, message: str) -> None:
    connection = doubler.connect()
    answer = ask(connection, "POST", INFER, body)
    assert answer.status == 400
    assert message in answer.error
    assert len(answer.error) <= 1000
    assert ask(connection, "POST", INFER, json.dumps(doubled()).encode()).status == 200
    connection.close()


def test_what_fails_inside_the_model_is_told_without_paths(servers: Servers) -> None:
    picky = servers.serving("picky_value")
    assert picky.infer({"inputs": [tensor("row", "INT64", [1], [2])]}).json()["outputs"][0]["data"] == [4.0, 5.0]
    answer = picky.infer({"inputs": [tensor("row", "INT64", [1], [3])]})
    assert answer.status == 400
    assert "indices element out of data bounds, idx=3" in answer.error
    assert "/" not in answer.error
    assert picky.infer({"inputs": [tensor("row", "INT64", [1], [0])]}).status == 200


def test_a_request_for_more_memory_than_there_is_fails_alone(servers: Servers) -> None:
    allocator = servers.serving("allocator")
    answer = allocator.infer({"inputs": [tensor("size", "INT64", [1], [2**50])]})
    assert answer.status == 500
    assert "std::bad_alloc" in answer.error
    assert "/" not in answer.error
    assert allocator.infer({"inputs": [tensor("size", "INT64", [1], [3])]}).json()["outputs"][0]["data"] == [0.0]


def test_extensions_that_are_not_here_are_501(doubler: RuntimeProcess) -> None:
    answer = doubler.infer(doubled(outputs=[{"name": "y", "parameters": {"classification": 2}}]))
    assert (answer.status, answer.error) == (501, "classification of outputs is not supported")


def test_a_raw_tensor_is_answered_in_binary(doubler: RuntimeProcess) -> None:
    answer = doubler.ask("POST", INFER, bytes.fromhex("0000803f" * 8), Inference_Header_Content_Length="0")
    length = int(answer.headers["inference-header-content-length"])
    assert answer.headers["content-type"] == "application/octet-stream"
    assert json.loads(answer.body[:length])["outputs"] == [
        {"name": "y", "datatype": "FP32", "shape": [2, 4], "parameters": {"binary_data_size": 32}}
    ]
    assert answer.body[length:] == bytes.fromhex("00000040" * 8)


@pytest.mark.parametrize("length", ["-1", "1.5", "x", "9" * 30, ""])
def test_a_header_length_that_is_no_number_is_refused(doubler: RuntimeProcess, length: str) -> None:
    answer = doubler.ask("POST", INFER, b"{}", Inference_Header_Content_Length=length)
    assert (answer.status, answer.error) == (400, "Inference-Header-Content-Length must be a number")
