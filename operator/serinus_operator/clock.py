"""The one place where the clocks are read. Decisions take the answer as an argument."""

import datetime as dt
import time

from serinus_operator.state import Instant


def read_clocks() -> Instant:
    """This moment on the wall clock and on the monotonic one."""
    return Instant(dt.datetime.now(dt.UTC), time.monotonic())  # noqa: TID251  # see above
