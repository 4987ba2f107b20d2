"""What the rows of the failure table share: requests in an open loop, an account of each, and the figures.

`SERINUS_FULL=1` makes the tests as long as the table says; without it they try the same in seconds. `SERINUS_SEED`
repeats what was drawn at random. Figures are printed: `pytest -s` shows them.
"""

import asyncio
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from tests.component.gateway.harness import Gateway
from tests.e2e.harness.figures import loss_bound, table

FULL = bool(os.environ.get("SERINUS_FULL"))
RECONNECT_SECONDS = 0.02
AWAKE = {"scaling": {"engine": "Builtin", "state": "Awake"}}


def seeded(test: str) -> random.Random:
    """A source of chance whose seed is printed, with the command that repeats it."""
    seed = int(os.environ.get("SERINUS_SEED") or random.SystemRandom().randrange(10**9))
    full = "SERINUS_FULL=1 " if FULL else ""
    again = f"{full}SERINUS_SEED={seed} python -m pytest tests/component/gateway -k {test}"
    sys.stdout.write(f"seed {seed}; again: {again}\n")
    return random.Random(seed)  # to be repeated, not to be secret


def note(subject: str, **values: Any) -> None:
    """Print figures of a test."""
    sys.stdout.write("\n".join(["", *table([{"subject": subject, **values}]), ""]))


@dataclass
class Asked:
    """One request and what became of it."""

    number: int
    kept: bool
    """Over a connection that others have used."""
    gateway: Gateway
    ended: bool = False
    status: int | None = None
    """None: no answer."""
    reason: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class Stream:
    """Requests at a constant rate, whatever becomes of those before them."""

    def __init__(
        self, choose: Callable[[], Gateway], port: int, *, rate: float, patience: float = 30.0, keep: bool = False
    ) -> None:
        """`choose` is asked for each new connection, as kube-proxy is. `patience`: a client gives up after it.
        `keep`: every second request goes over the connections that are there, until they are ended.
        """
        self.asked: list[Asked] = []
        self._choose, self._port, self._rate, self._patience, self._keep = choose, port, rate, patience, keep
        self._kept_to: Gateway | None = None
        self._sent, self._over = asyncio.Event(), asyncio.Event()

    async def __aenter__(self) -> "Stream":
        self._fresh = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True))
        self._kept = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        await self._running
        await self._fresh.close()
        await self._kept.close()

    async def until_sent(self, more: int) -> None:
        """Wait until so many more were sent."""
        for _ in range(more):
            self._sent.clear()
            await self._sent.wait()

    @property
    def lost(self) -> list[Asked]:
        return [one for one in self.asked if one.status != 200]

    def figures(self) -> dict[str, Any]:
        sent, lost = len(self.asked), len(self.lost)
        return {"sent": sent, "lost": lost, "at most": f"{loss_bound(sent, lost):.3%} with 95 % confidence"}

    async def _run(self) -> None:
        start, tasks = time.monotonic(), set[asyncio.Task[None]]()
        while not self._over.is_set():
            await asyncio.sleep(max(0.0, start + len(self.asked) / self._rate - time.monotonic()))
            number = len(self.asked)
            kept = self._keep and number % 2 == 1
            one = Asked(number, kept, (kept and self._kept_to) or self._choose())
            self.asked.append(one)
            self._sent.set()
            task = asyncio.create_task(self._ask(one))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)

    async def _ask(self, one: Asked) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._exchange(one)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            one.reason = type(error).__name__
        one.ended = True

    async def _exchange(self, one: Asked) -> None:
        """A refused connection is no loss: the client tries once more, and may be led to another gateway."""
        session, body = self._kept if one.kept else self._fresh, str(one.number).encode()
        while True:
            try:
                async with session.post(f"http://{one.gateway.address}:{self._port}/", data=body) as answer:
                    whole = await answer.read() == body
                    one.status = answer.status if whole or answer.status != 200 else 0
                    one.headers = dict(answer.headers)
                break
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(RECONNECT_SECONDS)
                one.gateway = self._choose()
        if one.kept:
            self._kept_to = None if one.headers.get("Connection") == "close" else one.gateway
