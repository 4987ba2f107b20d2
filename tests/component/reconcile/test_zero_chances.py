"""Whatever happens, in whatever order: no request is lost, no Service is without an address, no pod is taken back.

A story is a list of events, each at a moment of its own: requests, gateways that come and go, operators killed between
two writes, watch events that are lost, writes that fail, hands on replicas, changes of the spec. Hypothesis makes up
the stories, and finds the shortest one that breaks something. Excused are losses at a gateway that was killed, and a
Service that leads to dead gateways alone for as long as it takes to find that out.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.component.reconcile.zero import FIRST, SECOND, WITH_GATEWAYS, replicas, sleepy, stage, state
from tests.fakes import virtual_time
from tests.fakes.plane import Plane
from tests.fakes.world import NAMESPACE, World

from serinus_operator.cluster.errors import Conflict, Unavailable
from serinus_operator.cluster.port import POD

ADDRESSES = {"gateway-0": FIRST, "gateway-1": SECOND}
FINDING_OUT_SECONDS = 5.0
"""That the last gateway is gone: a look, half of this, a write."""
SUCCESSION_SECONDS = 60.0
"""The same where the operator was killed, or could not write, or heard nothing until the next resync."""
TROUBLES = ("kill", "lose", "fail", "conflict")


@dataclass(frozen=True)
class Event:
    """Something that happens so many seconds after what happened before."""

    after: float
    what: str
    number: int = 0


EVENTS = st.lists(
    st.builds(
        Event,
        after=st.sampled_from([0.0, 0.005, 0.03, 0.2, 0.7, 1.5, 4.0, 9.0, 15.0]),
        what=st.sampled_from(
            [
                *("request", "request", "burst", "kill", "kill", "lose", "conflict", "fail"),
                *("raise", "gateway", "pod", "awake", "sleepy", "replace"),
            ]
        ),
        number=st.integers(0, 7),
    ),
    max_size=25,
)


class Story:
    """One list of events, played."""

    def __init__(self, world: World, plane: Plane) -> None:
        self.world, self.plane = world, plane
        self.requests: list[asyncio.Task[bool]] = []
        self.gateways_went = False

    async def play(self, events: list[Event]) -> None:
        for event in events:
            await self.world.advance(event.after)
            await getattr(self, f"do_{event.what}")(event.number)
            await self.bring_back()
        for name in ADDRESSES:
            if name not in self.plane.gateways or not self.plane.gateways[name].alive:
                self.plane.add_gateway(name, ADDRESSES[name])
        self.world.deaf = False
        self.world.cluster.faults.clear()
        self.world.kill_at = None
        await self.bring_back()
        await asyncio.gather(*self.requests)

    async def bring_back(self) -> None:
        """An operator that has died is started again, at once."""
        if self.world.killed.is_set():
            self.world.killed.clear()
            self.world.kill_at = None
            await self.world.restart(WITH_GATEWAYS)

    async def do_request(self, _: int) -> None:
        self.requests.append(asyncio.create_task(self.plane.request()))

    async def do_burst(self, number: int) -> None:
        for _ in range(2 + number):
            self.requests.append(asyncio.create_task(self.plane.request()))
            await self.world.advance(0.05)

    async def do_kill(self, number: int) -> None:
        """At the next write but so many, before or after it is carried out."""
        self.world.kill_at = (self.world.requests + 1 + number // 2, "before" if number % 2 else "after")

    async def do_lose(self, number: int) -> None:
        self.world.deaf = number % 2 == 0

    async def do_conflict(self, number: int) -> None:
        verbs = ("scale", "apply", "status", "delete", "create")
        self.world.cluster.fail(Conflict("the object has been modified"), verb=verbs[number % len(verbs)], times=1)

    async def do_fail(self, number: int) -> None:
        """The answer of a write is lost, whether or not it was carried out."""
        self.world.cluster.fail(Unavailable("no answer"), times=1 + number // 2, after=number % 2 == 0)

    async def do_raise(self, number: int) -> None:
        self.plane.scale(self.world.status()["stableRevision"], 1 + number % 5)

    async def do_gateway(self, number: int) -> None:
        """One goes, or comes back."""
        name = f"gateway-{number % 2}"
        if self.plane.gateways[name].alive:
            self.plane.remove_gateway(name)
            self.gateways_went = True
        else:
            self.plane.add_gateway(name, ADDRESSES[name])

    async def do_pod(self, number: int) -> None:
        """A pod is evicted while another one, if there is any, serves on."""
        pods = self.world.kubelet.pods(self.world.status()["stableRevision"])
        if len(pods) > 1:
            self.world.cluster.remove(POD, NAMESPACE, pods[number % len(pods)]["metadata"]["name"])

    async def do_awake(self, number: int) -> None:
        self.world.apply(sleepy(minReplicas=1 + number % 2, scaleToZero=None))

    async def do_sleepy(self, number: int) -> None:
        self.world.apply(sleepy(scaleToZero={"gracePeriodSeconds": number % 4}))

    async def do_replace(self, number: int) -> None:
        """A new revision."""
        manifest = sleepy()
        manifest["spec"]["runtime"]["maxConcurrency"] = 2 + number
        self.world.apply(manifest)

    def losses(self) -> list[str]:
        """What nothing excuses."""
        lost = self.plane.lost
        if self.gateways_went:
            lost = [one for one in lost if "gateway" not in one.partition(": ")[2] and "no address" not in one]
        return lost


async def told(events: list[Event]) -> None:
    async with stage() as (world, plane):
        plane.load_seconds = 0.5
        world.apply(sleepy())
        await world.ready()
        await world.advance(1)
        story = Story(world, plane)
        if any(event.what == "gateway" for event in events):
            troubled = any(event.what in TROUBLES for event in events)
            plane.patience = SUCCESSION_SECONDS if troubled else FINDING_OUT_SECONDS
        await story.play(events)
        lost = story.losses()
        assert not lost, f"{lost}\n{world.describe()}"
        assert await asleep_again(world), f"{state(world)}\n{world.describe()}"
        assert await plane.request()


async def asleep_again(world: World) -> bool:
    """In the end everything comes to rest: asleep, or awake with what the spec asks for."""
    least = world.live()["spec"]["scaling"].get("minReplicas")
    wanted: Callable[[], Any] = (
        (lambda: state(world) == ("Asleep", "Proxied") and replicas(world) == 0)
        if least == 0
        else (lambda: state(world) == ("Awake", "Direct") and replicas(world) >= least)
    )
    await world.until(lambda: bool(wanted()), within=600)
    return True


@given(EVENTS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_nothing_is_lost_whatever_happens(events: list[Event]) -> None:
    virtual_time.run(told(events))


FOUND: list[tuple[str, list[Event]]] = [
    (
        "two timers a rounding error apart",
        [
            *(Event(15.0, "kill", 0), Event(9.0, "kill", 0), Event(1.5, "kill", 4), Event(0.2, "awake", 2)),
            *(Event(0.7, "awake", 4), Event(9.0, "gateway", 5), Event(4.0, "replace", 3), Event(9.0, "gateway", 5)),
            *(Event(0.7, "kill", 4), Event(0.2, "awake", 2)),
        ],
    ),
    (
        "raised by a hand before it was decided that it sleeps",
        [Event(9.0, "lose"), Event(0.2, "sleepy"), Event(0.0, "raise", 1)],
    ),
]


@pytest.mark.parametrize("events", [row[1] for row in FOUND], ids=[row[0] for row in FOUND])
def test_story_that_once_went_wrong(events: list[Event]) -> None:
    virtual_time.run(told(events))
