"""The live table of `serinus run` below its lines, as wide as the terminal and no wider.

Imported by `screen.py` where there is a terminal.
"""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from serinus_operator.cli.documents import Problem
from serinus_operator.cli.rows import Row
from serinus_operator.cli.screen import Lines, local_time

COLOURS = {"Ready": "green", "Stalled": "red", "Reconciling": "yellow", "NotReady": "yellow"}
COLUMNS = ("NAME", "REVISION", "PHASE", "WEIGHT", "REPLICAS", "REQUESTS/S", "P95 MS", "STATE")
LEFT_OUT = ("P95 MS", "WEIGHT", "PHASE", "REQUESTS/S", "REPLICAS", "REVISION")
"""On a narrow terminal, in this order: first what `GET /` tells as well, or `STATE` says in other words."""
NUMBERS = ("REQUESTS/S", "P95 MS")
PADDING = 1
LEAST_NAME = 8


class LiveTable(Lines):
    """The same lines, above a table that is drawn anew."""

    def __init__(self, console: Console) -> None:
        super().__init__(sys.stdout, sys.stderr)
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._live.start()

    def problem(self, problem: Problem) -> None:
        """See Screen."""
        self._console.print(Text(str(problem), style="yellow" if problem.warning else "red"))

    def rows(self, rows: Iterable[Row]) -> None:
        """See Screen."""
        if self._live.is_started:
            self._live.update(drawn(rows, self._console.width), refresh=True)

    def close(self) -> None:
        """See Screen."""
        self._live.stop()

    def _say(self, text: str) -> None:
        self._console.print(Text(f"{local_time():%H:%M:%S} {text}"), highlight=False)


def live_table() -> LiveTable | None:
    """On this terminal; None on one that can draw nothing."""
    console = Console()
    return None if console.is_dumb_terminal else LiveTable(console)


def drawn(rows: Iterable[Row], width: int) -> Table:
    """The table of these rows in at most `width` characters; STATE stays whole while it has room for any name."""
    lines = [cells(row) for row in rows]
    columns = fitting(lines, width)
    table = Table(box=None, pad_edge=False, padding=(0, PADDING, 0, 0))
    for column in columns:
        own = widths([column], lines)[0]
        if column == "NAME":
            own = max(LEAST_NAME, min(own, own + width - total(columns, lines)))
        table.add_column(column, no_wrap=True, overflow="ellipsis", max_width=own)
        table.columns[-1].justify = "right" if column in NUMBERS else "left"
    for line in lines:
        styles = {"STATE": COLOURS.get(line["STATE"].split()[0], "")}
        table.add_row(*(Text(line[column], style=styles.get(column, "")) for column in columns))
    return table


def cells(row: Row) -> dict[str, str]:
    """What a row shows, by column."""
    p95 = "-" if row.p95_milliseconds is None else f"{row.p95_milliseconds:.1f}"
    name = row.name if row.namespace == "default" else f"{row.namespace}/{row.name}"
    texts = (row.revision, row.phase, row.weight, row.replicas, f"{row.requests_per_second:.1f}", p95, row.state)
    return dict(zip(COLUMNS, (name, *texts), strict=True))


def fitting(lines: Sequence[dict[str, str]], width: int) -> list[str]:
    """The columns that have room beside each other.

    NAME and STATE are always there: `iris`, `Reconciling Preflight` and all others need 84 characters; 77 without P95.
    """
    columns = list(COLUMNS)
    for column in LEFT_OUT:
        if total(columns, lines) <= width:
            break
        columns.remove(column)
    return columns


def total(columns: Sequence[str], lines: Sequence[dict[str, str]]) -> int:
    """Characters of a line with these columns."""
    return sum(widths(columns, lines)) + PADDING * (len(columns) - 1)


def widths(columns: Sequence[str], lines: Sequence[dict[str, str]]) -> list[int]:
    """Of each column, with nothing cut."""
    return [max(len(column), *(len(line[column]) for line in lines), 0) for column in columns]
