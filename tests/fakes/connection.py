"""How an operator process reaches the fake cluster: the wire between `world.Process` and `cluster.FakeCluster`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from serinus_operator.cluster.port import LEASE

if TYPE_CHECKING:
    from tests.fakes.world import Process, World

REQUEST_SECONDS = 0.005


class Connection:
    """The fake cluster as one process reaches it: with latency, and not at all once the process is dead."""

    def __init__(self, world: "World", process: "Process") -> None:
        self._world = world
        self._process = process

    def __getattr__(self, verb: str) -> Callable[..., Awaitable[Any]]:
        async def request(*args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(REQUEST_SECONDS)
            if self._process.dead:
                raise asyncio.CancelledError
            manifest = args[0] if verb in ("create", "apply", "replace", "apply_status", "record_event") else None
            counted = verb not in ("get", "list") and not (manifest and manifest["kind"] == LEASE.kind)
            if counted and self._world.killing(before=True):
                await self._die()
            if self._world.stop_at == (verb, manifest["kind"] if manifest else args[0].kind):
                self._world.stop_at = None
                self._process.gate.clear()
                self._world.stopped.set()
            await self._process.gate.wait()
            if counted:
                self._process.writes.append(verb)
            try:
                return await getattr(self._world.cluster, verb)(*args, **kwargs)
            finally:
                await self._process.gate.wait()
                if counted and self._world.killing(before=False):
                    await self._die()

        return request

    async def _die(self) -> None:
        self._process.dead = True
        self._world.killed.set()
        await asyncio.Event().wait()
