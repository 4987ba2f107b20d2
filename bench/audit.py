"""Requests as the API server saw them: its audit log, counted by user, verb and resource. The same ruler for all."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import yaml
from dev.cluster.audit import MUTATING, parse

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
    with log.open("rb") as file:
        file.seek(since)
        for line in file:
            request = parse(line)
            if request is None or (request.user, request.namespace) != (user, namespace):
                continue
            if request.stage == ("ResponseStarted" if request.verb == "watch" else "ResponseComplete"):
                found[request.verb, request.resource] += 1
    return found


def mutating(counted: Calls) -> Calls:
    """Those that change something; the operator's own lease apart."""
    return Counter({call: n for call, n in counted.items() if call[0] in MUTATING and call[1] != "leases"})
