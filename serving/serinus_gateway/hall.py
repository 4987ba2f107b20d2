"""The hall: all desks at which requests wait, and the bounds that they share.

Asked by the check server (`server.py`) for each request that Envoy holds.
"""

import asyncio

from serinus_gateway.description import ModelKey
from serinus_gateway.hold import Desk, Grant, Moved, Parts, Refusal, is_closed
from serinus_gateway.world import ModelView


class Hall:
    """All desks, and the bounds on how much waits."""

    def __init__(self, parts: Parts, max_pending: int) -> None:
        """`max_pending`: requests that this gateway holds at most, of all models together."""
        self._parts = parts
        self._max_pending = max_pending
        self._desks: dict[ModelKey, dict[str, Desk]] = {}
        self._synced = asyncio.Event()

    def update(self) -> None:
        """Something in the world has changed."""
        if not self._parts.world.synced:
            return
        self._synced.set()
        views = self._parts.world.views()
        for key, desks in list(self._desks.items()):
            view = views.get(key)
            for revision, desk in list(desks.items()):
                if view is not None:
                    desk.update(view)
                if not desk.waiting and (view is None or revision not in (view.stable, view.candidate)):
                    del desks[revision]
            if not desks:
                del self._desks[key]

    async def admit(self, key: ModelKey, revision: str) -> Grant | Refusal:
        """Let one request wait for a pod of a revision, or of the one that has replaced it meanwhile."""
        await self._synced.wait()
        came = self._parts.clock()
        while True:
            view = self._parts.world.views().get(key)
            if view is None:
                return Refusal("NotFound", f"no model {key[1]} in namespace {key[0]}")
            wanted = revision if revision in (view.stable, view.candidate) else view.stable
            if is_closed(view, wanted):
                return self._not_ready(view, wanted)
            desk = self._desks.setdefault(key, {}).get(wanted)
            if desk is None:
                desk = self._desks[key][wanted] = Desk(self._parts, view, wanted)
            if answer := desk.pass_at_once() or self._full(view, desk):
                return answer
            try:
                return await desk.wait(came)
            except Moved:
                continue

    def held(self, key: ModelKey | None = None, revision: str | None = None) -> int:
        """Requests that wait: for one revision, one model, or all."""
        models = self._desks.values() if key is None else (self._desks.get(key, {}),)
        return sum(len(desk.waiting) for desks in models for name, desk in desks.items() if revision in (None, name))

    def released(self, key: ModelKey, revision: str) -> int:
        """Requests that were sent to a pod of the revision."""
        desk = self._desks.get(key, {}).get(revision)
        return desk.released if desk else 0

    def _not_ready(self, view: ModelView, revision: str) -> Refusal:
        """Nobody could say for how long a request would wait for a model that only others can give pods."""
        self._parts.telemetry.asked(view.key, revision, "rejected")
        trouble = view.trouble_of(revision)
        return Refusal(trouble.reason, f"no pod of {view.name} is ready: {trouble.reason}: {trouble.message}")

    def _full(self, view: ModelView, desk: Desk) -> Refusal | None:
        """The refusal where as many wait as may."""
        limit = -(-view.activation.max_pending // self._parts.world.gateways())
        if self.held(view.key) >= limit:
            message = f"{limit} requests wait for {view.name} already"
        elif self.held() >= self._max_pending:
            message = f"{self._max_pending} requests wait in this gateway already"
        else:
            return None
        desk.crowded = True
        desk.count("rejected")
        return Refusal("TooManyPending", f"{message}; try again later")
