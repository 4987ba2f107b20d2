"""From a mounted source to a verified copy: what is taken, what is refused, and what the digest covers."""

import contextlib
import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import models

from serinus_api.conditions import Reason
from serinus_api.runtime import EXIT_REFUSED, EXIT_WAITING, ModelSource, Phase, RuntimeConfig
from serinus_runtime.copying import Sink, open_regular
from serinus_runtime.errors import ModelRefused
from serinus_runtime.model_store import LocalModel, combined_digest, fetch


class Pod:
    """A mount, a work folder, and a configuration over both."""

    def __init__(self, folder: Path) -> None:
        self.mount = folder / "mount"
        self.work = folder / "work"
        self.mount.mkdir()
        self.phases: list[Phase] = []

    def fetch(self, path: str = "model.onnx", scheme: str = "pvc", **source: Any) -> LocalModel:
        uri = source.pop("uri", f"{scheme}://claim/{path}")
        config = RuntimeConfig(
            model_name="m",
            model_version="m-1",
            source=ModelSource(uri=str(uri), path=path, **source),
            model_mount=str(self.mount),
            work_mount=str(self.work),
        )
        return fetch(config, self.phases.append)

    def refusal(self, path: str = "model.onnx", **source: Any) -> ModelRefused:
        with pytest.raises(ModelRefused) as caught:
            self.fetch(path, **source)
        assert str(self.work) not in caught.value.message
        assert str(self.mount) not in caught.value.message
        assert not any(self.work.glob(".incoming*"))
        return caught.value


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def test_a_file_is_copied_and_its_digest_is_that_of_its_bytes(pod: Pod) -> None:
    data = models.doubler()
    (pod.mount / "model.onnx").write_bytes(data)
    found = pod.fetch(digest=sha256(data))
    assert found.digest == sha256(data)
    assert found.size == len(data)
    assert found.path == pod.work / "model" / "model.onnx"
    assert found.path.read_bytes() == data
    assert pod.phases == [Phase.RESOLVING, Phase.DOWNLOADING]


def test_a_source_overwritten_in_place_does_not_change_the_copy(pod: Pod) -> None:
    data = models.doubler()
    source = pod.mount / "model.onnx"
    source.write_bytes(data)
    copy = pod.fetch().path
    with source.open("r+b") as file:
        file.write(b"\0" * len(data))
    assert copy.read_bytes() == data


def test_a_restarted_container_keeps_its_verified_copy_though_the_source_is_gone(pod: Pod) -> None:
    data = models.doubler()
    (pod.mount / "model.onnx").write_bytes(data)
    first = pod.fetch(digest=sha256(data))
    (pod.mount / "model.onnx").unlink()
    assert pod.fetch(digest=sha256(data)) == first
    assert pod.refusal(digest=sha256(b"other")).reason is Reason.NOT_FOUND
    assert pod.refusal().reason is Reason.NOT_FOUND


def test_a_kept_copy_that_was_tampered_with_is_fetched_again(pod: Pod) -> None:
    data = models.doubler()
    (pod.mount / "model.onnx").write_bytes(data)
    copy = pod.fetch(digest=sha256(data)).path
    copy.write_bytes(b"tampered")
    assert pod.fetch(digest=sha256(data)).path.read_bytes() == data


def test_a_digest_that_differs_is_refused_with_both(pod: Pod) -> None:
    data = models.doubler()
    (pod.mount / "model.onnx").write_bytes(data)
    refusal = pod.refusal(digest=sha256(b"other"))
    assert refusal.reason is Reason.DIGEST_MISMATCH
    assert sha256(data) in refusal.message
    assert sha256(b"other") in refusal.message
    assert refusal.exit_code == EXIT_REFUSED
    assert not (pod.work / "model").exists()


def test_a_configmap_is_read_through_the_links_that_the_kubelet_makes(pod: Pod) -> None:
    version = pod.mount / "..2026_01_01"
    version.mkdir()
    (version / "model.onnx").write_bytes(models.doubler())
    (pod.mount / "..data").symlink_to("..2026_01_01")
    (pod.mount / "model.onnx").symlink_to("..data/model.onnx")
    found = pod.fetch(scheme="configmap")
    assert found.digest == sha256(models.doubler())
    assert found.facts == {}


@pytest.mark.parametrize(
    ("path", "scheme", "words"),
    [
        ("model.onnx", "configmap", "configmap://claim/model.onnx does not exist"),
        ("deep/down/model.onnx", "pvc", "pvc://claim/deep/down/model.onnx does not exist"),
        ("file/model.onnx", "pvc", "pvc://claim/file/model.onnx does not exist"),
    ],
    ids=["an optional ConfigMap shows as an empty folder", "a path without folders", "a file in place of a folder"],
)
def test_a_missing_file_is_not_found_and_named(pod: Pod, path: str, scheme: str, words: str) -> None:
    if path.startswith("file/"):
        (pod.mount / "file").write_bytes(b"")
    refusal = pod.refusal(path, scheme=scheme)
    assert (refusal.reason, refusal.message) == (Reason.NOT_FOUND, words)
    assert refusal.exit_code == EXIT_WAITING


@pytest.mark.parametrize("uri", ["s3://bucket/model.onnx", "ftp://host/model.onnx", "http://host/m.onnx", "m"])
def test_other_schemes_are_unsupported(pod: Pod, uri: str) -> None:
    refusal = pod.refusal(uri=uri)
    assert refusal.reason is Reason.UNSUPPORTED_SCHEME
    assert "use configmap, pvc or https" in refusal.message


@pytest.mark.parametrize("name", ["model.pkl", "model.ort", "model.joblib", "model.tar"])
def test_a_name_of_another_format_is_refused_unread(pod: Pod, name: str) -> None:
    refusal = pod.refusal(name)
    assert refusal.reason is Reason.LOAD_FAILED
    assert f"'{name}' is not an .onnx file" in refusal.message


@pytest.mark.parametrize("name", ["model.onnx", "Model.ONNX", "model"])
def test_a_name_of_no_other_format_is_taken(pod: Pod, name: str) -> None:
    (pod.mount / name).write_bytes(models.doubler())
    assert pod.fetch(name).digest == sha256(models.doubler())


@pytest.mark.parametrize("scheme", ["pvc", "configmap"])
def test_a_mounted_model_has_no_bound_but_its_volume(pod: Pod, scheme: str) -> None:
    models.write_external(pod.mount)
    size = sum(path.stat().st_size for path in pod.mount.iterdir())
    assert pod.fetch(scheme=scheme, max_bytes=1).size == size


def test_a_stream_beyond_the_size_is_refused(tmp_path: Path) -> None:
    with Sink(tmp_path / "f", 99) as sink:
        sink.write(bytes(60))
        with pytest.raises(ModelRefused) as caught:
            sink.write(bytes(60))
    assert caught.value.reason is Reason.TOO_LARGE
    assert caught.value.message.startswith("more than the 99 bytes that a download may have")


@pytest.mark.parametrize("piece", [1, 3, 8, 100])
def test_the_word_that_announces_external_data_is_seen_across_pieces(tmp_path: Path, piece: int) -> None:
    data = b"." * 20 + b"location" + b"." * 20
    with Sink(tmp_path / "f", 99) as sink:
        for start in range(0, len(data), piece):
            sink.write(data[start : start + piece])
    assert sink.marked
    with Sink(tmp_path / "g", 99) as other:
        other.write(b"locatio" + b"N" * 20)
    assert not other.marked


def test_a_link_out_of_the_volume_is_unsafe(pod: Pod, tmp_path: Path) -> None:
    (tmp_path / "secret.onnx").write_bytes(models.doubler())
    (pod.mount / "model.onnx").symlink_to(tmp_path / "secret.onnx")
    refusal = pod.refusal()
    assert refusal.reason is Reason.UNSAFE_MODEL
    assert refusal.message == "pvc://claim/model.onnx is a link that leaves its volume"


def test_a_link_that_stays_in_the_volume_is_followed(pod: Pod) -> None:
    (pod.mount / "v3").mkdir()
    (pod.mount / "v3" / "model.onnx").write_bytes(models.doubler())
    (pod.mount / "latest").symlink_to("v3")
    assert pod.fetch("latest/model.onnx").digest == sha256(models.doubler())


def test_what_is_no_regular_file_is_unsafe(pod: Pod) -> None:
    (pod.mount / "folder.onnx").mkdir()
    os.mkfifo(pod.mount / "pipe.onnx")
    (pod.mount / "loop.onnx").symlink_to("loop.onnx")
    assert pod.refusal("folder.onnx").message == "pvc://claim/folder.onnx is not a regular file"
    assert pod.refusal("pipe.onnx").message == "pvc://claim/pipe.onnx is not a regular file"
    for name in ("folder.onnx", "pipe.onnx", "loop.onnx"):
        assert pod.refusal(name).reason is Reason.UNSAFE_MODEL


def test_the_digest_covers_external_data(pod: Pod) -> None:
    models.write_external(pod.mount / "m", "weights.bin")
    found = pod.fetch("m/model.onnx")
    files = {name: (pod.mount / "m" / name).read_bytes() for name in ("model.onnx", "weights.bin")}
    lines = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items())
    assert found.digest == sha256(lines.encode())
    assert found.size == sum(map(len, files.values()))
    assert found.facts.keys() == files.keys()
    assert (found.path.parent / "weights.bin").read_bytes() == files["weights.bin"]
    (pod.mount / "m" / "weights.bin").write_bytes(bytes(16))
    assert pod.fetch("m/model.onnx").digest != found.digest


def test_the_digest_is_what_sha256sum_makes_of_the_files(pod: Pod) -> None:
    models.write_external(pod.mount, "Z/weights.bin")
    command = "sha256sum model.onnx Z/weights.bin | LC_ALL=C sort -k 2 | sha256sum"
    told = subprocess.run(command, shell=True, cwd=pod.mount, check=True, capture_output=True, text=True).stdout
    assert pod.fetch().digest == f"sha256:{told.split()[0]}"


def test_the_digest_of_one_file_is_the_files_own() -> None:
    assert combined_digest({"any-name": "ab" * 32}) == "sha256:" + "ab" * 32


def test_a_restart_keeps_external_data_too(pod: Pod) -> None:
    models.write_external(pod.mount, "sub/weights.bin")
    first = pod.fetch()
    (pod.mount / "model.onnx").unlink()
    assert pod.fetch(digest=first.digest) == first


@pytest.mark.parametrize(
    "location", ["../secret", "/etc/passwd", "a/../../secret", "", "..", "*/_ORT_MEM_ADDR_/x", "a\\..\\secret", "a\0b"]
)
def test_external_data_that_leave_the_folder_are_unsafe(pod: Pod, tmp_path: Path, location: str) -> None:
    (tmp_path / "secret").write_bytes(bytes(16))
    (pod.mount / "model.onnx").write_bytes(models.escaping(location))
    refusal = pod.refusal()
    assert refusal.reason is Reason.UNSAFE_MODEL
    assert refusal.message == f"external data {location!r} leaves the model's folder"


@pytest.mark.parametrize("how", ["symlink", "hardlink", "folder through a symlink", "pipe"])
def test_external_data_that_are_links_are_unsafe(pod: Pod, tmp_path: Path, how: str) -> None:
    secret = tmp_path / "secrets" / "weights.bin"
    secret.parent.mkdir()
    secret.write_bytes(bytes(16))
    location = "sub/weights.bin" if how.startswith("folder") else "weights.bin"
    (pod.mount / "model.onnx").write_bytes(models.external(location))
    place = pod.mount / "weights.bin"
    if how == "symlink":
        place.symlink_to(secret)
    elif how == "hardlink":
        place.hardlink_to(secret)
    elif how == "pipe":
        os.mkfifo(place)
    else:
        (pod.mount / "sub").symlink_to(secret.parent)
    refusal = pod.refusal()
    assert refusal.reason is Reason.UNSAFE_MODEL
    words = "is not a regular file" if how == "pipe" else "must be a regular file in the model's own folder"
    assert words in refusal.message
    assert repr(location) in refusal.message


def test_missing_external_data_are_not_found_and_named(pod: Pod) -> None:
    (pod.mount / "model.onnx").write_bytes(models.external("weights.bin"))
    refusal = pod.refusal()
    assert refusal.reason is Reason.NOT_FOUND
    assert refusal.message == "external data 'weights.bin' of 'model.onnx' does not exist"


def test_a_broken_model_that_speaks_of_a_location_is_refused(pod: Pod) -> None:
    (pod.mount / "model.onnx").write_bytes(b"location " + models.truncated())
    refusal = pod.refusal()
    assert refusal.reason is Reason.LOAD_FAILED
    assert refusal.message.startswith("not a valid ONNX file: ")


def test_a_full_disk_is_said(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    (pod.mount / "model.onnx").write_bytes(models.doubler())
    monkeypatch.setattr("os.fsync", full)
    refusal = pod.refusal()
    assert (refusal.reason, refusal.message) == (
        Reason.DOWNLOAD_FAILED,
        "cannot keep the model: No space left on device",
    )


def test_a_file_that_may_not_be_read_is_denied(pod: Pod) -> None:
    path = pod.mount / "model.onnx"
    path.touch(mode=0)
    with pytest.raises(ModelRefused) as caught, somebody():
        open_regular(path, "pvc://claim/model.onnx")
    assert caught.value.reason is Reason.ACCESS_DENIED
    assert caught.value.message == "pvc://claim/model.onnx may not be read"
    assert caught.value.exit_code == EXIT_WAITING


@contextlib.contextmanager
def somebody() -> Iterator[None]:
    """Without the rights of root, when the tests have them."""
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        yield
    finally:
        os.seteuid(user)
