"""What came of this run's passes: which models it has looked at, and whether what it decided could be kept.

Stands between the queue and the guard (`instance.py`); asked by whoever runs the instance. Decides nothing.
"""

from collections.abc import Callable

from serinus_operator.cluster.errors import Unwritable
from serinus_operator.queue import Key, RetryLater, Work


class Passes:
    """Work for the queue, with an account of it."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._round = 0
        self._looked: set[Key] = set()
        self._unkept: dict[Key, str] = {}
        self.on_end: Callable[[], None] = lambda: None
        """Called after each pass."""

    async def __call__(self, key: Key) -> float | None:
        """One pass; raises RetryLater alone."""
        begun = self._round
        try:
            delay = await self._work(key)
        except RetryLater as retry:
            if isinstance(retry.__cause__, Unwritable):
                self._unkept[key] = str(retry.__cause__)
                self.on_end()
            raise
        self._unkept.pop(key, None)
        if begun == self._round:
            self._looked.add(key)
        self.on_end()
        return delay

    def begin_round(self) -> None:
        """Count only passes that begin from now on."""
        self._round += 1
        self._looked.clear()

    def looked_at(self, key: Key) -> bool:
        """Whether a pass of this round has come to its end."""
        return key in self._looked

    @property
    def unwritable(self) -> str | None:
        """Why the last pass of a model could not keep what it had decided; None when all could."""
        return next(iter(self._unkept.values()), None)
