"""The ASGI callable of the public port: `/v2/…` is answered here, every other path by the BentoML service.

No framework, because each layer costs more than a tiny model. Called by the server for each request; state changes
(`plane`, `draining`) come from `lifecycle.py`. The only place where a RequestRefused becomes an HTTP answer; a fault of
ours passes through it to `guarded`, and becomes a 500 there.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import orjson
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse

from serinus_api.runtime import HEADER_REVISION, HEADER_VIA, LIVE_PATH, READY_PATH, VIA, RuntimeConfig
from serinus_runtime import __version__
from serinus_runtime.body import ClientGone, read_body
from serinus_runtime.connection import BEGAN
from serinus_runtime.errors import InvalidRequest, NotAllowed, RequestRefused, Unavailable, Unknown
from serinus_runtime.limits import Gate
from serinus_runtime.metrics import Metrics
from serinus_runtime.reply import CLOSE, HEADER_LENGTH, JSON, OCTETS, Reply
from serinus_runtime.server import App, Message, Receive, Scope, Send
from serinus_runtime.shadow import Shadow

if TYPE_CHECKING:
    from serinus_runtime.plane import Plane

Page: TypeAlias = Callable[[], tuple[int, dict[str, Any]]]

_VIA_HEADER = HEADER_VIA.encode()
_VIAS = {via.encode(): via for via in VIA}
_DIRECT, _COPY = VIA[0], VIA[-1]
_SMALL_BODY = 64 * 1024
_MAX_DIGITS = 18
_FAULT = 500
_NO_ANSWER = 499
"""Counted when the client left before there was one."""
_MODEL, _VERSION = 3, 5
"""Where in `/v2/models/<model>/versions/<version>/…` the names are."""


class Fallback(Protocol):
    """Who answers what is not `/v2`."""

    async def answer(self, scope: Scope, body: bytes, send: Send, plane: "Plane") -> None:
        """Answer one request whose body has been received."""
        ...


class Application:
    """One model behind the Open Inference Protocol."""

    def __init__(self, config: RuntimeConfig, gate: Gate, metrics: Metrics, fallback: Fallback, shadow: Shadow) -> None:
        self.plane: Plane | None = None
        self.draining = False
        self._config = config
        self._limits = config.limits
        self._gate = gate
        self._metrics = metrics
        self._fallback = fallback
        self._shadow = shadow
        self._reply = Reply(config.model_version)
        base = f"/v2/models/{config.model_name}"
        bases = (base, f"{base}/versions/{config.model_version}")
        self._infer_paths = frozenset(f"{path}/infer" for path in bases)
        self._pages: dict[str, Page] = {
            "/v2": self._server_metadata,
            "/v2/": self._server_metadata,
            LIVE_PATH: self._live,
            READY_PATH: self._ready,
            **dict.fromkeys(bases, self._model_metadata),
            **dict.fromkeys((f"{path}/ready" for path in bases), self._model_ready),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        path = scope["path"]
        if path in self._infer_paths:
            await self._infer(scope, receive, send)
        elif path == "/v2" or path.startswith("/v2/"):
            await self._get(scope, receive, send)
        else:
            await self._pass_on(scope, receive, send)

    @property
    def ready(self) -> bool:
        """Whether traffic should come here."""
        return self.plane is not None and not self.draining

    async def _infer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        headers = dict(scope["headers"])
        via = self._arrived(headers)
        code = _FAULT
        unread: Receive | None = receive
        try:
            if scope["method"] != "POST":
                raise NotAllowed("inference is a POST", (b"allow", b"POST"))
            self._check_room(headers)
            body = await read_body(headers, receive, self._limits, scope.get(BEGAN))
            unread = None
            deadline = started + self._limits.request_timeout_seconds
            length = _header_length(headers)
            answer = await self._loaded().infer(body, length, lambda: deadline - time.perf_counter())
            code = 200
            self._metrics.count(via, answer)
            if answer.header_length is None:
                await self._reply.send(send, 200, answer.body, JSON)
            else:
                await self._reply.send(send, 200, answer.body, OCTETS, (HEADER_LENGTH, b"%d" % answer.header_length))
            if self._shadow.active and via != _COPY:
                self._shadow.offer(body, length, answer)
        except RequestRefused as refusal:
            code = refusal.status
            await self._reply.refuse(send, refusal, unread)
        except ClientGone:
            code = _NO_ANSWER
        finally:
            self._metrics.observe(via, code, time.perf_counter() - started)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Give a request to the BentoML service, within the same limits; only POSTs count as use of the model."""
        started = time.perf_counter()
        headers = dict(scope["headers"])
        via = self._arrived(headers) if scope["method"] == "POST" else None
        answered: int | None = None

        async def send_on(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = message["status"]
                message = self._reply.mark(message)
            await send(message)

        code = _FAULT
        unread: Receive | None = receive
        try:
            self._check_room(headers)
            body = await read_body(headers, receive, self._limits, scope.get(BEGAN))
            unread = None
            if self.draining and scope["path"] == "/readyz":
                raise Unavailable("this pod is shutting down")
            await self._ask_fallback(scope, body, send_on, started + self._limits.request_timeout_seconds)
        except RequestRefused as refusal:
            code = refusal.status
            if answered is not None:
                raise  # half an answer is out: only breaking off tells the client
            await self._reply.refuse(send, refusal, unread)
        except ClientGone:
            code = _NO_ANSWER
        finally:
            if via is not None:
                self._metrics.observe(via, answered or code, time.perf_counter() - started)

    async def _ask_fallback(self, scope: Scope, body: bytes, send: Send, deadline: float) -> None:
        await self._gate.enter(deadline - time.perf_counter())
        try:
            async with asyncio.timeout(deadline - time.perf_counter()):
                await self._fallback.answer(scope, body, send, self._loaded())
        except TimeoutError as error:
            raise Unavailable("the request was not answered in time") from error
        finally:
            self._gate.leave()

    def _arrived(self, headers: Mapping[bytes, bytes]) -> str:
        via = _VIAS.get(headers.get(_VIA_HEADER, b""), _DIRECT)
        self._metrics.arrivals[via] += 1
        return via

    def _check_room(self, headers: Mapping[bytes, bytes]) -> None:
        """Before a body that is not small is read, ask whether there is room for the request."""
        self._loaded()  # a request that cannot be answered yet need not be read
        if int(headers.get(b"content-length", _SMALL_BODY)) >= _SMALL_BODY:
            self._gate.check_room()

    def _loaded(self) -> "Plane":
        if self.plane is None:
            raise Unavailable("the model is loading", (b"retry-after", b"1"))
        return self.plane

    async def _get(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Health and metadata."""
        headers = dict(scope["headers"])
        has_body = headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers
        try:
            page = self._pages.get(scope["path"])
            if page is None:
                raise self._unknown(scope["path"])
            if scope["method"] not in ("GET", "HEAD"):
                raise NotAllowed("this path is read with GET", (b"allow", b"GET, HEAD"))
            status, document = page()
            await self._reply.send(send, status, orjson.dumps(document), *((JSON, CLOSE) if has_body else (JSON,)))
        except RequestRefused as refusal:
            await self._reply.refuse(send, refusal, receive if has_body else None)

    def _server_metadata(self) -> tuple[int, dict[str, Any]]:
        return 200, {"name": "serinus", "version": __version__, "extensions": ["binary_tensor_data"]}

    def _live(self) -> tuple[int, dict[str, Any]]:
        return 200, {"live": True}

    def _ready(self) -> tuple[int, dict[str, Any]]:
        return (200 if self.ready else 503), {"ready": self.ready}

    def _model_ready(self) -> tuple[int, dict[str, Any]]:
        """Whether an inference sent now is answered. So it is while this pod drains, too."""
        loaded = self.plane is not None
        return (200 if loaded else 503), {"name": self._config.model_name, "ready": loaded}

    def _model_metadata(self) -> tuple[int, dict[str, Any]]:
        return 200, self._loaded().metadata()

    def _unknown(self, path: str) -> Unknown:
        parts = path.split("/")
        if len(parts) > _MODEL and parts[2] == "models" and parts[_MODEL] != self._config.model_name:
            return Unknown(f"model {parts[_MODEL]!r} is not served here")
        if len(parts) > _VERSION and parts[4] == "versions" and parts[_VERSION] != self._config.model_version:
            return Unknown(f"version {parts[_VERSION]!r} of the model is not served here")
        return Unknown("no such path")


def guarded(application: Application, revision: str) -> App:
    """The application as a server calls it: a fault of ours becomes a 500 in the protocol's form, without a word of it.

    The fault goes on to the server, which logs it and closes the connection: all that is left where half an answer is
    out.
    """

    async def fault(_: Request, __: Exception) -> JSONResponse:
        headers = {"connection": "close", HEADER_REVISION: revision}
        return JSONResponse({"error": "internal error"}, _FAULT, headers)

    return ServerErrorMiddleware(application, handler=fault)


def _header_length(headers: Mapping[bytes, bytes]) -> int | None:
    text = headers.get(HEADER_LENGTH)
    if text is None:
        return None
    if not text.isdigit() or len(text) > _MAX_DIGITS:
        raise InvalidRequest("Inference-Header-Content-Length must be a number")
    return int(text)
