"""Requests that wait for a pod of one revision: a desk. The hall (`hall.py`) has all of them.

While something waits at a desk, and only
then, its pods are asked every 20 ms until they answer, then for their load, and a revision without pods is woken by a
single task; how often is said by `pauses.py`.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from serinus_gateway.dial import Dialer
from serinus_gateway.episode import Episode
from serinus_gateway.logs import fields
from serinus_gateway.pauses import ReadPause, WakePause
from serinus_gateway.spread import Places
from serinus_gateway.telemetry import Telemetry
from serinus_gateway.world import ModelView, Pod, Trouble, WakeFailed, Waker, World

DIAL_SECONDS: Final = 0.02
RETRY_AFTER_SECONDS: Final = 1

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Grant:
    """The request may go to this pod."""

    pod: Pod
    cold_milliseconds: int | None = None
    """How long it was held because no pod answered; None where one did when it came."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The request gets 503 with this."""

    reason: str
    message: str
    retry_after: int = RETRY_AFTER_SECONDS


@dataclass(frozen=True, slots=True)
class Parts:
    """What all desks work with."""

    world: World
    waker: Waker
    dialer: Dialer
    telemetry: Telemetry
    clock: Callable[[], float]


@dataclass(slots=True, eq=False)
class Waiter:
    """One request that waits."""

    came: float
    cold: bool
    grant: asyncio.Future[Pod]


class Moved(Exception):  # noqa: N818  # what happened, not an error
    """The desk has closed while the request waited there; the hall knows another one, or why there is none."""


def is_closed(view: ModelView, revision: str) -> bool:
    """Whether nobody may wait for a revision: it has been replaced, or only others can give it pods and it has none."""
    replaced = revision not in (view.stable, view.candidate)
    return replaced or (not view.wakes and not any(pod.ready for pod in view.pods_of(revision)))


class Desk:
    """All that waits for the pods of one revision."""

    def __init__(self, parts: Parts, view: ModelView, revision: str) -> None:
        self.waiting: OrderedDict[Waiter, None] = OrderedDict()
        """By when they came; each may leave from the middle."""
        self.released = 0
        self.crowded = False
        """Some were refused for want of room since the queue was empty last."""
        self._newest_next = True
        self._parts = parts
        self._view = view
        self._revision = revision
        self._places: dict[str, Places] = {}
        self._attended: set[str] = set()
        self._waking = False
        self._pods_came = asyncio.Event()
        self._wake_pause = WakePause()
        self._wake_trouble: Trouble | None = None
        """Why the API server did not take the last wake."""
        self._vain_trouble: Trouble | None = None
        """What was said of the pods that came of it, before they went."""
        self._episode: Episode | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def update(self, view: ModelView) -> None:
        """Take what has changed."""
        before, self._view = self._view, view
        if is_closed(view, self._revision):
            self._send_on()
            return
        alive = {pod.uid for pod in self._pods}
        if any(pod.ready for pod in self._pods):
            self._has_answered()
        elif before.pods_of(self._revision) and not alive and self._wake_pause.vain:
            self._woke_in_vain(before.trouble_of(self._revision))
        for gone in self._places.keys() - alive:
            del self._places[gone]
        if alive:
            self._pods_came.set()
        if self._episode and any(pod.http for pod in self._pods):
            self._episode.reached("schedule", self._parts.clock())
        self._work()

    def pass_at_once(self) -> Grant | None:
        """A place that is free now, for a request that no other one waits before."""
        if self.waiting or not (pod := self._take(self._parts.clock())):
            return None
        self.count("passed")
        return Grant(pod)

    async def wait(self, came: float) -> Grant | Refusal:
        """Wait for a place since `came`. Cancelled when the client leaves, which frees its place in the queue.

        Moved when this desk closes.
        """
        now = self._parts.clock()
        if not self.waiting:
            self.crowded, self._newest_next = False, True
        waiter = Waiter(came, not self._answering(now), asyncio.get_running_loop().create_future())
        self.waiting[waiter] = None
        self._work()
        try:
            async with asyncio.timeout(came + self._view.activation.deadline_seconds - now):
                pod = await waiter.grant
        except TimeoutError:
            if not waiter.grant.done() or waiter.grant.cancelled():
                self.count("expired")
                return self._in_vain()
            pod = waiter.grant.result()  # it came in the same instant
        except asyncio.CancelledError:
            self.count("left")
            if waiter.grant.done() and not waiter.grant.cancelled() and not waiter.grant.exception():
                self._unsent(waiter.grant.result())
            raise
        finally:
            self.waiting.pop(waiter, None)
        self.count("released")
        held = self._parts.clock() - waiter.came
        self._parts.telemetry.held_for(self._view.key, held)
        return Grant(pod, round(held * 1000) if waiter.cold else None)

    def _send_on(self) -> None:
        """Nobody is to wait here any longer; nothing is woken for it."""
        for waiter in self.waiting:
            if not waiter.grant.done():
                waiter.grant.set_exception(Moved())
        self.waiting.clear()

    @property
    def _pods(self) -> tuple[Pod, ...]:
        return self._view.pods_of(self._revision)

    def _answering(self, now: float) -> bool:
        """Whether a pod has answered lately, or the kubelet says that it does."""
        return any(pod.ready or (pod.uid in self._places and self._places[pod.uid].known(now)) for pod in self._pods)

    def _take(self, now: float) -> Pod | None:
        """A place with the pod that has most of them left."""
        known = [(self._places[pod.uid].left(now), pod) for pod in self._pods if pod.uid in self._places]
        left, pod = max(known, key=lambda one: one[0], default=(0, None))
        if pod is None or left < 1:
            return None
        self._places[pod.uid].take(now)
        self.released += 1
        return pod

    def _hand_out(self) -> None:
        now = self._parts.clock()
        while self.waiting and (pod := self._take(now)):
            waiter = self._next()
            if waiter.grant.done():  # its client left in this very instant
                self._unsent(pod)
            else:
                waiter.grant.set_result(pod)

    def _next(self) -> Waiter:
        """The oldest; of a crowd the newest and the oldest by turns.

        Where clients give up, the oldest is about to: pods that get it alone work for nobody. With every second place a
        patient one does not wait in vain, as it would behind ever newer ones.
        """
        newest = self.crowded and self._newest_next
        self._newest_next = not newest
        waiter, _ = self.waiting.popitem(last=newest)
        return waiter

    def _unsent(self, pod: Pod) -> None:
        """A place was given to a request that does not need it any more."""
        self.released -= 1
        if places := self._places.get(pod.uid):
            places.give_back()
        self._hand_out()

    def _work(self) -> None:
        """Whatever must go on while something waits."""
        if not self.waiting:
            return
        pods = self._pods
        for pod in pods:
            if pod.http and pod.uid not in self._attended:
                self._attended.add(pod.uid)
                self._spawn(self._attend(pod))
        if not pods and not self._waking:
            self._waking = True
            self._spawn(self._wake())

    async def _attend(self, pod: Pod) -> None:
        """Ask one pod until nothing waits any more, or it is gone."""
        pause = ReadPause()
        try:
            while self.waiting and any(pod.uid == one.uid for one in self._pods):
                free = await self._ask(pod)
                self._hand_out()
                if self.waiting:
                    await asyncio.sleep(DIAL_SECONDS if free is None else pause.after(free, len(self._attended)))
        finally:
            self._attended.discard(pod.uid)
        self._work()

    async def _ask(self, pod: Pod) -> int | None:
        """Learn how many places a pod has; None: it does not answer."""
        dialer, clock = self._parts.dialer, self._parts.clock
        places = self._places.get(pod.uid)
        if places is None and not await dialer.answers(pod):
            return None
        report = await dialer.load(pod)
        if report is None and not await dialer.answers(pod):
            self._places.pop(pod.uid, None)
            return None
        places = self._places.setdefault(pod.uid, Places(pod.concurrency))
        if report:
            places.read(report, clock(), self._parts.world.gateways())
        else:
            places.guess(clock(), self._parts.world.gateways())
        self._has_answered()
        if self._episode:
            self._episode.reached("load", clock())
            self._episode = None
        return places.left(clock())

    async def _wake(self) -> None:
        """Ask for the first pods until there are some: the only task that does so for this revision."""
        clock = self._parts.clock
        self._episode = self._episode or Episode(clock(), self._parts.telemetry.cold_start)
        try:
            while self.waiting and not self._pods:
                self._pods_came.clear()
                if not self._wake_pause.left(clock()):
                    await self._wake_once()
                try:
                    await asyncio.wait_for(self._pods_came.wait(), self._wake_pause.left(clock()))
                except TimeoutError:
                    continue
        finally:
            self._waking = False
        self._work()

    async def _wake_once(self) -> None:
        key, replicas, clock = self._view.key, self._view.activation.initial_replicas, self._parts.clock
        try:
            await self._parts.waker.wake(self._view.namespace, self._revision, replicas)
        except WakeFailed as error:
            if self._wake_trouble is None:
                log.warning("Cannot wake", extra=fields(model="/".join(key), revision=self._revision, why=str(error)))
            self._wake_trouble = Trouble("WakeFailed", str(error))
            self._wake_pause.refused(clock())
            self._parts.telemetry.woke(key, "failed")
            return
        self._wake_trouble = None
        self._wake_pause.taken(clock())
        self._parts.telemetry.woke(key, "asked")
        self._parts.telemetry.wake_pause(key, self._revision, self._wake_pause.left(clock()))
        log.info("Woke revision", extra=fields(model="/".join(key), revision=self._revision, replicas=replicas))
        if self._episode:
            self._episode.reached("wake", clock())

    def _has_answered(self) -> None:
        """A pod is there: what was in vain before does not count any more."""
        if self._wake_pause.vain:
            self._parts.telemetry.wake_pause(self._view.key, self._revision, 0.0)
        self._wake_pause.answered()
        self._vain_trouble = None

    def _woke_in_vain(self, why: Trouble) -> None:
        """The pods that we have asked for are gone, and none of them has answered: the next wake comes later."""
        key, now = self._view.key, self._parts.clock()
        self._wake_pause.gone(now)
        self._vain_trouble = why
        pause = self._wake_pause.left(now)
        self._parts.telemetry.woke(key, "vain")
        self._parts.telemetry.wake_pause(key, self._revision, pause)
        facts = fields(
            model="/".join(key), revision=self._revision, times=self._wake_pause.vain, next_in_seconds=pause,
            why=f"{why.reason}: {why.message}",
        )  # fmt: skip
        log.warning("Woke in vain", extra=facts)

    def _in_vain(self) -> Refusal:
        told = self._view.troubles.get(self._revision)
        trouble = self._wake_trouble or told or self._vain_trouble or self._view.trouble_of(self._revision)
        waited = self._view.activation.deadline_seconds
        message = f"{self._view.name} did not answer within {waited} s: {trouble.reason}: {trouble.message}"
        return Refusal(trouble.reason, message)

    def count(self, outcome: str) -> None:
        """One check has ended."""
        self._parts.telemetry.asked(self._view.key, self._revision, outcome)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("Task of a desk ended", extra=fields(revision=self._revision), exc_info=error)
