"""An ONNX Runtime session with safe options, its signature in the protocol's words, and the warm-up.

Created by `plane.py` and `preflight.py` from a verified local file. Never loads anything but ONNX, never a library of
custom operators, only the CPU provider.
"""

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from serinus_api.conditions import Reason
from serinus_runtime.errors import InferenceFailed, InvalidRequest, ModelRefused
from serinus_runtime.tensors import BYTES, ONNX_TYPES, Array, Signature, Tensor

ORT_FAULTS = (
    ort_errors.EPFail,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoModel,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
    RuntimeError,
    ValueError,
)
_FATAL = 4
_OUT_OF_MEMORY = ("bad_alloc", "Failed to allocate memory", "bad allocation", "std::length_error")
_PREFIX = re.compile(r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ")
_PLACE = re.compile(r"\S*/onnxruntime\S*:\d+ (?:onnxruntime::|\S+\()?")
_TRIED_SIZES = (1, 16, 224)
"""Variable dimensions of the warm-up input; the next is tried when the model refuses the one before."""


@dataclass(frozen=True)
class WarmUp:
    """How long the first inferences took (seconds): the first pays for everything lazy, the second does not."""

    first: float
    second: float
    size: int
    """Of the variable dimensions that the model took, see `zeros`."""


class ModelSession:
    """One loaded model. `run` may be called from several threads at once."""

    def __init__(self, path: Path, threads: int) -> None:
        """Load the model.

        Raises:
            ModelRefused: LoadFailed or OutOfMemory, in ONNX Runtime's words.

        """
        ort.set_default_logger_severity(_FATAL)
        try:
            session = ort.InferenceSession(str(path), _options(threads), providers=["CPUExecutionProvider"])
        except MemoryError as error:
            raise ModelRefused(Reason.OUT_OF_MEMORY, "not enough memory to load the model") from error
        except ORT_FAULTS as error:
            raise _refusal("", error, path) from error
        self._session = session
        self._path = path
        self.signature = _signature(session)
        self.output_names = [output.name for output in self.signature.outputs]

    def run(self, names: list[str], feeds: dict[str, Array], options: Any = None) -> list[Array]:
        """The outputs `names` for `feeds`.

        Raises:
            InvalidRequest: ONNX Runtime finds fault with the input.
            InferenceFailed: the model fails on it.

        """
        try:
            outputs: list[Array] = self._session.run(names, feeds, options)
        except ort_errors.InvalidArgument as error:
            raise InvalidRequest(ort_words(error, self._path)) from error
        except MemoryError as error:
            raise InferenceFailed("not enough memory for this inference") from error
        except ORT_FAULTS as error:
            raise InferenceFailed(ort_words(error, self._path)) from error
        return outputs

    def warm_up(self) -> WarmUp:
        """Two inferences on zeros.

        Raises:
            ModelRefused: none of the tried sizes works; LoadFailed or OutOfMemory.

        """
        for size in _TRIED_SIZES:
            feeds = {tensor.name: zeros(tensor, size) for tensor in self.signature.inputs}
            try:
                return WarmUp(self._timed(feeds), self._timed(feeds), size)
            except MemoryError as error:
                raise ModelRefused(Reason.OUT_OF_MEMORY, "not enough memory for one inference") from error
            except ORT_FAULTS as error:
                refusal = _refusal("it loads, but an inference on zeros fails: ", error, self._path)
                fixed = all(dim >= 0 for tensor in self.signature.inputs for dim in tensor.shape)
                if fixed or size == _TRIED_SIZES[-1] or refusal.reason is Reason.OUT_OF_MEMORY:
                    raise refusal from error
        raise AssertionError

    def _timed(self, feeds: dict[str, Array]) -> float:
        started = time.perf_counter()
        self._session.run(self.output_names, feeds)
        return time.perf_counter() - started


def new_run_options() -> Any:
    """Options of one run; setting their `terminate` stops it between two operators."""
    return ort.RunOptions()


def ort_words(error: BaseException, path: Path) -> str:
    """ONNX Runtime's message without its own prefix, source files, or where the model lies in the pod."""
    text = _PREFIX.sub("", str(error))
    text = text.replace(str(path), path.name).replace(str(path.parent), "").replace(str(path.parent.resolve()), "")
    return " ".join(_PLACE.sub("", text).split())


def zeros(tensor: Tensor, size: int) -> Array:
    """An input of zeros ("0" for strings): the batch is 1, other variable dimensions are `size`."""
    shape = [1 if dim < 0 and axis == 0 else size if dim < 0 else dim for axis, dim in enumerate(tensor.shape)]
    if tensor.datatype == BYTES:
        return np.full(shape, "0", dtype=np.object_)
    return np.zeros(shape, dtype=tensor.dtype)


def _options(threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _FATAL
    options.enable_cpu_mem_arena = False  # an arena keeps the memory of the largest batch for ever
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options


def _refusal(lead: str, error: BaseException, path: Path) -> ModelRefused:
    words = ort_words(error, path)
    memory = any(sign in words for sign in _OUT_OF_MEMORY)
    return ModelRefused(Reason.OUT_OF_MEMORY if memory else Reason.LOAD_FAILED, lead + words)


def _signature(session: Any) -> Signature:
    for value in session.get_inputs():
        if value.type not in ONNX_TYPES:
            msg = f"input {value.name!r} is {value.type}, which the Open Inference Protocol cannot carry"
            raise ModelRefused(Reason.LOAD_FAILED, msg)
    outputs = session.get_outputs()
    served = tuple(_tensor(value) for value in outputs if value.type in ONNX_TYPES)
    left_out = tuple(f"{value.name}: {value.type}" for value in outputs if value.type not in ONNX_TYPES)
    if not served:
        msg = f"no output is a tensor of the Open Inference Protocol ({', '.join(left_out)})"
        raise ModelRefused(Reason.LOAD_FAILED, msg)
    return Signature(tuple(_tensor(value) for value in session.get_inputs()), served, left_out)


def _tensor(value: Any) -> Tensor:
    shape = tuple(dim if isinstance(dim, int) and dim >= 0 else -1 for dim in value.shape)
    return Tensor(value.name, ONNX_TYPES[value.type], shape)
