"""Models that a server should serve."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tests.models.build import encoded, model, value

DATATYPES: dict[str, int] = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}
"""The Open Inference Protocol's datatypes, and ONNX's name for each."""


def doubler(factor: float = 2.0) -> bytes:
    """`x` FP32 [n, 4] → `y` FP32 [n, 4], `factor` times as much. Another factor is another digest."""
    weight = numpy_helper.from_array(np.array(factor, dtype=np.float32), "factor")
    nodes = [helper.make_node("Mul", ["x", "factor"], ["y"])]
    shape = ("n", 4)
    inputs, outputs = [value("x", TensorProto.FLOAT, *shape)], [value("y", TensorProto.FLOAT, *shape)]
    return encoded(model(nodes, inputs, outputs, [weight]))


def limited(factor: float, limit: int) -> bytes:
    """The doubler, but a row whose first number is above `limit` fails inside the model: a shape that does not fit."""
    constants: dict[str, NDArray[Any]] = {
        "factor": np.array(factor, dtype=np.float32),
        "limit": np.array([limit], dtype=np.float32),
        "zero": np.zeros(1, dtype=np.float32),
        "first": np.array(0, dtype=np.int64),
        "one": np.array([1], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["x", "first"], ["row"]),
        helper.make_node("Gather", ["row", "first"], ["number"]),
        helper.make_node("Greater", ["number", "limit"], ["above"]),
        helper.make_node("Cast", ["above"], ["more"], to=TensorProto.INT64),
        helper.make_node("Add", ["one", "more"], ["shape"]),
        helper.make_node("Reshape", ["zero", "shape"], ["fitted"]),
        helper.make_node("Mul", ["x", "factor"], ["product"]),
        helper.make_node("Add", ["product", "fitted"], ["y"]),
    ]
    inputs, outputs = [value("x", TensorProto.FLOAT, "n", 4)], [value("y", TensorProto.FLOAT, "n", 4)]
    return encoded(model(nodes, inputs, outputs, [numpy_helper.from_array(v, k) for k, v in constants.items()]))


def echo(datatype: str) -> bytes:
    """`x` [n, 2] → `y` [n, 2], the same, of any of the DATATYPES."""
    kind = DATATYPES[datatype]
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    return encoded(model(nodes, [value("x", kind, "n", 2)], [value("y", kind, "n", 2)]))


def everything() -> bytes:
    """One input `in_<datatype>` and one output `out_<datatype>` [n, 2] for each datatype, the same."""
    nodes = [helper.make_node("Identity", [f"in_{name}"], [f"out_{name}"]) for name in DATATYPES]
    inputs = [value(f"in_{name}", kind, "n", 2) for name, kind in DATATYPES.items()]
    outputs = [value(f"out_{name}", kind, "n", 2) for name, kind in DATATYPES.items()]
    return encoded(model(nodes, inputs, outputs))


def adder() -> bytes:
    """`a` FP32 [n, 2] and `b` INT64 [n, 1] → `sum` FP32 [n, 2] and `count` INT64 [n, 1] (that is `b`)."""
    nodes = [
        helper.make_node("Cast", ["b"], ["b_float"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["a", "b_float"], ["sum"]),
        helper.make_node("Identity", ["b"], ["count"]),
    ]
    inputs = [value("a", TensorProto.FLOAT, "n", 2), value("b", TensorProto.INT64, "n", 1)]
    outputs = [value("sum", TensorProto.FLOAT, "n", 2), value("count", TensorProto.INT64, "n", 1)]
    return encoded(model(nodes, inputs, outputs))


def scalar() -> bytes:
    """`x` FP32 [] → `y` FP32 []."""
    nodes = [helper.make_node("Neg", ["x"], ["y"])]
    return encoded(model(nodes, [value("x", TensorProto.FLOAT)], [value("y", TensorProto.FLOAT)]))


def fixed() -> bytes:
    """`x` FP32 [2, 3] → `y` FP32 [2, 3]: no variable dimension."""
    nodes = [helper.make_node("Neg", ["x"], ["y"])]
    return encoded(model(nodes, [value("x", TensorProto.FLOAT, 2, 3)], [value("y", TensorProto.FLOAT, 2, 3)]))


def classifier() -> bytes:
    """`x` FP32 [n, 2] → `label` INT64 [n], and `probabilities`, a sequence of maps as converters make it."""
    nodes = [
        helper.make_node(
            "LinearClassifier",
            ["x"],
            ["label", "scores"],
            domain="ai.onnx.ml",
            coefficients=[1.0, -1.0, -1.0, 1.0],
            intercepts=[0.0, 0.0],
            classlabels_ints=[0, 1],
            post_transform="SOFTMAX",
        ),
        helper.make_node("ZipMap", ["scores"], ["probabilities"], domain="ai.onnx.ml", classlabels_int64s=[0, 1]),
    ]
    pairs = helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    maps = helper.make_value_info("probabilities", helper.make_sequence_type_proto(pairs))
    outputs = [value("label", TensorProto.INT64, "n"), maps]
    return encoded(model(nodes, [value("x", TensorProto.FLOAT, "n", 2)], outputs, domains=["ai.onnx.ml"]))


def slow() -> bytes:
    """`rounds` INT64 [1] → `y` FP32 [96, 96] after that many products of matrices; some 30 µs a round."""
    return _looping([helper.make_node("Squeeze", ["rounds"], ["trips"])])


def endless() -> bytes:
    """`rounds` INT64 [1] → `y` FP32 [96, 96] after a hundred million products, whatever `rounds` says."""
    million = numpy_helper.from_array(np.array([10**8], dtype=np.int64), "many")
    return _looping(
        [helper.make_node("Add", ["rounds", "many"], ["more"]), helper.make_node("Squeeze", ["more"], ["trips"])],
        million,
    )


def product(kind: int, *shape: int) -> onnx.GraphProto:
    """The body of a loop that multiplies its state by the matrix `eye`."""
    matrix = (kind, *shape)
    return helper.make_graph(
        [
            helper.make_node("MatMul", ["state", "eye"], ["product"]),
            helper.make_node("Identity", ["go_on"], ["go_on_out"]),
        ],
        "round",
        [value("i", TensorProto.INT64), value("go_on", TensorProto.BOOL), value("state", *matrix)],
        [value("go_on_out", TensorProto.BOOL), value("product", *matrix)],
    )


def _looping(before: list[onnx.NodeProto], *constants: onnx.TensorProto) -> bytes:
    size = 96
    matrix = (TensorProto.FLOAT, size, size)
    weight = numpy_helper.from_array(np.eye(size, dtype=np.float32), "eye")
    yes = numpy_helper.from_array(np.array(1, dtype=np.bool_), "yes")
    nodes = [*before, helper.make_node("Loop", ["trips", "yes", "eye"], ["y"], body=product(*matrix))]
    inputs, outputs = [value("rounds", TensorProto.INT64, 1)], [value("y", *matrix)]
    return encoded(model(nodes, inputs, outputs, [weight, yes, *constants]))


def picky_size() -> bytes:
    """`x` FP32 [n, 1, height, width] → `y`: a convolution of 3 by 3, which an image of 1 by 1 is too small for."""
    weight = numpy_helper.from_array(np.ones((1, 1, 3, 3), dtype=np.float32), "kernel")
    nodes = [helper.make_node("Conv", ["x", "kernel"], ["y"])]
    inputs = [value("x", TensorProto.FLOAT, "n", 1, "height", "width")]
    return encoded(model(nodes, inputs, [value("y", TensorProto.FLOAT, "n", 1, "h", "w")], [weight]))


def picky_value() -> bytes:
    """`row` INT64 [1] → `y` FP32 [1, 2], a row of a table of three: another index fails inside the model."""
    table = numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(3, 2), "table")
    nodes = [helper.make_node("Gather", ["table", "row"], ["y"])]
    inputs, outputs = [value("row", TensorProto.INT64, 1)], [value("y", TensorProto.FLOAT, 1, 2)]
    return encoded(model(nodes, inputs, outputs, [table]))


def many_tensors(count: int) -> bytes:
    """`count` inputs FP32 [1] with long names, and an output for each."""
    names = [f"{'a-rather-long-name-for-a-tensor-' * 2}{i}" for i in range(count)]
    nodes = [helper.make_node("Neg", [name], [f"{name}-negated"]) for name in names]
    inputs = [value(name, TensorProto.FLOAT, 1) for name in names]
    return encoded(model(nodes, inputs, [value(f"{name}-negated", TensorProto.FLOAT, 1) for name in names]))


def allocator() -> bytes:
    """`size` INT64 [1] → `y` FP32 [1]: the sum of so many zeros, all of them in memory at once."""
    nodes = [helper.make_node("ConstantOfShape", ["size"], ["row"]), helper.make_node("ReduceSum", ["row"], ["y"])]
    return encoded(model(nodes, [value("size", TensorProto.INT64, 1)], [value("y", TensorProto.FLOAT, 1)]))
