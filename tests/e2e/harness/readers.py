"""What those who wait for objects make of ours: the kstatus library of Flux and Helm, and the check for Argo CD."""

import itertools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from dev.cluster import build
from dev.cluster.paths import default_layout
from tests.argo import health
from tests.e2e.harness.kubectl import Manifest, run

KSTATUS = Path(__file__).resolve().parents[3] / "dev" / "kstatus"
SAME = {"Current": "Healthy", "InProgress": "Progressing", "Failed": "Degraded"}
"""What kstatus says, and what Argo CD shall say then."""
Read = tuple[Manifest, str]


def read(seen: Sequence[Manifest]) -> list[Read]:
    """The objects with the word of kstatus for each; Argo CD says the same. Without those that are being deleted."""
    program = build.ensure_tool("kstatus", KSTATUS, default_layout().cache)
    lines = run(program, stdin="".join(map(json.dumps, seen))).stdout.splitlines()
    words = [line.partition("\t")[0] for line in lines]
    pairs = [(one, word) for one, word in zip(seen, words, strict=True) if word != "Terminating"]
    for one, word in pairs:
        assert health(one)[0] == SAME[word], one
    return pairs


def course(pairs: Iterable[Read]) -> list[tuple[int, str]]:
    """Generations with their words, each once."""
    lives = [(int(one["metadata"]["generation"]), word) for one, word in pairs]
    return [place for place, _ in itertools.groupby(lives)]


def words_in(pairs: Iterable[Read], phase: str) -> set[str]:
    """What was said while the rollout was in this phase."""
    return {word for one, word in pairs if (one.get("status", {}).get("rollout") or {}).get("phase") == phase}
