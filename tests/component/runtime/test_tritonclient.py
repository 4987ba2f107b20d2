"""A public client of the protocol, unmodified: `tritonclient.http`, in its default binary mode and in JSON."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests.component.runtime.conftest import Servers
from tests.component.runtime.harness import REVISION

from serinus_runtime.tensors import DTYPES

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of gevent, which it brings
    from tritonclient import http
    from tritonclient.utils import InferenceServerException

ROWS = 3


@pytest.fixture
def client(servers: Servers) -> Iterator[Any]:
    with http.InferenceServerClient(f"127.0.0.1:{servers.serving('everything').http_port}") as made:
        yield made


def array(datatype: str) -> Any:
    if datatype == "BYTES":
        return np.array([["a", "€"], ["", "x" * 300], ["\n", "z"]], dtype=np.object_)
    if datatype == "BOOL":
        return np.array([[True, False]] * ROWS)
    return np.arange(2 * ROWS, dtype=DTYPES[datatype]).reshape(ROWS, 2)


def inputs(*, binary: bool) -> list[Any]:
    made = []
    for name in DTYPES:
        tensor = http.InferInput(f"in_{name}", [ROWS, 2], name)
        json_cannot = name == "FP16"  # the client itself refuses it
        tensor.set_data_from_numpy(array(name), binary_data=binary or json_cannot)
        made.append(tensor)
    return made


def check(result: Any) -> None:
    for name in DTYPES:
        found = result.as_numpy(f"out_{name}")
        if name == "BYTES" and isinstance(found.flat[0], bytes):
            found = np.vectorize(bytes.decode, otypes=[np.object_])(found)
        assert found.tolist() == array(name).tolist(), name
        assert found.shape == (ROWS, 2)


def test_health_and_metadata(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("m")
    assert client.is_model_ready("m", REVISION)
    assert not client.is_model_ready("m", "1")
    assert not client.is_model_ready("other")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    assert client.get_model_metadata("m", REVISION)["platform"] == "onnx_onnxv1"


def test_binary_both_ways_is_the_default(client: Any) -> None:
    result = client.infer("m", inputs(binary=True), request_id="7")
    assert result.get_response()["id"] == "7"
    assert "data" not in result.get_output("out_FP32")
    check(result)


def test_json_both_ways(client: Any) -> None:
    outputs = [http.InferRequestedOutput(f"out_{name}", binary_data=name == "FP16") for name in DTYPES]
    result = client.infer("m", inputs(binary=False), outputs=outputs)
    assert "data" in result.get_output("out_FP32")
    check(result)


@pytest.mark.parametrize(("into", "out"), [(True, False), (False, True)], ids=["binary to JSON", "JSON to binary"])
def test_mixed(client: Any, into: bool, out: bool) -> None:
    outputs = [http.InferRequestedOutput(f"out_{name}", binary_data=out) for name in DTYPES]
    check(client.infer("m", inputs(binary=into), model_version=REVISION, outputs=outputs))


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_requests(client: Any, algorithm: str) -> None:
    result = client.infer("m", inputs(binary=True), request_compression_algorithm=algorithm)
    check(result)


def test_a_client_that_would_take_a_compressed_answer_gets_one_that_it_can_read(client: Any) -> None:
    check(client.infer("m", inputs(binary=True), response_compression_algorithm="gzip"))


def test_errors_arrive_as_the_clients_own(client: Any) -> None:
    with pytest.raises(InferenceServerException) as caught:
        client.infer("m", inputs(binary=True)[:3])
    assert caught.value.status() == "400"
    assert caught.value.message() == "input 'in_UINT32' is missing"
    with pytest.raises(InferenceServerException) as caught:
        client.infer("other", inputs(binary=True))
    assert caught.value.status() == "404"


def test_many_requests_at_once_on_pooled_connections(servers: Servers) -> None:
    address = f"127.0.0.1:{servers.serving('everything').http_port}"
    with http.InferenceServerClient(address, concurrency=8) as client:
        waiting = [client.async_infer("m", inputs(binary=True)) for _ in range(100)]
        for request in waiting:
            check(request.get_result())
