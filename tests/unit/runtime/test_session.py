"""ONNX Runtime behind our words: options, signature, warm-up, refusals."""

from pathlib import Path

import numpy as np
import pytest
from tests import models

from serinus_api.conditions import Reason
from serinus_runtime.errors import InferenceFailed, InvalidRequest, ModelRefused
from serinus_runtime.session import ModelSession, new_run_options, ort_words
from serinus_runtime.tensors import Tensor


def load(folder: Path, data: bytes) -> ModelSession:
    path = folder / "model.onnx"
    path.write_bytes(data)
    return ModelSession(path, threads=1)


def refusal(folder: Path, data: bytes) -> ModelRefused:
    with pytest.raises(ModelRefused) as caught:
        load(folder, data).warm_up()
    assert str(folder) not in caught.value.message
    return caught.value


def test_the_signature_speaks_the_protocol(tmp_path: Path) -> None:
    signature = load(tmp_path, models.everything()).signature
    assert signature.inputs == tuple(Tensor(f"in_{name}", name, (-1, 2)) for name in models.DATATYPES)
    assert signature.outputs == tuple(Tensor(f"out_{name}", name, (-1, 2)) for name in models.DATATYPES)
    assert load(tmp_path, models.scalar()).signature.inputs == (Tensor("x", "FP32", ()),)
    assert load(tmp_path, models.fixed()).signature.inputs == (Tensor("x", "FP32", (2, 3)),)


def test_outputs_that_no_tensor_can_carry_are_left_out_and_named(tmp_path: Path) -> None:
    session = load(tmp_path, models.classifier())
    assert [tensor.name for tensor in session.signature.outputs] == ["label"]
    assert session.signature.left_out == ("probabilities: seq(map(int64,tensor(float)))",)
    session.warm_up()


@pytest.mark.parametrize(
    "name", ["doubler", "everything", "scalar", "fixed", "adder", "classifier", "slow", "picky_size"]
)
def test_good_models_warm_up(tmp_path: Path, name: str) -> None:
    times = load(tmp_path, getattr(models, name)()).warm_up()
    assert times.first > 0
    assert times.second > 0


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(models.not_onnx(), "Load model from model.onnx failed:Protobuf parsing failed.", id="a web page"),
        pytest.param(models.truncated(), "Protobuf parsing failed", id="cut off"),
        pytest.param(b"", "model", id="empty"),
        pytest.param(models.unknown_operator(), "No Op registered for Frobnicate", id="unknown operator"),
        pytest.param(models.unknown_domain(), "com.example:Add(-1) is not a registered", id="unknown domain"),
        pytest.param(models.external("weights.bin"), "weights.bin", id="missing external data"),
        pytest.param(models.no_tensor_output(), "no output is a tensor of the Open Inference Protocol", id="no tensor"),
        pytest.param(models.sequence_input(), "input 'row' is seq(tensor(float)), which", id="a sequence comes in"),
        pytest.param(models.failing_inference(), "it loads, but an inference on zeros fails: ", id="fails on zeros"),
    ],
)
def test_bad_models_are_refused_in_onnx_runtimes_words(tmp_path: Path, data: bytes, words: str) -> None:
    found = refusal(tmp_path, data)
    assert found.reason is Reason.LOAD_FAILED
    assert words in found.message
    assert "ONNXRuntimeError" not in found.message


def test_a_model_of_the_other_format_is_not_even_parsed_as_such(tmp_path: Path) -> None:
    found = refusal(tmp_path, b"\x1c\0\0\0ORTM" + bytes(64))
    assert found.reason is Reason.LOAD_FAILED
    assert "protobuf" in found.message.lower()


def test_an_input_that_the_model_refuses_is_the_clients_fault(tmp_path: Path) -> None:
    session = load(tmp_path, models.doubler())
    with pytest.raises(InvalidRequest, match="Got: 3 Expected: 4"):
        session.run(["y"], {"x": np.zeros((1, 3), dtype=np.float32)})


def test_words_do_not_tell_where_onnx_runtime_was_built() -> None:
    text = "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : /onnxruntime_src/onnxruntime/core/a.cc:12 onnxruntime::F() no"
    assert ort_words(RuntimeError(text), Path("/w/model/model.onnx")) == "F() no"
    told = ort_words(RuntimeError('cannot open "/w/model/model.onnx" in /w/model'), Path("/w/model/model.onnx"))
    assert told == 'cannot open "model.onnx" in'


def test_a_run_can_be_stopped_from_outside(tmp_path: Path) -> None:
    session = load(tmp_path, models.slow())
    options = new_run_options()
    options.terminate = True
    with pytest.raises(InferenceFailed, match="terminate"):
        session.run(["y"], {"rounds": np.array([10**9])}, options)
