"""The loop guard: the one place where anything may be caught. Counts, logs, and turns errors into another try."""

import logging
from collections.abc import Awaitable
from typing import Protocol, TypeVar

from serinus_operator.cluster.errors import (
    ClusterError,
    Conflict,
    FenceLost,
    Missing,
    Terminating,
    Unavailable,
    Unwritable,
)
from serinus_operator.queue import Key, RetryLater
from serinus_operator.reconcile import Reconciler
from serinus_operator.report.telemetry import Telemetry

log = logging.getLogger(__name__)
T = TypeVar("T")
TOLD_FROM = 2


class Term(Protocol):
    """Who may write: `fence.Fence`, or local mode, which is alone."""

    def held(self) -> bool:
        """Whether this process may write now."""


class Guard:
    """Work for the queue: a reconcile pass that no error escapes from."""

    def __init__(self, reconciler: Reconciler, fence: Term, telemetry: Telemetry) -> None:
        self._reconciler = reconciler
        self._fence = fence
        self._telemetry = telemetry
        self._bugs: dict[Key, int] = {}

    async def __call__(self, key: Key) -> float | None:
        """One guarded pass; raises RetryLater alone."""
        if not self._fence.held():
            return None  # every key is added again when the fence is held
        with self._telemetry.seconds.time():
            try:
                delay, error = await self._attempt(key, self._reconciler.reconcile(key), "Reconcile failed")
            except FenceLost:
                self._telemetry.reconciles.labels("fenced").inc()
                return None
            except (Conflict, Missing, Unwritable) as again:  # local mode itself says once that it cannot write
                self._telemetry.reconciles.labels("retry").inc()
                log.debug("Looking again", extra={"key": str(key), "error": str(again)})
                raise RetryLater from again
            except Terminating:
                self._telemetry.reconciles.labels("ok").inc()
                return None
            except Unavailable as outage:
                self._telemetry.reconciles.labels("retry").inc()
                log.warning("Cluster out of reach", extra={"key": str(key), "error": str(outage)})
                raise RetryLater(outage.retry_after or 0.0) from outage
            if error:
                self._telemetry.reconciles.labels("error").inc()
                await self._tell(key, error)
                raise RetryLater from error
        self._bugs.pop(key, None)
        self._telemetry.reconciles.labels("ok").inc()
        return delay

    async def _attempt(self, key: Key, work: Awaitable[T], otherwise: str) -> tuple[T | None, Exception | None]:
        """The result of `work`, or a bug of ours: it must cost one pass, not the loop. The cluster's errors pass."""
        try:
            return await work, None
        except ClusterError:
            raise
        except Exception as error:  # the one broad one
            log.exception(otherwise, extra={"key": str(key)})
            return None, error

    async def _tell(self, key: Key, error: Exception) -> None:
        """Put a bug into the status when it strikes twice in a row; once may have been a moment's."""
        self._bugs[key] = self._bugs.get(key, 0) + 1
        if self._bugs[key] < TOLD_FROM:
            return
        try:
            # Whoever reports a bug may run into it as well.
            await self._attempt(key, self._reconciler.report_bug(key, error), "Failure not told")
        except ClusterError as outage:
            log.warning("Failure not told", extra={"key": str(key), "error": str(outage)})
