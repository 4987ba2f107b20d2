"""Small real ONNX models for the tests, good and bad, built with the `onnx` package.

Each function gives the bytes of a model, or writes a folder where it needs more than one file. Names say what the model
does to a server; the docstrings give inputs and outputs.
"""

from tests.models.bad import (
    brittle,
    escaping,
    external,
    failing_inference,
    memory_hog,
    no_tensor_output,
    not_onnx,
    sequence_input,
    truncated,
    unknown_domain,
    unknown_operator,
    write_external,
)
from tests.models.good import (
    DATATYPES,
    adder,
    allocator,
    classifier,
    doubler,
    echo,
    endless,
    everything,
    fixed,
    many_tensors,
    picky_size,
    picky_value,
    scalar,
    slow,
)

__all__ = [
    "DATATYPES",
    "adder",
    "allocator",
    "brittle",
    "classifier",
    "doubler",
    "echo",
    "endless",
    "escaping",
    "everything",
    "external",
    "failing_inference",
    "fixed",
    "many_tensors",
    "memory_hog",
    "no_tensor_output",
    "not_onnx",
    "picky_size",
    "picky_value",
    "scalar",
    "sequence_input",
    "slow",
    "truncated",
    "unknown_domain",
    "unknown_operator",
    "write_external",
]
