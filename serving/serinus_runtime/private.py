"""The second port: `/metrics` for Prometheus, `/load` and `/shadow` for the operator. A policy keeps users away.

Where the cluster does not enforce the policy, anyone may ask for copies; they go to another revision of the same
ModelDeployment and nowhere else (`shadow.py`).
"""

from pydantic import ValidationError

from serinus_api.runtime import LOAD_PATH, METRICS_PATH, SHADOW_PATH, RuntimeLimits, ShadowOrder
from serinus_runtime.body import ClientGone, read_body
from serinus_runtime.errors import InvalidRequest, NotAllowed, RequestRefused, Unknown
from serinus_runtime.metrics import Metrics
from serinus_runtime.reply import JSON, Reply
from serinus_runtime.server import Receive, Scope, Send
from serinus_runtime.shadow import Shadow

_TEXT = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
_LIMITS = RuntimeLimits(max_body_bytes=4096)


class PrivatePort:
    """An ASGI application of three pages."""

    def __init__(self, metrics: Metrics, shadow: Shadow, revision: str) -> None:
        self._metrics = metrics
        self._shadow = shadow
        self._reply = Reply(revision)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        path = scope["path"]
        unread: Receive | None = receive if scope["method"] not in ("GET", "HEAD") else None
        try:
            if path == METRICS_PATH:
                await self._reply.send(send, 200, self._metrics.render().encode(), _TEXT)
            elif path == LOAD_PATH:
                report = self._metrics.load_report().model_dump_json(by_alias=True)
                await self._reply.send(send, 200, report.encode(), JSON)
            elif path != SHADOW_PATH:
                raise Unknown("no such path")
            elif scope["method"] != "PUT":
                raise NotAllowed("an order for copies is a PUT", (b"allow", b"PUT"))
            else:
                body = await read_body(dict(scope["headers"]), receive, _LIMITS)
                unread = None
                self._shadow.obey(_order(body))
                await self._reply.send(send, 200, b"{}", JSON)
        except RequestRefused as refusal:
            await self._reply.refuse(send, refusal, unread)
        except ClientGone:
            return


def _order(body: bytes) -> ShadowOrder:
    try:
        return ShadowOrder.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the body"
        raise InvalidRequest(f"{place}: {first['msg']}") from error
