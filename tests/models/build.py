"""The common frame of the test models: one opset, one file format version, so that bytes are the same everywhere."""

from collections.abc import Sequence

import onnx
from onnx import helper

OPSET = 17
IR_VERSION = 9


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    initializers: Sequence[onnx.TensorProto] = (),
    domains: Sequence[str] = (),
) -> onnx.ModelProto:
    """A model of one graph."""
    graph = helper.make_graph(list(nodes), "test", list(inputs), list(outputs), list(initializers))
    opsets = [helper.make_opsetid("", OPSET), *(helper.make_opsetid(domain, 3) for domain in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="serinus-tests")


def value(name: str, kind: int, *shape: int | str) -> onnx.ValueInfoProto:
    """A tensor that comes in or goes out; a string is the name of a variable dimension."""
    return helper.make_tensor_value_info(name, kind, list(shape))


def encoded(proto: onnx.ModelProto) -> bytes:
    """The file's bytes."""
    data: bytes = proto.SerializeToString(deterministic=True)
    return data
