"""The entry port: every model of an instance on one address, found by host name or by path.

    http://<name>.localhost:8080/v2/…                 a model of the namespace `default`
    http://<name>.<namespace>.localhost:8080/v2/…
    http://localhost:8080/models/<namespace>/<name>/v2/…
    http://localhost:8080/                            all models with their state, as JSON

Made by `serinus run` and the demo. It decides nothing: the pods behind a model are asked for anew for each request, in
turn. A streaming reverse proxy and no more, with the pods' own limits: the Envoy gateway of a later issue replaces it.
"""

import asyncio
import logging
from collections import Counter, defaultdict
from typing import Any

import aiohttp
from aiohttp import web

from serinus_operator.cluster.port import MODEL_DEPLOYMENT
from serinus_operator.cluster.process import NAMESPACE
from serinus_operator.local.backends import Backend
from serinus_operator.local.instance import Instance
from serinus_operator.local.proxying import NoBackend, Passage, forward, new_session, readable, told
from serinus_operator.local.stats import Stats, Window
from serinus_operator.state import Manifest

__all__ = ["Entry", "Stats"]

MODELS = "models"
DOMAIN = "localhost"
FINISH_SECONDS = 10.0
"""So long `stop` waits for requests that are under way."""

log = logging.getLogger(__name__)


class Entry:
    """Serves from `start` to `stop`."""

    def __init__(self, instance: Instance, *, host: str = "127.0.0.1", port: int = 8080) -> None:
        """`port` 0 takes a free one; `port` tells which after `start`."""
        self.host, self.port = host, port
        self._instance = instance
        self._turns: Counter[tuple[str, str]] = Counter()
        self._windows: dict[tuple[str, str], Window] = defaultdict(Window)

    async def start(self) -> None:
        """Listen. OSError when the port is taken."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            auto_decompress=False,
            handle_signals=False,
            handler_cancellation=True,
            shutdown_timeout=FINISH_SECONDS,
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.host, self.port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self._session = new_session()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Accept nothing more, let what is under way be answered."""
        if hasattr(self, "_session"):
            await self._runner.cleanup()
            await self._session.close()

    def stats(self, namespace: str, name: str) -> Stats:
        """The model's traffic through this port in the last ten seconds."""
        window = self._windows.get((namespace, name))
        return (window or Window()).stats(asyncio.get_running_loop().time())

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        asked = locate(request.headers.get("Host", ""), request.rel_url.raw_path_qs)
        if asked is None:
            if request.path == "/" and request.method in ("GET", "HEAD"):
                return web.json_response({MODELS: self.listing()}, dumps=readable)
            return told(404, "no model has this address", models=self._known())
        namespace, name, path = asked
        live = self._instance.cluster.find(MODEL_DEPLOYMENT, namespace, name)
        if live is None:
            return told(404, f"no ModelDeployment {name} in namespace {namespace}", models=self._known())
        return await self._pass_on(request, live, path)

    async def _pass_on(self, request: web.Request, live: Manifest, path: str) -> web.StreamResponse:
        key = (live["metadata"]["namespace"], live["metadata"]["name"])
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            response = await forward(self._session, Passage(request, path, lambda refused: self._next(key, refused)))
        except NoBackend:
            reason, message = why_not_ready(live)
            return told(503, f"no pod of {key[1]} is ready: {reason}: {message}", reason=reason)
        except aiohttp.ClientError as error:
            log.warning("Pod did not answer", extra={"model": "/".join(key), "error": repr(error)})
            return told(502, f"the pod of {key[1]} ended before it answered; it may have begun to")
        self._windows[key].add(clock(), clock() - began)
        return response

    def _next(self, key: tuple[str, str], refused: frozenset[Backend]) -> Backend | None:
        """The next pod in turn, of those there are now."""
        backends = [backend for backend in self._instance.backends(*key) if backend not in refused]
        if not backends:
            return None
        self._turns[key] += 1
        return backends[self._turns[key] % len(backends)]

    def listing(self) -> list[dict[str, Any]]:
        """Every model with its state, by namespace and name."""
        live = self._instance.cluster.select(MODEL_DEPLOYMENT)
        return [self._row(model) for model in sorted(live, key=lambda m: _key(m))]

    def _row(self, live: Manifest) -> dict[str, Any]:
        namespace, name = _key(live)
        status = live.get("status", {})
        conditions = status.get("conditions", [])
        ready = next((c for c in conditions if c["type"] == "Ready"), None)
        seen = self.stats(namespace, name)
        return {
            "namespace": namespace,
            "name": name,
            "ready": ready["status"] if ready else "Unknown",
            "reason": ready["reason"] if ready else "",
            "message": ready["message"] if ready else "",
            "revision": status.get("stableRevision"),
            "replicas": status.get("summary", {}).get("replicas", ""),
            "requestsPerSecond": round(seen.requests_per_second, 1),
            "p95Milliseconds": None if seen.p95_milliseconds is None else round(seen.p95_milliseconds, 2),
            "urls": self._urls(namespace, name),
            "pods": [
                {"name": pod.name, "revision": pod.revision, "address": pod.address, "terminating": pod.terminating}
                for pod in self._instance.pods(namespace, name)
            ],
            "generation": live["metadata"]["generation"],
            "conditions": conditions,
        }

    def _known(self) -> list[list[str]]:
        """The addresses of all models, for somebody who missed them."""
        return [self._urls(*_key(live)) for live in self._instance.cluster.select(MODEL_DEPLOYMENT)]

    def address(self, namespace: str, name: str) -> str:
        """Where a model answers, by host name (`status.url`)."""
        host = f"{name}.{DOMAIN}" if namespace == NAMESPACE else f"{name}.{namespace}.{DOMAIN}"
        return f"http://{host}:{self.port}"

    def _urls(self, namespace: str, name: str) -> list[str]:
        by_path = f"http://{self.host}:{self.port}/{MODELS}/{namespace}/{name}"
        return [self.address(namespace, name), by_path]


def locate(host: str, path: str) -> tuple[str, str, str] | None:
    """Namespace and name of the model that is asked for, and the path for its pod; None where neither says it.

    `iris.localhost:8080`, `/v2` → `default`, `iris`, `/v2`; `iris.lab.localhost`, `/v2` → `lab`, `iris`, `/v2`;
    `127.0.0.1`, `/models/lab/iris/v2?a` → `lab`, `iris`, `/v2?a`.
    """
    labels = host.partition(":")[0].rstrip(".").lower().split(".")
    if labels[-1] == DOMAIN and len(labels) in (2, 3):
        return (labels[1] if len(labels) == 3 else NAMESPACE), labels[0], path
    bare, mark, query = path.partition("?")
    parts = bare.split("/", 4)
    if len(parts) < 4 or parts[1] != MODELS or not parts[2] or not parts[3]:
        return None
    rest = f"/{parts[4]}" if len(parts) > 4 else "/"
    return parts[2], parts[3], f"{rest}{mark}{query}"


def why_not_ready(live: Manifest) -> tuple[str, str]:
    """Reason and message of what keeps a model from answering: `Ready`, or `Available` where that says nothing."""
    conditions = {c["type"]: c for c in live.get("status", {}).get("conditions", ())}
    for kind in ("Ready", "Available"):
        found = conditions.get(kind)
        if found and found["status"] != "True":
            return found["reason"], found["message"]
    return "Reconciling", "it has not been looked at yet"


def _key(live: Manifest) -> tuple[str, str]:
    return live["metadata"]["namespace"], live["metadata"]["name"]
