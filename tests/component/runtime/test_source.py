"""What a serving pod does when its source is missing, differs, changes under it, or is slow to come."""

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests import models
from tests.component.runtime.conftest import Servers
from tests.component.runtime.harness import DEADLINE, RuntimeProcess, configuration, place, read_report, wait_until
from tests.component.runtime.web import Page, Web

from serinus_api.runtime import (
    EXIT_MISCONFIGURED,
    EXIT_OK,
    EXIT_REFUSED,
    EXIT_WAITING,
    ModelSource,
    Phase,
    RuntimeConfig,
)

X = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 1, 1, 1]}]}


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def pinned(config: RuntimeConfig, digest: str) -> RuntimeConfig:
    return config.model_copy(update={"source": config.source.model_copy(update={"digest": digest})})


def answer_of(process: RuntimeProcess) -> float:
    outputs = process.infer(X).json()["outputs"]
    number = outputs[0]["data"][0]
    assert isinstance(number, float)
    return number


def test_a_model_overwritten_in_place_is_served_on_and_the_change_is_told(tmp_path: Path) -> None:
    config = pinned(place(tmp_path, models.doubler(), source_check_seconds=1), sha256(models.doubler()))
    with RuntimeProcess(config) as process:
        process.wait_until_ready()
        assert process.load().source_changed is None
        (tmp_path / "mount" / "model.onnx").write_bytes(models.doubler(3.0))
        wait_until(lambda: process.load().source_changed is not None)
        assert str(process.load().source_changed).startswith("model.onnx was 114 bytes, changed at ")
        assert answer_of(process) == 2.0
        assert process.wait_for_line("Source changed")["change"] == process.load().source_changed
        info = process.ask_private("/metrics").body.decode()
        assert f'digest="{sha256(models.doubler())}"}} 1\n' in info

    with RuntimeProcess(config) as restarted:  # the same pod's container, on the same work folder
        assert answer_of(restarted.wait_until_ready()) == 2.0

    os.rename(tmp_path / "work", tmp_path / "gone")  # another pod of the revision
    with RuntimeProcess(config) as other:
        assert other.wait() == EXIT_REFUSED
    report = read_report(config)
    assert report.reason == "SourceChanged"
    assert sha256(models.doubler()) in report.message
    assert sha256(models.doubler(3.0)) in report.message


def test_a_new_etag_is_told(tmp_path: Path) -> None:
    with Web(tmp_path) as web:
        web.pages["/model.onnx"] = Page(models.doubler(), headers={"ETag": '"1"'})
        source = ModelSource(
            uri=web.url("/model.onnx"), ca_file=str(web.ca_file), allow_hosts=("127.0.0.1",), stall_seconds=10
        )
        config = configuration(tmp_path, source, source_check_seconds=1)
        with RuntimeProcess(config) as process:
            assert answer_of(process.wait_until_ready()) == 2.0
            web.pages["/model.onnx"] = Page(models.doubler(3.0), headers={"ETag": '"2"'})
            wait_until(lambda: process.load().source_changed == 'ETag was "1" and is "2"')
            web.pages["/model.onnx"] = Page(status=503)
            asked = len(web.asked)
            wait_until(lambda: len(web.asked) > asked + 1)
            assert process.load().source_changed == 'ETag was "1" and is "2"'
            web.pages["/model.onnx"] = Page(models.doubler(), headers={"ETag": '"1"'})
            wait_until(lambda: process.load().source_changed is None)
            del web.pages["/model.onnx"]
            wait_until(lambda: process.load().source_changed == f"{source.uri} does not exist (HTTP 404)")
            assert answer_of(process) == 2.0


def test_the_ports_answer_while_the_model_is_still_coming(tmp_path: Path) -> None:
    released = threading.Event()
    with Web(tmp_path) as web:
        page = Page(models.doubler(), before_end=lambda: released.wait(DEADLINE))
        web.pages["/model.onnx"] = page
        source = ModelSource(uri=web.url("/model.onnx"), ca_file=str(web.ca_file), allow_hosts=("127.0.0.1",))
        with RuntimeProcess(configuration(tmp_path, source)) as process:
            wait_until(lambda: process.phase() is Phase.DOWNLOADING)
            assert process.ask("GET", "/v2/health/live").status == 200
            assert process.ask("GET", "/v2/health/ready").status == 503
            assert process.ask("GET", "/v2/models/m/ready").status == 503
            assert process.infer(X).status == 503
            assert process.ask("POST", "/predict", b"{}").status == 503
            assert process.load().arrivals["direct"] == 2
            released.set()
            process.wait_until_ready()
            assert process.ask("GET", "/v2/health/ready").status == 200
            assert answer_of(process) == 2.0
            assert (process.phase(), read_report(process.config).reason) == (Phase.DONE, "Passed")
            process.signal()
            assert process.wait() == EXIT_OK


@pytest.mark.parametrize(
    ("build", "code", "reason"),
    [
        pytest.param(None, EXIT_WAITING, "NotFound", id="missing"),
        pytest.param(models.truncated, EXIT_REFUSED, "LoadFailed", id="truncated"),
        pytest.param(models.escaping, EXIT_REFUSED, "UnsafeModel", id="escaping"),
    ],
)
def test_a_model_that_cannot_be_served_ends_the_pod_with_the_reason(
    tmp_path: Path, build: Callable[[], bytes] | None, code: int, reason: str
) -> None:
    config = place(tmp_path, build() if build else b"")
    if build is None:
        (tmp_path / "mount" / "model.onnx").unlink()
    with RuntimeProcess(config) as process:
        assert process.wait() == code
        assert process.wait_for_line("Refused model")["reason"] == reason
    assert read_report(config).reason == reason


def test_a_port_that_is_taken_is_a_misconfiguration(tmp_path: Path, servers: Servers) -> None:
    config = place(tmp_path, models.doubler(), http_port=servers.serving("doubler").http_port)
    second = RuntimeProcess(config)
    assert second.wait() == EXIT_MISCONFIGURED
    assert "Address already in use" in second.wait_for_line("Cannot use the configuration")["why"]
    second.__exit__(None, None, None)
    assert "Address already in use" in read_report(config).message


def test_both_families_are_listened_on_without_a_host(tmp_path: Path) -> None:
    with RuntimeProcess(place(tmp_path, models.doubler(), host="")) as process:
        assert answer_of(process.wait_until_ready()) == 2.0


def test_logs_can_be_for_people(tmp_path: Path) -> None:
    process = RuntimeProcess(place(tmp_path, models.doubler(), log_format="console"))
    wait_until(lambda: any(" Ready revision=m-1a2b3c4d" in line["message"] for line in process.lines))
    process.signal()
    assert process.wait() == EXIT_OK
    process.__exit__(None, None, None)
