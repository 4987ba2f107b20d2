"""Two ways to hold a request that are not ours, for the comparison: `python -m bench.gateway.controls KIND PORT`.

    poller    each request asks the pod by itself, and waits 500 ms after each time that it did not answer
    prober    one task per pod asks it every 200 ms, and lets all that wait for it go at once

Nothing else is in them: no bounds, no deadline, no spreading, one process. They are told the pod's address in the
request's Host, and need not wake it, so all that is measured is how soon they notice that it is ready.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from bench.gateway.wire import exchange, field, head_of, read, request
from serinus_api.runtime import HTTP_PORT, READY_PATH

POLL_SECONDS, PROBE_SECONDS = 0.5, 0.2

Ready = Callable[[str], Awaitable[None]]
"""Returns when the pod at an address has answered."""


async def answers(host: str) -> bool:
    """Ask a pod once."""
    try:
        return read(await exchange(host, HTTP_PORT, request(host, READY_PATH)))[0] == 200
    except (OSError, ValueError):
        return False


async def polled(host: str) -> None:
    """The poller."""
    while not await answers(host):  # noqa: ASYNC110  # the pause is what is compared
        await asyncio.sleep(POLL_SECONDS)


class Prober:
    """The prober: `ready` is its `Ready`."""

    def __init__(self) -> None:
        self._probing: dict[str, asyncio.Task[None]] = {}

    async def ready(self, host: str) -> None:
        """Wait for the probes of this pod, which the first who waits begins."""
        if host not in self._probing:
            self._probing[host] = asyncio.create_task(self._probe(host))
        await self._probing[host]

    async def _probe(self, host: str) -> None:
        while not await answers(host):  # noqa: ASYNC110  # the pause is what is compared
            await asyncio.sleep(PROBE_SECONDS)


async def serve(ready: Ready, port: int) -> asyncio.Server:
    """Hold every request until its pod is ready, then send it there."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if head := await head_of(reader):
            host = field(head, "host")
            await ready(host)
            writer.write(await exchange(host, HTTP_PORT, head))
        writer.close()

    return await asyncio.start_server(connected, "127.0.0.1", port, backlog=1024)


KINDS: dict[str, Callable[[], Ready]] = {"poller": lambda: polled, "prober": lambda: Prober().ready}


async def main(kind: str, port: int) -> None:
    """Run until killed."""
    async with await serve(KINDS[kind](), port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
