"""The second port: `/metrics` for Prometheus, `/load` for the operator. A policy keeps users away from it."""

from serinus_api.runtime import LOAD_PATH, METRICS_PATH
from serinus_runtime.metrics import Metrics
from serinus_runtime.server import Receive, Scope, Send

_TEXT = b"text/plain; version=0.0.4; charset=utf-8"


class PrivatePort:
    """An ASGI application of two pages."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        status, kind, body = 200, b"application/json", b'{"error":"no such path"}'
        if scope["path"] == METRICS_PATH:
            kind, body = _TEXT, self._metrics.render().encode()
        elif scope["path"] == LOAD_PATH:
            body = self._metrics.load_report().model_dump_json(by_alias=True).encode()
        else:
            status = 404
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
