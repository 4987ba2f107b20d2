"""One kind of object in one scope, listed once and then watched for ever. What was seen stays while nothing answers."""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Final

from serinus_gateway.cluster.api import Api, ApiError, Manifest
from serinus_gateway.logs import fields

PAGE: Final = "500"
BACKOFF_SECONDS: Final = (0.2, 5.0)
GONE: Final = 410

log = logging.getLogger(__name__)


class Follower:
    """Keeps `objects` like those of the API server, by namespace and name."""

    def __init__(self, api: Api, path: str, labels: str, changed: Callable[[Manifest | None], None]) -> None:
        """`changed` is called with each object that came, changed or went, and with None after each whole list."""
        self.objects: dict[tuple[str, str], Manifest] = {}
        self.synced = False
        self._troubled = False
        """Whether the present trouble was told."""
        self._api = api
        self._path = path
        self._query = {"labelSelector": labels} if labels else {}
        self._changed = changed

    async def run(self) -> None:
        """List and watch; never returns."""
        pause, longest = BACKOFF_SECONDS
        while True:
            try:
                version = await self._list()
                pause = BACKOFF_SECONDS[0]
                while version:
                    version = await self._watch(version)
            except ApiError as error:
                if error.status != GONE and not self._troubled:
                    self._troubled = True
                    log.warning("Cannot watch", extra=fields(path=self._path, why=str(error)))
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311  # spreads two gateways
            pause = min(2 * pause, longest)

    async def _list(self) -> str:
        """Take everything; the version to watch from."""
        found: dict[tuple[str, str], Manifest] = {}
        query = {**self._query, "limit": PAGE}
        while True:
            page = await self._api.get(self._path, query)
            items = page.get("items")
            if not isinstance(items, list):
                raise ApiError(0, "the answer is no list")
            found.update((_key(item), item) for item in items)
            meta = page.get("metadata", {})
            if not (more := meta.get("continue")):
                break
            query = {**query, "continue": more}
        before, self.objects = self.objects, found
        self.synced = True
        self._troubled = False
        for gone in before.keys() - found.keys():
            self._changed(before[gone])
        for manifest in found.values():
            self._changed(manifest)
        self._changed(None)
        return str(meta.get("resourceVersion", ""))

    async def _watch(self, version: str) -> str:
        """Take events until the server ends the watch; the version to go on from."""
        query = {**self._query, "resourceVersion": version}
        async for event in self._api.watch(self._path, query):
            kind, manifest = event.get("type"), event.get("object", {})
            if kind == "ERROR":
                raise ApiError(int(manifest.get("code", 0)), str(manifest.get("message", "")))
            version = manifest["metadata"]["resourceVersion"]
            if kind == "BOOKMARK":
                continue
            if kind == "DELETED":
                self.objects.pop(_key(manifest), None)
            else:
                self.objects[_key(manifest)] = manifest
            self._changed(manifest)
        return version


def _key(manifest: Manifest) -> tuple[str, str]:
    return manifest["metadata"]["namespace"], manifest["metadata"]["name"]
