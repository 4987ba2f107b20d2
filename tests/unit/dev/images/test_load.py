"""Only what containerd lacks is sent; what no image needs is removed."""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from dev.images import load


def put(layout: Path, data: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    path = layout / "blobs" / "sha256" / digest
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """Two images that share their first layer."""
    shared = put(tmp_path, b"dependencies")
    entries = []
    for name in ("one", "two"):
        manifest = {
            "config": put(tmp_path, f"config {name}".encode()),
            "layers": [shared, put(tmp_path, name.encode())],
        }
        descriptor = put(tmp_path, json.dumps(manifest).encode())
        entries.append({**descriptor, "annotations": {load.REFERENCE: f"serinus-{name}:1"}})
    (tmp_path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    return tmp_path


def sent(layout: Path, reference: str, held: set[str]) -> tuple[dict[str, Any], list[bytes]]:
    stream = io.BytesIO()
    load.write_archive(stream, reference, load.exported(layout)[reference], layout, held)
    stream.seek(0)
    with tarfile.open(fileobj=stream) as archive:
        contents = {name: archive.extractfile(name).read() for name in archive.getnames()}  # type: ignore[union-attr]
    return json.loads(contents["index.json"]), [data for name, data in contents.items() if name.startswith("blobs/")]


def test_first_image_is_sent_whole_under_the_name_that_the_kubelet_looks_for(layout: Path) -> None:
    index, blobs = sent(layout, "serinus-one:1", held=set())
    assert index["manifests"][0]["annotations"] == {load.FULL_NAME: "docker.io/library/serinus-one:1"}
    assert {b"dependencies", b"one", b"config one"} < set(blobs)
    assert len(blobs) == 4


def test_layers_that_containerd_holds_are_not_sent_again(layout: Path) -> None:
    held = set(load.blobs(load.exported(layout)["serinus-one:1"], layout))
    _, blobs = sent(layout, "serinus-two:1", held)
    assert b"dependencies" not in blobs
    assert len(blobs) == 3


def test_pruning_keeps_the_shared_layers_of_what_stays(layout: Path) -> None:
    load.prune(layout, ["serinus-two:1"])
    assert list(load.exported(layout)) == ["serinus-two:1"]
    left = {path.read_bytes() for path in (layout / "blobs" / "sha256").iterdir()}
    assert {b"dependencies", b"two", b"config two"} < left
    assert len(left) == 4


def test_layout_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert load.exported(tmp_path / "none") == {}
