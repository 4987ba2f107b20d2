"""`python -m bench operator`: ours against the bare operator, in turns; then ours at rest. Makes the lines."""

import asyncio
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from dev.cluster.console import say, step

from bench import audit, fleet, kube, sizes
from bench.control_plane import ControlPlane, control_plane
from bench.fleet import Program, Round, Running
from bench.kube import Kube, Manifest
from bench.procfs import cpu_seconds, load_average, memory_mib
from bench.report import Line, aimed, bounded, median_spread

CRD = Path(__file__).parents[1] / "crds" / "serving.serinus.dev_modeldeployments.yaml"
GROUP = "operator"
RATIO_AIM = 0.7
CALL = re.compile(r'^serinus_api_calls_total\{code="\d+",resource="([^".]+)[^"]*",verb="(\w+)"\} (\S+)$', re.MULTILINE)
PASSES = re.compile(r'^serinus_reconciles_total\{result="\w+"\} (\S+)$', re.MULTILINE)
NOOP_SECONDS = 100.0
"""A resync comes every 60 s ± 20 % and is spread over 12 s."""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    objects: int = 300
    rounds: int = 3
    quiet_seconds: float = 60.0


@dataclass(frozen=True)
class Rest:
    """What a converged operator does, and what it was like before it had any model."""

    objects: int
    seconds: float
    quiet_cpu_seconds: float
    mutating: audit.Calls
    noop_mutating: audit.Calls
    noop_calls: audit.Calls
    noop_cpu_seconds: float
    noop_passes: float
    empty_rss_mib: float
    rss_mib: float

    @property
    def kib_each(self) -> float:
        """Memory that a model has added."""
        return (self.rss_mib - self.empty_rss_mib) * 1024 / self.objects

    @property
    def milliseconds_each(self) -> float:
        """CPU time that a model takes in a quiet minute, the lease and all else divided among them."""
        return self.quiet_cpu_seconds / self.objects * 60 / self.seconds * 1e3


def measure(size: Size) -> list[Line]:
    """Start a control plane, run all rounds, take it down. Returns the lines of the report."""
    with control_plane() as plane:
        return asyncio.run(_measure(plane, size))


async def _measure(plane: ControlPlane, size: Size) -> list[Line]:
    ours: list[Round] = []
    bare: list[Round] = []
    crd: Manifest = yaml.safe_load(CRD.read_text())
    async with kube.connect(plane.server, plane.ssl_context()) as api:
        await kube.install_crd(api, crd)
        with step("warm up the API server"):
            first = await _round(plane, api, fleet.serinus(), "warm-up", min(size.objects, 20))
        told = {
            "status": _each(first, "patch", "modeldeployments/status"),
            "events": _each(first, "patch", "events"),
            "reads": _each(first, "get", "configmaps"),
        }
        for number in range(1, size.rounds + 1):
            for program, rounds in ((fleet.serinus(), ours), (fleet.bare(told), bare)):
                with step(f"round {number} of {size.rounds}: {program.name}, {size.objects} models"):
                    rounds.append(await _round(plane, api, program, f"{program.name}-{number}", size.objects))
                last = rounds[-1]
                speed, load = last.objects_per_cpu_second, load_average()
                say(f"  {last.cpu_seconds:.2f} CPU-s: {speed:.1f} models per CPU-second (load average {load:.1f})")
        with step(f"ours at rest with {size.objects} models"):
            rest, stored = await _rest(plane, api, size)
    return [*_lines(ours, bare, size), *_rest_lines(rest, size), *sizes.lines(CRD, stored)]


async def _round(plane: ControlPlane, api: Kube, program: Program, namespace: str, objects: int) -> Round:
    async with fleet.running(plane, api, program, namespace) as subject:
        return await fleet.bring_up(api, subject, objects)


async def _rest(plane: ControlPlane, api: Kube, size: Size) -> tuple[Rest, list[Manifest]]:
    """Bring up once more, then watch a quiet time and one look at everything; the objects that are stored then."""
    async with fleet.running(plane, api, fleet.serinus(), "rest") as subject:
        empty, _ = memory_mib(subject.pid)
        await fleet.bring_up(api, subject, size.objects)
        subject.set_mark()
        quiet = cpu_seconds(subject.pid)
        await asyncio.sleep(size.quiet_seconds)
        quiet = cpu_seconds(subject.pid) - quiet
        mutating = audit.mutating(subject.calls())
        cpu, passes = cpu_seconds(subject.pid), passes_of(await subject.metrics())
        subject.set_mark()
        done = await _until_looked(subject, passes + size.objects)
        counted = subject.calls()
        rest = Rest(
            objects=size.objects,
            seconds=size.quiet_seconds,
            quiet_cpu_seconds=quiet,
            mutating=mutating,
            noop_mutating=audit.mutating(counted),
            noop_calls=counted,
            noop_cpu_seconds=cpu_seconds(subject.pid) - cpu,
            noop_passes=done - passes,
            empty_rss_mib=empty,
            rss_mib=memory_mib(subject.pid)[0],
        )
    return rest, await sizes.stored(api, "rest")


async def _until_looked(subject: Running, passes: float) -> float:
    """Wait until so many passes were made; how many were."""
    async with asyncio.timeout(NOOP_SECONDS):
        while True:
            await asyncio.sleep(1.0)
            done = passes_of(await subject.metrics())
            if done >= passes:
                return done


def passes_of(metrics: str) -> float:
    """Reconcile passes, by the operator's own count."""
    return sum(float(number) for number in PASSES.findall(metrics))


def calls_of(metrics: str) -> dict[str, int]:
    """Requests by verb and resource, by the operator's own count: `{"create pods": 300}`."""
    found: dict[str, int] = {}
    for resource, verb, number in CALL.findall(metrics):
        if resource != "leases" and verb != "list":
            found[f"{verb} {resource}"] = found.get(f"{verb} {resource}", 0) + int(float(number))
    return found


def _each(measured: Round, verb: str, resource: str) -> int:
    return round(measured.calls[verb, resource] / measured.objects)


def _lines(ours: Sequence[Round], bare: Sequence[Round], size: Size) -> list[Line]:
    ratios = [a.objects_per_cpu_second / b.objects_per_cpu_second for a, b in zip(ours, bare, strict=True)]
    ratio, spread = median_spread(ratios)
    raw: dict[str, Any] = {
        "ours": [_numbers(r) for r in ours],
        "bare": [_numbers(r) for r in bare],
        "ratios": ratios,
        "spread": spread,
    }
    speed = statistics.median(r.objects_per_cpu_second for r in ours)
    floor = statistics.median(r.objects_per_cpu_second for r in bare)
    n = size.objects
    same = _per_object(ours[-1], n) == _per_object(bare[-1], n)
    words = "the same requests" if same else "NOT the same requests, see the JSON"
    return [
        aimed(
            GROUP,
            f"objects per CPU-second, ours / bare Kopf handler ({words})",
            f"{speed:.1f} / {floor:.1f} = **{ratio:.2f}** (rounds {', '.join(f'{r:.2f}' for r in ratios)})",
            ratio=ratio,
            at_least=RATIO_AIM,
            raw=raw,
        ),
        Line(
            GROUP,
            f"creation → {n} models Ready, ours / bare",
            f"{_median(ours, 'ready_seconds'):.1f} s / {_median(bare, 'ready_seconds'):.1f} s",
        ),
        Line(
            GROUP,
            f"CPU for {n} models, ours / bare",
            f"{_median(ours, 'cpu_seconds'):.1f} s / {_median(bare, 'cpu_seconds'):.1f} s",
        ),
        Line(
            GROUP,
            f"RSS with {n} models: now, peak (bare: peak)",
            f"{_median(ours, 'rss_mib'):.0f} MiB, {_median(ours, 'peak_mib'):.0f} MiB"
            f" ({_median(bare, 'peak_mib'):.0f} MiB)",
        ),
        Line(GROUP, "reconcile passes per model on create", f"{passes_of(ours[-1].metrics) / n:.1f}"),
        _calls_line(ours[-1], n),
    ]


def _calls_line(measured: Round, objects: int) -> Line:
    """Requests per object on create, by the operator's own metrics; the audit log's count is in the JSON."""
    own = calls_of(measured.metrics)
    each = {call: number / objects for call, number in sorted(own.items())}
    words = " · ".join(f"{call} {number:.3g}" for call, number in each.items())
    raw = {"metrics": each, "audit": {" ".join(k): v / objects for k, v in sorted(measured.calls.items())}}
    return Line(GROUP, "requests per model on create", f"**{sum(each.values()):.1f}**: {words}", raw=raw)


def _rest_lines(rest: Rest, size: Size) -> list[Line]:
    quiet = sum(rest.mutating.values())
    noop = sum(rest.noop_mutating.values())
    reads = sum(n for (verb, _), n in rest.noop_calls.items() if verb in ("get", "list"))
    cost = rest.noop_cpu_seconds / rest.noop_passes
    return [
        bounded(
            GROUP,
            f"mutating requests of {size.objects} converged models in {rest.seconds:.0f} s (lease apart)",
            f"{quiet}",
            number=quiet,
            at_most=0,
            raw={"calls": _words(rest.mutating)},
        ),
        bounded(
            GROUP,
            "mutating requests of a no-op resync",
            f"{noop} ({reads} reads for {rest.noop_passes:.0f} passes)",
            number=noop,
            at_most=0,
            raw={"calls": _words(rest.noop_calls)},
        ),
        Line(
            GROUP,
            "CPU of a no-op pass",
            f"{cost * 1000:.2f} ms ({1 / cost:.0f} objects per CPU-second)",
            raw={"cpu_seconds": rest.noop_cpu_seconds, "passes": rest.noop_passes},
        ),
        Line(GROUP, f"RSS at rest with {size.objects} models", f"{rest.rss_mib:.0f} MiB", raw={"mib": rest.rss_mib}),
        Line(
            GROUP,
            "each converged model: RSS, CPU per minute",
            f"{rest.kib_each:.0f} KiB, {rest.milliseconds_each:.1f} ms",
            raw={"empty_mib": rest.empty_rss_mib, "mib": rest.rss_mib, "quiet_cpu_seconds": rest.quiet_cpu_seconds},
        ),
    ]


def _per_object(measured: Round, objects: int) -> dict[str, int]:
    """Requests per model, leases and lists apart."""
    each = {" ".join(k): round(n / objects) for k, n in measured.calls.items() if k[1] != "leases"}
    return {call: number for call, number in each.items() if number}


def _median(rounds: Sequence[Round], field: str) -> float:
    return statistics.median(float(getattr(r, field)) for r in rounds)


def _numbers(measured: Round) -> dict[str, Any]:
    return {
        "ready_seconds": measured.ready_seconds,
        "cpu_seconds": measured.cpu_seconds,
        "objects_per_cpu_second": measured.objects_per_cpu_second,
        "rss_mib": measured.rss_mib,
        "peak_mib": measured.peak_mib,
        "passes": passes_of(measured.metrics),
        "calls": _words(measured.calls),
    }


def _words(counted: audit.Calls) -> dict[str, int]:
    return {" ".join(call): number for call, number in sorted(counted.items())}
