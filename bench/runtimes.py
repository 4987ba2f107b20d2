"""`python -m bench runtime`: ours beside bare servers and BentoML, in turns. Makes the lines of the report."""

import json
import statistics
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from dev.cluster import packages
from dev.cluster.console import say, step

from bench import load, models, servers
from bench.load import Load, Request
from bench.report import Line, aimed, bounded, median_spread
from bench.servers import CLIENT_CORE, INFER, Process, Server

T = TypeVar("T")
GROUP = "runtime"
CONNECTIONS = 16
FLOATS = 150_000
TINY_AIM, BENTO_AIM, BINARY_AIM, COLD_AIM, MEMORY_AIM = 0.95, 20.0, 10.0, 1.3, 120.0


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int = 7
    seconds: float = 3.0
    starts: int = 7


@dataclass(frozen=True)
class Turn:
    """One server's turn in one round."""

    load: Load
    cpu_seconds: float

    @property
    def cpu_microseconds(self) -> float:
        """The server's CPU time per request: hardly moved by what else the machine does."""
        return self.cpu_seconds / self.load.requests * 1e6


Turns = dict[str, list[Turn]]


def measure(size: Size) -> list[Line]:
    """Start the servers, load them in turns, end them. Returns the lines of the report."""
    packages.ensure({"wrk": "wrk", "taskset": "util-linux", "setpriv": "util-linux"})
    with tempfile.TemporaryDirectory(prefix="serinus-bench-") as name:
        folder = Path(name)
        return [*_tiny(folder, size), *_codec(folder, size), *_cold(folder, size)]


def _tiny(folder: Path, size: Size) -> list[Line]:
    """A tiny model: what is measured is the way from socket to session."""
    model = models.tiny()
    chosen = [servers.ours(folder / "tiny", model), *(servers.plain(k, folder, model) for k in ("bare", "lean"))]
    chosen.append(servers.bento(folder, model))
    turns = _in_turns([(s.name, s, s.first) for s in chosen], folder, size, CONNECTIONS)
    rate = _each(turns, lambda turn: turn.load.per_second)
    cost = _each(turns, lambda turn: turn.cpu_microseconds)
    raw = {name: [vars(t.load) | {"cpu_us": t.cpu_microseconds} for t in each] for name, each in turns.items()}
    lines = [
        _ratio_line("tiny JSON, requests/s: ours / bare (constant answer)", rate, "ours", "bare", TINY_AIM, raw),
        _ratio_line("tiny JSON, requests/s: ours / lean (reads and writes the JSON)", rate, "ours", "lean", None, raw),
        _ratio_line("tiny JSON, requests/s: ours / BentoML as it comes", rate, "ours", "BentoML", BENTO_AIM, raw),
    ]
    for peer in ("bare", "lean", "BentoML"):
        what = f"tiny JSON, CPU µs per request: {peer} / ours"
        lines.append(_ratio_line(what, cost, peer, "ours", None, {}))
    p99 = {name: statistics.median(t.load.p99 for t in each) * 1e3 for name, each in turns.items()}
    words = ", ".join(f"{name} {value:.2f}" for name, value in p99.items())
    return [*lines, Line(GROUP, f"tiny JSON, p99 with {CONNECTIONS} connections, ms", words, raw=p99)]


def _codec(folder: Path, size: Size) -> list[Line]:
    """Many floats: JSON against the binary form of the protocol, on ours and on the lean server."""
    model, values = models.wide(), np.linspace(0, 1, FLOATS, dtype=np.float32)
    both = [servers.ours(folder / "wide", model), servers.plain("lean", folder, model)]
    requests = {"JSON": json_request(values), "binary": binary_request(values)}
    plan = [(f"{s.name} {form}", s, request) for s in both for form, request in requests.items()]
    turns = _in_turns(plan, folder, size, 1)
    rate = _each(turns, lambda turn: turn.load.per_second)
    cost = {
        name: f"{statistics.median(each):.0f} µs" for name, each in _each(turns, lambda t: t.cpu_microseconds).items()
    }
    raw = {name: [t.load.per_second for t in each] for name, each in turns.items()}
    what = f"{FLOATS:,} floats, requests/s: ours binary / ours JSON"
    return [
        _ratio_line(what, rate, "ours binary", "ours JSON", BINARY_AIM, raw),
        _ratio_line(f"{FLOATS:,} floats as JSON: ours / lean", rate, "ours JSON", "lean JSON", None, {}),
        _ratio_line(f"{FLOATS:,} floats in binary: ours / lean", rate, "ours binary", "lean binary", None, {}),
        Line(GROUP, f"{FLOATS:,} floats, CPU per request", ", ".join(f"{k} {v}" for k, v in cost.items())),
    ]


def _cold(folder: Path, size: Size) -> list[Line]:
    """From exec to the first inference answered, and memory then; the model's weights are nothing."""
    model = models.tiny()
    chosen = [servers.ours(folder / "cold", model), servers.plain("lean", folder, model), servers.bento(folder, model)]
    seconds: dict[str, list[float]] = {server.name: [] for server in chosen}
    memory: dict[str, list[float]] = {server.name: [] for server in chosen}
    with step(f"{size.starts} cold starts each of {', '.join(seconds)}"):
        for number in range(size.starts):
            for server in rotated(chosen, number):
                with servers.running(server, folder / f"{server.name}.log") as (process, first):
                    seconds[server.name].append(first)
                    memory[server.name].append(process.memory_mib())
    ratio, spread = median_spread([a / b for a, b in zip(seconds["ours"], seconds["lean"], strict=True)])
    mid = {name: statistics.median(each) for name, each in seconds.items()}
    pss = {name: statistics.median(each) for name, each in memory.items()}
    return [
        bounded(
            GROUP,
            "exec → first answer: ours / lean ASGI with ONNX Runtime",
            f"{mid['ours']:.2f} s / {mid['lean']:.2f} s = **{ratio:.2f}** (BentoML {mid['BentoML']:.2f} s)",
            number=ratio,
            at_most=COLD_AIM,
            raw={"seconds": seconds, "spread": spread},
        ),
        bounded(
            GROUP,
            "PSS before weights (MiB)",
            f"**{pss['ours']:.0f}** (lean {pss['lean']:.0f}, BentoML {pss['BentoML']:.0f})",
            number=pss["ours"],
            at_most=MEMORY_AIM,
            raw={"mib": memory},
        ),
    ]


def _in_turns(plan: Sequence[tuple[str, Server, Request]], folder: Path, size: Size, connections: int) -> Turns:
    """Load each line of the plan once per round, in rotated order; the servers run all the time."""
    turns: Turns = {name: [] for name, _, _ in plan}
    scripts = {name: load.script(request, folder, name.replace(" ", "-")) for name, _, request in plan}
    with ExitStack() as stack:
        processes: dict[str, Process] = {}
        for server in {server.name: server for _, server, _ in plan}.values():
            log = folder / f"{server.name}.log"
            processes[server.name] = stack.enter_context(servers.running(server, log))[0]
        with step(f"{size.rounds} rounds of {', '.join(turns)}"):
            for number in range(-1, size.rounds):  # the first warms up and does not count
                for name, server, request in rotated(plan, number):
                    cpu = processes[server.name].cpu_seconds()
                    seconds = size.seconds if number >= 0 else 1.0
                    done = load.run(
                        server.port,
                        request.path,
                        scripts[name],
                        connections=connections,
                        seconds=seconds,
                        core=CLIENT_CORE,
                    )
                    if number >= 0:
                        turns[name].append(Turn(done, processes[server.name].cpu_seconds() - cpu))
    say(
        "  " + ", ".join(f"{name} {statistics.median(t.load.per_second for t in e):.0f}/s" for name, e in turns.items())
    )
    return turns


def json_request(values: np.ndarray[Any, np.dtype[np.float32]]) -> Request:
    """The floats as decimal text."""
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, len(values)], "data": [round(float(v), 6) for v in values]}
    return Request(INFER, json.dumps({"inputs": [tensor]}).encode(), {"Content-Type": "application/json"})


def binary_request(values: np.ndarray[Any, np.dtype[np.float32]]) -> Request:
    """The floats as they are in memory, after a short header."""
    size = {"binary_data_size": values.nbytes}
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, len(values)], "parameters": size}
    header = json.dumps({"inputs": [tensor]}).encode()
    told = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(header))}
    return Request(INFER, header + values.tobytes(), told)


def rotated(items: Sequence[T], number: int) -> list[T]:
    """The items, each round beginning with another."""
    start = number % len(items)
    return [*items[start:], *items[:start]]


def _each(turns: Turns, value: Callable[[Turn], float]) -> dict[str, list[float]]:
    return {name: [value(turn) for turn in each] for name, each in turns.items()}


def _ratio_line(
    what: str, values: dict[str, list[float]], above: str, below: str, aim: float | None, raw: dict[str, Any]
) -> Line:
    """The median of the rounds' ratios, with both medians."""
    ratio, spread = median_spread([a / b for a, b in zip(values[above], values[below], strict=True)])
    top, bottom = statistics.median(values[above]), statistics.median(values[below])
    text = f"{top:,.0f} / {bottom:,.0f} = **{ratio:.2f}** (spread {spread:.0%})"
    facts = {"turns": raw, "spread": spread, "ratio": ratio}
    if aim is None:
        return Line(GROUP, what, text, raw=facts)
    return aimed(GROUP, what, text, ratio=ratio, at_least=aim, raw=facts)
