"""The data plane: one loaded model that turns request bytes into response bytes. No HTTP here.

Made by `load_plane` in a thread while the port already answers "not ready"; asked by `app.py` and `service.py`.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from serinus_api.runtime import Phase, RuntimeConfig
from serinus_runtime.codec import Codec, EncodedAnswer
from serinus_runtime.dispatch import Dispatcher
from serinus_runtime.limits import Gate
from serinus_runtime.logs import fields
from serinus_runtime.model_store import LocalModel
from serinus_runtime.session import ModelSession, WarmUp, zeros
from serinus_runtime.tensors import Tensor

log = logging.getLogger(__name__)

PLATFORM = "onnx_onnxv1"


class Plane:
    """A model that is ready."""

    def __init__(self, config: RuntimeConfig, model: LocalModel, session: ModelSession, gate: Gate, cpus: int) -> None:
        self.model = model
        self.session = session
        self.signature = session.signature
        self._name = config.model_name
        self._version = config.model_version
        self._codec = Codec(session.signature, config.limits, config.model_name, config.model_version)
        self._dispatcher = Dispatcher(session, gate, min(config.limits.max_concurrency, max(2, cpus)))

    async def infer(self, body: bytes, header_length: int | None, timeout: Callable[[], float]) -> EncodedAnswer:
        """Answer one request of the protocol; `timeout` tells the seconds that are left for it.

        Raises:
            RequestRefused: with the status that says why.

        """
        request = self._codec.decode(body, header_length)
        outputs = await self._dispatcher.run(request, timeout)
        return self._codec.encode(request, outputs)

    def metadata(self) -> dict[str, Any]:
        """The model metadata of the protocol."""
        return {
            "name": self._name,
            "versions": [self._version],
            "platform": PLATFORM,
            "inputs": [_described(tensor) for tensor in self.signature.inputs],
            "outputs": [_described(tensor) for tensor in self.signature.outputs],
        }

    def learn(self, times: WarmUp) -> None:
        """Take the warm-up's second inference as the first measurement of its size."""
        size = sum(zeros(tensor, 1).nbytes for tensor in self.signature.inputs)
        self._dispatcher.learn(size.bit_length(), times.second)

    def close(self) -> None:
        """Give up the threads."""
        self._dispatcher.close()


def load_plane(
    config: RuntimeConfig, model: LocalModel, gate: Gate, cpus: int, enter: Callable[[Phase], None]
) -> Plane:
    """Load and warm up a verified local model; blocking. `enter` is told of each phase.

    Raises:
        ModelRefused: LoadFailed or OutOfMemory.

    """
    enter(Phase.LOADING)
    started = time.perf_counter()
    session = ModelSession(model.path, config.threads or cpus)
    loaded = time.perf_counter()
    enter(Phase.INFERRING)
    plane = Plane(config, model, session, gate, config.threads or cpus)
    plane.learn(session.warm_up())
    seconds = {"load_seconds": round(loaded - started, 4), "warm_up_seconds": round(time.perf_counter() - loaded, 4)}
    log.info("Loaded model", extra=fields(digest=model.digest, bytes=model.size, **seconds))
    return plane


def _described(tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
