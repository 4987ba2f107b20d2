"""What the stories of local mode share: an instance in a folder of its own, models, and waiting for a condition."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.local.stage import Stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A running instance; its pods are killed at the end."""
    stage = Stage(tmp_path)
    await stage.start()
    yield stage
    await stage.close()


@pytest.fixture
async def fronted(tmp_path: Path) -> AsyncIterator[Stage]:
    """The same with an entry port."""
    stage = Stage(tmp_path, front=True)
    try:
        await stage.start()
        yield stage
    finally:
        await stage.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a run has its manifests, with a model for them."""
    (tmp_path / "m.onnx").write_bytes(b"m")
    return tmp_path
