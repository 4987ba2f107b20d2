"""One gateway for each test that wants one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.component.gateway.harness import Gateway


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    one = Gateway(tmp_path)
    try:
        await one.start()
        yield one
    finally:
        await one.stop()
