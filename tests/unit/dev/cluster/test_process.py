"""A process is known by pid and start time: never confused with another, stopped for certain."""

import subprocess
import sys
from pathlib import Path

import pytest
from dev.cluster import process
from dev.cluster.paths import Layout
from dev.cluster.waiting import holds_within

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); signal.pause()"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(cache=tmp_path / "cache", state=tmp_path / "state", run=tmp_path / "run")


def sleeper(layout: Layout, name: str = "sleeper") -> process.Identity:
    return process.start(process.Command(name, ("sleep", "60")), layout, enter=())


def reaped(identity: process.Identity) -> bool:
    """In production the parent is gone and init reaps; here we are the parent."""
    return holds_within(lambda: not process.alive(identity), 5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"7 (sh) S {'0 ' * 18}4242 0", ("S", 4242), id="plain"),
        pytest.param(f"7 (a ) Z (b) R {'0 ' * 18}17 0", ("R", 17), id="brackets and blanks in the name"),
    ],
)
def test_stat_line_yields_state_and_start_time(text: str, expected: tuple[str, int]) -> None:
    assert process.parse_stat(text) == expected


def test_started_process_is_recorded_and_alive(layout: Layout) -> None:
    identity = sleeper(layout)
    assert process.recorded(layout) == {"sleeper": identity}
    assert process.alive(identity)
    process.stop(identity)
    assert reaped(identity)


def test_process_of_another_start_time_is_not_ours_and_is_left_alone(layout: Layout) -> None:
    identity = sleeper(layout)
    impostor = process.Identity(identity.name, identity.pid, identity.started - 1)
    assert not process.alive(impostor)
    process.stop(impostor)
    assert process.alive(identity)
    process.stop(identity)


def test_zombie_counts_as_dead() -> None:
    with subprocess.Popen(["true"]) as child:
        assert holds_within(lambda: process.start_time(child.pid) is None, 5)


def test_process_that_ignores_term_is_killed(layout: Layout) -> None:
    identity = process.start(process.Command("stubborn", (sys.executable, "-c", STUBBORN)), layout, enter=())
    assert holds_within(lambda: "ready" in process.log_file("stubborn", layout).read_text(), 10)
    process.stop(identity, term_seconds=0.1)
    assert reaped(identity)


def test_record_cut_short_by_a_kill_is_passed_over(layout: Layout) -> None:
    layout.records.mkdir(parents=True)
    (layout.records / "etcd.json").write_text('{"name": "et')
    assert process.recorded(layout) == {}


def test_death_is_told_with_the_end_of_the_log(layout: Layout) -> None:
    identity = process.start(process.Command("broken", ("sh", "-c", "echo no such flag; exit 3")), layout, enter=())
    told = process.death_of(identity, layout)
    assert holds_within(lambda: told() is not None, 5)
    assert "broken exited" in (told() or "")
    assert "no such flag" in (told() or "")


def test_kill_all_waits_until_all_are_gone(layout: Layout) -> None:
    identities = [sleeper(layout, name) for name in ("one", "two")]
    process.kill_all(one.pid for one in identities)
    assert not any(process.alive(one) for one in identities)
