"""The files of `serinus run`: applied at the start, and again when they are edited.

An edit is `kubectl apply`. A document that is gone from its file takes its object with it, unless the file cannot be
read, has errors or is empty: then everything that it held before serves on until it is right again.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serinus_api import names
from serinus_operator.cli.check import KINDS, Checked, check
from serinus_operator.cli.documents import STDIN, SUFFIXES, Document, Problem, Reading, files_of, read
from serinus_operator.cli.exits import Fault
from serinus_operator.cli.screen import Screen
from serinus_operator.cluster.errors import ClusterError, Unwritable
from serinus_operator.cluster.process import ProcessCluster, Refusal

STEP_MILLISECONDS = 50
"""Changes that follow each other faster are one."""
FIRST_LOOK = 500
"""Milliseconds after which the watch says that it runs."""
UNKEPT_SECONDS = 2.0
"""What the state folder did not take is tried again this often."""
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All files at one moment."""

    checked: tuple[Checked, ...]
    problems: tuple[Problem, ...]
    """Of files and of documents."""

    @property
    def sound(self) -> bool:
        """Whether there is something to apply and nothing wrong with any of it."""
        return bool(self.checked) and all(problem.warning for problem in self.problems)


class Sources:
    """What `-f` names. Standard input is read here, once, and kept."""

    def __init__(self, sources: tuple[Path, ...]) -> None:
        self._sources = sources
        self._stdin = read(STDIN) if STDIN in sources else None
        self.watched = tuple(source for source in sources if source != STDIN)
        """Files and folders."""

    def snapshot(self) -> Snapshot:
        """Read and check everything."""
        files: list[Path] = []
        problems: list[Problem] = []
        for source in self._sources:
            try:
                files += files_of((source,))
            except Fault:
                problems.append(Problem(str(source), 1, "no such file or folder"))
        readings = [self._read(file) for file in dict.fromkeys(files)]
        checked = check(document for reading in readings for document in reading.documents)
        for file, reading in zip(dict.fromkeys(files), readings, strict=True):
            problems += reading.problems
            if not reading.documents and not reading.problems:
                problems.append(Document(file, 1, None).problem("", "holds no document"))
        problems += [problem for item in checked for problem in item.problems]
        return Snapshot(checked, tuple(problems))

    def is_ours(self, _: object, path: str) -> bool:
        """Whether a change of this path concerns us, for `watchfiles`."""
        changed = Path(path)
        return any(
            changed.parent == source.absolute() and changed.suffix in SUFFIXES
            if source.is_dir()
            else changed in (source.absolute(), source.resolve())
            for source in self.watched
        )

    def _read(self, file: Path) -> Reading:
        return self._stdin if file == STDIN and self._stdin else read(file)


class Manifests:
    """What the files hold and what of it has been applied."""

    def __init__(self, sources: Sources, cluster: ProcessCluster, screen: Screen) -> None:
        self._sources, self._cluster, self._screen = sources, cluster, screen
        self._applied: dict[Key, Checked] = {}
        self._told: set[Problem] = set()
        self._present: set[Problem] = set()
        self._unkept = False
        self._loading = asyncio.Lock()

    @property
    def models(self) -> tuple[tuple[str, str], ...]:
        """Namespace and name of the ModelDeployments that have been applied."""
        return tuple((namespace, name) for kind, namespace, name in self._applied if kind == names.KIND)

    async def load(self) -> bool:
        """Apply what is new or changed, delete what is gone; False where something was wrong."""
        async with self._loading:
            seen = await asyncio.to_thread(self._sources.snapshot)
            self._present, self._unkept = set(), False
            self._tell(seen.problems)
            results = [await self._apply(item) for item in seen.checked if item.good]
            await self._delete_gone(seen)
            self._told = self._present
            return seen.sound and all(results)

    async def apply_unkept(self) -> None:
        """Load again while the state folder did not take all of it, on and on."""
        while True:
            await asyncio.sleep(UNKEPT_SECONDS)
            if self._unkept:
                await self.load()

    async def follow(self) -> None:
        """Load again whenever a file changes, on and on."""
        if not self._sources.watched:
            await asyncio.Event().wait()
        import watchfiles  # only here, and it is large

        watched = self._sources.watched
        folders = {path.absolute() if path.is_dir() else path.absolute().parent for path in watched}
        folders |= {path.resolve().parent for path in watched if path.is_symlink() and not path.is_dir()}
        options: dict[str, Any] = {"watch_filter": self._sources.is_ours, "recursive": False, "step": STEP_MILLISECONDS}
        caught_up = False
        async for changes in watchfiles.awatch(*folders, **options, rust_timeout=FIRST_LOOK, yield_on_timeout=True):
            if changes or not caught_up:  # also what was edited before the watch began
                await self.load()
            caught_up = True

    async def _apply(self, item: Checked) -> bool:
        key = item.key
        if key is None:
            return False
        before = self._applied.get(key)
        there = self._cluster.find(KINDS[key[0]], key[1], key[2])
        if before and there and before.document.value == item.document.value:
            self._applied[key] = item
            return True
        try:
            result, warnings = await self._cluster.user_apply(item.document.value)
        except (Refusal, ClusterError) as error:
            self._not_taken(item, error)
            return False
        self._applied[key] = item
        self._screen.applied(key, result, item.document)
        self._tell(item.document.problem("", warning, warning=True) for warning in warnings)
        return True

    async def _delete_gone(self, seen: Snapshot) -> None:
        held = {item.key for item in seen.checked}
        unclear = {problem.file for problem in seen.problems if not problem.warning}
        for key, item in list(self._applied.items()):
            file = item.document.source
            if key in held or file in unclear:
                continue
            kind, namespace, name = key
            try:
                await self._cluster.user_delete(KINDS[kind], namespace, name)
            except ClusterError as error:
                self._not_taken(item, error)
                continue
            del self._applied[key]
            self._screen.applied(key, f"deleted: it is gone from {file}", item.document)

    def _not_taken(self, item: Checked, error: Refusal | ClusterError) -> None:
        self._unkept = self._unkept or isinstance(error, Unwritable)
        self._tell((item.document.problem("", str(error)),))

    def _tell(self, problems: Iterable[Problem]) -> None:
        """Each problem once, until a load does not meet it any more."""
        for problem in problems:
            if problem not in self._told | self._present:
                self._screen.problem(problem)
            self._present.add(problem)
