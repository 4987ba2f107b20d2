"""The contract on the cluster in memory that the component tests stand on: what it lets pass must be true elsewhere."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from tests.contract.cases import *  # noqa: F403  # the cases are the tests
from tests.fakes.cluster import FakeCluster

from serinus_api import names
from serinus_api.admission import judge
from serinus_operator.cluster.errors import Refused
from serinus_operator.cluster.port import Cluster, Kind, Manifest


class FakeSurface:
    """The fake, with the judge that `tests/fakes/world.py` puts before it for users."""

    namespace = "default"

    def __init__(self) -> None:
        self.fake = FakeCluster()
        self.cluster: Cluster = self.fake

    async def submit(self, manifest: Manifest) -> None:
        await self.fake.create(judged(manifest))

    async def change(self, manifest: Manifest) -> None:
        self.fake.put(judged(manifest))

    async def remove(self, kind: Kind, name: str) -> None:
        self.fake.remove(kind, self.namespace, name)

    def watch(self, kind: Kind) -> list[tuple[str, Manifest]]:
        told: list[tuple[str, Manifest]] = []
        self.fake.watchers.append(lambda event, live: told.append((event, live)) if live["kind"] == kind.kind else None)
        return told

    async def collect(self) -> None:
        """The garbage collector's part, which the kubelet plays in the component tests."""
        while True:
            self.fake.collect_garbage()
            await asyncio.sleep(0.01)


def judged(manifest: Manifest) -> Manifest:
    if manifest["kind"] != names.KIND:
        return manifest
    stored, violations = judge(manifest)
    if violations:
        raise Refused("; ".join(str(violation) for violation in violations))
    return stored


@pytest.fixture
async def surface() -> AsyncIterator[FakeSurface]:
    surface = FakeSurface()
    collector = asyncio.create_task(surface.collect())
    yield surface
    collector.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await collector
