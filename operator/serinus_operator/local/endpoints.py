"""Plays the EndpointSlice controller: beside each Service a slice with its ready pods, for the steps that lead traffic.

Nobody is led by it: the gateway knows the pods themselves.
"""

import asyncio

from serinus_api.gateway import LABEL_SERVICE_NAME, LABEL_SLICE_MANAGER
from serinus_operator.cluster.port import ENDPOINT_SLICE, POD, SERVICE, Precondition
from serinus_operator.cluster.process import ProcessCluster
from serinus_operator.local.backends import Backends
from serinus_operator.state import Manifest

MANAGER = "serinus-local"


class Endpoints:
    """Follows the store; `run` is a task."""

    def __init__(self, cluster: ProcessCluster, backends: Backends) -> None:
        self._cluster = cluster
        self._backends = backends
        self._changed = asyncio.Event()

    def start(self) -> None:
        """Follow the store."""
        self._cluster.watch(self._observe)
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            for service in self._cluster.select(SERVICE):
                await self._sync(service)

    def _observe(self, _: str, manifest: Manifest) -> None:
        if manifest["kind"] in (POD.kind, SERVICE.kind):
            self._changed.set()

    async def _sync(self, service: Manifest) -> None:
        meta = service["metadata"]
        hosts = [backend.host for backend in self._backends.of(meta["namespace"], meta["name"])]
        wanted = slice_of(service, hosts)
        live = self._cluster.find(ENDPOINT_SLICE, meta["namespace"], wanted["metadata"]["name"])
        if live is None:
            await self._cluster.create(wanted)
        elif live["endpoints"] != wanted["endpoints"]:
            known = live["metadata"]
            await self._cluster.replace(
                {**live, "endpoints": wanted["endpoints"]}, Precondition(known["uid"], known["resourceVersion"])
            )


def slice_of(service: Manifest, hosts: list[str]) -> Manifest:
    """A Service's slice: it goes with it, and bears its labels."""
    meta = service["metadata"]
    owner = {"apiVersion": SERVICE.api_version, "kind": SERVICE.kind, "name": meta["name"], "uid": meta["uid"]}
    return {
        "apiVersion": ENDPOINT_SLICE.api_version,
        "kind": ENDPOINT_SLICE.kind,
        "metadata": {
            "namespace": meta["namespace"],
            "name": f"{meta['name']}-pods",
            "labels": {**meta.get("labels", {}), LABEL_SERVICE_NAME: meta["name"], LABEL_SLICE_MANAGER: MANAGER},
            "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
        },
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [host], "conditions": {"ready": True, "serving": True, "terminating": False}}
            for host in hosts
        ],
    }
