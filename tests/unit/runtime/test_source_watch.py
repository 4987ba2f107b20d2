"""What is told of a source that changes under a ready pod."""

import asyncio
import os
from pathlib import Path

import pytest
from tests import models

from serinus_api.runtime import ModelSource, RuntimeConfig
from serinus_runtime.model_store import fetch
from serinus_runtime.source_watch import describe_change, watch_source


@pytest.mark.parametrize(
    ("before", "now", "change"),
    [
        ({"ETag": "a"}, {"ETag": "a"}, None),
        ({"ETag": "a"}, {"ETag": "b"}, "ETag was a and is b"),
        ({"ETag": "a", "size": "1"}, {"ETag": "b", "size": "2"}, "ETag was a and is b; size was 1 and is 2"),
        ({"ETag": "a", "size": "1"}, {"size": "1"}, None),
        ({"ETag": "a"}, {}, None),
        ({}, {"ETag": "b"}, None),
    ],
    ids=["the same", "another", "two facts", "a fact that is no longer told", "out of reach", "nothing was known"],
)
def test_a_change_is_what_differs_of_what_is_known_of_both(
    before: dict[str, str], now: dict[str, str], change: str | None
) -> None:
    assert describe_change(before, now) == change


async def test_a_volume_is_watched_with_its_external_data(tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    mount.mkdir()
    models.write_external(mount, "sub/weights.bin")
    config = RuntimeConfig(
        model_name="m",
        model_version="m-1",
        source=ModelSource(uri="pvc://claim/model.onnx", path="model.onnx"),
        model_mount=str(mount),
        work_mount=str(tmp_path / "work"),
    )
    facts = (await asyncio.to_thread(fetch, config, lambda _: None)).facts
    told: asyncio.Queue[str | None] = asyncio.Queue()
    watching = asyncio.create_task(
        watch_source(config.model_copy(update={"source_check_seconds": 0.01}), facts, told.put_nowait)
    )
    weights = mount / "sub" / "weights.bin"
    first = weights.stat()
    weights.write_bytes(bytes(20))
    change = await asyncio.wait_for(told.get(), 20)
    assert change is not None
    assert change.startswith("sub/weights.bin was 16 bytes, changed at ")
    assert " and is 20 bytes, changed at " in change
    weights.write_bytes(bytes(16))
    os.utime(weights, ns=(first.st_atime_ns, first.st_mtime_ns))
    while await asyncio.wait_for(told.get(), 20) is not None:
        pass
    (mount / "model.onnx").unlink()
    change = await asyncio.wait_for(told.get(), 20)
    assert change is not None
    assert change.endswith("and is gone")
    watching.cancel()
