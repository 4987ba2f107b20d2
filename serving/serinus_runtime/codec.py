"""Bytes of the Open Inference Protocol v2 ⇄ numpy arrays: JSON and the binary tensor extension.

Pure: no HTTP, no session, no clock. Called by `plane.py`. Sizes and shapes are checked as Python integers before
anything of their size is allocated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from serinus_api.runtime import RuntimeLimits
from serinus_runtime import binary
from serinus_runtime.errors import InvalidRequest, Unsupported
from serinus_runtime.json_guard import parse_object
from serinus_runtime.json_tensor import json_array
from serinus_runtime.shapes import check_shape
from serinus_runtime.tensors import BYTES, Array, Signature, Tensor


@dataclass(frozen=True, slots=True)
class OutputChoice:
    """An output that the client wants, and in which form."""

    tensor: Tensor
    binary: bool


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A request that fits the model's signature."""

    id: str | None
    feeds: dict[str, Array]
    outputs: tuple[OutputChoice, ...]

    def size(self) -> int:
        """Bytes of all inputs (references, for strings)."""
        return sum(array.nbytes for array in self.feeds.values())


@dataclass(frozen=True, slots=True)
class EncodedAnswer:
    """A response body; `header_length` is the length of its JSON part, None when that is all."""

    body: bytes
    header_length: int | None


def decode_request(body: bytes, header_length: int | None, signature: Signature, limits: RuntimeLimits) -> InferRequest:
    """The request in `body`, whose first `header_length` bytes are JSON (None: all of it; 0: one raw tensor).

    Raises:
        InvalidRequest: not the protocol, or not what this model takes.
        Unsupported: an extension that this server does not have.

    """
    if header_length == 0:
        return _raw_request(body, signature, limits)
    if header_length is not None and header_length > len(body):
        msg = f"Inference-Header-Content-Length is {header_length}, but the body has only {len(body)} bytes"
        raise InvalidRequest(msg)
    parsed = parse_object(body if header_length is None else body[:header_length], limits.max_json_depth)
    document = parsed.document
    blobs = binary.Blobs(body, len(body) if header_length is None else header_length)
    request_id = document.get("id")
    if request_id is not None and type(request_id) is not str:
        raise InvalidRequest("'id' must be a string")
    feeds: dict[str, Array] = {}
    for entry in _entries(document, "inputs"):
        tensor = _named(entry, signature.inputs, "input", feeds)
        feeds[tensor.name] = _input(entry, tensor, blobs, limits, parsed.has_bools)
    for tensor in signature.inputs:
        if tensor.name not in feeds:
            raise InvalidRequest(f"input {tensor.name!r} is missing")
    blobs.check_all_taken()
    return InferRequest(request_id, feeds, _choices(document, signature))


def encode_answer(request: InferRequest, arrays: Sequence[Array], model_name: str, model_version: str) -> EncodedAnswer:
    """The response with `arrays`, one for each of the request's outputs."""
    outputs: list[dict[str, Any]] = []
    blobs: list[bytes] = []
    for choice, array in zip(request.outputs, arrays, strict=True):
        tensor = choice.tensor
        entry: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": array.shape}
        if choice.binary:
            blob = binary.pack(array, tensor.datatype)
            entry["parameters"] = {"binary_data_size": len(blob)}
            blobs.append(blob)
        else:
            entry["data"] = array.ravel().tolist() if tensor.datatype == BYTES else array.ravel()
        outputs.append(entry)
    document: dict[str, Any] = {"model_name": model_name, "model_version": model_version}
    if request.id is not None:
        document["id"] = request.id
    document["outputs"] = outputs
    header = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    if not any(choice.binary for choice in request.outputs):
        return EncodedAnswer(header, None)
    return EncodedAnswer(b"".join((header, *blobs)), len(header))


def _raw_request(body: bytes, signature: Signature, limits: RuntimeLimits) -> InferRequest:
    if len(signature.inputs) != 1:
        raise InvalidRequest(f"a raw request needs a model with one input; this one has {len(signature.inputs)}")
    tensor = signature.inputs[0]
    shape = binary.raw_shape(tensor, len(body))
    check_shape(tensor, list(shape), limits)
    array = binary.raw_array(tensor, shape, body)
    choices = tuple(OutputChoice(output, binary=True) for output in signature.outputs)
    return InferRequest(None, {tensor.name: array}, choices)


def _entries(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    entries = document.get(key)
    if not isinstance(entries, list):
        raise InvalidRequest(f"{key!r} must be an array of objects")
    for entry in entries:
        if not isinstance(entry, dict):
            raise InvalidRequest(f"{key!r} must be an array of objects")
    return entries


def _named(entry: dict[str, Any], known: tuple[Tensor, ...], word: str, taken: Any) -> Tensor:
    """The tensor of the signature that an entry of `inputs` or `outputs` names."""
    name = entry.get("name")
    for tensor in known:
        if tensor.name == name:
            if name in taken:
                raise InvalidRequest(f"{word} {name!r} is given twice")
            return tensor
    names = ", ".join(repr(tensor.name) for tensor in known)
    raise InvalidRequest(f"{word} {name!r} is not one of the model's: {names}")


def _parameters(owner: dict[str, Any], what: str) -> dict[str, Any]:
    parameters = owner.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise InvalidRequest(f"'parameters' of {what} must be an object")
    for key, value in parameters.items():
        if isinstance(value, dict | list):
            raise InvalidRequest(f"parameter {key!r} of {what} must be a string, a number or a boolean")
    if "shared_memory_region" in parameters:
        raise Unsupported("shared memory is not supported")
    return parameters


def _input(entry: dict[str, Any], tensor: Tensor, blobs: binary.Blobs, limits: RuntimeLimits, has_bools: bool) -> Array:
    name = tensor.name
    if entry.get("datatype") != tensor.datatype:
        raise InvalidRequest(f"input {name!r} has datatype {tensor.datatype}, not {entry.get('datatype')!r}")
    shape = check_shape(tensor, entry.get("shape"), limits)
    size = _parameters(entry, f"input {name!r}").get("binary_data_size")
    if size is None:
        if "data" not in entry:
            raise InvalidRequest(f"input {name!r} has neither 'data' nor 'binary_data_size'")
        return json_array(tensor, shape, entry["data"], has_bools=has_bools)
    if "data" in entry:
        raise InvalidRequest(f"input {name!r} has both 'data' and 'binary_data_size'")
    return blobs.take(tensor, shape, size)


def _choices(document: dict[str, Any], signature: Signature) -> tuple[OutputChoice, ...]:
    """What to answer: the outputs asked for, or all; a flag of an output wins over the request's."""
    all_binary = _flag(_parameters(document, "the request"), "binary_data_output", otherwise=False)
    if document.get("outputs") in (None, []):
        return tuple(OutputChoice(tensor, all_binary) for tensor in signature.outputs)
    choices: dict[str, OutputChoice] = {}
    for entry in _entries(document, "outputs"):
        tensor = _named(entry, signature.outputs, "output", choices)
        parameters = _parameters(entry, f"output {tensor.name!r}")
        if parameters.get("classification"):
            raise Unsupported("classification of outputs is not supported")
        choices[tensor.name] = OutputChoice(tensor, _flag(parameters, "binary_data", otherwise=all_binary))
    return tuple(choices.values())


def _flag(parameters: dict[str, Any], key: str, *, otherwise: bool) -> bool:
    value = parameters.get(key, otherwise)
    if type(value) is not bool:
        raise InvalidRequest(f"parameter {key!r} must be true or false")
    return value
