"""One line of the API server's audit log: who asked for what. Read by the end-to-end tests and by the benchmarks.

Pure: whoever calls it opens the log, and says which requests count.
"""

import json
from dataclasses import dataclass
from typing import Any

MUTATING = frozenset({"create", "update", "patch", "delete", "deletecollection"})
POD_NAME = "authentication.kubernetes.io/pod-name"


@dataclass(frozen=True)
class Request:
    """One request at one of its stages."""

    at: str
    stage: str
    """`ResponseComplete`; a watch is also told when it begins, as `ResponseStarted`."""
    user: str
    pod: str | None
    verb: str
    group: str
    resource: str
    """With its subresource: `deployments/scale`."""
    namespace: str
    name: str
    code: int

    @property
    def mutating(self) -> bool:
        return self.verb in MUTATING

    @property
    def lease(self) -> bool:
        return self.resource == "leases"


def parse(line: str | bytes) -> Request | None:
    """One line; None for one that is still being written."""
    try:
        event: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    reference, user = event.get("objectRef", {}), event["user"]
    resource = reference.get("resource", "") + (f"/{reference['subresource']}" if "subresource" in reference else "")
    return Request(
        at=event["requestReceivedTimestamp"],
        stage=event["stage"],
        user=user["username"],
        pod=next(iter(user.get("extra", {}).get(POD_NAME, ())), None),
        verb=event["verb"],
        group=reference.get("apiGroup", ""),
        resource=resource,
        namespace=reference.get("namespace", ""),
        name=reference.get("name", ""),
        code=event.get("responseStatus", {}).get("code", 0),
    )
