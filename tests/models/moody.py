"""Well with zeros, by which a pod tries itself, and bad with real numbers. `x` FP32 [n, 4] → `y` alike."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tests.models.build import encoded, model, value
from tests.models.good import product

SHAPE = ("n", 4)


def undefined() -> bytes:
    """The root of a negative number."""
    return _of([helper.make_node("Neg", ["x"], ["negative"]), helper.make_node("Sqrt", ["negative"], ["y"])])


def failing_now_and_then(permille: int) -> bytes:
    """The doubler, and by chance a shape that does not fit."""
    nodes = [
        *_any(),
        helper.make_node("RandomUniform", [], ["drawn"], shape=[1], low=0.0, high=1000.0, seed=7.0),
        helper.make_node("Less", ["drawn", "often"], ["unlucky"]),
        helper.make_node("And", ["unlucky", "any"], ["fails"]),
        helper.make_node("Cast", ["fails"], ["more"], to=TensorProto.INT64),
        helper.make_node("Add", ["one", "more"], ["shape"]),
        helper.make_node("Reshape", ["zeros", "shape"], ["fitted"]),
        helper.make_node("Add", ["x", "x"], ["twice"]),
        helper.make_node("Add", ["twice", "fitted"], ["y"]),
    ]
    return _of(
        nodes,
        often=np.array([permille], dtype=np.float32),
        one=np.array([1], dtype=np.int64),
        zeros=np.zeros(1, dtype=np.float32),
    )


def dawdling(rounds: int) -> bytes:
    """The doubler, after so many products of matrices; some 30 µs each."""
    nodes = [
        *_any(),
        helper.make_node("Cast", ["any"], ["times"], to=TensorProto.INT64),
        helper.make_node("Mul", ["times", "rounds"], ["trips"]),
        helper.make_node("Squeeze", ["trips"], ["trip"]),
        helper.make_node("Loop", ["trip", "yes", "eye"], ["last"], body=product(TensorProto.FLOAT, 96, 96)),
        helper.make_node("ReduceMin", ["last"], ["least"], keepdims=0),
        helper.make_node("Add", ["x", "x"], ["twice"]),
        helper.make_node("Add", ["twice", "least"], ["y"]),
    ]
    return _of(
        nodes,
        rounds=np.array([rounds], dtype=np.int64),
        yes=np.array(1, dtype=np.bool_),
        eye=np.eye(96, dtype=np.float32),
    )


def hungry(mebibytes: int) -> bytes:
    """The doubler, with so many zeros in memory at once."""
    nodes = [
        *_any(),
        helper.make_node("Cast", ["any"], ["times"], to=TensorProto.INT64),
        helper.make_node("Mul", ["times", "many"], ["size"]),
        helper.make_node("ConstantOfShape", ["size"], ["row"]),
        helper.make_node("ReduceSum", ["row"], ["nothing"], keepdims=0),
        helper.make_node("Add", ["x", "x"], ["twice"]),
        helper.make_node("Add", ["twice", "nothing"], ["y"]),
    ]
    return _of(nodes, many=np.array([mebibytes << 18], dtype=np.int64))


def _any() -> list[onnx.NodeProto]:
    """`any` BOOL [1]: whether a number is above 0."""
    return [
        helper.make_node("Flatten", ["x"], ["flat"], axis=0),
        helper.make_node("ReduceMax", ["flat"], ["largest"], axes=[0, 1], keepdims=0),
        helper.make_node("Reshape", ["largest", "as_row"], ["most"]),
        helper.make_node("Cast", ["most"], ["any"], to=TensorProto.BOOL),
    ]


def _of(nodes: list[onnx.NodeProto], **constants: np.ndarray) -> bytes:
    used = {name for node in nodes for name in node.input}
    known = {**constants, "as_row": np.array([1], dtype=np.int64)}
    initializers = [numpy_helper.from_array(array, name) for name, array in known.items() if name in used]
    inputs, outputs = [value("x", TensorProto.FLOAT, *SHAPE)], [value("y", TensorProto.FLOAT, *SHAPE)]
    return encoded(model(nodes, inputs, outputs, initializers))
