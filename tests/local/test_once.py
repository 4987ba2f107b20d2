"""`--once` after an earlier run: what this run finds counts, and not what the earlier one has left in the status."""

import asyncio
import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.local.going import Going, Recorder, config_map, going, model, write
from tests.local.quick import QuickPods

from serinus_operator.cli.once import Once
from serinus_operator.cluster.files import Files
from serinus_operator.cluster.port import Manifest
from serinus_operator.local.instance import Instance
from serinus_operator.local.passes import Passes
from serinus_operator.queue import Key

LATE_SECONDS = 0.5
WRONG, RIGHT = "the wrong bytes", "the right bytes"
PIN = f"sha256:{hashlib.sha256(RIGHT.encode()).hexdigest()}"


def pinned() -> Manifest:
    manifest = model("a", "configmap://c/m.onnx")
    manifest["spec"]["model"]["digest"] = PIN
    return manifest


async def test_refusal_of_an_earlier_run_does_not_count_when_the_source_was_put_right(folder: Path) -> None:
    file = write(folder / "a.yaml", pinned(), config_map("c", **{"m.onnx": WRONG}))
    assert await Going(folder, file, once=True).once() == 1
    write(file, pinned(), config_map("c", **{"m.onnx": RIGHT}))  # the ModelDeployment keeps its generation
    again = Going(folder, file, once=True)
    assert await again.once() == 0, again.screen.lines
    assert not any(line.startswith("stalled: ") for line in again.screen.lines)


async def test_refusal_that_this_run_finds_again_counts(folder: Path) -> None:
    file = write(folder / "a.yaml", pinned(), config_map("c", **{"m.onnx": WRONG}))
    for _ in range(2):
        run = Going(folder, file, once=True)
        assert await run.once() == 1
        assert any("default/a is Stalled, DigestMismatch" in line for line in run.screen.lines), run.screen.lines


@pytest.mark.parametrize(("found", "code"), [("Stalled", 1), ("Ready", 0)], ids=["still refused", "ready now"])
async def test_status_of_an_earlier_run_waits_for_a_pass_of_this_one(found: str, code: int) -> None:
    def told(kind: str) -> Manifest:
        meta = {"namespace": "default", "name": "a", "generation": 1}
        said = {"type": kind, "status": "True", "reason": "R", "message": "m", "observedGeneration": 1}
        return {"metadata": meta, "spec": {}, "status": {"conditions": [said]}}

    live = told("Stalled")
    changed = asyncio.Event()

    async def work(_: Key) -> None:
        nonlocal live
        live = told(found)

    passes = Passes(work)
    passes.on_end = changed.set
    await passes(Key("default", "a"))  # before the files were applied, so it does not count
    live = told("Stalled")
    instance: Any = SimpleNamespace(
        cluster=SimpleNamespace(find=lambda *_: live, select=lambda *_: [live]),
        passes=passes,
        backends=lambda *_: ("a pod",),
        look_again=passes.begin_round,
    )
    ending = asyncio.create_task(Once(instance, Recorder()).settled((("default", "a"),), changed))
    for _ in range(3):
        changed.set()
        await asyncio.sleep(0)
    assert not ending.done()
    await passes(Key("default", "a"))
    assert await ending == code


class LatePods(QuickPods):
    """A kubelet that takes its time."""

    def _advance(self, pod: Manifest) -> None:
        asyncio.get_running_loop().call_later(LATE_SECONDS, super()._advance, pod)


class DeafPods(QuickPods):
    """A kubelet that never comes to start a pod."""

    def _advance(self, pod: Manifest) -> None:
        if "deletionTimestamp" in pod["metadata"]:
            super()._advance(pod)


def past_its_deadline(state: Path) -> None:
    """As if that run had waited for a file until it counted as stalled."""
    files = Files(state / "objects")
    (kept,) = (manifest for manifest in files.load() if manifest["kind"] == "ModelDeployment")
    status: dict[str, Any] = kept["status"]
    waited = {"reason": "NotFound", "message": "no file", "sinceSeconds": 600, "deadlineExceeded": True}
    assert status["resolution"]["phase"] == "Preflight"
    status["resolution"] |= waited
    stalled = {"type": "Stalled", "status": "True", "reason": "NotFound", "message": "no file"}
    stalled |= {"observedGeneration": 1, "lastTransitionTime": "2026-01-31T12:00:00Z"}
    status["conditions"] = [*(c for c in status["conditions"] if c["type"] != "Reconciling"), stalled]
    files.save(kept)


async def test_try_of_an_earlier_run_does_not_count_while_this_one_tries(folder: Path) -> None:
    file = write(folder / "a.yaml", model("a", "pvc://claim/m.onnx"))
    async with going(folder, file, make=lambda state: Instance(state=state, pods=DeafPods)) as run:
        await run.screen.until("default/a ModelValidated=Unknown Preflight")
    past_its_deadline(run.state)
    again = Going(folder, file, once=True, make=lambda state: Instance(state=state, pods=LatePods))
    assert await again.once() == 0, again.screen.lines
