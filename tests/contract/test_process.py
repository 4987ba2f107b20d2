"""The contract on the store of local mode. `tests/e2e/test_contract.py` runs the same cases on an API server."""

from pathlib import Path

import pytest
from tests.contract.cases import *  # noqa: F403  # the cases are the tests

from serinus_operator.cluster.errors import Refused
from serinus_operator.cluster.port import Cluster, Kind, Manifest
from serinus_operator.cluster.process import ProcessCluster, Refusal


class ProcessSurface:
    """The store, in a folder, so that every write takes the durable way."""

    namespace = "default"

    def __init__(self, folder: Path) -> None:
        self.store = ProcessCluster(folder)
        self.cluster: Cluster = self.store

    async def submit(self, manifest: Manifest) -> None:
        await self.store.create(manifest)

    async def change(self, manifest: Manifest) -> None:
        try:
            await self.store.user_apply(manifest)
        except Refusal as refusal:
            raise Refused(str(refusal)) from refusal

    async def remove(self, kind: Kind, name: str) -> None:
        assert await self.store.user_delete(kind, self.namespace, name)

    def watch(self, kind: Kind) -> list[tuple[str, Manifest]]:
        told: list[tuple[str, Manifest]] = []
        self.store.watch(lambda event, live: told.append((event, live)) if live["kind"] == kind.kind else None)
        return told


@pytest.fixture
def surface(tmp_path: Path) -> ProcessSurface:
    return ProcessSurface(tmp_path)
