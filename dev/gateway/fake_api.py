"""As much of an API server as the gateway uses: lists, watches, and the scale of a Deployment with its version.

Objects are put in by whoever started it. `down` makes it answer nothing, as a server does that is being restarted.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import yaml
from aiohttp import web

from serinus_api import names
from serinus_api.gateway import LABEL_SLICE_MANAGER, SLICE_MANAGER

Manifest = dict[str, Any]
MODELS = f"/apis/{names.API_VERSION}/{names.PLURAL}"
PODS = "/api/v1/pods"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
SCALE = "/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"


class FakeApi:
    """One server on a free port of 127.0.0.1."""

    def __init__(self) -> None:
        self.down = False
        self.scaled: list[tuple[str, str, int]] = []
        self.on_scale: Callable[[str, str, int], None] = lambda *_: None
        self.on_read: Callable[[str, str], None] = lambda *_: None
        """Called when a scale has been read: what somebody else does before it is written."""
        self.asked: Counter[str] = Counter()
        """Requests by method and path; a watch is one."""
        self.replicas: dict[tuple[str, str], tuple[int, int]] = {}
        self._version = 1
        self._objects: dict[str, dict[tuple[str, str], Manifest]] = {MODELS: {}, PODS: {}, SLICES: {}}
        self._history: list[tuple[int, str, Manifest]] = []
        self._news = asyncio.Condition()

    async def start(self) -> None:
        application = web.Application(middlewares=[self._maybe_down])
        for path in self._objects:
            application.router.add_get(path, self._list)
        application.router.add_get(SCALE, self._read_scale)
        application.router.add_patch(SCALE, self._write_scale)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self._runner.cleanup()

    def kubeconfig(self) -> str:
        server = f"http://127.0.0.1:{self.port}"
        entry: Manifest = {"cluster": "fake", "user": "gateway"}
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "fake",
                "contexts": [{"name": "fake", "context": entry}],
                "clusters": [{"name": "fake", "cluster": {"server": server}}],
                "users": [{"name": "gateway", "user": {"token": "t"}}],
            }
        )

    async def put(self, path: str, manifest: Manifest) -> None:
        """Add or replace an object."""
        key = _key(manifest)
        kind = "MODIFIED" if key in self._objects[path] else "ADDED"
        await self._record(path, kind, manifest)
        self._objects[path][key] = manifest

    async def remove(self, path: str, namespace: str, name: str) -> None:
        """Take an object away."""
        await self._record(path, "DELETED", self._objects[path].pop((namespace, name)))

    async def clear(self) -> None:
        """Take every object away."""
        for path, objects in self._objects.items():
            for namespace, name in list(objects):
                await self.remove(path, namespace, name)
        self.scaled.clear()
        self.replicas.clear()
        self.on_scale, self.on_read = lambda *_: None, lambda *_: None

    def get(self, path: str, namespace: str, name: str) -> Manifest:
        return self._objects[path][namespace, name]

    def set_replicas(self, namespace: str, name: str, replicas: int) -> None:
        """What a Deployment asks for, without anybody being told."""
        self._version += 1
        self.replicas[namespace, name] = replicas, self._version

    async def _record(self, path: str, kind: str, manifest: Manifest) -> None:
        self._version += 1
        manifest["metadata"]["resourceVersion"] = str(self._version)
        self._history.append((self._version, path, {"type": kind, "object": json.loads(json.dumps(manifest))}))
        async with self._news:
            self._news.notify_all()

    @web.middleware
    async def _maybe_down(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked[f"{request.method} {request.path}"] += 1
        if self.down:
            return web.json_response({"message": "down"}, status=503)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _list(self, request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return await self._watch(request)
        items = [one for one in self._objects[request.path].values() if _selected(one, request)]
        return web.json_response({"metadata": {"resourceVersion": str(self._version)}, "items": items})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        seen = int(request.query["resourceVersion"])
        response = web.StreamResponse()
        await response.prepare(request)
        while not self.down:
            for version, path, event in self._history:
                if version > seen and path == request.path and _selected(event["object"], request):
                    await response.write(json.dumps(event).encode() + b"\n")
            seen = self._version
            async with self._news:
                if seen == self._version:
                    await self._news.wait()
        return response

    async def _read_scale(self, request: web.Request) -> web.Response:
        key = request.match_info["namespace"], request.match_info["name"]
        found = self.replicas.get(key)
        if found is None:
            return web.json_response({"message": "deployments.apps not found"}, status=404)
        self.on_read(*key)
        return web.json_response(_scale(*found))

    async def _write_scale(self, request: web.Request) -> web.Response:
        key = request.match_info["namespace"], request.match_info["name"]
        body = await request.json()
        assert request.headers["Content-Type"] == "application/merge-patch+json"
        if body["metadata"]["resourceVersion"] != str(self.replicas[key][1]):
            return web.json_response({"message": "the object has been modified"}, status=409)
        wanted = body["spec"]["replicas"]
        self.set_replicas(*key, wanted)
        self.scaled.append((*key, wanted))
        self.on_scale(*key, wanted)
        return web.json_response(_scale(*self.replicas[key]))


def _scale(replicas: int, version: int) -> Manifest:
    """As the API server writes it: at 0 the spec is empty."""
    return {"metadata": {"resourceVersion": str(version)}, "spec": {"replicas": replicas} if replicas else {}}


def _selected(manifest: Manifest, request: web.Request) -> bool:
    """Whether the label selector of the request chooses the object."""
    labels = manifest["metadata"].get("labels", {})
    words = [word for word in request.query.get("labelSelector", "").split(",") if word]
    return all(labels.get(key) == value for key, _, value in (word.partition("=") for word in words))


def _key(manifest: Manifest) -> tuple[str, str]:
    return manifest["metadata"]["namespace"], manifest["metadata"]["name"]


def model(name: str, port: int, *, namespace: str = "ml", status: Manifest | None = None, **spec: Any) -> Manifest:
    """A ModelDeployment that sleeps, with one revision `<name>-1`."""
    return {
        "metadata": {"namespace": namespace, "name": name, "uid": f"{namespace}/{name}"},
        "spec": {"runtime": {}, **spec},
        "status": {
            "gatewayPort": port,
            "stableRevision": f"{name}-1",
            "scaling": {"engine": "Builtin", "state": "Asleep"},
            **(status or {}),
        },
    }


def pod(name: str, address: str, *, of: str, revision: str, namespace: str = "ml", ready: bool = False) -> Manifest:
    """A serving pod of a revision."""
    labels = {names.LABEL_ROLE: names.ROLE_SERVING, names.LABEL_REVISION: revision, **names.deployment_labels(of)}
    return {
        "metadata": {"namespace": namespace, "name": name, "uid": f"uid-{namespace}-{name}", "labels": labels},
        "spec": {"containers": []},
        "status": {
            "phase": "Running",
            **({"podIP": address} if address else {}),
            "conditions": [{"type": "Ready", "status": str(ready)}],
        },
    }


def slice_of(service: str, *addresses: str, namespace: str = "ml") -> Manifest:
    """Our EndpointSlice beside a model's Service."""
    return {
        "metadata": {
            "namespace": namespace,
            "name": f"{service}-gateway",
            "labels": {LABEL_SLICE_MANAGER: SLICE_MANAGER, "kubernetes.io/service-name": service},
        },
        "endpoints": [{"addresses": [one], "conditions": {"ready": True}} for one in addresses],
    }
