"""A part of the control plane is ended or halted for the length of a block, and all is as before after it."""

from pathlib import Path

import pytest
from dev.cluster import faults, process
from dev.cluster.console import ClusterError
from dev.cluster.paths import Layout
from dev.cluster.waiting import holds_within

SLEEPS = process.Command("etcd", ("sleep", "60"))


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A part that only sleeps, outside of any node, before an API server that always answers."""
    monkeypatch.setitem(faults.COMMANDS, "etcd", lambda *_: SLEEPS)
    monkeypatch.setattr(faults.up, "launch", lambda command, layout: process.start(command, layout, enter=()))
    monkeypatch.setattr(faults.up, "answers", lambda *_: True)
    return Layout(cache=tmp_path / "cache", state=tmp_path / "state", run=tmp_path / "run")


def test_killed_part_is_another_process_after_it(layout: Layout) -> None:
    before = process.start(SLEEPS, layout, enter=())
    with faults.killed("etcd", layout):
        assert not process.alive(before)
    after = process.recorded(layout)["etcd"]
    assert process.alive(after)
    assert after != before
    process.stop(after)


def test_paused_part_stands_still_and_goes_on(layout: Layout) -> None:
    part = process.start(SLEEPS, layout, enter=())
    with faults.paused("etcd", layout):
        assert holds_within(lambda: state(part) == "T", 5)
    assert holds_within(lambda: state(part) in "SR", 5)
    process.stop(part)


def test_part_that_does_not_run_is_named_and_nothing_is_started(layout: Layout) -> None:
    gone = process.start(SLEEPS, layout, enter=())
    process.kill_all([gone.pid])
    with pytest.raises(ClusterError, match="etcd does not run here"), faults.killed("etcd", layout):
        pytest.fail("nothing was there to kill")
    assert process.recorded(layout)["etcd"] == gone


def state(identity: process.Identity) -> str:
    return process.parse_stat(Path(f"/proc/{identity.pid}/stat").read_text())[0]
