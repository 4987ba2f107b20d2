"""An open-loop prober: requests at a constant rate, whatever becomes of them, and an account of every one.

Each has a unique id that must come back, and a deadline of its own. Even ones use a connection of their own (each is
balanced anew), odd ones a kept one (where the race between a pod's end and its connections shows). Lost means: not
200, another id, reset, or late. Runs from the host in a thread (`Prober`), or in a pod as a program:

    python3 prober.py URL MODEL RATE      JSON lines on standard output: one per request as it ends,
                                          and after SIGTERM, when all have ended, {"sent": N}

Needs aiohttp alone, so that the runtime's image can run it.
"""

import asyncio
import json
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp

DEADLINE_SECONDS = 10.0
INPUT = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1.0, 2.0, 3.0, 4.0]}
Record = dict[str, Any]


async def probe(
    url: str, number: int, prefix: str, pooled: aiohttp.ClientSession, tensor: Record, deadline: float
) -> Record:
    """Send one request and say what became of it."""
    sent, identity = time.monotonic(), f"{prefix}-{number}"
    record: Record = {"id": identity, "sent": round(sent, 4), "kept": bool(number % 2), "error": None}
    try:
        async with asyncio.timeout(deadline):
            headers = {} if number % 2 else {"Connection": "close"}
            async with pooled.post(url, json={"id": identity, "inputs": [tensor]}, headers=headers) as response:
                answer = await response.json(content_type=None)
                record["status"] = response.status
                record["revision"] = response.headers.get("x-serinus-revision")
                if response.status != 200:
                    record["error"] = f"HTTP {response.status} {answer and answer.get('error')}"
                elif answer.get("id") != identity:
                    record["error"] = f"answered {answer.get('id')}"
                else:
                    record["output"] = answer["outputs"][0]["data"]
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        record["error"] = f"{type(error).__name__} {error}"
    record["seconds"] = round(time.monotonic() - sent, 4)
    return record


async def stream(
    url: str,
    model: str,
    rate: float,
    stop: Callable[[], bool],
    keep: Callable[[Record], None],
    tensor: Record,
    deadline: float = DEADLINE_SECONDS,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """Send until `stop`, then wait for what is under way; how many were sent.

    The schedule never waits for an answer.
    """
    target = f"{url}/v2/models/{model}/infer"
    prefix = f"{time.time_ns():x}"
    # The fresh connections need a session of their own: a kept one must not be given to them.
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with (
        aiohttp.ClientSession(connector=connector, headers=headers, trust_env=False) as fresh,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers, trust_env=False) as kept,
    ):
        under_way: set[asyncio.Task[Record]] = set()
        start, number = time.monotonic(), 0
        while not stop():
            await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))
            session = kept if number % 2 else fresh
            task = asyncio.create_task(probe(target, number, prefix, session, tensor, deadline))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            task.add_done_callback(lambda done: keep(done.result()))
            number += 1
        await asyncio.gather(*under_way)
        return number


def account(sent: int, records: list[Record]) -> None:
    """Fail unless every request that was sent is there once, with the answer to itself."""
    assert sent, "the prober sent nothing"
    assert len({record["id"] for record in records}) == len(records) == sent, f"{len(records)} accounts of {sent}"
    lost = [record for record in records if record["error"]]
    assert not lost, f"{len(lost)} of {sent} lost, such as {lost[:3]}"


class Prober:
    """Probes from the host, in a thread, inside a `with` block; the history is kept as JSON lines."""

    def __init__(
        self,
        url: str,
        model: str,
        *,
        rate: float,
        history: Path,
        tensor: Record = INPUT,
        deadline: float = DEADLINE_SECONDS,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.url, self.model, self.rate, self.tensor, self.deadline = url, model, rate, tensor, deadline
        self.history, self.headers = history, headers
        self.records: list[Record] = []
        self.sent = 0
        """How many were sent; known at the end."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prober", daemon=True)

    def _run(self) -> None:
        told = self.tensor, self.deadline, self.headers
        self.sent = asyncio.run(stream(self.url, self.model, self.rate, self._stop.is_set, self.records.append, *told))

    def __enter__(self) -> "Prober":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(self.deadline + 5)
        assert not self._thread.is_alive(), "the prober did not come to its end"
        self.history.write_text("".join(json.dumps(record) + "\n" for record in self.records))

    @property
    def lost(self) -> list[Record]:
        return [record for record in self.records if record["error"]]

    def by_revision(self) -> dict[str, int]:
        """Answers by the revision that gave them, in the order of their first answer."""
        return dict(Counter(record["revision"] for record in self.records if not record["error"]))

    def assert_none_lost(self) -> None:
        try:
            account(self.sent, self.records)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.history}") from None


def main(url: str, model: str, rate: str) -> None:
    """The program that runs in a pod. A process with the number 1 ignores SIGTERM unless it handles it."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())

    def write(record: Record) -> None:
        sys.stdout.write(json.dumps(record) + "\n")
        sys.stdout.flush()

    write({"sent": asyncio.run(stream(url, model, float(rate), stop.is_set, write, INPUT))})


if __name__ == "__main__":
    main(*sys.argv[1:])
