"""Where an inference runs: at once on the event loop when it is short, else on a small pool of threads.

A hop to a thread costs more than a tiny model; a long model on the loop would stop everything else. Which is which is
measured for each size of input, a power of two of its bytes. A model that once took far longer than its size had let
expect never runs on the loop again (`inline_watch.py`). Used by `plane.py`.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from serinus_runtime.codec import InferRequest
from serinus_runtime.errors import InferenceFailed, Unavailable
from serinus_runtime.inline_watch import InlineWatch
from serinus_runtime.limits import Gate
from serinus_runtime.session import ModelSession, new_run_options
from serinus_runtime.tensors import Array

INLINE_SECONDS = 200e-6
_WEIGHT = 0.2
"""Of the newest measurement in the moving average."""
_MEASURE_EVERY = 32
"""A measurement costs half a microsecond, so on the loop only one run of so many is measured."""


class Dispatcher:
    """Runs requests on a session, at most as many at once as the gate has places."""

    def __init__(self, session: ModelSession, gate: Gate, threads: int) -> None:
        self._session = session
        self._gate = gate
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="inference")
        self._seconds: dict[int, float] = {}
        self._surprised = False
        self._turn = 0
        self._watch: InlineWatch | None = None

    def learn(self, size_class: int, seconds: float) -> None:
        """Take a measurement into the average of its size class."""
        known = self._seconds.get(size_class, seconds)
        self._seconds[size_class] = known + _WEIGHT * (seconds - known)

    def runs_inline(self, size_class: int) -> bool:
        """Whether this size is known to be short."""
        return not self._surprised and self._seconds.get(size_class, INLINE_SECONDS) < INLINE_SECONDS

    async def run(self, request: InferRequest, timeout: Callable[[], float]) -> list[Array]:
        """The outputs that `request` asks for; `timeout` tells the seconds that are left.

        A place in flight is held until the computation has really ended, also when nobody waits for it any more.

        Raises:
            Overloaded: no place, and the queue is full.
            Unavailable: not done in time; the computation is stopped at the next operator.

        """
        size_class = request.size().bit_length()
        if self._gate.has_place and self.runs_inline(size_class):
            outputs = self._run_inline(request, size_class)
            if outputs is not None:
                return outputs
        await self._gate.enter(timeout())
        options = new_run_options()
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._pool, self._run, request, options, size_class)
        running.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(timeout()):
                return await asyncio.shield(running)
        except TimeoutError as error:
            options.terminate = True
            raise Unavailable("the request was not answered in time") from error

    def close(self) -> None:
        """Take no more work."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run_inline(self, request: InferRequest, size_class: int) -> list[Array] | None:
        """The outputs, or None when it had to be stopped and is to be tried again in a thread."""
        watch = self._watch
        if watch is None:
            watch = self._watch = InlineWatch()  # here, as it watches the thread that makes it
        self._turn = (self._turn + 1) % _MEASURE_EVERY
        started = time.perf_counter()
        watch.begin()
        try:
            return self._run(request, watch.options, size_class, measure=self._turn == 0)
        except InferenceFailed:
            self._surprised = watch.options.terminate
            if not self._surprised:
                raise
            return None
        finally:
            watch.end()
            self._gate.add_busy(time.perf_counter() - started)

    def _run(self, request: InferRequest, options: object, size_class: int, *, measure: bool = True) -> list[Array]:
        """Measured in the thread's own processor time: the wall clock would also count the time without a processor,
        or without the interpreter's lock."""
        started = time.thread_time() if measure else 0.0
        outputs = self._session.run(request.selection.names, request.feeds, options)
        if measure:
            self.learn(size_class, time.thread_time() - started)
        return outputs

    def _ended(self, running: "asyncio.Future[list[Array]]") -> None:
        self._gate.leave()
        if not running.cancelled():
            running.exception()  # seen: a failure after the deadline has nobody to go to
