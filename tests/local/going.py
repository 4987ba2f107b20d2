"""`serinus run` in the process of the test, with a kubelet that is done at once; files are written and watched."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.local.quick import QuickPods

from serinus_operator.cli.check import title
from serinus_operator.cli.documents import Document, Problem
from serinus_operator.cli.rows import Row
from serinus_operator.cli.run import Options, Run
from serinus_operator.cluster.files import Files
from serinus_operator.cluster.port import Manifest
from serinus_operator.local.addresses import free_port
from serinus_operator.local.instance import DrainReport, Instance

DEADLINE_SECONDS = 60.0


class Recorder:
    """A screen that remembers lines, to be waited for."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.changed = asyncio.Event()
        self.report: DrainReport | None = None

    def applied(self, key: tuple[str, str, str], result: str, document: Document) -> None:
        self.add(f"{title(key)} {result} ({document.file.name}:{document.line})")

    def problem(self, problem: Problem) -> None:
        self.add(f"{Path(problem.file).name}:{problem.line}: {problem.message}")

    def condition(self, namespace: str, name: str, condition: dict[str, Any]) -> None:
        self.add(f"{namespace}/{name} {condition['type']}={condition['status']} {condition['reason']}")

    def note(self, event: str, text: str, **facts: Any) -> None:
        self.add(f"{event}: {text}")

    def drained(self, report: DrainReport) -> None:
        self.report = report

    def rows(self, rows: Iterable[Row]) -> None:
        self.shown = list(rows)

    def close(self) -> None:
        pass

    def add(self, line: str) -> None:
        self.lines.append(line)
        self.changed.set()

    async def until(self, words: str, *, after: int = 0) -> int:
        """Wait for a line with these words; the number of lines that there are then."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not any(words in line for line in self.lines[after:]):
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            raise AssertionError(f"no line with {words!r}: {self.lines}") from None
        return len(self.lines)


def quick(state: Path, files: Files | None = None) -> Instance:
    return Instance(state=state, pods=QuickPods, files=files)


def model(name: str, uri: str = "file://m.onnx", **spec: Any) -> Manifest:
    return {
        "apiVersion": "serving.serinus.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name},
        "spec": {"model": {"uri": uri}, **spec},
    }


def write(file: Path, *manifests: Manifest) -> Path:
    """As a careful editor does: beside its place, and renamed."""
    beside = file.with_suffix(".tmp")
    beside.write_text("\n---\n".join(json.dumps(manifest) for manifest in manifests))
    os.replace(beside, file)
    return file


class Going:
    """A run in this process."""

    def __init__(self, folder: Path, *sources: Path, make: Callable[[Path], Instance] = quick, **options: Any) -> None:
        self.state = folder / "state"
        self.screen = Recorder()
        given: dict[str, Any] = {"port": free_port(), **options}
        self.port: int = given["port"]
        self.run = Run(Options(sources, self.state, **given), self.screen, make)

    async def once(self) -> int:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self.run.run()


def config_map(name: str, **files: str) -> Manifest:
    """A ConfigMap of texts."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": files}


@asynccontextmanager
async def going(folder: Path, *sources: Path, **options: Any) -> AsyncIterator[Going]:
    run = Going(folder, *sources, **options)
    task = asyncio.create_task(run.run.run())
    try:
        await run.screen.until("started: ")
        yield run
    finally:
        run.run.stop()
        assert await task == 0
    assert run.screen.report is not None
