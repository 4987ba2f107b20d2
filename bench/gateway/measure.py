"""The three parts, one after the other: called by the command line."""

import asyncio
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from dev.cluster import packages

from bench.gateway import hop, idle, zero
from bench.report import Line

SEED = 5


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    hop: hop.Size
    zero: zero.Size
    idle: idle.Size

    def with_rounds(self, rounds: int) -> "Size":
        """The same with so many rounds of the hop."""
        return replace(self, hop=replace(self.hop, rounds=rounds))


FULL = Size(
    hop.Size(rounds=9, seconds=1.0),
    zero.Size(wakes={1: 20, 25: 8, 100: 8}, narrow=3, seed=SEED),
    idle.Size(models=(0, 200, 1000), seconds=10),
)
QUICK = Size(
    hop.Size(rounds=1, seconds=1.0),
    zero.Size(wakes={1: 3, 25: 2, 100: 2}, narrow=1, seed=SEED),
    idle.Size(models=(0, 200), seconds=5),
)


def measure(size: Size) -> list[Line]:
    """All lines."""
    packages.ensure({"wrk": "wrk", "taskset": "util-linux", "setpriv": "util-linux"})
    with tempfile.TemporaryDirectory(prefix="serinus-bench-") as name:
        return asyncio.run(_measure(Path(name), size))


async def _measure(folder: Path, size: Size) -> list[Line]:
    return [
        *await hop.measure(folder, size.hop),
        *await zero.measure(folder, size.zero),
        *await idle.measure(folder, size.idle),
    ]
