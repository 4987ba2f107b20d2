"""From zero: so many requests at once for a model that sleeps, held by ours and by the two controls, in turns.

The same requests to a pod that is ready, with nothing in between, tell what client and pod take themselves.

Of each request the time from sending to the answer, less what the pod itself took from the moment it was begun to the
one since when it says it listens. What remains is the wake's own part: to notice the request and ask for the pod, to
notice the pod, and to hand the request over.
"""

import asyncio
import contextlib
import math
import random
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from dev.cluster.console import say, step
from dev.gateway import fake_api
from dev.gateway.processes import new_address

from bench.control_plane import DIES_WITH_US
from bench.gateway import pod, wire
from bench.gateway.controls import KINDS
from bench.gateway.running import Gateway, api_server, gateway
from bench.report import Line, bounded
from bench.runtimes import rotated
from serinus_api.runtime import HTTP_PORT
from serinus_operator.local.addresses import free_port

GROUP = "gateway"
OURS, READY = "ours", "no wake"
LOOPBACK = "127.0.0.1"
AIM_MILLISECONDS = 50.0
LOAD_SECONDS = (0.2, 0.7)
"""A pod's start: drawn from a range as long as the controls' longest pause, so that no phase of it is favoured."""
ANSWER_SECONDS = 60.0
POLL_SECONDS = 0.01
ROOMY, NARROW = 1000, 8
"""Places of a pod: more than ever come at once, and the runtime's default."""
WORK_SECONDS = 0.01
"""What a request takes in the narrow pod."""


@dataclass(frozen=True)
class Size:
    """Wakes per way: by how many requests come at once, and of the narrow pod."""

    wakes: dict[int, int]
    narrow: int
    seed: int


@dataclass(frozen=True)
class Case:
    """What one wake is like."""

    at_once: int
    places: int
    work_seconds: float
    load_seconds: float


@dataclass(frozen=True)
class Answer:
    """One request; moments of the monotonic clock."""

    sent: float
    answered: float
    status: int
    ready: float = 0.0
    """Since when the pod listens, as it says."""


@dataclass(frozen=True)
class Wake:
    """What came of one wake. `begun`: when the pod was."""

    case: Case
    begun: float
    answers: tuple[Answer, ...]

    def added(self) -> list[float]:
        """Seconds of each answered request beside the pod's own start."""
        good = [one for one in self.answers if one.status == 200]
        return [(one.answered - one.sent) - (one.ready - self.begun) for one in good]

    def asked(self) -> float:
        """Seconds from the first request to the start of the pod."""
        return self.begun - min(one.sent for one in self.answers)


Wakes = dict[str, list[Wake]]


def cases(size: Size) -> list[Case]:
    """All wakes of one way, in an order of their own; every way gets the same. Pure."""
    dice = random.Random(size.seed)
    kinds = [(count, ROOMY, 0.0) for count, wakes in size.wakes.items() for _ in range(wakes)]
    kinds += [(100, NARROW, WORK_SECONDS)] * size.narrow
    made = [Case(*kind, load_seconds=dice.uniform(*LOAD_SECONDS)) for kind in kinds]
    dice.shuffle(made)
    return made


async def measure(folder: Path, size: Size) -> list[Line]:
    """Every case by every way."""
    plan = cases(size)
    async with _sleepers(folder / "zero", plan) as (running, ports), controls() as ports_of:
        with process(pod.COMMAND) as kubelet:
            ways = [Ours(kubelet, running, ports), *(Control(kubelet, name, port) for name, port in ports_of.items())]
            ways.append(NoWake(kubelet))
            found: Wakes = {way.name: [] for way in ways}
            with step(f"{len(plan)} wakes each of {', '.join(found)} (seed {size.seed})"):
                for number, case in enumerate(plan):
                    for way in rotated(ways, number):
                        found[way.name].append(await way.wake(number, case))
    say(f"  {sum(len(one.answers) for each in found.values() for one in each)} requests")
    return lines(found, size.seed)


@asynccontextmanager
async def _sleepers(folder: Path, plan: Sequence[Case]) -> AsyncIterator[tuple[Gateway, list[int]]]:
    """The gateway with a sleeping model for each wake, and their ports."""
    ports = [free_port() for _ in plan]
    async with api_server() as api:
        for number, (port, case) in enumerate(zip(ports, plan, strict=True)):
            name = f"model-{number}"
            api.set_replicas("ml", f"{name}-1", 0)
            await api.put(fake_api.MODELS, fake_api.model(name, port, runtime={"maxConcurrency": case.places}))
        async with gateway(folder, api) as running:
            await running.until(len(plan))
            yield running, ports


@asynccontextmanager
async def controls() -> AsyncIterator[dict[str, int]]:
    """Both controls; their ports."""
    ports = {kind: free_port() for kind in KINDS}
    with contextlib.ExitStack() as stack:
        for kind, port in ports.items():
            stack.enter_context(process((sys.executable, "-m", "bench.gateway.controls", kind, str(port))))
        for port in ports.values():
            await until_open(LOOPBACK, port)
        yield ports


@dataclass(frozen=True)
class Way:
    """A way to wake. `kubelet`: the process in which pods are begun."""

    kubelet: "subprocess.Popen[bytes]"
    name: str

    async def wake(self, number: int, case: Case) -> Wake:
        """Do one. `number` says which, so that ours takes a model that sleeps yet."""
        raise NotImplementedError

    def begin(self, host: str, case: Case) -> float:
        """Begin a pod; the moment."""
        told = self.kubelet.stdin
        assert told
        moment = time.monotonic()
        told.write(pod.Settings(host, case.load_seconds, case.places, case.work_seconds).line())
        told.flush()
        return moment


@dataclass(frozen=True)
class Ours(Way):
    """The gateway asks for the pod by `/scale`; the pod has its address from the start, as after its sandbox."""

    name: str = field(default=OURS, init=False)
    gateway: Gateway
    ports: Sequence[int]

    async def wake(self, number: int, case: Case) -> Wake:
        """See `Way.wake`."""
        name, host = f"model-{number}", new_address()
        begun: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        api, to = self.gateway.api, self.gateway.address
        api.on_scale = lambda *_: begun.set_result(self.begin(host, case))
        asking = asyncio.gather(*(ask(self.ports[number], host, to=to) for _ in range(case.at_once)))
        moment = await asyncio.wait_for(begun, ANSWER_SECONDS)
        await api.put(fake_api.PODS, fake_api.pod(name, host, of=name, revision=f"{name}-1"))
        answers = await asking
        await api.remove(fake_api.PODS, "ml", name)
        return Wake(case, moment, tuple(answers))


@dataclass(frozen=True)
class Control(Way):
    """The pod of a control is begun for it, the moment after the requests have been sent."""

    port: int

    async def wake(self, number: int, case: Case) -> Wake:
        """See `Way.wake`."""
        host = new_address()
        asking = asyncio.gather(*(ask(self.port, host) for _ in range(case.at_once)))
        await asyncio.sleep(0)  # they are on their way
        moment = self.begin(host, case)
        return Wake(case, moment, tuple(await asking))


@dataclass(frozen=True)
class NoWake(Way):
    """Ask a pod that is ready: its start counts as over."""

    name: str = field(default=READY, init=False)

    async def wake(self, number: int, case: Case) -> Wake:
        """See `Way.wake`."""
        host = new_address()
        self.begin(host, replace(case, load_seconds=0.0))
        await until_open(host, HTTP_PORT)
        first = await ask(HTTP_PORT, host, to=host)
        answers = await asyncio.gather(*(ask(HTTP_PORT, host, to=host) for _ in range(case.at_once)))
        return Wake(case, first.ready, tuple(answers))


async def ask(port: int, host: str, *, to: str = LOOPBACK) -> Answer:
    """One request over a connection of its own; one that is cut counts as status 0."""
    sent = time.monotonic()
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            status, body = wire.read(await wire.exchange(to, port, wire.request(host, "/")))
    except (OSError, ValueError):  # a timeout is an OSError
        return Answer(sent, time.monotonic(), 0)
    return Answer(sent, time.monotonic(), status, float(body) if status == 200 else 0.0)


async def until_open(host: str, port: int) -> None:
    """Wait until something listens there."""
    async with asyncio.timeout(ANSWER_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, port)
            except ConnectionRefusedError:
                await asyncio.sleep(POLL_SECONDS)
            else:
                return writer.close()


@contextmanager
def process(command: tuple[str, ...]) -> Iterator["subprocess.Popen[bytes]"]:
    """A program, until the block ends."""
    with subprocess.Popen([*DIES_WITH_US, *command], stdin=subprocess.PIPE) as child:
        try:
            yield child
        finally:
            child.kill()


def lines(found: Wakes, seed: int) -> list[Line]:
    """The report's lines. Pure."""
    counts = sorted({wake.case.at_once for wake in found[OURS] if wake.case.places == ROOMY})
    made = [_line(f"from zero, {count} at once", found, _roomy(count), seed) for count in counts]
    asked = [wake.asked() * 1e3 for wake in found[OURS]]
    made.append(
        Line(
            GROUP,
            "from zero: first request → /scale, ms",
            f"p50 {statistics.median(asked):.0f}, p95 {percentile(asked, 95):.0f}",
            raw={"ms": asked},
        )
    )
    if any(wake.case.places == NARROW for wake in found[OURS]):
        made.append(_narrow_line(found))
    return made


def _roomy(count: int) -> Callable[[Wake], bool]:
    return lambda wake: wake.case.places == ROOMY and wake.case.at_once == count


def _line(what: str, found: Wakes, chosen: Callable[[Wake], bool], seed: int) -> Line:
    """p50 and p95 of what each way adds."""
    added = {
        name: [value * 1e3 for wake in wakes if chosen(wake) for value in wake.added()] for name, wakes in found.items()
    }
    words = {name: in_short(each) for name, each in added.items()}
    others = ", ".join(f"{name} {text}" for name, text in words.items() if name != OURS)
    lost = sum(one.status != 200 for wake in found[OURS] if chosen(wake) for one in wake.answers)
    return bounded(
        GROUP,
        f"{what}: held → answered less the pod's start, p50 / p95, ms",
        f"**{words[OURS]}** ({others}); {len(added[OURS])} answered, {lost} lost",
        number=percentile(added[OURS], 95) if added[OURS] else math.inf,
        at_most=AIM_MILLISECONDS,
        raw={"ms": added, "seed": seed},
    )


def _narrow_line(found: Wakes) -> Line:
    """A pod with the default places: who is answered at all, and when the last one is."""
    words, raw = [], {}
    for name, wakes in found.items():
        chosen = [wake for wake in wakes if wake.case.places == NARROW]
        answers = [one for wake in chosen for one in wake.answers]
        good = sum(one.status == 200 for one in answers)
        added = [value * 1e3 for wake in chosen for value in wake.added()]
        words.append(f"{name} {good} of {len(answers)}, {in_short(added)}")
        raw[name] = {"answered": good, "asked": len(answers), "ms": added}
    what = f"from zero, 100 at once, a pod of {NARROW} places: answered, p50 / p95, ms"
    return Line(GROUP, what, "; ".join(words), raw=raw)


def in_short(values: Sequence[float]) -> str:
    """`p50 / p95`."""
    return f"{statistics.median(values):.0f} / {percentile(values, 95):.0f}" if values else "none"


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that so many of a hundred do not exceed: 95 of 1 … 20 is 19."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
