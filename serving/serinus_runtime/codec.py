"""Bytes of the Open Inference Protocol v2 ⇄ numpy arrays: JSON and the binary tensor extension.

Pure: no HTTP, no session, no clock. Used by `plane.py`. Sizes and shapes are checked as Python integers before anything
of their size is allocated. What does not depend on a request is worked out once, when the model is loaded: this is the
road of every request, and a tiny model takes less time than careless words around it.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from serinus_api.runtime import RuntimeLimits
from serinus_runtime import binary
from serinus_runtime.errors import InvalidRequest, Unsupported
from serinus_runtime.json_guard import parse_object
from serinus_runtime.json_tensor import json_array
from serinus_runtime.shapes import check_shape
from serinus_runtime.sketch import drawn
from serinus_runtime.tensors import BYTES, Array, Signature, Tensor

_NO_PARAMETERS: dict[str, Any] = {}


class Selection:
    """The outputs that a client wants, each in JSON or in binary, in the order of the answer."""

    __slots__ = ("any_binary", "choices", "names", "places")

    def __init__(self, choices: Sequence[tuple[Tensor, bool]], places: Mapping[str, int]) -> None:
        self.choices = choices
        self.places = [places[tensor.name] for tensor, _ in choices]
        self.names = [tensor.name for tensor, _ in choices]
        self.any_binary = any(in_binary for _, in_binary in choices)


@dataclass(slots=True)
class InferRequest:
    """A request that fits the model's signature."""

    id: str | None
    feeds: dict[str, Array]
    selection: Selection

    def size(self) -> int:
        """Bytes of all inputs (references, for strings)."""
        total = 0
        for array in self.feeds.values():
            total += array.nbytes
        return total


@dataclass(slots=True)
class EncodedAnswer:
    """A response body; `header_length` is the length of its JSON part, None when that is all."""

    body: bytes
    header_length: int | None
    invalid: bool = False
    """Whether an output has a NaN or an infinite number."""
    drawn: int | None = None
    """Bin of one of its values (`sketch.py`)."""


class Codec:
    """For one model under one name."""

    def __init__(self, signature: Signature, limits: RuntimeLimits, name: str, version: str) -> None:
        self._limits = limits
        self._name = name
        self._version = version
        self._inputs = {tensor.name: tensor for tensor in signature.inputs}
        self._outputs = {tensor.name: tensor for tensor in signature.outputs}
        self._places = {tensor.name: place for place, tensor in enumerate(signature.outputs)}
        self._all_json = Selection([(tensor, False) for tensor in signature.outputs], self._places)
        self._all_binary = Selection([(tensor, True) for tensor in signature.outputs], self._places)

    def decode(self, body: bytes, header_length: int | None) -> InferRequest:
        """The request in `body`, whose first `header_length` bytes are JSON (None: all of it; 0: one raw tensor).

        Raises:
            InvalidRequest: not the protocol, or not what this model takes.
            Unsupported: an extension that this server does not have.

        """
        if header_length is None:
            header, blobs = body, None
        elif header_length == 0:
            return self._raw_request(body)
        elif header_length <= len(body):
            header, blobs = body[:header_length], binary.Blobs(body, header_length)
        else:
            msg = f"Inference-Header-Content-Length is {header_length}, but the body has only {len(body)} bytes"
            raise InvalidRequest(msg)
        document, has_bools = parse_object(header, self._limits.max_json_depth)
        request_id = document.get("id")
        if request_id is not None and type(request_id) is not str:
            raise InvalidRequest("'id' must be a string")
        feeds: dict[str, Array] = {}
        for entry in _entries(document, "inputs"):
            tensor = _named(entry, self._inputs, "input", feeds)
            feeds[tensor.name] = self._input(entry, tensor, blobs, has_bools=has_bools)
        if len(feeds) < len(self._inputs):
            missing = next(name for name in self._inputs if name not in feeds)
            raise InvalidRequest(f"input {missing!r} is missing")
        if blobs is not None:
            blobs.check_all_taken()
        return InferRequest(request_id, feeds, self._selection(document))

    def encode(self, request: InferRequest, arrays: Sequence[Array]) -> EncodedAnswer:
        """The response with `arrays`, one for each of the outputs that the request selects."""
        selection = request.selection
        outputs: list[dict[str, Any]] = []
        blobs: list[bytes] = []
        for (tensor, in_binary), array in zip(selection.choices, arrays, strict=True):
            entry: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": array.shape}
            if in_binary:
                blob = binary.pack(array, tensor.datatype)
                entry["parameters"] = {"binary_data_size": len(blob)}
                blobs.append(blob)
            else:
                flat = array.ravel()
                entry["data"] = flat.tolist() if tensor.datatype == BYTES else flat
            outputs.append(entry)
        document: dict[str, Any] = {"model_name": self._name, "model_version": self._version}
        if request.id is not None:
            document["id"] = request.id
        document["outputs"] = outputs
        header = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
        value = drawn(selection.places, arrays)
        if not selection.any_binary:
            # JSON has no other word for what is no number; to look for it costs a tenth of looking at the arrays.
            return EncodedAnswer(header, None, b"null" in header and _any_invalid(arrays), value)
        return EncodedAnswer(b"".join((header, *blobs)), len(header), _any_invalid(arrays), value)

    def _raw_request(self, body: bytes) -> InferRequest:
        if len(self._inputs) != 1:
            raise InvalidRequest(f"a raw request needs a model with one input; this one has {len(self._inputs)}")
        tensor = next(iter(self._inputs.values()))
        shape = binary.raw_shape(tensor, len(body))
        check_shape(tensor, list(shape), self._limits)
        return InferRequest(None, {tensor.name: binary.raw_array(tensor, shape, body)}, self._all_binary)

    def _input(self, entry: dict[str, Any], tensor: Tensor, blobs: binary.Blobs | None, *, has_bools: bool) -> Array:
        if entry.get("datatype") != tensor.datatype:
            raise InvalidRequest(f"input {tensor.name!r} has datatype {tensor.datatype}, not {entry.get('datatype')!r}")
        shape = check_shape(tensor, entry.get("shape"), self._limits)
        size = None
        if "parameters" in entry:
            size = _parameters(entry, f"input {tensor.name!r}").get("binary_data_size")
        if size is None:
            if "data" not in entry:
                raise InvalidRequest(f"input {tensor.name!r} has neither 'data' nor 'binary_data_size'")
            return json_array(tensor, shape, entry["data"], has_bools=has_bools)
        if "data" in entry:
            raise InvalidRequest(f"input {tensor.name!r} has both 'data' and 'binary_data_size'")
        return (blobs or binary.Blobs(b"", 0)).take(tensor, shape, size)

    def _selection(self, document: dict[str, Any]) -> Selection:
        """What to answer: the outputs asked for, or all; a flag of an output wins over the request's."""
        all_binary = False
        if "parameters" in document:
            parameters = _parameters(document, "the request")
            all_binary = _flag(parameters, "binary_data_output", otherwise=False)
        if not document.get("outputs"):
            return self._all_binary if all_binary else self._all_json
        choices: dict[str, tuple[Tensor, bool]] = {}
        for entry in _entries(document, "outputs"):
            tensor = _named(entry, self._outputs, "output", choices)
            parameters = _parameters(entry, f"output {tensor.name!r}")
            if parameters.get("classification"):
                raise Unsupported("classification of outputs is not supported")
            choices[tensor.name] = (tensor, _flag(parameters, "binary_data", otherwise=all_binary))
        return Selection(list(choices.values()), self._places)


def _entries(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    entries = document.get(key)
    if type(entries) is not list:
        raise InvalidRequest(f"{key!r} must be an array of objects")
    for entry in entries:
        if type(entry) is not dict:
            raise InvalidRequest(f"{key!r} must be an array of objects")
    return entries


def _named(entry: dict[str, Any], known: Mapping[str, Tensor], word: str, taken: Container[str]) -> Tensor:
    """The tensor of the signature that an entry of `inputs` or `outputs` names."""
    name = entry.get("name")
    tensor = known.get(name) if type(name) is str else None
    if tensor is None:
        names = ", ".join(map(repr, known))
        raise InvalidRequest(f"{word} {name!r} is not one of the model's: {names}")
    if name in taken:
        raise InvalidRequest(f"{word} {name!r} is given twice")
    return tensor


def _parameters(owner: dict[str, Any], what: str) -> dict[str, Any]:
    parameters = owner.get("parameters")
    if parameters is None:
        return _NO_PARAMETERS
    if type(parameters) is not dict:
        raise InvalidRequest(f"'parameters' of {what} must be an object")
    for key, value in parameters.items():
        if type(value) in (dict, list):
            raise InvalidRequest(f"parameter {key!r} of {what} must be a string, a number or a boolean")
    if "shared_memory_region" in parameters:
        raise Unsupported("shared memory is not supported")
    return parameters


def _any_invalid(arrays: Sequence[Array]) -> bool:
    return any(array.dtype.kind == "f" and not np.isfinite(array).all() for array in arrays)


def _flag(parameters: dict[str, Any], key: str, *, otherwise: bool) -> bool:
    value = parameters.get(key, otherwise)
    if type(value) is not bool:
        raise InvalidRequest(f"parameter {key!r} must be true or false")
    return value
