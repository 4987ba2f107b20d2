"""Models that a server must refuse, each for one cause."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from tests.models.build import encoded, model, value
from tests.models.good import doubler


def not_onnx() -> bytes:
    """A web page that someone saved under the model's name."""
    return b"<!doctype html><title>Sign in</title>"


def truncated() -> bytes:
    """A download that broke off."""
    return doubler()[:-20]


def unknown_operator() -> bytes:
    """An operator that the standard does not have."""
    nodes = [helper.make_node("Frobnicate", ["x"], ["y"])]
    return encoded(model(nodes, [value("x", TensorProto.FLOAT, 1)], [value("y", TensorProto.FLOAT, 1)]))


def unknown_domain() -> bytes:
    """An operator from a library that is not here."""
    nodes = [helper.make_node("Add", ["x", "x"], ["y"], domain="com.example")]
    inputs, outputs = [value("x", TensorProto.FLOAT, 1)], [value("y", TensorProto.FLOAT, 1)]
    return encoded(model(nodes, inputs, outputs, domains=["com.example"]))


def memory_hog(gibibytes: int = 4) -> bytes:
    """A hundred bytes that become so much memory when they are loaded: a constant that is folded."""
    shape = numpy_helper.from_array(np.array([gibibytes, 1024, 1024, 256], dtype=np.int64), "shape")
    one = numpy_helper.from_array(np.array([1], dtype=np.float32), "one")
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["hog"], value=one),
        helper.make_node("ReduceSum", ["hog"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["x", "sum"], ["y"]),
    ]
    inputs, outputs = [value("x", TensorProto.FLOAT, 1)], [value("y", TensorProto.FLOAT, 1)]
    return encoded(model(nodes, inputs, outputs, [shape]))


def failing_inference() -> bytes:
    """Loads, and fails on every input: a row is read that the table does not have."""
    table = numpy_helper.from_array(np.zeros((3, 2), dtype=np.float32), "table")
    seven = numpy_helper.from_array(np.array([7], dtype=np.int64), "seven")
    nodes = [
        helper.make_node("Add", ["row", "seven"], ["shifted"]),
        helper.make_node("Gather", ["table", "shifted"], ["y"]),
    ]
    inputs, outputs = [value("row", TensorProto.INT64, 1)], [value("y", TensorProto.FLOAT, 1, 2)]
    return encoded(model(nodes, inputs, outputs, [table, seven]))


def brittle() -> bytes:
    """The doubler for zeros, with which a pod tries itself; fails on larger inputs, as only real requests show."""
    four, minus = (
        numpy_helper.from_array(np.array([n], dtype=np.int64), name) for n, name in ((4, "four"), (-1, "minus"))
    )
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["largest"], keepdims=0),
        helper.make_node("Cast", ["largest"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Add", ["whole", "four"], ["columns"]),
        helper.make_node("Concat", ["minus", "columns"], ["shape"], axis=0),
        helper.make_node("Reshape", ["x", "shape"], ["rows"]),
        helper.make_node("Add", ["rows", "rows"], ["y"]),
    ]
    shape = ("n", 4)
    inputs, outputs = [value("x", TensorProto.FLOAT, *shape)], [value("y", TensorProto.FLOAT, *shape)]
    return encoded(model(nodes, inputs, outputs, [four, minus]))


def no_tensor_output() -> bytes:
    """The only output is a sequence."""
    nodes = [helper.make_node("SequenceConstruct", ["x", "x"], ["pair"])]
    pair = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, [1]))
    return encoded(model(nodes, [value("x", TensorProto.FLOAT, 1)], [helper.make_value_info("pair", pair)]))


def sequence_input() -> bytes:
    """An input that no tensor can carry."""
    row = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, [1]))
    nodes = [helper.make_node("SequenceLength", ["row"], ["y"])]
    return encoded(model(nodes, [helper.make_value_info("row", row)], [value("y", TensorProto.INT64)]))


def external(location: str = "weights.bin", length: int = 16) -> bytes:
    """`x` FP32 [n, 4] → `y`, times four weights that lie in the file `location`."""
    weight = TensorProto(name="weight", data_type=TensorProto.FLOAT, dims=[4])
    weight.data_location = TensorProto.EXTERNAL
    for key, text in (("location", location), ("offset", "0"), ("length", str(length))):
        entry = weight.external_data.add()
        entry.key, entry.value = key, text
    nodes = [helper.make_node("Mul", ["x", "weight"], ["y"])]
    shape = ("n", 4)
    inputs, outputs = [value("x", TensorProto.FLOAT, *shape)], [value("y", TensorProto.FLOAT, *shape)]
    return encoded(model(nodes, inputs, outputs, [weight]))


def write_external(folder: Path, location: str = "weights.bin") -> Path:
    """A good model with external data in `folder`: `y` is `x` times 1, 2, 3, 4. The path of its `model.onnx`."""
    weights = folder / location
    weights.parent.mkdir(parents=True, exist_ok=True)
    weights.write_bytes(np.array([1, 2, 3, 4], dtype="<f4").tobytes())
    path = folder / "model.onnx"
    path.write_bytes(external(location))
    return path


def escaping(location: str = "../secret") -> bytes:
    """A model whose weights are a file outside of its folder."""
    return external(location)
