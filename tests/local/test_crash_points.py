"""A kill before and after each write to disk, while a model is made and while it is changed: the same end follows.

A kill is an exception that nothing catches, after which no write succeeds; then another instance takes the folder. The
pods are quick ones, so that all points fit into seconds; `test_restart.py` kills real processes.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.local.quick import QuickPods
from tests.local.stage import Stage, condition, is_ready, model_of

from serinus_api.runtime import LOAD_PATH, METRICS_PATH, LoadReport
from serinus_operator.cluster.files import Address, Files
from serinus_operator.cluster.port import CONTROLLER_REVISION, DEPLOYMENT, MODEL_DEPLOYMENT, SERVICE, Manifest
from serinus_operator.local.addresses import Place

FIRST, SECOND = model_of("file:///models/one.onnx"), model_of("file:///models/two.onnx", replicas=2)

STEPPED = model_of(
    "file:///models/two.onnx",
    rollout={
        "steps": [{"weight": weight, "pauseSeconds": 0} for weight in (5, 25, 50)],
        "analysis": {"minRequests": 1, "lowTrafficWaitSeconds": 0},
        "bakeSeconds": 1,
    },
)
FULL = bool(os.environ.get("SERINUS_FULL"))
STEPPED_POINTS = 6
"""Of a canary, in each run but the full one."""
AT_ONCE = 3


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
    folder: Path,
    wanted: Manifest,
    files: DyingFiles,
    expected: dict[str, Any] | None = None,
    *,
    seen: Callable[[Manifest], None] = lambda _: None,
    **options: Any,
) -> dict[str, Any] | None:
    """One instance that applies `wanted` and waits until it serves; what there is then, or None when it was killed.

    With an `expected` end it waits for that: what an earlier instance left serves at once, before all is cleared up.
    `seen` is told the model after each change of it; `options` are those of the stage.
    """

    def ended() -> bool:
        whole = is_ready(stage.get()) and pruned(stage)
        return stage.instance.failed or (whole and expected in (None, picture(stage)))

    def tell(_: str, manifest: Manifest) -> None:
        if manifest["kind"] == MODEL_DEPLOYMENT.kind:
            seen(manifest)

    stage = Stage(folder, files=files, **{"pods": QuickPods, **options})
    failing = asyncio.ensure_future(stage.instance.wait_failed())
    try:
        await stage.start()
        failing.add_done_callback(lambda _: stage.changed.set())
        stage.cluster.watch(tell)
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
        return await served(folder) if change else folder

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


async def test_crash_points_of_a_canary_lead_to_the_same_end(tmp_path: Path, idle: type[QuickPods]) -> None:
    """`SERINUS_FULL=1` tries every one; `SERINUS_SEED=N` draws the same ones again."""
    seed = int(os.environ.get("SERINUS_SEED", random.randrange(1_000_000)))
    folder = await served(tmp_path / "unharmed")
    unharmed, course = DyingFiles(folder / "state" / "objects"), Course()
    expected = await life(folder, STEPPED, unharmed, seen=course, front=True, pods=idle)
    assert expected is not None
    assert [phase for phase, _ in course.steps] == ["Stepping"] * 3 + ["Promoting", "Baking"]
    points = [(number, after) for number in range(1, unharmed.count + 1) for after in (False, True)]
    tried = points if FULL else random.Random(seed).sample(points, STEPPED_POINTS)
    print(f"SERINUS_SEED={seed}: {len(tried)} of {len(points)} crash points: {tried}")
    room = asyncio.Semaphore(AT_ONCE)

    async def killed_at(number: int, after: bool) -> None:
        async with room:
            folder = await served(tmp_path / f"{number}-{after}")
            objects, course = folder / "state" / "objects", Course()
            dying = DyingFiles(objects, number, after=after)
            await life(folder, STEPPED, dying, seen=course, front=True, pods=idle)
            again = await life(folder, STEPPED, DyingFiles(objects), expected, seen=course, front=True, pods=idle)
            assert again == expected, f"killed at write {number}, after it: {after}"
            assert len(course.steps) == len(set(course.steps)), f"a step twice: {course.steps}"

    await asyncio.gather(*(killed_at(*point) for point in tried))


@pytest.fixture
async def idle() -> AsyncIterator[type[QuickPods]]:
    """Pods that tell their counters, and that nobody asks for anything else."""

    async def tell(_: web.Request) -> web.Response:
        report = LoadReport(revision="", in_flight=0, queued=0, arrivals={}, busy_seconds=0.0)
        return web.Response(text=report.model_dump_json(by_alias=True))

    async def no_series(_: web.Request) -> web.Response:
        return web.Response(text="")

    application = web.Application()
    application.router.add_get(LOAD_PATH, tell)
    application.router.add_get(METRICS_PATH, no_series)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]

    class IdlePods(QuickPods):
        def place(self, pod: Manifest) -> Place | None:
            return Place("127.0.0.1", 1, port)

    yield IdlePods
    await runner.cleanup()


class Course:
    """The steps of a rollout, from its beginning to its promotion, over several lives.

    Its weight falls to 0 between two lives: an instance that begins has no gateway yet that could split.
    """

    def __init__(self) -> None:
        self.steps: list[tuple[str, int]] = []

    def __call__(self, model: Manifest) -> None:
        rollout = model.get("status", {}).get("rollout") or {}
        phase, step = rollout.get("phase"), rollout.get("stepIndex")
        if phase in ("Stepping", "Promoting", "Baking") and self.steps[-1:] != [(phase, step)]:
            self.steps.append((phase, step))


async def served(folder: Path) -> Path:
    """A folder in whose state the first version serves."""
    assert await life(folder, FIRST, DyingFiles(folder / "state" / "objects"))
    return folder
