"""The hop: one backend reached directly, through ours, through plain Envoy and through nginx, in turns.

`wrk` has core 1. With one connection the backend shares core 0 with what is in the middle: a request changes cores as
often as on the direct way, and what is added is the middle's own. With many it shares core 1 with `wrk`: the middle has
core 0 for itself, and is what limits.
"""

import asyncio
import statistics
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.cluster.console import ClusterError, say, step
from dev.cluster.paths import default_layout
from dev.gateway import fake_api
from dev.gateway.processes import new_address

from bench import load, models, servers
from bench.gateway import peers
from bench.gateway.running import Gateway, api_server, gateway
from bench.load import Request
from bench.procfs import cpu_seconds, family
from bench.report import Line, aimed, bounded, median_spread
from bench.runtimes import Turn, rotated
from bench.servers import CLIENT_CORE, SERVER_CORE, Server
from serinus_api.runtime import HTTP_PORT, METRICS_PORT
from serinus_operator.local.addresses import free_port

GROUP = "gateway"
DIRECT, OURS, PLAIN, NGINX = "direct", "ours", "plain Envoy", "nginx"
ADDED_AIM, RATE_AIM = 0.15, 0.9
MODEL = "bench"


@dataclass(frozen=True)
class Size:
    """How much is measured, per backend."""

    rounds: int
    seconds: float


@dataclass(frozen=True)
class Way:
    """A way to the backend: where it begins, and the processes in the middle."""

    name: str
    port: int
    host: str = "127.0.0.1"
    processes: tuple[int, ...] = ()

    def cpu_seconds(self) -> float:
        """What the middle has used, helpers included."""
        return sum(cpu_seconds(pid) for top in self.processes for pid in family(top))


Turns = dict[str, list[Turn]]


@dataclass(frozen=True)
class Plan:
    """A backend, what it is asked, and with how many connections."""

    name: str
    backend: Server
    request: Request
    connections: tuple[int, ...]


async def measure(folder: Path, size: Size) -> list[Line]:
    """Both backends, one after the other."""
    runtime = servers.runtime(folder / "runtime", models.tiny(), new_address(), (HTTP_PORT, METRICS_PORT), CLIENT_CORE)
    plans = [
        Plan("constant backend", peers.constant(folder, new_address(), HTTP_PORT), peers.ASKED, (1, 64)),
        Plan("serinus-runtime", runtime, servers.TINY, (1, 16)),  # it takes 24 at once with its defaults
    ]
    made = []
    for number, plan in enumerate(plans):
        own = folder / f"hop-{number}"
        own.mkdir()
        made += await _measure(own, plan, size)
    return made


async def _measure(folder: Path, plan: Plan, size: Size) -> list[Line]:
    with ExitStack() as stack:
        backend, _ = stack.enter_context(servers.running(plan.backend, folder / "backend.log"))
        others, missing = _peers(folder, plan, stack)
        async with _ours(folder, plan.backend) as (port, running):
            ours = Way(OURS, port, running.address, (running.envoy, running.agent))
            ways = [Way(DIRECT, plan.backend.port, plan.backend.host), ours, *others]
            found = {}
            with step(f"{size.rounds} rounds each of {', '.join(way.name for way in ways)}: {plan.name}"):
                for connections in plan.connections:
                    backend.pin(SERVER_CORE if connections == 1 else CLIENT_CORE)
                    found[connections] = await _in_turns(ways, plan.request, folder, size, connections)
    for connections, turns in found.items():
        rates = (f"{name} {statistics.median(t.load.per_second for t in each):.0f}/s" for name, each in turns.items())
        say(f"  {connected(connections)}: {', '.join(rates)}")
    return lines(plan.name, found, missing)


def _peers(folder: Path, plan: Plan, stack: ExitStack) -> tuple[list[Way], str]:
    """Plain Envoy, and nginx where it can be had; why not otherwise."""
    made = [_started(peers.plain_envoy(folder, free_port(), plan.backend, plan.request), folder, stack)]
    try:
        server = peers.nginx(folder, default_layout().cache, free_port(), plan.backend, plan.request)
        made.append(_started(server, folder, stack))
    except (ClusterError, RuntimeError) as error:  # not to be downloaded, or it does not start on this machine
        return made, " ".join(str(error).split())
    return made, ""


def _started(server: Server, folder: Path, stack: ExitStack) -> Way:
    process, _ = stack.enter_context(servers.running(server, folder / f"{server.name}.log"))
    return Way(server.name, server.port, processes=(process.pid,))


@asynccontextmanager
async def _ours(folder: Path, backend: Server) -> AsyncIterator[tuple[int, Gateway]]:
    """The gateway in front of one model that is awake, with the backend as its only pod; the model's port."""
    port = free_port()
    async with api_server() as api:
        status = {"scaling": {"engine": "Builtin", "state": "Awake"}}
        await api.put(fake_api.MODELS, fake_api.model(MODEL, port, status=status))
        pod = fake_api.pod("a", backend.host, of=MODEL, revision=f"{MODEL}-1", ready=True)
        await api.put(fake_api.PODS, pod)
        pinned = ("taskset", "--cpu-list", str(SERVER_CORE))
        async with gateway(folder / "gateway", api, pinned=pinned) as running:
            await running.until(1, lambda model: not model.guarded)
            yield port, running


async def _in_turns(ways: Sequence[Way], request: Request, folder: Path, size: Size, connections: int) -> Turns:
    """Load each way once per round, in rotated order; all run all the time."""
    turns: Turns = {way.name: [] for way in ways}
    script = load.script(request, folder, "request")
    for number in range(-1, size.rounds):  # the first warms up and does not count
        for way in rotated(ways, number):
            cpu, seconds = way.cpu_seconds(), size.seconds if number >= 0 else 1.0
            done = await asyncio.to_thread(
                load.run, way.port, request.path, script,
                connections=connections, seconds=seconds, core=CLIENT_CORE, host=way.host,
            )  # fmt: skip
            if number >= 0:
                turns[way.name].append(Turn(done, way.cpu_seconds() - cpu))
    return turns


def lines(backend: str, found: dict[int, Turns], missing: str) -> list[Line]:
    """The report's lines. `missing`: why there is no nginx. Pure."""
    made = []
    for connections, turns in found.items():
        where = f"{backend}, {connected(connections)}"
        aims = (ADDED_AIM if connections == 1 else None, None)
        for percent, aim in zip((50, 99), aims, strict=True):
            made.append(_added(where, turns, percent, aim))
        if connections > 1:
            made.append(_rates(where, turns, PLAIN, RATE_AIM))
            made += [_rates(where, turns, other, None) for other in (NGINX, DIRECT) if other in turns]
            made.append(_cost(where, turns))
    if missing:
        made.append(Line(GROUP, f"{backend}: {NGINX}", f"not measured: {missing}"))
    return made


def connected(number: int) -> str:
    return f"{number} connection{'s' if number > 1 else ''}"


def added(turns: Turns, name: str, value: Callable[[Turn], float]) -> float:
    """How much more a way takes than the direct one: the median of the rounds' differences."""
    return statistics.median(value(a) - value(b) for a, b in zip(turns[name], turns[DIRECT], strict=True))


def _added(where: str, turns: Turns, percent: int, aim: float | None) -> Line:
    """Milliseconds that each way adds."""

    def value(turn: Turn) -> float:
        return (turn.load.p50 if percent == 50 else turn.load.p99) * 1e3

    more = {name: added(turns, name, value) for name in turns if name != DIRECT}
    others = ", ".join(f"{name} {number:.3f}" for name, number in more.items() if name != OURS)
    base = statistics.median(map(value, turns[DIRECT]))
    text = f"**{more[OURS]:.3f}** ({others}; direct takes {base:.3f})"
    what = f"{where}: p{percent} added over direct, ms"
    raw: dict[str, Any] = {name: [value(turn) for turn in each] for name, each in turns.items()}
    if aim is None:
        return Line(GROUP, what, text, raw=raw)
    return bounded(GROUP, what, text, number=more[OURS], at_most=aim, raw=raw)


def _rates(where: str, turns: Turns, other: str, aim: float | None) -> Line:
    """Requests per second, ours over another's."""
    rates = {name: [turn.load.per_second for turn in turns[name]] for name in (OURS, other)}
    ratio, spread = median_spread([a / b for a, b in zip(rates[OURS], rates[other], strict=True)])
    top, bottom = (statistics.median(rates[name]) for name in (OURS, other))
    what = f"{where}, requests/s: ours / {other}"
    text = f"{top:,.0f} / {bottom:,.0f} = **{ratio:.2f}** (spread {spread:.0%})"
    raw = {"rates": rates, "spread": spread}
    if aim is None:
        return Line(GROUP, what, text, raw=raw | {"ratio": ratio})
    return aimed(GROUP, what, text, ratio=ratio, at_least=aim, raw=raw)


def _cost(where: str, turns: Turns) -> Line:
    """The middle's own CPU time per request."""
    cost = {name: [turn.cpu_microseconds for turn in each] for name, each in turns.items() if name != DIRECT}
    text = ", ".join(f"{name} {statistics.median(each):.0f}" for name, each in cost.items())
    return Line(GROUP, f"{where}: CPU µs per request of what is in the middle", text, raw=cost)
