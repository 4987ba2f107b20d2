"""One gateway for the tests of a module that harm neither of its programs, emptied in between; or one of their own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.component.gateway.harness import Gateway


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    one = Gateway(tmp_path_factory.mktemp("gateway"))
    try:
        await one.start()
        yield one
    finally:
        await one.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(running: Gateway) -> AsyncIterator[Gateway]:
    """Shared; empty again after the test."""
    yield running
    await running.clear()


@pytest_asyncio.fixture(loop_scope="module")
async def own(tmp_path: Path) -> AsyncIterator[Gateway]:
    """For a test that kills or stops something."""
    one = Gateway(tmp_path)
    try:
        await one.start()
        yield one
    finally:
        await one.stop()
