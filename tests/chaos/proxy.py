"""The fault proxy: between one operator and the API server, it refuses, loses, delays and forgets as it is told.

Runs in a thread of its own. The operator speaks plain HTTP to it and shows its own token, so that it has no more rights
than in a pod; the proxy speaks TLS to the server.
"""

import asyncio
import contextlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

MUTATING = ("POST", "PUT", "PATCH", "DELETE")
HOP = ("host", "connection", "transfer-encoding", "content-length", "content-encoding", "te", "upgrade")
LARGEST = 16 * 1024 * 1024


@dataclass(frozen=True)
class Refusal:
    """The request is answered with this, and never reaches the server."""

    code: int
    reason: str
    retry_after: int | None = None


Judge = Callable[[str, str], Refusal | None]
"""Called with method and path of each request but watches."""
Moment = Callable[[int, str], None]
"""Called with the number and the path of a mutating request, when it comes and when it has been carried out."""


def _never(_: str, __: str) -> Refusal | None:
    return None


def _nothing(_: int, __: str) -> None:
    return None


@dataclass
class Faults:
    """What goes wrong now. Set from any thread; each request looks."""

    judge: Judge = _never
    lose: Callable[[str, str], bool] = field(default=lambda *_: False)
    """Whether a mutating request is carried out, and its answer never comes back."""
    before: Moment = _nothing
    after: Moment = _nothing
    down: bool = False
    """Every connection is broken off, watches too."""
    stalled: bool = False
    """Watches stay open, and tell nothing; what happened meanwhile they tell later."""
    deaf: bool = False
    """Watches leave out what happens now, and never tell it."""
    stale: bool = False
    """A LIST is answered as the last time before this was set."""


class FaultProxy:
    """One proxy on a free port of 127.0.0.1, for as long as its context is open."""

    def __init__(self, server: str, tls: ssl.SSLContext) -> None:
        self.faults = Faults()
        self.refused = self.cut = self.unheard = self.outdated = 0
        """What was done to the operator: requests refused or lost, watches cut, events left out, old lists."""
        self._server, self._tls = server, tls
        self.numbers = 0
        """Requests so far that change something; those that keep the Lease do not count."""
        self._lists: dict[str, tuple[bytes, str]] = {}
        self._watches: set[asyncio.Task[Any]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> "FaultProxy":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut_watches(self) -> None:
        """End every watch in the middle."""
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        for watch in self._watches:
            self.cut += watch.cancel()

    @contextlib.contextmanager
    def wrong(self, **how: Any) -> Iterator[None]:
        """Something is wrong inside of the block; all is well after it."""
        self._begin(Faults(**how))
        try:
            yield
        finally:
            self._begin(Faults())

    def _begin(self, faults: Faults) -> None:
        self.faults = faults
        self._loop.call_soon_threadsafe(self._heard.clear if faults.stalled else self._heard.set)
        if faults.down:
            self.cut_watches()

    async def _serve(self) -> None:
        self._loop, self._over, self._heard = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        self._heard.set()
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False, trust_env=False) as self._session:
            runner = web.ServerRunner(
                web.Server(self._handle, handler_cancellation=True, access_log=None), shutdown_timeout=0.1
            )
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.port = runner.addresses[0][1]
            self._ready.set()
            await self._over.wait()
            await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if self.faults.down:
            return self._break_off(request)
        if "watch" in request.rel_url.query:
            return await self._watch(request)
        try:
            return await self._answer(request)
        except aiohttp.ClientError:  # the server itself is gone
            return self._break_off(request)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if refusal := self.faults.judge(request.method, request.path):
            self.refused += 1
            return _refused(refusal)
        if request.method in MUTATING:
            return await self._mutate(request)
        return await self._read(request)

    def _break_off(self, request: web.BaseRequest) -> web.StreamResponse:
        self.refused += 1
        if request.transport:  # else the operator was faster
            request.transport.abort()
        return web.Response(status=502)

    async def _mutate(self, request: web.BaseRequest) -> web.StreamResponse:
        if "/leases" in request.path:
            code, headers, body = await self._forward(request)
            return web.Response(status=code, headers=headers, body=body)
        self.numbers += 1
        number, faults = self.numbers, self.faults
        faults.before(number, request.path)
        code, headers, body = await self._forward(request)
        faults.after(number, request.path)
        if faults.lose(request.method, request.path):
            return self._break_off(request)
        return web.Response(status=code, headers=headers, body=body)

    async def _read(self, request: web.BaseRequest) -> web.StreamResponse:
        key = request.path_qs
        if self.faults.stale and key in self._lists:
            self.outdated += 1
            body, kind = self._lists[key]
            return web.Response(body=body, headers={"Content-Type": kind})
        code, headers, body = await self._forward(request)
        if code == 200 and "gzip" not in headers.get("Content-Encoding", ""):
            self._lists[key] = body, headers.get("Content-Type", "application/json")
        return web.Response(status=code, headers=headers, body=body)

    async def _forward(self, request: web.BaseRequest) -> tuple[int, CIMultiDict[str], bytes]:
        body = await request.read()
        async with self._session.request(
            request.method,
            self._target(request),
            headers=_kept(request.headers, "accept-encoding"),
            data=body or None,
            skip_auto_headers=("Content-Type",),
        ) as answer:
            return answer.status, _kept(answer.headers), await answer.read()

    async def _watch(self, request: web.BaseRequest) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task
        self._watches.add(task)
        try:
            headers = _kept(request.headers, "accept-encoding")
            timeout = aiohttp.ClientTimeout(total=None, sock_read=None)
            async with self._session.get(self._target(request), headers=headers, timeout=timeout) as answer:
                response = web.StreamResponse(status=answer.status, headers=_kept(answer.headers))
                await response.prepare(request)
                async for line in _lines(answer.content):
                    await self._heard.wait()
                    if self.faults.deaf and not _is_bookmark(line):
                        self.unheard += 1
                        continue
                    await response.write(line)
                return response
        except asyncio.CancelledError:
            self._break_off(request)
            raise
        except aiohttp.ClientError:  # the server's own end of it
            return self._break_off(request)
        finally:
            self._watches.discard(task)

    def _target(self, request: web.BaseRequest) -> URL:
        return URL(f"{self._server}{request.raw_path}", encoded=True)


async def _lines(content: aiohttp.StreamReader) -> Any:
    """Whole lines, however long."""
    held = b""
    async for chunk in content.iter_any():
        *whole, held = (held + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"


def _is_bookmark(line: bytes) -> bool:
    return bool(json.loads(line).get("type") == "BOOKMARK")


def _kept(headers: Any, *without: str) -> CIMultiDict[str]:
    dropped = {*HOP, *without}
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in dropped)


def _refused(refusal: Refusal) -> web.Response:
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "made to fail by the test",
        "reason": refusal.reason,
        "code": refusal.code,
    }
    headers = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
    return web.json_response(status, status=refusal.code, headers=headers)
