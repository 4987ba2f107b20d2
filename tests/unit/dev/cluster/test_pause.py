"""The sandbox image is packed without any tool and is the same bytes every time."""

import hashlib
import io
import json
import tarfile

from dev.cluster import pause


def test_archive_is_one_layer_with_one_executable() -> None:
    packed = pause.image_archive(b"binary")
    assert packed == pause.image_archive(b"binary")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        contents = {name: archive.extractfile(name).read() for name in archive.getnames()}  # type: ignore[union-attr]
    (manifest,) = json.loads(contents["manifest.json"])
    configuration = json.loads(contents[manifest["Config"]])
    layer = contents[manifest["Layers"][0]]
    assert manifest["RepoTags"] == [pause.IMAGE]
    assert configuration["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    with tarfile.open(fileobj=io.BytesIO(layer)) as files:
        (entry,) = files.getmembers()
    assert (entry.name, entry.mode) == ("pause", 0o755)
