"""A kill before and after each write to disk, while a model is made and while it is changed: the same end follows.

A kill is an exception that nothing catches, after which no write succeeds; then another instance takes the folder. The
pods are quick ones, so that all points fit into seconds; `test_restart.py` kills real processes.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.local.quick import QuickPods
from tests.local.stage import Stage, condition, is_ready, model_of

from serinus_operator.cluster.files import Address, Files
from serinus_operator.cluster.port import CONTROLLER_REVISION, DEPLOYMENT, SERVICE, Manifest

FIRST, SECOND = model_of("file:///models/one.onnx"), model_of("file:///models/two.onnx", replicas=2)


class Killed(BaseException):
    """The process ended here."""


class DyingFiles(Files):
    """Dies at the n-th write: before it, or after it; `n` None never."""

    def __init__(self, folder: Path, n: int | None = None, *, after: bool = False) -> None:
        super().__init__(folder)
        self.n, self.after, self.count = n, after, 0

    def save(self, manifest: Manifest) -> None:
        self._die(before=True)
        super().save(manifest)
        self._die(before=False)

    def remove(self, address: Address) -> None:
        self._die(before=True)
        super().remove(address)
        self._die(before=False)

    def _die(self, *, before: bool) -> None:
        self.count += before
        if self.n is not None and (self.count > self.n or (self.count == self.n and before != self.after)):
            raise Killed


async def life(
    folder: Path, wanted: Manifest, files: DyingFiles, expected: dict[str, Any] | None = None
) -> dict[str, Any] | None:
    """One instance that applies `wanted` and waits until it serves; what there is then, or None when it was killed.

    With an `expected` end it waits for that: what an earlier instance left serves at once, before all is cleared up.
    """

    def ended() -> bool:
        whole = is_ready(stage.get()) and pruned(stage)
        return stage.instance.failed or (whole and expected in (None, picture(stage)))

    stage = Stage(folder, files=files, pods=QuickPods)
    failing = asyncio.ensure_future(stage.instance.wait_failed())
    try:
        await stage.start()
        failing.add_done_callback(lambda _: stage.changed.set())
        await stage.apply(wanted)
        await stage.until(ended)
        return None if stage.instance.failed else picture(stage)
    except Killed:
        return None
    finally:
        failing.cancel()
        files.n = 0
        await stage.close()
        files.n = None


def pruned(stage: Stage) -> bool:
    """Whether the stable revision alone runs, and the status has come to rest."""
    status = stage.get()["status"]
    running = [d["metadata"]["name"] for d in stage.cluster.select(DEPLOYMENT)]
    settled = "resolution" not in status and status.get("candidateRevision") is None
    return running == [status.get("stableRevision")] and settled and rest(stage)


def rest(stage: Stage) -> bool:
    return not stage.instance.queue.depth and stage.get()["status"]["revisions"][0]["readyReplicas"] == replicas(stage)


def replicas(stage: Stage) -> int:
    return int(stage.get()["spec"].get("replicas", 1))


def picture(stage: Stage) -> dict[str, Any]:
    """What must be the same, however often it was killed on the way."""
    status = stage.get()["status"]
    entry = stage.cluster.select(SERVICE, "default")
    return {
        "stable": status["stableRevision"],
        "revisions": [(r["name"], r["state"]) for r in status["revisions"]],
        "ready": condition(stage.get(), "Ready")["reason"],
        "deployments": [(d["metadata"]["name"], d["spec"]["replicas"]) for d in stage.cluster.select(DEPLOYMENT)],
        "services": [(s["metadata"]["name"], s["spec"]["selector"]) for s in entry],
        "records": [r["metadata"]["name"] for r in stage.cluster.select(CONTROLLER_REVISION)],
    }


@pytest.mark.parametrize("after", [False, True], ids=["before the write", "after the write"])
@pytest.mark.parametrize("change", [False, True], ids=["while it is made", "while it is changed"])
async def test_every_crash_point_leads_to_the_same_end(tmp_path: Path, change: bool, after: bool) -> None:
    async def begun(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        if change:
            assert await life(folder, FIRST, DyingFiles(folder / "state" / "objects"))
        return folder

    wanted = SECOND if change else FIRST
    folder = await begun("unharmed")
    unharmed = DyingFiles(folder / "state" / "objects")
    expected = await life(folder, wanted, unharmed)
    assert expected is not None
    points = unharmed.count
    assert points > 10
    for point in range(1, points + 1):
        folder = await begun(f"at-{point}")
        objects = folder / "state" / "objects"
        await life(folder, wanted, DyingFiles(objects, point, after=after))
        again = await life(folder, wanted, DyingFiles(objects), expected)
        assert again == expected, f"killed at write {point} of {points}"
