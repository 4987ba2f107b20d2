"""In what order stories may run, over all workers.

    1  stories with the operator of the whole suite, which watches every namespace
    2  stories with an operator of their own (`own_operator`): it would be a second writer beside the first,
       so the first is uninstalled in between
    3  the story that kills the API server and has etcd pause (`own_control_plane`), under its own feet alone
    4  the story whose release owns the CRD (`own_crd`): it changes what all others stand on, so it is alone
    5  stories that look back on the whole run (`last`)

The workers share a file with the stories that are still to come; each waits for its stage.
"""

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.harness.waiting import wait_for

WAIT_SECONDS = 2700


@dataclass(frozen=True)
class Stage:
    """The state that workers share, in the folder of the run."""

    folder: Path

    @contextmanager
    def locked(self) -> Iterator[dict[str, Any]]:
        """The shared state, alone; written back at the end."""
        with (self.folder / "stage.json").open("a+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            stream.seek(0)
            state: dict[str, Any] = json.loads(stream.read() or "{}")
            try:
                yield state
            finally:
                stream.seek(0)
                stream.truncate()
                stream.write(json.dumps(state))
                stream.flush()

    @property
    def begun(self) -> bool:
        """Whether any story needed the cluster."""
        return (self.folder / "began").exists()

    def announce(self, stories: dict[str, int]) -> None:
        """All stories that will run, with their stage; every worker says the same, the first one counts."""
        with self.locked() as state:
            state.setdefault("left", stories)

    def done(self, story: str) -> None:
        with self.locked() as state:
            state["left"].pop(story, None)

    def wait_for_earlier(self, stage: int) -> None:
        """Until no story of an earlier stage is left."""
        wait_for(
            lambda: not self._left_before(stage),
            seconds=WAIT_SECONDS,
            what=f"the stories before stage {stage} are over",
            describe=lambda: self._left_before(stage),
        )

    def _left_before(self, stage: int) -> list[str]:
        with self.locked() as state:
            return [story for story, number in state["left"].items() if number < stage]

    def once(self, what: str, act: Callable[[], None]) -> None:
        """Have exactly one worker do something; the others wait until it is done. A failure is everybody's."""
        with self._only(what), self.locked() as state:
            done = state.setdefault("once", [])
            known = what in done
            failed = f"{what} failed" in done
        assert not failed, f"{what}: failed in another worker"
        if known:
            return
        with self._only(what):
            with self.locked() as state:
                if what in state["once"]:
                    return
                state["once"].append(f"{what} failed")
            act()
            with self.locked() as state:
                state["once"].remove(f"{what} failed")
                state["once"].append(what)

    @contextmanager
    def _only(self, what: str) -> Iterator[None]:
        with (self.folder / f"{what.replace(' ', '-')}.lock").open("a") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield
