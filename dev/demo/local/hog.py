"""A model that a hundred bytes describe and that needs two gibibytes: a constant that is unfolded when it is loaded."""

import numpy as np
from examples.iris import train
from onnx import TensorProto, helper, numpy_helper

SHAPE = [2, 1024, 1024, 256]
"""Of 32-bit numbers: 2 GiB."""


def manifest() -> str:
    """It, and the ModelDeployment that asks for it under the example's memory limit."""
    data = model()
    source = "iris-model-too-large"
    return f"{train.config_map(source, data)}---\n{train.model_deployment(source)}"


def model() -> bytes:
    """The flowers' first measure times the sum of the constant."""
    shape = numpy_helper.from_array(np.array(SHAPE, dtype=np.int64), "shape")
    one = numpy_helper.from_array(np.array([1], dtype=np.float32), "one")
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["hog"], value=one),
        helper.make_node("ReduceSum", ["hog"], ["sum"], keepdims=0),
        helper.make_node("Mul", [train.INPUT, "sum"], ["product"]),
    ]
    graph = helper.make_graph(
        nodes,
        "hog",
        [helper.make_tensor_value_info(train.INPUT, TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("product", TensorProto.FLOAT, [None, 4])],
        [shape],
    )
    versions = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=versions, ir_version=8).SerializeToString())
