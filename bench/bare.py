"""A bare Kopf operator, to compare with: the same watches and the same requests per model as ours, and no logic.

Run by `fleet.py` as `python -m bench.bare CALLS`; CALLS is JSON that says how many status writes, Events and reads of
the ConfigMap ours makes per model. Children are constants (`bodies.py`); what an answer says is not looked at, but for
the uid of the record. It uses `kubernetes.aio` as ours does: dictionaries in, parsed JSON out.
"""

import asyncio
import json
import logging
import os
import sys
from collections import Counter
from typing import Any

import kopf
from kubernetes.aio import client, config

from bench.bodies import NAME, NAMESPACE, RECORD_UID, STEP, UID, filled, templates
from bench.kube import Manifest
from serinus_api import names
from serinus_operator.cluster.port import CHILDREN, MODEL_DEPLOYMENT, Kind, kind_of

CONNECTIONS = 4
"""As many as ours has workers."""
FIRST, TRIED, SERVING = range(3)
"""Turns: the model is new; its preflight pod has ended; its Deployment is ready."""
CHILDREN_OF = {
    FIRST: ("ControllerRevision", "ConfigMap", "Pod"),
    TRIED: ("Deployment", "Service", "EntryService", "PodDisruptionBudget", "NetworkPolicy"),
    SERVING: (),
}


class Bare:
    """Sends a fixed row of requests at each of three turns of a model."""

    def __init__(self, calls: dict[str, int]) -> None:
        self._calls = calls
        self._templates = templates()
        self._turn: dict[str, int] = {}
        self._gaps: dict[str, dict[str, str]] = {}
        self._steps: Counter[str] = Counter()

    async def connect(self) -> None:
        """Open the client."""
        configuration = client.Configuration()
        configuration.connection_pool_maxsize = CONNECTIONS
        await config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        configuration.client_session_kwargs = {"trust_env": False}
        self._api = client.ApiClient(configuration)

    async def close(self) -> None:
        """Close it."""
        await self._api.close()  # type: ignore[no-untyped-call]

    async def see(self, kind: Kind, manifest: Manifest) -> None:
        """An event of a watch: is it a model's next turn?"""
        meta = manifest["metadata"]
        if kind is MODEL_DEPLOYMENT:
            name, turn = meta["name"], FIRST
            self._gaps.setdefault(name, {NAME: name, UID: meta["uid"], NAMESPACE: meta["namespace"]})
        elif kind.kind == "Pod" and manifest.get("status", {}).get("phase") == "Succeeded":
            name, turn = meta["labels"][names.LABEL_DEPLOYMENT], TRIED
        elif kind.kind == "Deployment" and manifest.get("status", {}).get("readyReplicas"):
            name, turn = meta["labels"][names.LABEL_DEPLOYMENT], SERVING
        else:
            return
        if self._turn.get(name, 0) == turn:
            self._turn[name] = turn + 1
            await self._take(name, turn, meta)

    async def _take(self, name: str, turn: int, meta: Manifest) -> None:
        """The requests of one turn: Events, reads, children, the end of the preflight pod, status; at the end Ready."""
        gaps = self._gaps[name]
        for _ in range(share(self._calls["events"], turn)):
            await self._apply(self._body("Event", gaps, name), "", names.FIELD_MANAGER)
        for _ in range(share(self._calls["reads"], turn)):
            await self._call("GET", f"/api/v1/namespaces/{gaps[NAMESPACE]}/configmaps/{name}")
        for word in CHILDREN_OF[turn]:
            made = await self._create(filled(self._templates[word], gaps))
            if word == "ControllerRevision":
                gaps[RECORD_UID] = made["metadata"]["uid"]
        if turn == TRIED:
            body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": meta["uid"]}}
            await self._call("DELETE", f"/api/v1/namespaces/{gaps[NAMESPACE]}/pods/{meta['name']}", body)
        writes = share(self._calls["status"], turn)
        for number in range(1, writes + 1):
            word = "Status" if turn == SERVING and number == writes else "Progress"
            await self._apply(self._body(word, gaps, name), "/status", names.STATUS_FIELD_MANAGER)

    def _body(self, word: str, gaps: dict[str, str], name: str) -> Manifest:
        """A body that differs from the one before, so that each write changes something."""
        self._steps[name] += 1
        return filled(self._templates[word], {**gaps, STEP: f"{self._steps[name]:08x}"})

    async def _create(self, body: Manifest) -> Manifest:
        path = collection(kind_of(body), body["metadata"]["namespace"])
        return await self._call("POST", f"{path}?fieldManager={names.FIELD_MANAGER}", body)

    async def _apply(self, body: Manifest, sub: str, manager: str) -> Manifest:
        meta = body["metadata"]
        path = f"{collection(kind_of(body), meta['namespace'])}/{meta['name']}{sub}"
        query = f"fieldManager={manager}&force=true"
        return await self._call("PATCH", f"{path}?{query}", body, "application/apply-patch+yaml")

    async def _call(
        self, method: str, path: str, body: Manifest | None = None, content_type: str = "application/json"
    ) -> Manifest:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        _, url, headers, payload, _ = await self._api.param_serialize(
            method, path, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        response = await self._api.call_api(method, url, headers, payload)
        content = await response.read()  # type: ignore[no-untyped-call]
        if response.status >= 400:
            raise kopf.PermanentError(f"{method} {path}: {response.status} {content[:300]!r}")
        parsed: Manifest = json.loads(content)
        return parsed


def share(count: int, turn: int) -> int:
    """How many of `count` requests fall to a turn: 9 → 3, 3, 3; 7 → 2, 2, 3, so that the last turn has one at least."""
    return (turn + 1) * count // 3 - turn * count // 3


def collection(kind: Kind, namespace: str) -> str:
    """Where objects of a kind are made."""
    root = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"
    return f"{root}/namespaces/{namespace}/{kind.plural}"


def registry_of(bare: Bare) -> kopf.OperatorRegistry:
    """Kopf as ours uses it: `on.event` for the same kinds, nothing written by itself."""
    registry = kopf.OperatorRegistry()

    @kopf.on.startup(registry=registry)
    async def startup(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.posting.enabled = False
        settings.scanning.disabled = True
        for kind in CHILDREN:
            address = (kind.group, kind.version, kind.plural) if kind.group else (kind.version, kind.plural)
            settings.watching.label_selectors[address] = f"{names.LABEL_MANAGED_BY}={names.MANAGED_BY}"
        await bare.connect()

    @kopf.on.cleanup(registry=registry)
    async def cleanup(**_: Any) -> None:
        await bare.close()

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_kubeconfig(**kwargs)

    for kind in (MODEL_DEPLOYMENT, *CHILDREN):
        _watch(registry, bare, kind)
    return registry


def _watch(registry: kopf.OperatorRegistry, bare: Bare, kind: Kind) -> None:
    @kopf.on.event(kind.group or "", kind.version, kind.plural, registry=registry, id=f"see-{kind.plural}")
    async def see(event: kopf.RawEvent, **_: Any) -> None:
        if event["type"] != "DELETED":
            await bare.see(kind, dict(event["object"]))


def main() -> None:
    """Run until a signal."""
    logging.basicConfig(level=logging.WARNING)
    registry = registry_of(Bare(json.loads(sys.argv[1])))
    namespace = os.environ["SERINUS_WATCH_NAMESPACES"]
    asyncio.run(kopf.operator(registry=registry, namespaces=[namespace], standalone=True))


if __name__ == "__main__":
    main()
