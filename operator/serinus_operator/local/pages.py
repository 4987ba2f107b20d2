"""What the entry port answers itself: all models, what there is instead of an unknown one, why one is not there yet.

A small server on loopback; Envoy leads to it whatever is not for a model that the gateway knows.
"""

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from serinus_operator.cluster.port import MODEL_DEPLOYMENT
from serinus_operator.cluster.process import NAMESPACE
from serinus_operator.local.addresses import HOME
from serinus_operator.local.instance import Instance
from serinus_operator.local.stats import Stats
from serinus_operator.state import Manifest

MODELS = "models"
DOMAIN = "localhost"


class Pages:
    """Serves from `start` to `stop`."""

    def __init__(
        self, instance: Instance, urls: Callable[[str, str], list[str]], stats: Callable[[str, str], Stats]
    ) -> None:
        """Both callables are asked with namespace and name of a model."""
        self._instance = instance
        self._urls = urls
        self._stats = stats

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOME, 0).start()

    async def stop(self) -> None:
        """Take nothing more."""
        if hasattr(self, "_runner"):
            await self._runner.cleanup()

    @property
    def place(self) -> tuple[str, int]:
        """Host and port."""
        host, port = self._runner.addresses[0][:2]
        return host, port

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        asked = locate(request.headers.get("Host", ""), request.rel_url.raw_path)
        if asked is None:
            if request.path == "/" and request.method in ("GET", "HEAD"):
                return web.json_response({MODELS: self.listing()}, dumps=readable)
            return told(404, "no model has this address", models=self._known())
        namespace, name = asked
        live = self._instance.cluster.find(MODEL_DEPLOYMENT, namespace, name)
        if live is None:
            return told(404, f"no ModelDeployment {name} in namespace {namespace}", models=self._known())
        reason, message = why_not_ready(live)
        return told(503, f"no pod of {name} is ready: {reason}: {message}", reason=reason)

    def listing(self) -> list[dict[str, Any]]:
        """Every model with its state, by namespace and name."""
        live = self._instance.cluster.select(MODEL_DEPLOYMENT)
        return [self._row(model) for model in sorted(live, key=lambda m: _key(m))]

    def _row(self, live: Manifest) -> dict[str, Any]:
        namespace, name = _key(live)
        status = live.get("status", {})
        conditions = status.get("conditions", [])
        ready = next((c for c in conditions if c["type"] == "Ready"), None)
        seen = self._stats(namespace, name)
        return {
            "namespace": namespace,
            "name": name,
            "ready": ready["status"] if ready else "Unknown",
            "reason": ready["reason"] if ready else "",
            "message": ready["message"] if ready else "",
            "revision": status.get("stableRevision"),
            "state": (status.get("scaling") or {}).get("state", "Awake"),
            "replicas": status.get("summary", {}).get("replicas", ""),
            "weight": status.get("summary", {}).get("weight", ""),
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


def locate(host: str, path: str) -> tuple[str, str] | None:
    """Namespace and name of the model that is asked for; None where neither says it. Envoy's routes say the same.

    `iris.localhost:8080`, `/v2` → `default`, `iris`; `iris.lab.localhost`, `/v2` → `lab`, `iris`;
    `127.0.0.1`, `/models/lab/iris/v2` → `lab`, `iris`.
    """
    labels = host.partition(":")[0].rstrip(".").lower().split(".")
    if labels[-1] == DOMAIN and len(labels) > 1:
        return ((labels[1] if len(labels) == 3 else NAMESPACE), labels[0]) if len(labels) < 4 else None
    parts = path.split("/", 4)
    if len(parts) < 4 or parts[1] != MODELS or not parts[2] or not parts[3]:
        return None
    return parts[2], parts[3]


def why_not_ready(live: Manifest) -> tuple[str, str]:
    """Reason and message of what keeps a model from answering: `Ready`, or `Available` where that says nothing."""
    conditions = {c["type"]: c for c in live.get("status", {}).get("conditions", ())}
    for kind in ("Ready", "Available"):
        found = conditions.get(kind)
        if found and found["status"] != "True":
            return found["reason"], found["message"]
    return "Reconciling", "it has not been looked at yet"


def told(status: int, error: str, **more: Any) -> web.Response:
    """An answer of the entry port itself, in the form of the Open Inference Protocol: `{"error": …}`."""
    headers = {"Retry-After": "1"} if status == 503 else None
    return web.json_response({"error": error, **more}, status=status, headers=headers, dumps=readable)


def readable(value: Any) -> str:
    """JSON for people, too."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _key(live: Manifest) -> tuple[str, str]:
    return live["metadata"]["namespace"], live["metadata"]["name"]
