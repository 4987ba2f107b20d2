"""`serinus-runtime preflight`: the verdict on each good and bad model, in the termination message and the exit code."""

import resource
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests import models
from tests.component.runtime.harness import (
    COMMAND,
    DEADLINE,
    configuration,
    environment,
    judge,
    place,
    read_phase,
    read_report,
    run_preflight,
    wait_until,
)

from serinus_api.conditions import FINAL_REASONS, Reason
from serinus_api.runtime import (
    CONFIG_ENV,
    EXIT_MISCONFIGURED,
    EXIT_OK,
    EXIT_REFUSED,
    EXIT_WAITING,
    TERMINATION_LIMIT_BYTES,
    ModelSource,
    Phase,
    TensorSignature,
)


def test_a_good_model_passes_with_everything_that_is_known_of_it(tmp_path: Path) -> None:
    config = place(tmp_path, models.adder())
    verdict = run_preflight(config)
    report = verdict.report
    assert (verdict.code, report.phase, report.reason, report.message) == (EXIT_OK, Phase.DONE, "Passed", "")
    assert "Passed model" in verdict.log
    assert report.digest is not None
    assert report.digest.startswith("sha256:")
    assert report.size_bytes == len(models.adder())
    assert report.peak_bytes is not None
    assert report.peak_bytes > 10 * 1024**2
    assert report.load_seconds is not None
    assert report.inference_milliseconds is not None
    assert report.inference_milliseconds > 0
    assert report.inputs == (
        TensorSignature(name="a", datatype="FP32", shape=(-1, 2)),
        TensorSignature(name="b", datatype="INT64", shape=(-1, 1)),
    )
    assert [output.name for output in report.outputs] == ["sum", "count"]


def test_the_same_model_from_a_configmap_has_the_same_digest(tmp_path: Path) -> None:
    mounted = place(tmp_path, models.adder())
    other = configuration(tmp_path, ModelSource(uri="configmap://m/model.onnx", path="model.onnx"))
    assert judge(mounted).report.digest == judge(other).report.digest


def test_outputs_that_cannot_be_served_are_told(tmp_path: Path) -> None:
    verdict = judge(place(tmp_path, models.classifier()))
    assert verdict.report.reason == "Passed"
    assert verdict.report.message == (
        "not served, as no tensor can carry it: probabilities: seq(map(int64,tensor(float)))"
    )
    assert [output.name for output in verdict.report.outputs] == ["label"]


def test_a_pinned_digest_that_fits_passes_and_one_that_does_not_is_refused_with_both(tmp_path: Path) -> None:
    config = place(tmp_path, models.doubler())
    digest = judge(config).report.digest
    pinned = config.model_copy(update={"source": config.source.model_copy(update={"digest": digest})})
    assert judge(pinned).code == EXIT_OK
    (tmp_path / "mount" / "model.onnx").write_bytes(models.doubler(3.0))
    (tmp_path / "work" / "model.json").unlink()
    verdict = judge(pinned)
    assert (verdict.code, verdict.report.reason) == (EXIT_REFUSED, "DigestMismatch")
    assert str(digest) in verdict.report.message
    assert verdict.report.message.count("sha256:") == 2


@pytest.mark.parametrize(
    ("build", "reason", "phase", "words"),
    [
        pytest.param(models.not_onnx, "LoadFailed", Phase.LOADING, "Protobuf parsing failed", id="no ONNX"),
        pytest.param(models.truncated, "LoadFailed", Phase.LOADING, "Protobuf parsing failed", id="truncated"),
        pytest.param(models.unknown_operator, "LoadFailed", Phase.LOADING, "No Op registered", id="unknown operator"),
        pytest.param(models.unknown_domain, "LoadFailed", Phase.LOADING, "com.example:Add", id="unknown domain"),
        pytest.param(models.sequence_input, "LoadFailed", Phase.LOADING, "cannot carry", id="an input of another kind"),
        pytest.param(models.failing_inference, "LoadFailed", Phase.INFERRING, "out of data bounds", id="fails"),
        pytest.param(models.escaping, "UnsafeModel", Phase.DOWNLOADING, "'../secret' leaves the model's", id="escapes"),
        pytest.param(models.external, "NotFound", Phase.DOWNLOADING, "'weights.bin' of 'model.onnx'", id="incomplete"),
    ],
)
def test_bad_models_are_refused(
    tmp_path: Path, build: Callable[[], bytes], reason: str, phase: Phase, words: str
) -> None:
    verdict = judge(place(tmp_path, build()))
    report = verdict.report
    assert (report.reason, report.phase) == (reason, phase)
    assert words in report.message
    assert str(tmp_path) not in report.message
    assert "onnxruntime_src" not in report.message
    assert verdict.code == (EXIT_REFUSED if Reason(reason) in FINAL_REASONS else EXIT_WAITING)
    assert report.peak_bytes


def test_external_data_in_the_models_folder_pass_and_a_hardlink_is_unsafe(tmp_path: Path) -> None:
    config = place(tmp_path, b"")
    models.write_external(tmp_path / "mount")
    assert judge(config).report.reason == "Passed"
    weights = tmp_path / "mount" / "weights.bin"
    weights.rename(tmp_path / "secret")
    weights.hardlink_to(tmp_path / "secret")
    verdict = judge(config)
    assert (verdict.code, verdict.report.reason) == (EXIT_REFUSED, "UnsafeModel")


@pytest.mark.parametrize("scheme", ["configmap", "pvc"])
def test_a_missing_model_is_not_found_and_waited_for(tmp_path: Path, scheme: str) -> None:
    (tmp_path / "mount").mkdir()
    uri = f"{scheme}://claim/model.onnx"
    verdict = judge(configuration(tmp_path, ModelSource(uri=uri, path="model.onnx")))
    report = verdict.report
    assert (verdict.code, report.reason, report.phase) == (EXIT_WAITING, "NotFound", Phase.RESOLVING)
    assert report.message == f"{uri} does not exist"


def test_another_scheme_is_unsupported(tmp_path: Path) -> None:
    verdict = judge(configuration(tmp_path, ModelSource(uri="s3://bucket/model.onnx")))
    assert (verdict.code, verdict.report.reason) == (EXIT_REFUSED, "UnsupportedScheme")


def test_more_memory_than_there_is_is_out_of_memory(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (3 * 1024**3, 3 * 1024**3))

    verdict = run_preflight(place(tmp_path, models.memory_hog(gibibytes=8)), preexec_fn=limit)
    assert (verdict.code, verdict.report.reason) == (EXIT_REFUSED, "OutOfMemory")
    assert verdict.report.phase in (Phase.LOADING, Phase.INFERRING)  # where ONNX Runtime wants it is its own affair


def test_a_preflight_that_is_killed_leaves_the_phase_it_was_in(tmp_path: Path) -> None:
    config = place(tmp_path, models.endless())
    process = subprocess.Popen((COMMAND, "preflight"), env=environment(config), stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: read_phase(config) is Phase.INFERRING)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(DEADLINE)
    report = read_report(config)
    assert (report.phase, report.reason) == (Phase.INFERRING, None)
    assert report.digest is not None
    assert report.peak_bytes is not None


def test_the_message_stays_within_the_contract_whatever_the_model_is_called(tmp_path: Path) -> None:
    config = place(tmp_path, models.many_tensors(200))
    assert judge(config).report.reason == "Passed"
    assert Path(config.termination_log).stat().st_size <= TERMINATION_LIMIT_BYTES


def test_an_unusable_configuration_ends_at_once() -> None:
    done = subprocess.run(
        (COMMAND, "preflight"), env={CONFIG_ENV: "{}"}, capture_output=True, text=True, timeout=DEADLINE
    )
    assert done.returncode == EXIT_MISCONFIGURED
    assert "Cannot use the configuration" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_needs_no_configuration() -> None:
    done = subprocess.run((COMMAND, "--help"), env={}, capture_output=True, text=True, timeout=DEADLINE)
    assert (done.returncode, done.stderr) == (0, "")
    assert CONFIG_ENV in done.stdout


def test_an_unknown_command_is_refused() -> None:
    done = subprocess.run((COMMAND, "dance"), env={}, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 2
    assert "invalid choice: 'dance'" in done.stderr
