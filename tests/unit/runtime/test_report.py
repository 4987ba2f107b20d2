"""The termination message: always whole JSON, never longer than the contract allows."""

import json
from pathlib import Path

import pytest

from serinus_api.conditions import Reason
from serinus_api.runtime import TERMINATION_LIMIT_BYTES, Phase, PreflightReport, TensorSignature
from serinus_runtime.cgroup import ControlGroup
from serinus_runtime.errors import ModelRefused
from serinus_runtime.progress import Progress
from serinus_runtime.report import TerminationMessage, encode_report


def tensors(count: int) -> tuple[TensorSignature, ...]:
    return tuple(TensorSignature(name=f"tensor-{i}", datatype="FP32", shape=(-1, 4)) for i in range(count))


@pytest.mark.parametrize(
    "report",
    [
        PreflightReport(phase=Phase.DONE, message="short"),
        PreflightReport(phase=Phase.LOADING, message="a" * 10_000),
        PreflightReport(phase=Phase.LOADING, message='\0\n"\\€😀' * 2_000),
        PreflightReport(phase=Phase.DONE, message="m", inputs=tensors(300), outputs=tensors(300)),
        PreflightReport(phase=Phase.DONE, message="m" * 9000, inputs=tensors(2), outputs=tensors(300)),
    ],
    ids=["short", "long", "characters that JSON writes long", "many tensors", "long and many"],
)
def test_a_report_is_whole_json_within_the_limit(report: PreflightReport) -> None:
    data = encode_report(report)
    assert len(data) <= TERMINATION_LIMIT_BYTES
    back = PreflightReport.model_validate_json(data)
    assert back.phase is report.phase
    assert report.message.startswith(back.message.rstrip("…"))
    assert back.inputs == report.inputs[: len(back.inputs)]


def test_a_long_message_is_cut_and_says_so_and_uses_the_room() -> None:
    data = encode_report(PreflightReport(phase=Phase.LOADING, message="a" * 10_000))
    assert PreflightReport.model_validate_json(data).message.endswith("aaa…")
    assert len(data) > TERMINATION_LIMIT_BYTES - 10


def test_outputs_are_dropped_before_inputs() -> None:
    report = PreflightReport(phase=Phase.DONE, inputs=tensors(5), outputs=tensors(300))
    back = PreflightReport.model_validate_json(encode_report(report))
    assert len(back.inputs) == 5
    assert 0 < len(back.outputs) < 300
    assert back.signature_cut is True


def test_a_whole_signature_is_not_called_cut() -> None:
    report = PreflightReport(phase=Phase.DONE, message="a" * 10_000, inputs=tensors(5), outputs=tensors(5))
    back = PreflightReport.model_validate_json(encode_report(report))
    assert (back.outputs, back.signature_cut) == (report.outputs, None)


def test_a_shorter_report_replaces_a_longer_one_in_place(tmp_path: Path) -> None:
    path = tmp_path / "termination"
    path.touch()
    inode = path.stat().st_ino
    message = TerminationMessage(str(path))
    message.write(PreflightReport(phase=Phase.LOADING, message="a" * 500))
    message.write(PreflightReport(phase=Phase.DONE))
    assert json.loads(path.read_bytes()) == {"phase": "Done", "message": "", "inputs": [], "outputs": []}
    assert path.stat().st_ino == inode


def test_a_path_that_cannot_be_written_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    TerminationMessage(str(tmp_path / "absent" / "termination")).write(PreflightReport(phase=Phase.DONE))
    assert "Cannot write the termination message" in caplog.text


def test_progress_is_told_phase_by_phase_with_the_memory(tmp_path: Path) -> None:
    group = tmp_path / "cgroup"
    group.mkdir()
    (group / "memory.max").write_text("2000\n")
    (group / "memory.peak").write_text("1000\n")
    path = tmp_path / "termination"
    progress = Progress(TerminationMessage(str(path)), ControlGroup("0::/", group))

    def told() -> PreflightReport:
        return PreflightReport.model_validate_json(path.read_bytes())

    progress.enter(Phase.LOADING)
    assert (told().phase, told().peak_bytes, told().limit_bytes) == (Phase.LOADING, 1000, 2000)
    (group / "memory.peak").write_text("1500\n")
    progress.refused(ModelRefused(Reason.LOAD_FAILED, "no"))
    assert (told().phase, told().reason, told().message) == (Phase.LOADING, "LoadFailed", "no")
    assert told().peak_bytes == 1500
    progress.passed(load_seconds=0.5)
    assert (told().phase, told().reason, told().load_seconds) == (Phase.DONE, "Passed", 0.5)
