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


class Dispatcher:
    """Runs requests on a session, at most as many at once as the gate has places."""

    def __init__(self, session: ModelSession, gate: Gate, threads: int) -> None:
        self._session = session
        self._gate = gate
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="inference")
        self._seconds: dict[int, float] = {}
        self._surprised = False
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
        names = [choice.tensor.name for choice in request.outputs]
        size_class = request.size().bit_length()
        await self._gate.enter(timeout())
        if self.runs_inline(size_class):
            outputs = self._run_inline(names, request.feeds, size_class)
            if outputs is not None:
                return outputs
        options = new_run_options()
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._pool, self._in_thread, names, request.feeds, options, size_class)
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

    def _run_inline(self, names: list[str], feeds: dict[str, Array], size_class: int) -> list[Array] | None:
        """The outputs, or None when it had to be stopped; then the place is kept for another try in a thread."""
        watch = self._watch
        if watch is None:
            watch = self._watch = InlineWatch()  # here, as it watches the thread that makes it
        outputs = None
        started = time.perf_counter()
        watch.begin()
        try:
            outputs = self._session.run(names, feeds, watch.options)
            self.learn(size_class, time.perf_counter() - started)
        except InferenceFailed:
            self._surprised = watch.options.terminate
            if not self._surprised:
                raise
        finally:
            watch.end()
            if not self._surprised:
                self._gate.leave()
        return outputs

    def _in_thread(self, names: list[str], feeds: dict[str, Array], options: object, size_class: int) -> list[Array]:
        """Measured in the thread's own CPU time: the wall clock would count the wait for the interpreter's lock."""
        started = time.thread_time()
        outputs = self._session.run(names, feeds, options)
        self.learn(size_class, time.thread_time() - started)
        return outputs

    def _ended(self, running: "asyncio.Future[list[Array]]") -> None:
        self._gate.leave()
        if not running.cancelled():
            running.exception()  # seen: a failure after the deadline has nobody to go to
