"""The ports `World` and `Waker` in one process: local mode and tests say what is, and are asked to start pods."""

from collections.abc import Awaitable, Callable, Iterable

from serinus_gateway.description import ModelKey
from serinus_gateway.world import ModelView, Views

Start = Callable[[str, str, int], Awaitable[None]]
"""Called with namespace, revision and number of pods. Raises WakeFailed."""


class Feed:
    """A world that somebody else knows."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._views: dict[ModelKey, ModelView] = {}
        self._watchers: list[Callable[[], None]] = []
        self.synced = False

    def tell(self, views: Iterable[ModelView]) -> None:
        """This is all there is now."""
        self._views = {view.key: view for view in views}
        self.synced = True
        for changed in self._watchers:
            changed()

    def views(self) -> Views:
        """See `World.views`."""
        return self._views

    def gateways(self) -> int:
        """See `World.gateways`: this one."""
        return 1

    def names_us(self) -> bool:
        """See `World.names_us`: whoever stops the gateway has stopped sending to it."""
        return False

    def watch(self, changed: Callable[[], None]) -> None:
        """See `World.watch`."""
        self._watchers.append(changed)

    async def wake(self, namespace: str, revision: str, replicas: int) -> None:
        """See `Waker.wake`."""
        await self._start(namespace, revision, replicas)
