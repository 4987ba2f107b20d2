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
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from tests.e2e.harness.waiting import wait_for

WAIT_SECONDS = 2700


def _locked(file: TextIO) -> bool:
    """Whether we hold it now; given back when it is closed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


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

    @contextmanager
    def room(self, what: str, places: int) -> Iterator[None]:
        """One of so many places, over all workers: what is heavy does not all run at once."""
        with ExitStack() as stack:
            files = [stack.enter_context((self.folder / f"{what}-{n}.lock").open("a")) for n in range(places)]
            wait_for(
                lambda: any(_locked(file) for file in files), seconds=WAIT_SECONDS, what=f"there is room for {what}"
            )
            yield

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
