"""Models to measure with: made on the spot, small, the same bytes every time."""

import hashlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 8


def tiny() -> bytes:
    """Four floats in, three out: one matrix product and a softmax, microseconds of work. About 250 bytes."""
    weights = np.arange(12, dtype=np.float32).reshape(4, 3) / 10
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Softmax", ["z"], ["y"], axis=-1)]
    return _model(nodes, ("n", 4), ("n", 3), [numpy_helper.from_array(weights, "w")])


def wide() -> bytes:
    """Any number of floats in, their sum out: the cost is that of carrying them."""
    nodes = [helper.make_node("ReduceSum", ["x"], ["y"], keepdims=1)]
    return _model(nodes, ("n", "width"), ("one", "one"), [])


def digest(model: bytes) -> str:
    """As `spec.model.digest` writes it."""
    return f"sha256:{hashlib.sha256(model).hexdigest()}"


def _model(
    nodes: list[onnx.NodeProto],
    shape: tuple[str | int, ...],
    answer: tuple[str | int, ...],
    weights: list[onnx.TensorProto],
) -> bytes:
    graph = helper.make_graph(
        nodes,
        "bench",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, answer)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
