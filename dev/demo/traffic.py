"""Constant traffic on a model while something happens to it, with every request accounted for.

An open loop: request n is sent at n / rate seconds whether or not the ones before were answered, with a number of its
own that must come back. Every second request goes over a connection that is kept, the others over new ones, because
a pod that leaves can hurt either. Runs in a thread of its own; started and read by the chapters.
"""

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from serinus_api.runtime import HEADER_REVISION

RATE = 40.0
DEADLINE_SECONDS = 5.0


class LostError(Exception):
    """A request that has no right answer; the message says what came instead."""


@dataclass
class Tally:
    """What became of the requests."""

    sent: int = 0
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often which revision answered which species."""
    lost: list[str] = field(default_factory=list)
    slowest_seconds: float = 0.0

    @property
    def revisions(self) -> list[str]:
        """The revisions in the order in which they first answered."""
        return list(dict.fromkeys(revision for revision, _ in self.answers))

    def complete(self) -> bool:
        """Every request was answered, none was lost."""
        return not self.lost and 0 < self.sent == self.answers.total()

    def __str__(self) -> str:
        said = ", ".join(f"{number} × {species} by {name}" for (name, species), number in self.answers.items())
        lost = f"; {len(self.lost)} lost, such as {self.lost[0]}" if self.lost else ""
        return f"{self.sent} requests: {said or 'no answer'}; slowest {self.slowest_seconds * 1000:.0f} ms{lost}"


@contextlib.contextmanager
def traffic(address: str, measures: list[float], rate: float = RATE) -> Iterator[Tally]:
    """Send so many a second until the block ends, then wait for what is in flight; the tally is complete afterwards."""
    tally, stop = Tally(), threading.Event()
    url = f"http://{address}/v2/models/iris/infer"
    thread = threading.Thread(target=lambda: asyncio.run(_send(url, measures, tally, stop, rate)), daemon=True)
    thread.start()
    try:
        yield tally
    finally:
        stop.set()
        thread.join()


async def _send(url: str, measures: list[float], tally: Tally, stop: threading.Event, rate: float) -> None:
    timeout = aiohttp.ClientTimeout(total=DEADLINE_SECONDS)
    fresh = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(force_close=True))
    async with aiohttp.ClientSession(timeout=timeout) as kept, fresh, asyncio.TaskGroup() as requests:
        started = time.monotonic()
        while not stop.is_set():
            session = kept if tally.sent % 2 else fresh
            requests.create_task(_account(session, url, tally.sent, measures, tally))
            tally.sent += 1
            await asyncio.sleep(max(0.0, started + tally.sent / rate - time.monotonic()))


async def _account(session: aiohttp.ClientSession, url: str, number: int, measures: list[float], tally: Tally) -> None:
    """Send one request and write down what became of it."""
    began = time.monotonic()
    try:
        answer = await _ask(session, url, f"demo-{number}", measures)
    except (LostError, aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        after = time.monotonic() - began
        tally.lost.append(f"number {number} after {after:.2f} s: {type(error).__name__} {error}")
        return
    tally.answers[answer] += 1
    tally.slowest_seconds = max(tally.slowest_seconds, time.monotonic() - began)


async def _ask(session: aiohttp.ClientSession, url: str, identity: str, measures: list[float]) -> tuple[str, str]:
    """The revision that answered, and the species that it said."""
    tensor = {"name": "features", "shape": [1, len(measures)], "datatype": "FP32", "data": measures}
    async with session.post(url, json={"id": identity, "inputs": [tensor]}) as response:
        text = await response.text()
        if response.status != 200:
            raise LostError(f"{response.status} of {response.headers.get(HEADER_REVISION, 'none')} {text[:200]}")
        answer: dict[str, Any] = await response.json()
    if answer.get("id") != identity:
        raise LostError(f"the answer of {answer.get('id')}")
    species = {output["name"]: output["data"] for output in answer["outputs"]}["label"][0]
    return response.headers.get(HEADER_REVISION, "none"), species
