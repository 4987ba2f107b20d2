"""What a sleeping model costs the gateway: memory and CPU with so many of them, a new gateway for each number.

Nobody asks for a model meanwhile. The gateway itself is asked as in a cluster: for its load every second, by the
operator, and for its readiness every two seconds, by the kubelet.
"""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from dev.cluster.console import step
from dev.gateway import fake_api

from bench.gateway.running import Gateway, api_server, gateway
from bench.procfs import cpu_seconds, proportional_mib
from bench.report import Line

GROUP = "gateway"
FIRST_PORT = 20_000
REST_SECONDS, REST_CPU_SECONDS = 3, 0.2
"""Seconds in a row, and the CPU time of one of them, after which the start counts as over."""
PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Size:
    """How many models, in rising order beginning with 0; and how long each number is watched."""

    models: tuple[int, ...]
    seconds: int


@dataclass(frozen=True)
class Cost:
    """Of one of the two programs."""

    mib: float
    cpu_seconds: float
    """In one minute."""


Costs = dict[int, dict[str, Cost]]
"""By number of models, then by program."""


async def measure(folder: Path, size: Size) -> list[Line]:
    """Each number once."""
    found = {}
    for models in size.models:
        with step(f"{models} sleeping models"):
            found[models] = await _with(folder / f"idle-{models}", models, size.seconds)
    return lines(found)


async def _with(folder: Path, models: int, seconds: int) -> dict[str, Cost]:
    async with api_server() as api:
        for number in range(models):
            name = f"model-{number:04}"
            api.set_replicas("ml", f"{name}-1", 0)
            await api.put(fake_api.MODELS, fake_api.model(name, FIRST_PORT + number))
        async with gateway(folder, api) as running:  # at an address of its own, where no port is taken
            await running.until(models)
            await _until_resting(running)
            before, began = _used(running), time.monotonic()
            for second in range(seconds):
                await _asked(running, second)
            minute = (time.monotonic() - began) / 60
            used = _used(running)
            pids = {"agent": running.agent, "Envoy": running.envoy}
            return {name: Cost(proportional_mib(pid), (used[pid] - before[pid]) / minute) for name, pid in pids.items()}


async def _until_resting(running: Gateway) -> None:
    """Wait until the start is over, but not for ever: what never rests is what it costs."""
    rested = 0
    for second in range(PATIENCE_SECONDS):
        before = sum(_used(running).values())
        await _asked(running, second)
        rested = rested + 1 if sum(_used(running).values()) - before <= REST_CPU_SECONDS else 0
        if rested == REST_SECONDS:
            return


async def _asked(running: Gateway, second: int) -> None:
    """One second of a cluster."""
    began = time.monotonic()
    await running.report()
    if second % 2 == 0:
        await running.ready()
    await asyncio.sleep(max(0.0, began + 1.0 - time.monotonic()))


def _used(running: Gateway) -> dict[int, float]:
    return {pid: cpu_seconds(pid) for pid in (running.agent, running.envoy)}


def lines(found: Costs) -> list[Line]:
    """The report's lines; each model's part is the difference to the gateway that has none. Pure."""
    none = found[0]
    words = ", ".join(f"{name} {cost.mib:.0f} MiB, {cost.cpu_seconds:.2f} s" for name, cost in none.items())
    made = [Line(GROUP, "no model: PSS, CPU per minute", words, raw=_raw(none))]
    for models, costs in found.items():
        if models:
            words = ", ".join(f"{name} {_each(cost, none[name], models)}" for name, cost in costs.items())
            what = f"{models:,} sleeping models: PSS, CPU per minute, more for each model"
            made.append(Line(GROUP, what, words, raw=_raw(costs)))
    return made


def _each(cost: Cost, none: Cost, models: int) -> str:
    memory = (cost.mib - none.mib) * 1024 / models
    return f"{memory:.0f} KiB, {(cost.cpu_seconds - none.cpu_seconds) / models * 1e3:.1f} ms"


def _raw(costs: dict[str, Cost]) -> dict[str, object]:
    return {name: vars(cost) for name, cost in costs.items()}
