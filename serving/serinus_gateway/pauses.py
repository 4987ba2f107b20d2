"""How long the agent waits before it asks again: a pod for its load, the API server for pods. Pure: the time is given.

A pod's load is read soon after one of its places was found free, and seldom while its requests take long:

    2, 3, 4.5, 6.75 … 50 ms, times the pods that are read; anew from 2 ms when a place was free

A wake that the API server took counts as vain until a pod of the revision has answered. The next one comes no sooner
than 2, 4, 8 … 60 s later, counted from when the pods that it brought were gone; one that was not taken after 0.25,
0.5, 1 … 5 s. Requests are held all the while: only the writes become rare.
"""

import math
from typing import Final

READ_SECONDS: Final = (0.002, 0.05)
GROWTH: Final = 1.5
"""So a free place is found at the latest when half as much time again has passed as its request took."""
VAIN_SECONDS: Final = (2.0, 60.0)
"""A wake that was taken shows as a pod within the first of them; if not, it is asked for again."""
REFUSED_SECONDS: Final = (0.25, 5.0)


class ReadPause:
    """Between two looks at the load of one pod."""

    def __init__(self) -> None:
        self._next = READ_SECONDS[0]

    def after(self, free: int, pods: int) -> float:
        """Seconds to wait, after `free` places were found, while so many pods are read."""
        shortest, longest = READ_SECONDS
        pause = shortest if free else self._next
        self._next = min(GROWTH * pause, longest)
        return min(pause * pods, longest)


class WakePause:
    """Between two wakes of one revision."""

    def __init__(self) -> None:
        self.vain = 0
        """Wakes that were taken since a pod has answered last."""
        self._refused = 0
        self._not_before = -math.inf

    def left(self, now: float) -> float:
        """Seconds until the next wake; 0: now."""
        return max(0.0, self._not_before - now)

    def refused(self, now: float) -> None:
        """The API server did not take the wake."""
        self._refused += 1
        self._not_before = now + _doubled(REFUSED_SECONDS, self._refused)

    def taken(self, now: float) -> None:
        """It did; nothing has come of it yet."""
        self._refused = 0
        self.vain += 1
        self.gone(now)

    def gone(self, now: float) -> None:
        """The pods that came of it are gone, and none has answered."""
        self._not_before = now + _doubled(VAIN_SECONDS, self.vain)

    def answered(self) -> None:
        """A pod answers."""
        self.vain = self._refused = 0
        self._not_before = -math.inf


def _doubled(bounds: tuple[float, float], times: int) -> float:
    """The first bound, doubled with each time after the first, up to the second."""
    first, most = bounds
    return min(first * 2.0 ** min(times - 1, 60), most)
