"""`serinus-runtime preflight` with what `spec.validation` asks for: real models, real sessions, the whole way."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests import models
from tests.component.runtime.harness import judge, place, read_report, run_preflight

from serinus_api.golden import golden_digest
from serinus_api.runtime import EXIT_OK, EXIT_REFUSED, EXIT_WAITING, Phase, Validation

KEY = "0" * 64


def case(inputs: list[dict[str, Any]], outputs: list[dict[str, Any]], **more: Any) -> bytes:
    return json.dumps({"request": {"inputs": inputs}, "expected": {"outputs": outputs}, **more}).encode()


def row(*values: float) -> list[dict[str, Any]]:
    return [{"name": "x", "datatype": "FP32", "shape": [1, len(values)], "data": list(values)}]


GOOD = case(row(1, 2, 3, 4), [{"name": "y", "datatype": "FP32", "shape": [1, 4], "data": [[2, 4, 6, 8]]}])
WRONG = case(row(1, 2, 3, 4), [{"name": "y", "data": [2, 4, 6, 9]}])


def asked(folder: Path, model: bytes, files: dict[str, bytes] | None = None, **limits: int) -> Any:
    """The configuration of a preflight that is asked for these golden requests and limits."""
    mount = folder / "golden"
    mount.mkdir()
    for name, data in (files or {}).items():
        (mount / name).write_bytes(data)
    golden = {"golden_name": "iris-golden", "golden_digest": golden_digest(files)} if files else {}
    return place(folder, model, golden_mount=str(mount), validation=Validation(key=KEY, **golden, **limits))


def test_model_that_shows_all_that_is_asked_passes_and_says_so(tmp_path: Path) -> None:
    limits = {"max_latency_p95_milliseconds": 60_000, "max_memory_bytes": 2**40}
    verdict = run_preflight(asked(tmp_path, models.doubler(), {"first.json": GOOD}, **limits))
    report = verdict.report
    assert (verdict.code, report.phase, report.reason, report.message) == (EXIT_OK, Phase.DONE, "Passed", "")
    assert report.validation == KEY
    assert report.latency_p95_milliseconds is not None
    assert report.latency_p95_milliseconds > 0


def test_model_that_is_not_asked_says_nothing(tmp_path: Path) -> None:
    report = judge(place(tmp_path, models.doubler())).report
    assert (report.reason, report.validation, report.latency_p95_milliseconds) == ("Passed", None, None)


def test_wrong_output_is_refused_with_request_output_and_difference(tmp_path: Path) -> None:
    verdict = judge(asked(tmp_path, models.doubler(), {"first.json": GOOD, "second.json": WRONG}))
    assert (verdict.code, verdict.report.reason) == (EXIT_REFUSED, "GoldenMismatch")
    assert verdict.report.message == (
        "golden request second.json: output 'y'[0, 3] is 8.0, expected 9: off by 1, tolerance 0.000901 "
        "(absolute 1e-06 + relative 0.0001 of the expected)"
    )
    assert verdict.report.phase is Phase.VALIDATING
    assert verdict.report.validation is None


def test_tolerance_of_a_golden_request_counts(tmp_path: Path) -> None:
    loose = json.dumps({**json.loads(WRONG), "tolerance": {"relative": 0.2}}).encode()
    assert judge(asked(tmp_path, models.doubler(), {"loose.json": loose})).code == EXIT_OK


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"{", "golden request g.json: the request is not valid JSON"),
        (case(row(1, 2), [{"name": "y", "data": [1]}]), "the model does not answer it: input 'x' has shape [-1, 4]"),
        (
            json.dumps(
                {
                    "request": {"inputs": row(1, 2, 3, 4), "parameters": {"binary_data_output": True}},
                    "expected": {"outputs": [{"name": "y", "data": [1]}]},
                }
            ).encode(),
            "asks for binary outputs",
        ),
    ],
    ids=["no golden request", "another input", "binary outputs"],
)
def test_golden_request_that_cannot_be_asked_is_a_mismatch(tmp_path: Path, raw: bytes, words: str) -> None:
    verdict = judge(asked(tmp_path, models.doubler(), {"g.json": raw}))
    assert (verdict.code, verdict.report.reason) == (EXIT_REFUSED, "GoldenMismatch")
    assert words in verdict.report.message


def test_request_on_which_the_model_fails_is_a_mismatch(tmp_path: Path) -> None:
    inputs = [{"name": "row", "datatype": "INT64", "shape": [1], "data": [7]}]
    verdict = judge(asked(tmp_path, models.picky_value(), {"g.json": case(inputs, [{"name": "y", "data": [0, 1]}])}))
    assert (verdict.code, verdict.report.reason) == (EXIT_REFUSED, "GoldenMismatch")
    assert "the model does not answer it" in verdict.report.message


@pytest.mark.parametrize("change", ["another content", "another file", "gone"])
def test_other_golden_requests_than_the_operator_has_seen_are_not_judged(tmp_path: Path, change: str) -> None:
    config = asked(tmp_path, models.doubler(), {"first.json": GOOD})
    file = tmp_path / "golden" / "first.json"
    if change == "another content":
        file.write_bytes(WRONG)
    elif change == "another file":
        (tmp_path / "golden" / "more.json").write_bytes(GOOD)
    else:
        file.unlink()
    verdict = judge(config)
    assert (verdict.code, verdict.report.reason) == (EXIT_WAITING, "GoldenUnavailable")
    assert "ConfigMap iris-golden" in verdict.report.message


def test_links_of_the_kubelet_are_not_golden_requests(tmp_path: Path) -> None:
    """It mounts a key as a link into `..data`, itself a link to a folder that it changes as a whole."""
    config = asked(tmp_path, models.doubler(), {"first.json": GOOD})
    folder = tmp_path / "golden"
    (folder / "..2026_05_01").mkdir()
    (folder / "first.json").rename(folder / "..2026_05_01" / "first.json")
    (folder / "..data").symlink_to("..2026_05_01")
    (folder / "first.json").symlink_to("..data/first.json")
    assert judge(config).code == EXIT_OK


def test_slow_model_is_refused_with_what_was_measured(tmp_path: Path) -> None:
    rounds = [{"name": "rounds", "datatype": "INT64", "shape": [1], "data": [300]}]
    golden = case(rounds, [{"name": "y", "datatype": "FP32", "data": [float(i % 97 == 0) for i in range(96 * 96)]}])
    verdict = judge(asked(tmp_path, models.slow(), {"long.json": golden}, max_latency_p95_milliseconds=1))
    assert (verdict.code, verdict.report.reason) == (EXIT_REFUSED, "TooSlow")
    assert "the 95th percentile of 100 runs of 1 golden request is " in verdict.report.message
    assert "more than the 1 ms of spec.validation.maxLatencyP95Milliseconds" in verdict.report.message


def test_latency_without_golden_requests_is_that_of_zeros(tmp_path: Path) -> None:
    config = asked(tmp_path, models.picky_size(), max_latency_p95_milliseconds=60_000)
    verdict = judge(config)
    assert verdict.code == EXIT_OK
    assert verdict.report.latency_p95_milliseconds


def test_more_memory_than_asked_for_is_refused_with_both(tmp_path: Path) -> None:
    config = asked(tmp_path, models.doubler(), max_memory_bytes=3 * 2**20)
    verdict = run_preflight(config)
    assert (verdict.code, verdict.report.reason) == (EXIT_REFUSED, "OutOfMemory")
    assert "more than the 3.0 MiB of spec.validation.maxMemory" in verdict.report.message
    assert read_report(config).phase is Phase.VALIDATING
