"""Start and stop the node's processes, and know them again: by pid and start time, never by name.

Each process is its own session with its own log file, so that the node outlives the shell that started it. A record in
the runtime folder tells a later call which pid it was and when it started; a pid that was given to another process
since has another start time and is left alone.
"""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from dev.cluster.paths import Layout
from dev.cluster.waiting import holds_within

TERM_SECONDS = 5.0
KILL_SECONDS = 5.0
LOG_TAIL_LINES = 5


@dataclass(frozen=True)
class Command:
    """What to run as one component of the node."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Identity:
    """A process that cannot be confused with a later one of the same pid. `started` is in clock ticks since boot."""

    name: str
    pid: int
    started: int


def parse_stat(text: str) -> tuple[str, int]:
    """State letter and start time from /proc/PID/stat; the name in brackets may hold spaces and brackets."""
    fields = text[text.rindex(")") + 2 :].split()
    return fields[0], int(fields[19])


def start_time(pid: int) -> int | None:
    """Start time of a living process; None when there is none or only its zombie is left."""
    try:
        state, started = parse_stat(Path(f"/proc/{pid}/stat").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else started


def alive(identity: Identity) -> bool:
    return start_time(identity.pid) == identity.started


def start(command: Command, layout: Layout, enter: tuple[str, ...]) -> Identity:
    """Start `command` behind the prefix `enter` (which must exec it, so that the pid stays) and record it."""
    layout.logs.mkdir(parents=True, exist_ok=True)
    layout.records.mkdir(parents=True, exist_ok=True)
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(layout.state), **command.environment}
    with log_file(command.name, layout).open("ab") as log:
        child = subprocess.Popen(
            [*enter, *command.argv],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
            env=environment,
        )
    child.returncode = 0  # it is to outlive us: spare the interpreter its warning about a child still running
    identity = Identity(command.name, child.pid, start_time(child.pid) or 0)
    (layout.records / f"{command.name}.json").write_text(json.dumps(asdict(identity)))
    return identity


def recorded(layout: Layout) -> dict[str, Identity]:
    """Every process that was started and not yet stopped, dead ones included, by name."""
    found = {}
    for path in sorted(layout.records.glob("*.json")):
        try:
            identity = Identity(**json.loads(path.read_text()))
        except (ValueError, TypeError):  # cut short by a kill: the sweep of the namespace finds the process
            continue
        found[identity.name] = identity
    return found


def log_file(name: str, layout: Layout) -> Path:
    return layout.logs / f"{name}.log"


def death_of(identity: Identity, layout: Layout) -> Callable[[], str | None]:
    """For `waiting.until`: tells that the process has died, with the last lines of its log."""

    def words() -> str | None:
        if alive(identity):
            return None
        path = log_file(identity.name, layout)
        tail = "\n".join(path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])
        return f"{identity.name} exited; the end of {path}:\n{tail}"

    return words


def stop(identity: Identity, *, term_seconds: float = TERM_SECONDS) -> None:
    """TERM, and KILL when it has not gone within `term_seconds`."""
    for number, seconds in ((signal.SIGTERM, term_seconds), (signal.SIGKILL, KILL_SECONDS)):
        if not alive(identity):
            return
        send(identity.pid, number)
        if holds_within(lambda: not alive(identity), seconds):
            return


def kill_all(pids: Iterable[int]) -> None:
    """KILL each, and wait until all are gone."""
    living = {pid: started for pid in pids if (started := start_time(pid)) is not None}
    for pid in living:
        send(pid, signal.SIGKILL)
    holds_within(lambda: all(start_time(pid) != started for pid, started in living.items()), KILL_SECONDS)


def send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
