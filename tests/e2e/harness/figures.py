"""Figures that stories measure, gathered over all workers and printed once at the end of the suite."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Figures:
    """A file of JSON lines in the folder of the run; appending a line is atomic enough for several workers."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "figures.jsonl"

    def note(self, subject: str, **values: Any) -> None:
        with self.file.open("a") as stream:
            stream.write(json.dumps({"subject": subject, **values}) + "\n")

    def read(self) -> list[dict[str, Any]]:
        if not self.file.exists():
            return []
        return [json.loads(line) for line in self.file.read_text().splitlines()]


def loss_bound(sent: int, lost: int) -> float:
    """Upper 95 % bound of the share of lost requests.

    None lost of n: 1 - 0.05 ** (1 / n), about 3 / n: 30,000 sent → 0.0001. Else Wilson's upper limit.
    """
    if sent == 0:
        return 1.0
    if lost == 0:
        return float(1 - 0.05 ** (1 / sent))
    z, share = 1.645, lost / sent
    centre = share + z * z / (2 * sent)
    spread = z * ((share * (1 - share) + z * z / (4 * sent)) / sent) ** 0.5
    return float((centre + spread) / (1 + z * z / sent))


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Lines for the terminal, grouped by subject in the order of their first appearance."""
    lines: list[str] = []
    for subject in dict.fromkeys(row["subject"] for row in rows):
        lines.append(subject)
        for row in (row for row in rows if row["subject"] == subject):
            words = (f"{key}={_short(value)}" for key, value in row.items() if key != "subject")
            lines.append(f"    {'  '.join(words)}")
    return lines


def totals(rows: list[dict[str, Any]]) -> str:
    """One line on all requests of all probers."""
    probes = [row for row in rows if "sent" in row and "lost" in row]
    sent, lost = sum(row["sent"] for row in probes), sum(row["lost"] for row in probes)
    return f"requests: {sent} sent, {lost} lost; at most {loss_bound(sent, lost):.4%} with 95 % confidence"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
