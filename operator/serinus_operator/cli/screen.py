"""What `serinus run` shows: a live table on a terminal, plain lines elsewhere, JSON lines for scripts.

All three say the same events; none of them decides anything. Standard output carries the story, standard error what is
wrong with the files (JSON lines carry both).
"""

import datetime as dt
import json
import logging
import sys
from collections.abc import Iterable
from typing import Any, Literal, Protocol, TextIO

from serinus_operator.cli.check import title
from serinus_operator.cli.documents import Document, Problem
from serinus_operator.cli.rows import Row
from serinus_operator.clock import read_clocks
from serinus_operator.local.instance import DrainReport
from serinus_operator.logs import ConsoleFormatter

Output = Literal["table", "json"]


class Screen(Protocol):
    """Where the story of a run is told."""

    def applied(self, key: tuple[str, str, str], result: str, document: Document) -> None:
        """An object was created, configured, left unchanged or deleted."""

    def problem(self, problem: Problem) -> None:
        """Something is wrong with a file."""

    def condition(self, namespace: str, name: str, condition: dict[str, Any]) -> None:
        """A condition's status or reason is another than before."""

    def note(self, event: str, text: str, **facts: Any) -> None:
        """Anything else that happens once."""

    def drained(self, report: DrainReport) -> None:
        """The instance has stopped."""

    def rows(self, rows: Iterable[Row]) -> None:
        """The present table."""

    def close(self) -> None:
        """No table any more; lines may follow."""


class Lines:
    """Plain lines."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self._out, self._err = out, err

    def applied(self, key: tuple[str, str, str], result: str, document: Document) -> None:
        """See Screen."""
        self._say(f"{title(key)} {result} ({document.source}:{document.line})")

    def problem(self, problem: Problem) -> None:
        """See Screen."""
        print(problem, file=self._err, flush=True)

    def condition(self, namespace: str, name: str, condition: dict[str, Any]) -> None:
        """See Screen."""
        what = f"{condition['type']}={condition['status']} {condition['reason']}"
        self._say(f"{namespace}/{name} {what}: {condition.get('message', '')}")

    def note(self, event: str, text: str, **facts: Any) -> None:
        """See Screen."""
        self._say(text)

    def drained(self, report: DrainReport) -> None:
        """See Screen."""
        for line in drain_lines(report):
            self._say(line)

    def rows(self, rows: Iterable[Row]) -> None:
        """See Screen: lines have no table."""

    def close(self) -> None:
        """See Screen."""

    def _say(self, text: str) -> None:
        print(f"{local_time():%H:%M:%S} {text}", file=self._out, flush=True)


class JsonLines:
    """One JSON object a line: `{"time", "event", …}`."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def applied(self, key: tuple[str, str, str], result: str, document: Document) -> None:
        """See Screen: event `applied`."""
        kind, namespace, name = key
        where = {"file": document.source, "line": document.line}
        word, _, _ = result.partition(":")
        self._say("applied", kind=kind, namespace=namespace, name=name, result=word, **where)

    def problem(self, problem: Problem) -> None:
        """See Screen: event `error` or `warning`."""
        facts = {"file": problem.file, "line": problem.line, "field": problem.field, "message": problem.message}
        self._say("warning" if problem.warning else "error", **facts)

    def condition(self, namespace: str, name: str, condition: dict[str, Any]) -> None:
        """See Screen: event `condition`."""
        facts = {key: condition.get(key, "") for key in ("type", "status", "reason", "message")}
        self._say("condition", namespace=namespace, name=name, **facts)

    def note(self, event: str, text: str, **facts: Any) -> None:
        """See Screen: the event of that name."""
        self._say(event, message=text, **facts)

    def drained(self, report: DrainReport) -> None:
        """See Screen: event `drained`."""
        facts = {"stopped": report.stopped, "killed": report.killed, "unfinished": report.unfinished}
        self._say("drained", **facts)

    def rows(self, rows: Iterable[Row]) -> None:
        """See Screen: scripts ask with `serinus get -o json`."""

    def close(self) -> None:
        """See Screen."""

    def _say(self, event: str, **facts: Any) -> None:
        line = {"time": local_time().isoformat(timespec="milliseconds"), "event": event, **facts}
        print(json.dumps(line, ensure_ascii=False), file=self._out, flush=True)


class ScreenLog(logging.Handler):
    """Log records as notes, so that they do not tear the table. What is said again and again is shown once."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen, self._last = screen, ""
        self.setFormatter(ConsoleFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        text = self.format(record)[len("00:00:00 ") :]
        if text != self._last:
            self._screen.note("log", text, level=record.levelname.lower())
        self._last = text


def make_screen(output: Output) -> Screen:
    """The screen for this terminal, or for none."""
    if output == "json":
        return JsonLines(sys.stdout)
    if sys.stdout.isatty():
        from serinus_operator.cli.table import live_table  # only here: rich takes a tenth of the start

        return live_table() or Lines(sys.stdout, sys.stderr)
    return Lines(sys.stdout, sys.stderr)


def drain_lines(report: DrainReport) -> list[str]:
    """What stopping came to, in sentences."""
    lines = [f"Drained {len(report.stopped)} pod{'' if len(report.stopped) == 1 else 's'}"]
    if report.killed:
        lines.append(f"Killed after their grace period: {', '.join(report.killed)}")
    if report.unfinished:
        lines.append(f"Left unfinished, goes on at the next start: {', '.join(report.unfinished)}")
    return lines


def local_time() -> dt.datetime:
    """The wall clock of this machine."""
    return read_clocks().wall.astimezone()
