"""Stops an inference on the event loop that takes far longer than its size ever did.

How long a model takes follows from the size of its input, except when it loops as often as a value says. Such a request
would stop everything, so while inferences run on the loop a thread looks twenty times a second at the one that runs; if
it has used the processor for too long, it is stopped between two operators. Used by `dispatch.py`.
"""

import threading
import time
from typing import Any

from serinus_runtime.session import new_run_options

_LOOK_SECONDS = 0.05
_BUSY_SECONDS = 0.04
"""Processor time that one run may use. The wall clock would blame a model for a processor that was taken away."""
_QUIET_LOOKS = 20


class InlineWatch:
    """Watches the thread that made it. `options` are for the runs between `begin` and `end`."""

    def __init__(self) -> None:
        self.options: Any = new_run_options()
        self._count = 0
        """Odd while an inference runs."""
        self._clock = time.pthread_getcpuclockid(threading.get_ident())
        self._wake = threading.Event()
        self._asleep = True
        threading.Thread(target=self._watch, name="inline-watch", daemon=True).start()

    def begin(self) -> None:
        """An inference begins."""
        self._count += 1
        if self._asleep:
            self._asleep = False
            self._wake.set()

    def end(self) -> None:
        """It has ended."""
        self._count += 1

    def _watch(self) -> None:
        seen = self._count
        while True:
            self._asleep = True
            if self._count == seen:  # else one has begun in this instant, and did not see that nobody watches
                self._wake.wait()
            self._wake.clear()
            self._asleep = False
            seen = self._watch_until_quiet()

    def _watch_until_quiet(self) -> int:
        """Look until nothing has run for a second; the count then."""
        quiet = 0
        seen, used = self._count, time.clock_gettime(self._clock)
        while quiet < _QUIET_LOOKS:
            time.sleep(_LOOK_SECONDS)
            running = self._count % 2 == 1
            if running and self._count == seen:
                if time.clock_gettime(self._clock) - used > _BUSY_SECONDS:
                    self.options.terminate = True
            else:
                quiet = quiet + 1 if self._count == seen else 0
                seen, used = self._count, time.clock_gettime(self._clock)
        return seen
