"""Pods that are woken: each takes a while, then answers, and says in each answer since when it was ready.

`python -m bench.gateway.pod` begins one for each line that it reads (the JSON of `Settings`), all in one process: a new
interpreter for each would take the machine's cores just while requests are held. A pod has the two ports at a loopback
address of its own, takes so many requests at once and twice as many in its queue, and tells its load as the runtime
does. The moment is that of the monotonic clock, which all processes of a machine share.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass

from bench.gateway.wire import answer, head_of, wants_close
from serinus_api.runtime import HTTP_PORT, LOAD_PATH, METRICS_PORT, READY_PATH, LoadReport

COMMAND = (sys.executable, "-m", "bench.gateway.pod")
QUEUE = 2
"""Places in the queue per place in flight, as the runtime has by default."""


@dataclass(frozen=True)
class Settings:
    """What a pod is like."""

    host: str
    load_seconds: float
    places: int
    work_seconds: float

    def line(self) -> bytes:
        """What begins this pod."""
        return json.dumps(asdict(self)).encode() + b"\n"


class Pod:
    """Counts and answers."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._free = asyncio.Semaphore(settings.places)
        self._inside = self._arrived = 0
        self._since = 0.0

    async def serve(self) -> None:
        """Load, then listen."""
        await asyncio.sleep(self._settings.load_seconds)
        for port in (METRICS_PORT, HTTP_PORT):
            await asyncio.start_server(self._connected, self._settings.host, port, backlog=1024)
        self._since = time.monotonic()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request; none has a body."""
        while head := await head_of(reader):
            path = head.split(b" ", 2)[1].decode()
            writer.write(await self._answer(path))
            if wants_close(head):
                break
        writer.close()

    async def _answer(self, path: str) -> bytes:
        if path == READY_PATH:
            return answer(200)
        if path == LOAD_PATH:
            return answer(200, self._report())
        self._arrived += 1
        if self._inside >= (1 + QUEUE) * self._settings.places:
            return answer(429)
        self._inside += 1
        async with self._free:
            await asyncio.sleep(self._settings.work_seconds)
        self._inside -= 1
        return answer(200, f"{self._since:.6f}")

    def _report(self) -> str:
        busy = min(self._inside, self._settings.places)
        report = LoadReport(
            revision="",
            in_flight=busy,
            queued=self._inside - busy,
            arrivals={"split": self._arrived},
            busy_seconds=0.0,
        )
        return report.model_dump_json(by_alias=True)


async def main() -> None:
    """Begin pods until the input ends; they stay until then."""
    begun = set()
    while line := await asyncio.to_thread(sys.stdin.buffer.readline):
        begun.add(asyncio.create_task(Pod(Settings(**json.loads(line))).serve()))


if __name__ == "__main__":
    asyncio.run(main())
