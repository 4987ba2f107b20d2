"""The port on a real Kubernetes, and the only user of the `kubernetes` client.

Bodies are dictionaries and answers are parsed JSON: the client's typed models drop fields that they do not know. Every
call has a time limit of its own (the client's is five minutes), and proxies of the environment are not used.
"""

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client, config

from serinus_api import names
from serinus_operator.cluster.errors import (
    ClusterError,
    Conflict,
    Denied,
    Invalid,
    Missing,
    Refused,
    Terminating,
    Unavailable,
)
from serinus_operator.cluster.port import EVENT, Kind, Manifest, Precondition, kind_of

READ_SECONDS: Final = 10.0
WRITE_SECONDS: Final = 4.0
"""Together with the 10 s of the fence below the lease's 15 s: no write outlives the term that it was allowed in."""
PAGE: Final = 500
METHODS: Final = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}
NO_LABEL: Final = f"{names.PREFIX}/none"
"""A label that no object bears."""
SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
YAML: Final = "application/yaml"
APPLY: Final = "application/apply-patch+yaml;charset=utf-8"
"""With its charset, and YAML, the client passes on what `encode` has made; without, it would encode once more."""
MERGE: Final = "application/merge-patch+json"
NOT_IN_YAML: Final = re.compile("[\x7f-\x9f\ufffe\uffff]")

STRICT: Final = {"fieldManager": names.FIELD_MANAGER, "fieldValidation": "Strict"}
"""An unknown field is refused by name. Left out in silence, it would be missed and written again at every look."""
UNTYPED: Final = "failed to create typed patch object"
"""An apply has no strict validation to ask for: it always is, and its answer to an unknown field is 500."""
ADMISSION: Final = re.compile(r"admission webhook .* denied the request|AdmissionPolicy .* denied request")
"""Policies choose the code themselves (a webhook's default is 400), and may think otherwise tomorrow."""

Observe = Callable[[str, str, int], None]
"""Called after each request with verb, resource and HTTP code (0: no answer)."""


def encode(body: Manifest) -> bytes:
    """A body as JSON that is YAML too: YAML knows no surrogate pairs (emoji) and wants control characters escaped.

    Sent as YAML, the API server puts it in its own form. As JSON it would keep our bytes of a ControllerRevision's
    `data`, and refuse every later patch (a label, an owner that goes), because its own form of the data is another.
    """
    text = json.dumps(body, ensure_ascii=False)
    return NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def parse_error(status: int, body: bytes, verb: str, kind: Kind, headers: Mapping[str, str]) -> ClusterError:
    """The error for an answer of the API server that is not a success."""
    try:
        message = str(json.loads(body).get("message", ""))
    except (ValueError, AttributeError):
        message = body[:200].decode(errors="replace")
    if status == 404:
        return Missing(message)
    if status == 409:
        return Conflict(message)
    if status == 403:
        if "being terminated" in message:
            return Terminating(message)
        denied = re.search(r'cannot (\S+) resource "([^"]+)"(?: in API group "([^"]*)")?', message)
        if denied:
            resource, group = denied[2], denied[3]
            return Denied(denied[1], f"{resource}.{group}" if group else resource)
        return Refused(message)
    if status in (400, 405, 413, 415, 422):
        return Refused(message) if ADMISSION.search(message) else Invalid(message)
    if status == 500 and message.startswith(UNTYPED):
        return Invalid(message)
    after = headers.get("Retry-After", "")
    return Unavailable(
        f"{verb} {kind.resource}: HTTP {status} {message}".strip(), float(after) if after.isdigit() else None
    )


class KubernetesCluster:
    """One connection pool to one API server. Open with `connect()`, use as an async context manager."""

    def __init__(self, api: client.ApiClient, observe: Observe, namespaces: Sequence[str] = ()) -> None:
        self._api = api
        self._observe = observe
        self._namespaces = tuple(namespaces)

    @classmethod
    async def connect(cls, observe: Observe, namespaces: Sequence[str] = ()) -> Self:
        """Connect with the pod's service account, or with the kubeconfig where there is none."""
        configuration = client.Configuration()
        if SERVICE_ACCOUNT.exists():
            config.load_incluster_config(client_configuration=configuration)
        else:
            await config.load_kube_config(client_configuration=configuration)
        configuration.client_session_kwargs = {"trust_env": False}
        return cls(client.ApiClient(configuration), observe, namespaces)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._api.close()

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """See `Cluster.get`."""
        try:
            return await self._call("get", kind, namespace, name)
        except Missing:
            return None

    async def list(self, kind: Kind, namespace: str | None, labels: Mapping[str, str]) -> Sequence[Manifest]:
        """See `Cluster.list`. Pages of 500; the items carry apiVersion and kind."""
        found: list[Manifest] = []
        for scope in (namespace,) if namespace else (self._namespaces or (None,)):
            query = {"limit": str(PAGE), "labelSelector": ",".join(f"{k}={v}" for k, v in labels.items())}
            while True:
                page = await self._call("list", kind, scope, None, query=query)
                if not isinstance(page.get("items"), Sequence):
                    raise Unavailable(f"list {kind.resource}: the answer is no list")
                found += [{"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in page["items"]]
                if not (more := page.get("metadata", {}).get("continue")):
                    break
                query = {**query, "continue": more}
        return found

    async def check_watch(self, kind: Kind) -> None:
        """Watch a kind for a second, and nothing of it: raises Denied where that is not allowed."""
        nothing = {"watch": "true", "timeoutSeconds": "1", "resourceVersion": "0", "labelSelector": NO_LABEL}
        for scope in self._namespaces or (None,):
            await self._send("watch", kind, scope, None, query=nothing)

    async def create(self, manifest: Manifest) -> Manifest:
        """See `Cluster.create`."""
        return await self._call(
            "create",
            kind_of(manifest),
            manifest["metadata"]["namespace"],
            None,
            body=manifest,
            content_type=YAML,
            query=STRICT,
        )

    async def apply(self, manifest: Manifest, precondition: Precondition) -> Manifest:
        """See `Cluster.apply`."""
        return await self._apply(manifest, precondition, names.FIELD_MANAGER, "")

    async def apply_status(self, manifest: Manifest, precondition: Precondition) -> Manifest:
        """See `Cluster.apply_status`."""
        return await self._apply(manifest, precondition, names.STATUS_FIELD_MANAGER, "/status")

    async def _apply(self, manifest: Manifest, precondition: Precondition, manager: str, sub: str) -> Manifest:
        meta = manifest["metadata"]
        return await self._call(
            "patch",
            kind_of(manifest),
            meta["namespace"],
            meta["name"] + sub,
            body=_bound(manifest, precondition),
            content_type=APPLY,
            query={"fieldManager": manager, "force": "true"},
        )

    async def replace(self, manifest: Manifest, precondition: Precondition) -> Manifest:
        """See `Cluster.replace`."""
        meta = manifest["metadata"]
        return await self._call(
            "update",
            kind_of(manifest),
            meta["namespace"],
            meta["name"],
            body=_bound(manifest, precondition),
            content_type=YAML,
            query=STRICT,
        )

    async def scale(self, kind: Kind, namespace: str, name: str, replicas: int, precondition: Precondition) -> str:
        """See `Cluster.scale`. A Scale bears the resourceVersion of the object that it is the scale of."""
        body = {
            "metadata": {"uid": precondition.uid, "resourceVersion": precondition.resource_version},
            "spec": {"replicas": replicas},
        }
        scale = await self._call("patch", kind, namespace, name + "/scale", body=body, content_type=MERGE)
        return str(scale.get("metadata", {}).get("resourceVersion", ""))

    async def delete(self, kind: Kind, namespace: str, name: str, precondition: Precondition) -> None:
        """See `Cluster.delete`. Dependents are collected in the background."""
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": precondition.uid, "resourceVersion": precondition.resource_version},
        }
        try:
            await self._call("delete", kind, namespace, name, body=body)
        except Missing:
            return

    async def record_event(self, manifest: Manifest) -> None:
        """See `Cluster.record_event`."""
        meta = manifest["metadata"]
        await self._call(
            "patch",
            EVENT,
            meta["namespace"],
            meta["name"],
            body=manifest,
            content_type=APPLY,
            query={"fieldManager": names.FIELD_MANAGER, "force": "true"},
        )

    async def _call(self, verb: str, kind: Kind, namespace: str | None, name: str | None, **rest: Any) -> Manifest:
        """`_send`, for answers that are objects."""
        return _parsed(await self._send(verb, kind, namespace, name, **rest), f"{verb} {kind.resource}")

    async def _send(  # one place where a request is put together
        self,
        verb: str,
        kind: Kind,
        namespace: str | None,
        name: str | None,
        *,
        body: Manifest | None = None,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> bytes:
        method = METHODS.get(verb, "GET")
        seconds = READ_SECONDS if method == "GET" else WRITE_SECONDS
        status = 0
        try:
            async with asyncio.timeout(seconds):
                _, url, headers, payload, _ = await self._api.param_serialize(
                    method,
                    _path(kind, namespace, name),
                    header_params={"Accept": "application/json", "Content-Type": content_type},
                    body=encode(body) if body is not None and content_type in (YAML, APPLY) else body,
                    auth_settings=["BearerToken"],
                )
                url += f"?{urlencode(query)}" if query else ""
                response = await self._api.call_api(method, url, headers, payload, _request_timeout=seconds)
                status, content = response.status, await response.read()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"{verb} {kind.resource}: {type(error).__name__} {error}".strip()) from error
        finally:
            self._observe(verb, kind.resource, status)
        if status >= 400:
            raise parse_error(status, content, verb, kind, response.headers)
        answer: bytes = content
        return answer


def _parsed(content: bytes, request: str) -> Manifest:
    """The answer as an object. What a proxy in between makes up must not pass for one."""
    try:
        parsed = json.loads(content)
    except ValueError as error:
        raise Unavailable(f"{request}: the answer is not JSON") from error
    if not isinstance(parsed, dict):
        raise Unavailable(f"{request}: the answer is no object")
    return parsed


def _path(kind: Kind, namespace: str | None, name: str | None) -> str:
    root = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{scope}/{kind.plural}" + (f"/{name}" if name else "")


def _bound(manifest: Manifest, precondition: Precondition) -> Manifest:
    """The manifest with the identity and the version that it must meet."""
    meta: dict[str, Any] = {
        **manifest["metadata"],
        "uid": precondition.uid,
        "resourceVersion": precondition.resource_version,
    }
    return {**manifest, "metadata": meta}
