"""`python -m bench shadow`: one stable runtime under full load, with 10 % of its requests copied and with none.

A tiny model, because every microsecond beside it shows; the candidate has the client's core, so that the copies take
nothing of the stable one's but what they cost it themselves.
"""

import http.client
import json
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

from dev.cluster import packages
from dev.cluster.console import step

from bench import load, models, servers
from bench.report import Line, aimed, median_spread
from bench.runtimes import rotated
from serinus_api.runtime import METRIC_SHADOW_COMPARED, METRIC_SHADOW_DROPPED, METRICS_PATH, SHADOW_PATH, ShadowOrder
from serinus_operator.local.addresses import free_port

GROUP = "shadow"
PERCENT = 10
CONNECTIONS = 16
AIM = 0.98
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int = 9
    seconds: float = 3.0


def measure(size: Size) -> list[Line]:
    """Start both, load the stable one in turns, end them. Returns the lines of the report."""
    packages.ensure({"wrk": "wrk", "taskset": "util-linux", "setpriv": "util-linux"})
    with tempfile.TemporaryDirectory(prefix="serinus-bench-") as name:
        return _side_by_side(Path(name), size)


def _side_by_side(folder: Path, size: Size) -> list[Line]:
    private = free_port()
    model = models.tiny()
    stable = servers.runtime(folder / "stable", model, HOST, (free_port(), private), servers.SERVER_CORE)
    candidate = servers.runtime(folder / "candidate", model, HOST, (free_port(), free_port()), servers.CLIENT_CORE)
    script = load.script(servers.TINY, folder, "tiny")
    rates: dict[int, list[float]] = {0: [], PERCENT: []}
    costs: dict[int, list[float]] = {0: [], PERCENT: []}
    with (
        servers.running(stable, folder / "stable.log") as (process, _),
        servers.running(candidate, folder / "candidate.log"),
        step(f"{size.rounds} rounds with {PERCENT} % copied and with none"),
    ):
        for number in range(-1, size.rounds):  # the first warms up and does not count
            for percent in rotated(list(rates), number):
                before = process.cpu_seconds()
                _order(private, candidate.port, percent)
                done = load.run(
                    stable.port,
                    servers.TINY.path,
                    script,
                    connections=CONNECTIONS,
                    seconds=size.seconds,
                    core=servers.CLIENT_CORE,
                )
                if number >= 0:
                    rates[percent].append(done.per_second)
                    costs[percent].append((process.cpu_seconds() - before) / done.requests * 1e6)
        agreed, dropped = (_counted(private, start) for start in (METRIC_SHADOW_COMPARED, METRIC_SHADOW_DROPPED))
    rate, cost = (
        f"tiny JSON at full load, requests/s: {PERCENT} % / none",
        "the same, CPU µs per request: none / copied",
    )
    taken = Line(GROUP, "of the requests chosen at full load: compared, dropped", f"{agreed:,.0f}, {dropped:,.0f}")
    return [_ratio_line(rate, rates[PERCENT], rates[0]), _ratio_line(cost, costs[0], costs[PERCENT]), taken]


def _ratio_line(what: str, above: list[float], below: list[float]) -> Line:
    """The median of the rounds' ratios, with both medians."""
    ratio, spread = median_spread([a / b for a, b in zip(above, below, strict=True)])
    text = f"{statistics.median(above):,.1f} / {statistics.median(below):,.1f} = **{ratio:.3f}** (spread {spread:.0%})"
    return aimed(GROUP, what, text, ratio=ratio, at_least=AIM, raw={"above": above, "below": below, "spread": spread})


def _order(port: int, candidate: int, percent: int) -> None:
    order = ShadowOrder(revision="candidate", percent=percent, seconds=600, host=HOST, port=candidate)
    _asked(port, "PUT", SHADOW_PATH, order.model_dump_json(by_alias=True).encode())


def _counted(port: int, name: str) -> float:
    """The sum of a counter's samples."""
    lines = _asked(port, "GET", METRICS_PATH, None).decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def _asked(port: int, method: str, path: str, body: bytes | None) -> bytes:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        said = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{method} {path}: {answer.status} {json.loads(said)['error']}")
    return said
