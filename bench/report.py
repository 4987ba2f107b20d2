"""The lines of a run: printed as one Markdown table, kept as JSON in `bench/out/`. Pure but for `save`."""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

OUT = Path(__file__).parent / "out"


@dataclass(frozen=True)
class Line:
    """One figure. `ratio` and `aim` are set where there is something to reach."""

    group: str
    what: str
    value: str
    aim: str = ""
    reached: bool | None = None
    raw: dict[str, Any] = field(default_factory=dict)
    """What the value was made from, for the JSON file."""


def aimed(group: str, what: str, value: str, *, ratio: float, at_least: float, raw: dict[str, Any]) -> Line:
    """A line whose ratio should be at least so much."""
    return Line(group, what, value, f"≥ {at_least:g}", ratio >= at_least, {**raw, "ratio": ratio})


def bounded(group: str, what: str, value: str, *, number: float, at_most: float, raw: dict[str, Any]) -> Line:
    """A line whose number should be at most so much."""
    return Line(group, what, value, f"≤ {at_most:g}", number <= at_most, {**raw, "number": number})


def markdown(lines: Iterable[Line]) -> str:
    """The table, with aligned columns."""
    words = {True: "reached", False: "**below**", None: ""}
    rows = [("", "line", "figure", "aim", "")]
    rows += [(line.group, line.what, line.value, line.aim, words[line.reached]) for line in lines]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rows.insert(1, tuple("-" * max(3, width) for width in widths))  # type: ignore[arg-type]  # five strings again
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in rows)


def save(name: str, lines: Sequence[Line], facts: dict[str, Any]) -> Path:
    """Write the run's figures and the facts of the machine; returns the file."""
    OUT.mkdir(exist_ok=True)
    path = OUT / f"{name}.json"
    document = {"facts": facts, "lines": [asdict(line) for line in lines]}
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return path


def median_spread(values: Sequence[float]) -> tuple[float, float]:
    """The median, and the distance between the quartiles as a share of it (how far the rounds disagree)."""
    middle = statistics.median(values)
    if len(values) < 3 or not middle:
        return middle, 0.0
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return middle, (high - low) / middle
