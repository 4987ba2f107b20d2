"""Models that are refused, or that end the process; what serves beside them serves on."""

import re
from typing import Any

import pytest
from tests.local.stage import Stage, condition, model_of
from tests.models.bad import memory_hog, not_onnx, truncated, unknown_operator
from tests.models.good import doubler

from serinus_operator.local import memory

BAD = {"not ONNX": not_onnx, "cut off": truncated, "an operator nobody knows": unknown_operator}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
async def test_bad_model_is_refused_and_the_good_one_serves_on(stage: Stage, make) -> None:  # type: ignore[no-untyped-def]
    await stage.apply(model_of(stage.file("two.onnx", doubler(2.0))))
    await stage.ready()
    await stage.apply(model_of(stage.file("bad.onnx", make())))
    assert (await stage.stalled())["reason"] == "LoadFailed"
    assert condition(stage.get(), "Available")["status"] == "True"
    assert condition(stage.get(), "Stalled")["reason"] == "RolledBack"
    assert await stage.predict(2.0) == 4.0


LIMITS = {
    "a model that asks for much": (memory_hog, 512, "(?:Loading|Inferring)"),
    "a limit that the program itself is beyond": (doubler, 16, "(?:Starting|Resolving|Loading)"),
}


@pytest.mark.parametrize("watched", [False, True], ids=["control groups where they may be made", "the watch"])
@pytest.mark.parametrize(("make", "mebibytes", "phase"), LIMITS.values(), ids=LIMITS)
async def test_beyond_its_memory_limit_a_model_is_refused_with_limit_and_peak(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, make: Any, mebibytes: int, phase: str, watched: bool
) -> None:
    if watched:
        monkeypatch.setattr(memory.Groups, "make", lambda *_: None)
    manifest = model_of(stage.file("m.onnx", make()))
    manifest["spec"]["runtime"]["resources"] = {"limits": {"memory": f"{mebibytes}Mi"}}
    await stage.apply(manifest)
    ready = await stage.stalled()
    assert ready["reason"] == "OutOfMemory"
    peak = r"(?: \(peak measured before that: (\d+) MiB\))?"
    words = rf"memory limit of {mebibytes} MiB; it was killed while {phase}{peak}; raise"
    found = re.search(words, ready["message"])
    assert found, ready["message"]
    assert found[1] or not watched, "the watch has measured it"
    assert int(found[1] or mebibytes) >= mebibytes - 1


async def test_missing_file_is_waited_for(stage: Stage) -> None:
    await stage.apply(model_of(f"file://{stage.folder}/absent.onnx"))
    await stage.until(lambda: condition(stage.get(), "ModelResolved").get("status") == "False")
    found = condition(stage.get(), "ModelResolved")
    assert found["reason"] == "NotFound"
    assert "absent.onnx" in found["message"]


async def test_process_that_dies_while_it_loads_is_told(stage: Stage) -> None:
    manifest = model_of(stage.file("two.onnx", doubler(2.0)))
    # A library that is not one: the dynamic loader of the child fails before Python starts.
    manifest["spec"]["runtime"]["env"] = [{"name": "PYTHONHOME", "value": "/nowhere"}]
    await stage.apply(manifest)
    await stage.until(lambda: condition(stage.get(), "ModelValidated").get("reason") == "CrashLoop")
    assert "exit code 1" in condition(stage.get(), "ModelValidated")["message"]
