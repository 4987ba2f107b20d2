"""Copies of answered requests for a candidate, and how often the two answers agree.

    app ── offer ──► queue (bounded; full: dropped) ──► senders ──► candidate's Service ──► compared, then forgotten
     ▲ after the answer is out                  every copy pays from one purse

Nobody waits for a copy. The purse fills with `SHARE` of the time that passes; what a copy costs on the event loop
(writing, reading, comparing) is measured and taken out of it, and while it is empty copies are dropped. So whatever is
asked for and however busy the pod is, copies take about that share of one core: at 150 µs each, 0.005 / 0.00015 = 33 a
second. Told by `private.py`, asked by `app.py`, read by `metrics.py`. Off until told, and off again when an order
ends.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from serinus_api.runtime import HEADER_VIA, RuntimeConfig, ShadowOrder
from serinus_runtime.errors import InvalidRequest
from serinus_runtime.logs import fields
from serinus_runtime.reply import HEADER_LENGTH
from serinus_runtime.shadow_client import Exchange, Response

if TYPE_CHECKING:
    from serinus_runtime.codec import EncodedAnswer

log = logging.getLogger(__name__)

QUEUE = 64
QUEUE_BYTES = 16 * 1024 * 1024
SENDERS = 4
ANSWER_SECONDS = 10.0
RETRY_SECONDS = 1.0
"""A sender whose copy failed rests for so long: who is not there is not called again at once."""
SHARE = 0.005
PURSE_SECONDS = 0.05
"""The purse holds so much at most: a pod that was idle for ten seconds may copy some hundred requests in a row."""
STEP_SECONDS = 100e-6
"""What a copy costs beside the work that is measured: turns of the event loop."""
_NO_VERDICT = (429, 503)
"""The candidate has no room or no time: that tells nothing of its outputs."""

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Copy:
    """A request with the answer that its client got."""

    body: bytes
    header_length: int | None
    answer: "EncodedAnswer"

    @property
    def size(self) -> int:
        """Bytes that are kept for it."""
        return len(self.body) + len(self.answer.body)


@dataclass(slots=True)
class ShadowCounts:
    """What became of the requests chosen for one candidate; only rises."""

    candidate: str
    sent: int = 0
    dropped: int = 0
    failed: int = 0
    agreed: int = 0
    disagreed: int = 0
    largest: float = 0.0


class Purse:
    """Time that may be spent: `SHARE` of what passes, at most `PURSE_SECONDS` in store."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held = PURSE_SECONDS
        self._at = clock()

    @property
    def empty(self) -> bool:
        """Whether nothing may be begun now."""
        now = self._clock()
        self._held = min(PURSE_SECONDS, self._held + SHARE * (now - self._at))
        self._at = now
        return self._held <= 0

    def spend(self, seconds: float) -> None:
        """Take out what was used; it may fall below nothing, and is then filled up first."""
        self._held -= seconds


class Shadow:
    """The copies of one pod. On the event loop only."""

    def __init__(
        self, config: RuntimeConfig, clock: Clock = time.monotonic, draw: Callable[[], float] = random.random
    ) -> None:
        self._config = config
        self._draw = draw
        self._purse = Purse(clock)
        self._order: ShadowOrder | None = None
        self._ends: asyncio.TimerHandle | None = None
        self._queue: deque[Copy] = deque()
        self._queued_bytes = 0
        self._filled = asyncio.Event()
        self._senders: list[asyncio.Task[None]] = []
        self.counts: ShadowCounts | None = None
        """Of the present candidate, or of the last one."""

    @property
    def active(self) -> bool:
        """Whether copies are asked for now."""
        return self._order is not None

    def obey(self, order: ShadowOrder) -> None:
        """Copy from now on as told, until the order's time is over.

        Raises:
            InvalidRequest: the revision is none of this ModelDeployment, or is this one, or it is said to be where this
                pod is not to look.

        """
        own = self._config.model_version
        if order.revision == own or order.revision.rpartition("-")[0] != own.rpartition("-")[0]:
            raise InvalidRequest(f"{order.revision!r} is no other revision of what is served here")
        if order.host is not None and not self._may_reach(order.host):
            raise InvalidRequest(f"host: {order.host!r} is no address that this pod may be sent to")
        before = self._order
        if self._ends:
            self._ends.cancel()
        if before is None or _target(before) != _target(order):
            self._stop()
        if not order.percent:
            self._stop()
            return
        self._order = order
        if self.counts is None or self.counts.candidate != order.revision:
            self.counts = ShadowCounts(order.revision)
        if not self._senders:
            log.info("Copying requests", extra=fields(candidate=order.revision, percent=order.percent))
            self._senders = [asyncio.create_task(self._send_on(order, self.counts)) for _ in range(SENDERS)]
        self._ends = asyncio.get_running_loop().call_later(order.seconds, self._stop)

    def offer(self, body: bytes, header_length: int | None, answer: "EncodedAnswer") -> None:
        """A request was answered: choose whether it is copied. Never waits."""
        order, counts = self._order, self.counts
        if order is None or counts is None or self._draw() * 100 >= order.percent:
            return
        copy = Copy(body, header_length, answer)
        full = len(self._queue) >= QUEUE or self._queued_bytes + copy.size > QUEUE_BYTES
        if full or self._purse.empty:
            counts.dropped += 1
            return
        self._queue.append(copy)
        self._queued_bytes += copy.size
        self._filled.set()

    def _stop(self) -> None:
        """Copy no more; what waits is dropped, what is under way is given up."""
        if self._order is None:
            return
        log.info("Copying ended", extra=fields(candidate=self._order.revision))
        self._order = None
        if self.counts is not None:
            self.counts.dropped += len(self._queue)
        self._queue.clear()
        self._queued_bytes = 0
        for sender in self._senders:
            sender.cancel()
        self._senders = []

    async def _send_on(self, order: ShadowOrder, counts: ShadowCounts) -> None:
        """Take copies one after the other, over one connection while it lasts."""
        host = order.host or order.revision
        connection: Exchange | None = None
        try:
            while True:
                copy = await self._next()
                try:
                    async with asyncio.timeout(ANSWER_SECONDS):
                        if connection is None or not connection.usable:
                            connection = await self._connect(host, order.port)
                        counts.sent += 1
                        response = await connection.ask(self._head(copy, order.revision), copy.body)
                except (OSError, TimeoutError):  # a name that is not found is an OSError, too
                    counts.failed += 1
                    if connection:
                        connection.close()
                    await asyncio.sleep(RETRY_SECONDS)
                else:
                    self._judge(copy.answer, response, counts)
        finally:
            if connection:
                connection.close()

    def _may_reach(self, host: str) -> bool:
        """Whether an order may name this address: none but in the network that the configuration allows."""
        network = self._config.shadow_network
        try:
            return network is not None and ip_address(host) in ip_network(network)
        except ValueError:
            return False

    async def _next(self) -> Copy:
        while not self._queue:
            self._filled.clear()
            await self._filled.wait()
        copy = self._queue.popleft()
        self._queued_bytes -= copy.size
        self._purse.spend(STEP_SECONDS)
        return copy

    async def _connect(self, host: str, port: int) -> Exchange:
        _, made = await asyncio.get_running_loop().create_connection(lambda: Exchange(self._purse.spend), host, port)
        return made

    def _head(self, copy: Copy, host: str) -> bytes:
        lines = [
            f"POST /v2/models/{self._config.model_name}/infer HTTP/1.1",
            f"host: {host}",
            f"{HEADER_VIA}: shadow",
            f"content-length: {len(copy.body)}",
        ]
        if copy.header_length is not None:
            lines.append(f"{HEADER_LENGTH.decode()}: {copy.header_length}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def _judge(self, stable: "EncodedAnswer", response: Response, counts: ShadowCounts) -> None:
        if response.status in _NO_VERDICT:
            counts.failed += 1
            return
        from serinus_runtime.agreement import NO_ANSWER, compare  # not above: the ports listen before numpy is loaded
        from serinus_runtime.codec import EncodedAnswer

        started = time.perf_counter()
        agree = False
        if response.status == 200:
            length = response.headers.get(HEADER_LENGTH)
            with contextlib.suppress(*NO_ANSWER):  # it disagrees
                answer = EncodedAnswer(response.body, None if length is None else int(length))
                found = compare(stable, answer)
                agree = found.agree
                counts.largest = max(counts.largest, found.largest)
        counts.agreed += agree
        counts.disagreed += not agree
        self._purse.spend(time.perf_counter() - started)


def _target(order: ShadowOrder) -> tuple[str, str | None, int]:
    return order.revision, order.host, order.port
