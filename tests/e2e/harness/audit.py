"""The API server's audit log: who asked for what, and when. Only on a cluster whose log can be read (our own)."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dev.cluster.audit import Request, parse


def instant() -> str:
    """Now, as the log writes it; strings compare as the times do."""
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest // 1000:06d}Z"


@dataclass(frozen=True)
class AuditLog:
    """The log and its rotated files."""

    file: Path

    def requests(self, user: str, since: str, until: str | None = None, namespace: str | None = None) -> list[Request]:
        """Requests of `user` (part of the name) that came in the window, in order."""
        found = [
            request
            for line in self._lines(since)
            if user in line and (request := parse(line)) and user in request.user
            if request.at >= since and (until is None or request.at < until)
            if namespace is None or request.namespace == namespace
        ]
        return sorted(found, key=lambda request: request.at)

    def _lines(self, since: str) -> Iterable[str]:
        stamp = since[:19].replace("-", "").replace(":", "")
        for path in sorted(self.file.parent.glob(f"{self.file.stem}*.log")):
            rotated = path.stem.removeprefix(self.file.stem).strip("-").replace("-", "").replace(":", "")
            if rotated and rotated[:15] < stamp:
                continue  # rotated before the window began
            with path.open(errors="replace") as stream:
                yield from stream


def writes(requests: Iterable[Request]) -> list[Request]:
    """Mutating requests, but for the Lease and reviews of one's own rights."""
    return [r for r in requests if r.mutating and not r.lease and not r.resource.startswith("selfsubject")]


def count(requests: Iterable[Request]) -> dict[str, int]:
    """`{"create services": 2, …}`, the most frequent first."""
    return dict(Counter(f"{request.verb} {request.resource}" for request in requests).most_common())


__all__ = ["AuditLog", "Request", "count", "instant", "writes"]
