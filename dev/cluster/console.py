"""What the commands of this package say to the person who runs them: one line per step, with the time it took."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

BEAT_SECONDS = 15.0


class ClusterError(Exception):
    """Something the person can act on; the message says what. The command line prints it and exits with 1."""


def say(text: str) -> None:
    print(text, flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Say when a step begins, every 15 s while it lasts (in place on a terminal), and when it is done."""
    started = time.monotonic()
    done = threading.Event()
    terminal = sys.stdout.isatty()

    def beat() -> None:
        while not done.wait(1.0 if terminal else BEAT_SECONDS):
            elapsed = f"{text} … {time.monotonic() - started:.0f} s"
            print(f"\r{elapsed}" if terminal else elapsed, end="" if terminal else "\n", flush=True)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    outcome = "failed after "
    try:
        yield
        outcome = ""
    finally:
        done.set()
        thread.join()
        if terminal:
            print("\r\033[K", end="")
        say(f"{text} · {outcome}{time.monotonic() - started:.1f} s")
