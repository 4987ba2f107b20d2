"""Requests as the API server saw them: its audit log, counted by user, verb and resource. The same ruler for all."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

READS = frozenset({"get", "list", "watch"})
Calls = Counter[tuple[str, str]]
"""By verb and resource with its subresource: `("patch", "modeldeployments/status")`."""


def policy(users: Iterable[str]) -> str:
    """An audit policy that logs the requests of these users and of nobody else."""
    return yaml.safe_dump(
        {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [{"level": "Metadata", "users": list(users)}, {"level": "None"}],
        }
    )


def end_of(log: Path) -> int:
    """Where the log ends now; `calls` counts from there."""
    return log.stat().st_size if log.exists() else 0


def calls(log: Path, since: int, user: str, namespace: str) -> Calls:
    """Requests of `user` in `namespace` after the mark; each once, when it was answered, a watch when it began."""
    found: Calls = Counter()
    for entry in _entries(log, since):
        place = entry.get("objectRef", {})
        stage = "ResponseStarted" if entry["verb"] == "watch" else "ResponseComplete"
        if entry["user"]["username"] != user or place.get("namespace") != namespace or entry["stage"] != stage:
            continue
        resource = "/".join(part for part in (place["resource"], place.get("subresource")) if part)
        found[entry["verb"], resource] += 1
    return found


def mutating(counted: Calls) -> Calls:
    """Those that change something; the operator's own lease apart."""
    return Counter({call: n for call, n in counted.items() if call[0] not in READS and call[1] != "leases"})


def _entries(log: Path, since: int) -> Iterator[dict[str, Any]]:
    with log.open("rb") as file:
        file.seek(since)
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)
