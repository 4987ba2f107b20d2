"""Servers that several tests ask, each started once by the first that needs it."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests import models
from tests.component.runtime.harness import RuntimeProcess, place


class Servers:
    """Runtimes by the name of the model that they serve."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._running: dict[str, RuntimeProcess] = {}

    def serving(self, model: str) -> RuntimeProcess:
        """The one that serves `tests.models.<model>()` with the usual limits."""
        if model not in self._running:
            config = place(self._folder / model, getattr(models, model)())
            self._running[model] = self._stack.enter_context(RuntimeProcess(config))
        return self._running[model].wait_until_ready()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(tmp_path_factory.mktemp("servers"), stack)
