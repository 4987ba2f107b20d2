"""The `https://` source against a real TLS server: what is trusted, followed, refused, and how failures are named."""

import asyncio
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import models
from tests.component.runtime.harness import DEADLINE, configuration, judge, run_preflight
from tests.component.runtime.web import Page, Web

from serinus_api.conditions import Reason
from serinus_api.runtime import EXIT_OK, EXIT_WAITING, ModelSource, Phase
from serinus_runtime.download import look
from serinus_runtime.errors import ModelRefused
from serinus_runtime.model_store import LocalModel, fetch

MODEL = models.doubler()
DIGEST = "sha256:" + hashlib.sha256(MODEL).hexdigest()


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with Web(tmp_path_factory.mktemp("web")) as server:
        server.pages["/model.onnx"] = Page(MODEL, headers={"ETag": '"1"', "Last-Modified": "yesterday"})
        yield server


class Downloads:
    """Fetches from the server, which is allowed unless a test says otherwise."""

    def __init__(self, web: Web, folder: Path) -> None:
        self.web = web
        self.folder = folder
        self.phases: list[Phase] = []

    def source(self, path: str = "/model.onnx", uri: str | None = None, **more: Any) -> ModelSource:
        plain: dict[str, Any] = {
            "uri": uri or self.web.url(path),
            "ca_file": str(self.web.ca_file),
            "allow_hosts": (f"127.0.0.1:{self.web.port}",),
            "stall_seconds": 10,
        }
        return ModelSource.model_validate(plain | more)

    def fetch(self, path: str = "/model.onnx", **more: Any) -> LocalModel:
        return fetch(configuration(self.folder, self.source(path, **more)), self.phases.append)

    def refusal(self, path: str = "/model.onnx", **more: Any) -> ModelRefused:
        with pytest.raises(ModelRefused) as caught:
            self.fetch(path, **more)
        assert str(self.folder) not in caught.value.message
        assert not list((self.folder / "work").glob("*"))
        return caught.value


@pytest.fixture
def downloads(web: Web, tmp_path: Path) -> Downloads:
    return Downloads(web, tmp_path)


def test_a_model_is_downloaded_and_its_digest_known(downloads: Downloads) -> None:
    found = downloads.fetch(digest=DIGEST)
    assert found.path.read_bytes() == MODEL
    assert (found.digest, found.size) == (DIGEST, len(MODEL))
    assert found.facts == {"ETag": '"1"', "Last-Modified": "yesterday", "size": str(len(MODEL))}
    assert downloads.phases == [Phase.RESOLVING, Phase.DOWNLOADING]
    asked = downloads.web.asked[-1][1]
    assert asked["accept-encoding"] == "identity"
    assert "authorization" not in asked
    assert "cookie" not in asked


def test_a_restart_with_a_verified_copy_asks_nobody(downloads: Downloads) -> None:
    first = downloads.fetch(digest=DIGEST)
    asked = len(downloads.web.asked)
    assert downloads.fetch(digest=DIGEST) == first
    assert len(downloads.web.asked) == asked


def test_a_stream_without_a_length_is_taken(downloads: Downloads) -> None:
    downloads.web.pages["/stream.onnx"] = Page(MODEL, length=-1)
    assert downloads.fetch("/stream.onnx").digest == DIGEST


def test_an_allowed_name_is_resolved_and_trusted(downloads: Downloads) -> None:
    uri = downloads.web.url("/model.onnx", host="localhost")
    assert downloads.fetch(uri=uri, allow_hosts=("localhost",)).digest == DIGEST


@pytest.mark.parametrize("hops", [1, 3])
def test_redirects_are_followed_up_to_three(downloads: Downloads, hops: int) -> None:
    for hop in range(hops):
        target = "/model.onnx" if hop == hops - 1 else f"/hop{hop + 1}.onnx"
        downloads.web.pages[f"/hop{hop}.onnx"] = Page(b"see there", 302, {"Location": target})
    assert downloads.fetch("/hop0.onnx").digest == DIGEST


def test_a_fourth_redirect_is_not_followed(downloads: Downloads) -> None:
    downloads.web.pages["/loop.onnx"] = Page(b"", 301, {"Location": "/loop.onnx"})
    asked = len(downloads.web.asked)
    refusal = downloads.refusal("/loop.onnx")
    assert refusal.reason is Reason.DOWNLOAD_FAILED
    assert refusal.message.endswith("/loop.onnx redirects more than 3 times")
    assert len(downloads.web.asked) == asked + 4


@pytest.mark.parametrize(
    ("target", "reason", "words"),
    [
        (
            "http://127.0.0.1:{port}/model.onnx",
            Reason.DOWNLOAD_FAILED,
            "redirects to http://127.0.0.1:{port}/model.onnx",
        ),
        ("file:///etc/passwd", Reason.DOWNLOAD_FAILED, "redirects to /etc/passwd, and only https is followed"),
        ("", Reason.DOWNLOAD_FAILED, "redirects more than 3 times"),
        ("https://user:secret@127.0.0.1:{port}/m.onnx", Reason.UNSUPPORTED_SCHEME, "carries credentials"),
        ("https://169.254.169.254/latest", Reason.ACCESS_DENIED, "169.254.169.254, which is not public"),
        ("https://localhost:{port}/model.onnx", Reason.ACCESS_DENIED, "localhost has the address"),
        ("https://127.0.0.1:port/m.onnx", Reason.DOWNLOAD_FAILED, "redirects to something that is not a URL"),
        ("https://2130706433:{port}/model.onnx", Reason.ACCESS_DENIED, "2130706433 is not an address in its usual"),
    ],
    ids=[
        "to http",
        "to a file",
        "to nowhere",
        "with credentials",
        "to metadata",
        "to another name",
        "to no URL",
        "to a number",
    ],
)
def test_redirects_are_judged_like_the_first_url(downloads: Downloads, target: str, reason: Reason, words: str) -> None:
    port = downloads.web.port
    downloads.web.pages["/away.onnx"] = Page(b"", 302, {"Location": target.format(port=port)})
    refusal = downloads.refusal("/away.onnx")
    assert refusal.reason is reason
    assert words.format(port=port) in refusal.message
    assert "secret" not in refusal.message


@pytest.mark.parametrize("allowed", [(), ("localhost",), ("127.0.0.1:1",)], ids=["nobody", "a name", "another port"])
def test_a_private_address_is_refused_unless_allowed(downloads: Downloads, allowed: tuple[str, ...]) -> None:
    asked = len(downloads.web.asked)
    refusal = downloads.refusal(allow_hosts=allowed)
    assert refusal.reason is Reason.ACCESS_DENIED
    assert "127.0.0.1, which is not public" in refusal.message
    assert len(downloads.web.asked) == asked


def test_a_name_with_a_private_address_is_refused_unless_allowed(downloads: Downloads) -> None:
    refusal = downloads.refusal(uri=downloads.web.url("/model.onnx", host="localhost"))
    assert refusal.reason is Reason.ACCESS_DENIED
    assert "localhost has the address" in refusal.message


def test_credentials_in_the_url_are_refused_and_not_repeated(downloads: Downloads) -> None:
    refusal = downloads.refusal(uri=f"https://user:secret@127.0.0.1:{downloads.web.port}/model.onnx")
    assert refusal.reason is Reason.UNSUPPORTED_SCHEME
    assert "secret" not in refusal.message


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (401, Reason.ACCESS_DENIED, "needs credentials (HTTP 401)"),
        (403, Reason.ACCESS_DENIED, "is forbidden (HTTP 403)"),
        (404, Reason.NOT_FOUND, "does not exist (HTTP 404)"),
        (410, Reason.NOT_FOUND, "is gone (HTTP 410)"),
        (429, Reason.DOWNLOAD_FAILED, "cannot be downloaded (HTTP 429)"),
        (500, Reason.DOWNLOAD_FAILED, "cannot be downloaded (HTTP 500)"),
        (503, Reason.DOWNLOAD_FAILED, "cannot be downloaded (HTTP 503)"),
        (204, Reason.DOWNLOAD_FAILED, "cannot be downloaded (HTTP 204)"),
    ],
)
def test_the_servers_refusals_are_named(downloads: Downloads, status: int, reason: Reason, words: str) -> None:
    downloads.web.pages["/refused.onnx"] = Page(b"", status)
    refusal = downloads.refusal("/refused.onnx?signature=secret")
    assert refusal.reason is reason
    assert refusal.message == f"{downloads.web.url('/refused.onnx')} {words}"
    assert refusal.exit_code == EXIT_WAITING


def test_a_size_that_is_announced_is_refused_before_the_body(downloads: Downloads) -> None:
    refusal = downloads.refusal(max_bytes=len(MODEL) - 1)
    assert refusal.reason is Reason.TOO_LARGE
    assert refusal.message == (
        f"{len(MODEL)} bytes are more than the {len(MODEL) - 1} that a download may have; have downloads.maxBytes of "
        "the operator raised and set the annotation serinus.dev/retry, or serve the model from a volume (pvc://)"
    )


def test_a_size_that_is_not_announced_is_counted(downloads: Downloads) -> None:
    downloads.web.pages["/stream.onnx"] = Page(bytes(3 * 1024**2), length=-1)
    refusal = downloads.refusal("/stream.onnx", max_bytes=2 * 1024**2)
    assert refusal.reason is Reason.TOO_LARGE
    assert refusal.message.startswith("more than the 2097152 bytes that a download may have; have downloads.maxBytes")


def test_other_bytes_are_a_digest_mismatch(downloads: Downloads) -> None:
    other = "sha256:" + "0" * 64
    refusal = downloads.refusal(digest=other)
    assert refusal.reason is Reason.DIGEST_MISMATCH
    assert refusal.message == f"the digest is {DIGEST}, but {other} is asked for"


def test_a_download_that_breaks_off_has_failed(downloads: Downloads) -> None:
    downloads.web.pages["/short.onnx"] = Page(MODEL, length=len(MODEL) + 1)
    refusal = downloads.refusal("/short.onnx")
    assert refusal.reason is Reason.DOWNLOAD_FAILED
    assert f"{downloads.web.url('/short.onnx')} cannot be downloaded: " in refusal.message


def test_a_body_that_was_compressed_unasked_is_refused(downloads: Downloads) -> None:
    downloads.web.pages["/packed.onnx"] = Page(MODEL, headers={"Content-Encoding": "gzip"})
    refusal = downloads.refusal("/packed.onnx")
    assert (refusal.reason, refusal.message.endswith("comes compressed, though that was not asked")) == (
        Reason.DOWNLOAD_FAILED,
        True,
    )


@pytest.mark.parametrize("where", ["before the first byte", "in the middle"])
def test_a_server_that_says_nothing_more_is_stalled(downloads: Downloads, where: str) -> None:
    released = threading.Event()
    body = b"" if where.startswith("before") else MODEL
    page = Page(body, length=len(MODEL), before_end=lambda: released.wait(DEADLINE))
    downloads.web.pages["/stalled.onnx"] = page
    refusal = downloads.refusal("/stalled.onnx", stall_seconds=1)
    released.set()
    assert refusal.reason is Reason.DOWNLOAD_STALLED
    assert refusal.message == f"{downloads.web.url('/stalled.onnx')} sent nothing for 1 seconds"
    assert refusal.exit_code == EXIT_WAITING


def test_a_server_that_nobody_vouches_for_is_not_trusted(downloads: Downloads) -> None:
    refusal = downloads.refusal(ca_file=None)
    assert refusal.reason is Reason.DOWNLOAD_FAILED
    assert "certificate verify failed" in refusal.message.lower()


def test_a_certificate_for_another_name_is_not_trusted(downloads: Downloads) -> None:
    refusal = downloads.refusal(uri=downloads.web.url("/model.onnx", host="127.0.0.2"), allow_hosts=("127.0.0.2",))
    assert refusal.reason is Reason.DOWNLOAD_FAILED


@pytest.mark.parametrize(
    ("content", "reason", "words"),
    [
        (None, Reason.NOT_FOUND, "spec.runtime.caConfigMapRef names no ConfigMap with certificates"),
        ("nonsense", Reason.DOWNLOAD_FAILED, "the extra trusted certificates are unusable"),
    ],
)
def test_extra_certificates_that_cannot_be_used_are_said(
    downloads: Downloads, tmp_path: Path, content: str | None, reason: Reason, words: str
) -> None:
    path = tmp_path / "ca.crt"
    if content is not None:
        path.write_text(content)
    refusal = downloads.refusal(ca_file=str(path))
    assert refusal.reason is reason
    assert words in refusal.message


def test_every_certificate_of_a_mounted_configmap_is_trusted(downloads: Downloads, tmp_path: Path) -> None:
    version = tmp_path / "ca" / "..2026"
    version.mkdir(parents=True)
    (version / "ca.crt").write_bytes(downloads.web.ca_file.read_bytes())
    (tmp_path / "ca" / "..data").symlink_to("..2026")
    (tmp_path / "ca" / "ca.crt").symlink_to("..data/ca.crt")
    assert downloads.fetch(ca_file=str(tmp_path / "ca")).digest == DIGEST


@pytest.mark.parametrize("uri", ["https://[::1/model.onnx", "https://host:port/model.onnx"])
def test_what_is_not_a_url_is_said(downloads: Downloads, uri: str) -> None:
    refusal = downloads.refusal(uri=uri)
    assert (refusal.reason, refusal.message) == (Reason.UNSUPPORTED_SCHEME, "the URI is not a URL")


def test_a_port_where_nobody_listens_has_failed(downloads: Downloads) -> None:
    refusal = downloads.refusal(uri="https://127.0.0.1:1/model.onnx", allow_hosts=("127.0.0.1",))
    assert refusal.reason is Reason.DOWNLOAD_FAILED
    assert refusal.message.startswith("https://127.0.0.1:1/model.onnx cannot be downloaded: ")


def test_a_name_that_nobody_knows_has_failed(downloads: Downloads) -> None:
    refusal = downloads.refusal(uri="https://models.invalid/model.onnx")
    assert refusal.reason is Reason.DOWNLOAD_FAILED


def test_proxies_in_the_environment_are_not_used(downloads: Downloads, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert downloads.fetch().digest == DIGEST


def test_a_download_cannot_bring_external_data(downloads: Downloads) -> None:
    downloads.web.pages["/external.onnx"] = Page(models.external("weights.bin"))
    refusal = downloads.refusal("/external.onnx")
    assert refusal.reason is Reason.LOAD_FAILED
    assert "external data (weights.bin), which a download of one file lacks" in refusal.message
    downloads.web.pages["/external.onnx"] = Page(models.escaping())
    assert downloads.refusal("/external.onnx").reason is Reason.UNSAFE_MODEL


def test_a_look_asks_for_one_byte_and_learns_the_same_facts(downloads: Downloads) -> None:
    facts = downloads.fetch().facts
    assert asyncio.run(look(downloads.source())) == facts
    assert downloads.web.asked[-1][1]["range"] == "bytes=0-0"
    page = Page(MODEL[:1], 206, {"ETag": '"1"', "Content-Range": f"bytes 0-0/{len(MODEL)}"})
    downloads.web.pages["/ranges.onnx"] = page
    assert asyncio.run(look(downloads.source("/ranges.onnx"))) == {"ETag": '"1"', "size": str(len(MODEL))}


def test_the_preflight_downloads_and_passes(downloads: Downloads) -> None:
    verdict = run_preflight(configuration(downloads.folder, downloads.source()))
    assert (verdict.code, verdict.report.reason, verdict.report.digest) == (EXIT_OK, "Passed", DIGEST)


def test_the_preflight_tells_what_is_missing(downloads: Downloads) -> None:
    verdict = judge(configuration(downloads.folder, downloads.source("/absent.onnx")))
    assert (verdict.code, verdict.report.reason) == (EXIT_WAITING, "NotFound")
    assert (verdict.report.phase, verdict.report.message) == (
        Phase.RESOLVING,
        f"{downloads.web.url('/absent.onnx')} does not exist (HTTP 404)",
    )
