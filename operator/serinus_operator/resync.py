"""Everything again, once a minute: lists fill the cache where a watch missed something, and every key is looked at.

So a lost event costs at most one period. The first list is what lets the workers start. A kind that may not be listed
or watched any more is noted in the cache, from where every model tells it, and the others are listed all the same.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from serinus_api import names
from serinus_operator.cache import Cache
from serinus_operator.cluster.errors import ClusterError, Denied
from serinus_operator.cluster.port import CHILDREN, MODEL_DEPLOYMENT, Cluster, Kind
from serinus_operator.queue import WorkQueue

log = logging.getLogger(__name__)
WATCHED = (MODEL_DEPLOYMENT, *CHILDREN)
JITTER = 0.2
FIRST_TRY_SECONDS = 1.0


@dataclass(slots=True)
class Resync:
    """Lists all kinds, then puts all keys on the queue, spread over a fifth of the period."""

    cluster: Cluster
    cache: Cache
    queue: WorkQueue
    seconds: float
    primed: asyncio.Event = field(default_factory=asyncio.Event)
    check_watch: Callable[[Kind], Awaitable[None]] | None = None
    """Raises Denied where a kind may not be watched. None: watches cannot be denied."""
    on_watch_regained: Callable[[], None] = lambda: None
    """A kind that could not be watched can be again: Kopf gives such a watch up for the life of the process."""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._list()
            except ClusterError as error:
                log.warning("Resync failed", extra={"error": str(error)})
                await asyncio.sleep(FIRST_TRY_SECONDS if not self.primed.is_set() else self.seconds / 4)
                continue
            self.primed.set()
            await self._check_watches()
            self.enqueue_all(spread=self.seconds * JITTER)
            if self.cache.denied:
                await asyncio.sleep(self.seconds / 4)
                continue
            await asyncio.sleep(self.seconds * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311  # jitter

    def enqueue_all(self, spread: float = 0.0) -> None:
        """Look at every ModelDeployment within `spread` seconds."""
        for key in self.cache.keys(MODEL_DEPLOYMENT):
            self.queue.add_after(key, random.uniform(0, spread))  # noqa: S311  # jitter

    async def _list(self) -> None:
        for kind in WATCHED:
            before = self.cache.versions(kind)
            labels = {} if kind is MODEL_DEPLOYMENT else {names.LABEL_MANAGED_BY: names.MANAGED_BY}
            try:
                live = await self.cluster.list(kind, None, labels)
            except Denied as denied:
                if not self.primed.is_set():
                    raise  # nothing may be decided by a kind that was never seen
                self._note("list", kind, denied)
                continue
            self.cache.denied.pop(("list", kind), None)
            self.cache.refresh(live, before=before)

    async def _check_watches(self) -> None:
        if self.check_watch is None:
            return
        answers = await asyncio.gather(*map(self.check_watch, WATCHED), return_exceptions=True)
        for kind, answer in zip(WATCHED, answers, strict=True):
            if isinstance(answer, Denied):
                self._note("watch", kind, answer)
            elif isinstance(answer, ClusterError):
                log.debug("Watch not checked", extra={"resource": kind.resource, "error": str(answer)})
            elif answer is not None:
                raise answer
            elif self.cache.denied.pop(("watch", kind), None):
                log.info("Watch allowed again", extra={"resource": kind.resource})
                self.on_watch_regained()

    def _note(self, verb: str, kind: Kind, denied: Denied) -> None:
        if (verb, kind) not in self.cache.denied:
            log.warning("Access denied", extra={"verb": verb, "resource": kind.resource, "error": str(denied)})
        self.cache.denied[verb, kind] = denied
