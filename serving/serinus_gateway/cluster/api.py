"""Requests to the API server, and the only user of the `kubernetes` client in the gateway.

Answers are parsed JSON. Every request has a time limit of its own, and proxies of the environment are not used.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client, config

Manifest = dict[str, Any]

READ_SECONDS: Final = 10.0
WRITE_SECONDS: Final = 4.0
WATCH_SECONDS: Final = 240
QUIET_SECONDS: Final = 15
"""A watch that is not ended by the server this long after its time is dead."""
SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
MERGE: Final = "application/merge-patch+json"


class ApiError(Exception):
    """The API server did not do as asked. `status` 0: it did not answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """One connection pool to one API server."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api

    @classmethod
    async def connect(cls) -> Self:
        """Connect with the pod's service account, or with the kubeconfig where there is none."""
        configuration = client.Configuration()
        if SERVICE_ACCOUNT.exists():
            config.load_incluster_config(client_configuration=configuration)
        else:
            await config.load_kube_config(client_configuration=configuration)
        configuration.client_session_kwargs = {"trust_env": False}
        configuration.connection_pool_maxsize = 1000
        return cls(client.ApiClient(configuration))

    async def close(self) -> None:
        """End the connections."""
        await self._api.close()

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Manifest:
        """The object, or the list, at this path."""
        return await self._call("GET", path, query, None, READ_SECONDS)

    async def patch(self, path: str, body: Manifest) -> Manifest:
        """Merge into the object at this path."""
        return await self._call("PATCH", path, None, body, WRITE_SECONDS)

    async def watch(self, path: str, query: Mapping[str, str]) -> AsyncIterator[Manifest]:
        """Events of a list, one after another, until the server ends the watch. ApiError where it breaks."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=READ_SECONDS, sock_read=WATCH_SECONDS + QUIET_SECONDS)
        query = {**query, "watch": "true", "timeoutSeconds": str(WATCH_SECONDS), "allowWatchBookmarks": "true"}
        try:
            response = await self._send("GET", path, query, None, timeout)
            async with response:
                await _check(response)
                async for line in response.content:
                    yield _parsed(line)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise ApiError(0, f"watch {path}: {type(error).__name__} {error}".strip()) from error

    async def _call(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Manifest | None, limit: float
    ) -> Manifest:
        try:
            async with asyncio.timeout(limit):
                response = await self._send(method, path, query, body, aiohttp.ClientTimeout(total=limit))
                async with response:
                    await _check(response)
                    return _parsed(await response.read())
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ApiError(0, f"{method} {path}: {type(error).__name__} {error}".strip()) from error

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Manifest | None,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        _, url, headers, payload, _ = await self._api.param_serialize(
            method,
            path,
            header_params={"Accept": "application/json", **({"Content-Type": MERGE} if body else {})},
            body=body,
            auth_settings=["BearerToken"],
        )
        url += f"?{urlencode(query)}" if query else ""
        answer = await self._api.call_api(method, url, headers, payload, _request_timeout=timeout)
        response: aiohttp.ClientResponse = answer.response
        return response


async def _check(response: aiohttp.ClientResponse) -> None:
    """Raise ApiError for anything but success."""
    if response.status < 400:
        return
    text = (await response.read())[:500].decode(errors="replace")
    try:
        message = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        message = text
    raise ApiError(response.status, message)


def _parsed(content: bytes) -> Manifest:
    """An object. What a proxy in between makes up must not pass for one."""
    try:
        parsed = json.loads(content)
    except ValueError as error:
        raise ApiError(0, "the answer is not JSON") from error
    if not isinstance(parsed, dict):
        raise ApiError(0, "the answer is no object")
    return parsed
