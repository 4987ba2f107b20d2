"""The harness's own way to the API server: JSON over HTTPS, no client library, so that it costs little beside what is
measured.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

Manifest = dict[str, Any]
MERGE = "application/merge-patch+json"
_CONNECTIONS = 8
_LINE_BYTES = 2**21


class KubeError(Exception):
    """The API server refused something that the harness relies on."""


@dataclass(frozen=True)
class Kube:
    """One session with one API server."""

    session: aiohttp.ClientSession

    async def call(
        self, method: str, path: str, body: Manifest | None = None, *, content_type: str = "application/json"
    ) -> Manifest:
        """One request; the parsed answer. Raises KubeError."""
        data = None if body is None else json.dumps(body)
        async with self.session.request(method, path, data=data, headers={"Content-Type": content_type}) as answer:
            text = await answer.text()
            if answer.status >= 400:
                raise KubeError(f"{method} {path}: {answer.status} {text[:300]}")
            parsed: Manifest = json.loads(text)
            return parsed

    async def create_all(self, path: str, bodies: Iterable[Manifest]) -> None:
        """Create objects, as many at a time as there are connections."""
        async with asyncio.TaskGroup() as group:
            for body in bodies:
                group.create_task(self.call("POST", path, body))

    async def watch(self, path: str, query: Mapping[str, str]) -> AsyncIterator[tuple[str, Manifest]]:
        """Every object that is there, then every change, until cancelled. Raises KubeError when the stream ends."""
        timeout = aiohttp.ClientTimeout(total=None)
        # from version 0: whatever the server's cache holds; without it the server waits for an old etcd, in vain
        params = {"watch": "1", "resourceVersion": "0", **query}
        async with self.session.get(path, params=params, timeout=timeout) as answer:
            async for line in answer.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise KubeError(f"watch {path}: {event['object'].get('message')}")
                yield event["type"], event["object"]
        raise KubeError(f"watch {path}: the stream ended")


@asynccontextmanager
async def connect(server: str, context: ssl.SSLContext) -> AsyncIterator[Kube]:
    """Open and close the session."""
    connector = aiohttp.TCPConnector(ssl=context, limit=_CONNECTIONS + 4)
    async with aiohttp.ClientSession(server, connector=connector, trust_env=False, read_bufsize=_LINE_BYTES) as session:
        yield Kube(session)


async def make_namespace(kube: Kube, name: str) -> None:
    """A namespace in which pods can be made: its default service account is there."""
    await kube.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    while True:
        accounts = await kube.call("GET", f"/api/v1/namespaces/{name}/serviceaccounts")
        if accounts["items"]:
            return
        await asyncio.sleep(0.1)


async def install_crd(kube: Kube, crd: Manifest) -> None:
    """Install the CRD and wait until the API server serves it."""
    base = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    await kube.call("POST", base, crd)
    while True:
        live = await kube.call("GET", f"{base}/{crd['metadata']['name']}")
        conditions = live.get("status", {}).get("conditions") or ()
        if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
            return
        await asyncio.sleep(0.1)
