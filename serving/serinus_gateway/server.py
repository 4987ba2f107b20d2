"""The agent's two ports: checks from Envoy on loopback, and what the operator, Prometheus and the kubelet ask.

    loopback  any method, /check/<namespace>/<name>/<revision>   200 with a destination, or 403 with the reason
    open      GET /load /metrics /readyz /livez

A check is cancelled when Envoy goes away, which it does when the client does.
"""

import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from serinus_api.gateway import (
    HEADER_COLD_START,
    HEADER_DESTINATION,
    LIVE_PATH,
    LOAD_PATH,
    METRICS_PATH,
    READY_PATH,
    GatewayReport,
)
from serinus_api.runtime import HEADER_REVISION
from serinus_gateway.hall import Hall
from serinus_gateway.hold import Grant, Refusal
from serinus_gateway.telemetry import Telemetry

LOOPBACK = "127.0.0.1"
KEEP_ALIVE_SECONDS = 75.0
"""Longer than Envoy keeps an idle connection, so that it never sends into one that closes."""
MAX_LINE = 64 * 1024

Report = Callable[[], Awaitable[GatewayReport]]


class Server:
    """Both ports, from `start` to `stop`."""

    def __init__(self, hall: Hall, telemetry: Telemetry, report: Report) -> None:
        self._hall = hall
        self._telemetry = telemetry
        self._report = report
        self._runners: list[web.ServerRunner] = []

    async def start(self, check_port: int, host: str, port: int) -> None:
        """Listen. OSError where a port is taken."""
        await self._listen(self._check, LOOPBACK, check_port)
        await self._listen(self._tell, host or None, port)

    async def stop(self) -> None:
        """Take nothing more."""
        for runner in self._runners:
            await runner.cleanup()

    async def _listen(
        self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], host: str | None, port: int
    ) -> None:
        server = web.Server(
            handler,
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
        )
        runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, host, port, backlog=4096).start()
        self._runners.append(runner)

    async def _check(self, request: web.BaseRequest) -> web.StreamResponse:
        parts = request.rel_url.path.split("/")
        if len(parts) != 5:
            return _refused(Refusal("NotFound", "no model has this port"))
        _, _, namespace, name, revision = parts
        answer = await self._hall.admit((namespace, name), revision)
        if isinstance(answer, Refusal):
            return _refused(answer)
        return web.Response(headers=_granted(answer))

    async def _tell(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.rel_url.path
        if path == LIVE_PATH:
            return web.Response(text="ok\n")
        if path not in (LOAD_PATH, METRICS_PATH, READY_PATH):
            return web.json_response({"error": "no such path"}, status=404)
        report = await self._report()
        if path == METRICS_PATH:
            text = self._telemetry.render(report.models)
            return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})
        if path == LOAD_PATH:
            return web.Response(text=report.model_dump_json(by_alias=True), content_type="application/json")
        ready = report.ready and not report.draining
        return web.json_response({"ready": ready, "problem": report.problem}, status=200 if ready else 503)


def _granted(grant: Grant) -> dict[str, str]:
    headers = {HEADER_DESTINATION: str(grant.pod.http), HEADER_REVISION: grant.pod.revision}
    if grant.cold_milliseconds is not None:
        headers[HEADER_COLD_START] = str(grant.cold_milliseconds)
    return headers


def _refused(refusal: Refusal) -> web.Response:
    body = json.dumps({"error": refusal.message, "reason": refusal.reason}) + "\n"
    headers = {"Retry-After": str(refusal.retry_after), "Content-Type": "application/json"}
    return web.Response(status=403, body=body.encode(), headers=headers)
