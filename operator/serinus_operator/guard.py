"""The loop guard: the one place where anything may be caught. Counts, logs, and turns errors into another try."""

import logging
from typing import Protocol

from serinus_operator.cluster.errors import Conflict, FenceLost, Missing, Terminating, Unavailable, Unwritable
from serinus_operator.queue import Key, RetryLater
from serinus_operator.reconcile import Reconciler
from serinus_operator.report.telemetry import Telemetry

log = logging.getLogger(__name__)


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

    async def __call__(self, key: Key) -> float | None:
        """One guarded pass; raises RetryLater alone."""
        if not self._fence.held():
            return None  # every key is added again when the fence is held
        with self._telemetry.seconds.time():
            try:
                delay = await self._reconciler.reconcile(key)
            except FenceLost:
                self._telemetry.reconciles.labels("fenced").inc()
                return None
            except (Conflict, Missing, Unwritable) as error:  # local mode itself says once that it cannot write
                self._telemetry.reconciles.labels("retry").inc()
                log.debug("Looking again", extra={"key": str(key), "error": str(error)})
                raise RetryLater from error
            except Terminating:
                self._telemetry.reconciles.labels("ok").inc()
                return None
            except Unavailable as error:
                self._telemetry.reconciles.labels("retry").inc()
                log.warning("Cluster out of reach", extra={"key": str(key), "error": str(error)})
                raise RetryLater(error.retry_after or 0.0) from error
            except Exception as error:  # a bug of ours must cost one pass, not the loop
                self._telemetry.reconciles.labels("error").inc()
                log.exception("Reconcile failed", extra={"key": str(key)})
                raise RetryLater from error
        self._telemetry.reconciles.labels("ok").inc()
        return delay
