"""Two bare ASGI servers to compare with: uvicorn, uvloop and httptools, one ONNX Runtime session, nothing else.

`python -m bench.asgi bare|lean PORT MODEL`. *bare* reads the body, runs one inference on a constant input and answers
a constant: the floor of HTTP and inference. *lean* also reads and writes the protocol's JSON and binary form, without
any check or limit: the floor of doing the work.
"""

import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import onnxruntime as ort
import orjson
import uvicorn

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
JSON = [(b"content-type", b"application/json")]
HEADER_LENGTH = b"inference-header-content-length"


class Served:
    """One model behind one path: every POST is an inference."""

    def __init__(self, model: str, *, constant: bool) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._constant = constant
        self._sample = np.zeros((1, 4), dtype=np.float32)
        self._session.run(["y"], {"x": self._sample})

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """ASGI."""
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if self._constant:
            self._session.run(["y"], {"x": self._sample})
            answer, headers = CONSTANT, JSON
        else:
            answer, headers = self._infer(body, dict(scope["headers"]).get(HEADER_LENGTH))
        length = (b"content-length", b"%d" % len(answer))
        await send({"type": "http.response.start", "status": 200, "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": answer})

    def _infer(self, body: bytes, header_length: bytes | None) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        if header_length is None:
            tensor = orjson.loads(body)["inputs"][0]
            x = np.array(tensor["data"], dtype=np.float32).reshape(tensor["shape"])
        else:
            cut = int(header_length)
            tensor = orjson.loads(body[:cut])["inputs"][0]
            x = np.frombuffer(body, dtype=np.float32, offset=cut).reshape(tensor["shape"])
        y = self._session.run(["y"], {"x": x})[0]
        output = {"name": "y", "datatype": "FP32", "shape": y.shape, "data": y.ravel().tolist()}
        return orjson.dumps({"model_name": "m", "model_version": "bench", "outputs": [output]}), JSON


CONSTANT = json.dumps(
    {
        "model_name": "m",
        "model_version": "bench",
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 3], "data": [0.3333, 0.3333, 0.3333]}],
    }
).encode()


def main() -> None:
    """Serve until a signal."""
    kind, port, model = sys.argv[1:]
    served: Any = Served(model, constant=kind == "bare")
    uvicorn.run(
        served,
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
    )


if __name__ == "__main__":
    main()
