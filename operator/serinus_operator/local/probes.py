"""Asks a pod over HTTP whether it is well, as a kubelet does."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Probe:
    """One of a container's probes."""

    path: str
    period_seconds: float
    timeout_seconds: float
    failures: int

    @property
    def patience_seconds(self) -> float:
        """How long it may fail."""
        return self.period_seconds * self.failures


def probe_of(container: Mapping[str, Any], name: str) -> Probe | None:
    """The probe under a name such as `readinessProbe`; None where there is none."""
    given = container.get(name)
    if not given:
        return None
    return Probe(
        given["httpGet"]["path"], given["periodSeconds"], given["timeoutSeconds"], given.get("failureThreshold", 3)
    )


async def passes(probe: Probe, host: str, port: int) -> bool:
    """Whether the answer came in time and was one of 200 to 399."""
    try:
        async with asyncio.timeout(probe.timeout_seconds):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                request = f"GET {probe.path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
                writer.write(request.encode())
                line = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    words = line.split()
    return len(words) > 1 and words[1].isdigit() and 200 <= int(words[1]) < 400
