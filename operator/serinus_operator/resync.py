"""Everything again, once a minute: lists fill the cache where a watch missed something, and every key is looked at.

So a lost event costs at most one period. The first list is what lets the workers start. A kind that may not be listed
any more is noted in the cache, from where every model tells it, and the others are listed all the same.
"""

import asyncio
import logging
import random
from dataclasses import dataclass, field

from serinus_api import names
from serinus_operator.cache import Cache
from serinus_operator.cluster.errors import ClusterError, Denied
from serinus_operator.cluster.port import CHILDREN, MODEL_DEPLOYMENT, Cluster, Kind
from serinus_operator.queue import WorkQueue

log = logging.getLogger(__name__)
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
        for kind in (MODEL_DEPLOYMENT, *CHILDREN):
            before = self.cache.versions(kind)
            labels = {} if kind is MODEL_DEPLOYMENT else {names.LABEL_MANAGED_BY: names.MANAGED_BY}
            try:
                live = await self.cluster.list(kind, None, labels)
            except Denied as denied:
                self._note(kind, denied)
                continue
            self.cache.denied.pop(kind, None)
            self.cache.refresh(live, before=before)

    def _note(self, kind: Kind, denied: Denied) -> None:
        """Nothing may be decided by a kind that was never seen; one that was seen before is told of as old."""
        if not self.primed.is_set():
            raise denied
        if kind not in self.cache.denied:
            log.warning("List denied", extra={"resource": kind.resource, "error": str(denied)})
        self.cache.denied[kind] = denied
