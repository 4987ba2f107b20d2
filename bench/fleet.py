"""One round: an operator brings so many ModelDeployments to Ready, and what that cost it.

Called by `operators.py` for ours and for the bare one alike; the way from creation to Ready is the same for both.
"""

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from bench import audit, kubelet
from bench.control_plane import BARE, DIES_WITH_US, SERINUS, ControlPlane, environment
from bench.kube import Kube, make_namespace
from bench.procfs import cpu_seconds, memory_mib
from bench.samples import DIGEST, IMAGE, config_map, model_deployment
from serinus_api import names
from serinus_operator.local.addresses import free_port

KINDS_WATCHED = 7
START_SECONDS, READY_SECONDS, STOP_SECONDS = 60, 600, 30
IDLE_CPU_SECONDS = 0.03
IDLE_SECONDS, IDLE_LOG_BYTES = 3, 4096
"""CPU and audit log of one second, and how many of them: an operator at rest only renews its lease."""


@dataclass(frozen=True)
class Program:
    """An operator to measure. `user` is its name at the API server."""

    name: str
    user: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Round:
    """What one round cost. CPU and calls are those between the first creation and rest after the last Ready."""

    program: str
    objects: int
    ready_seconds: float
    cpu_seconds: float
    calls: audit.Calls
    rss_mib: float
    peak_mib: float
    metrics: str = ""

    @property
    def objects_per_cpu_second(self) -> float:
        """How many models one second of CPU brings to Ready."""
        return self.objects / self.cpu_seconds


@dataclass
class Running:
    """A program under measurement."""

    plane: ControlPlane
    program: Program
    namespace: str
    pid: int
    metrics_port: int
    mark: int = field(default=0)

    def calls(self) -> audit.Calls:
        """Its requests since the mark."""
        return audit.calls(self.plane.layout.audit_log, self.mark, self.program.user, self.namespace)

    def set_mark(self) -> None:
        """Count from here."""
        self.mark = audit.end_of(self.plane.layout.audit_log)

    async def until_watching(self) -> None:
        """Its watches are open and it rests."""
        async with asyncio.timeout(START_SECONDS):
            await self.until_idle()
            while sum(verb == "watch" for verb, _ in self.calls()) < KINDS_WATCHED:
                await self.until_idle()

    async def until_idle(self) -> None:
        """Wait for a row of seconds in which it hardly works and asks for nothing; one could be a lack of CPU."""
        log, idle = self.plane.layout.audit_log, 0
        while idle < IDLE_SECONDS:
            before, end = cpu_seconds(self.pid), audit.end_of(log)
            await asyncio.sleep(1.0)
            rests = cpu_seconds(self.pid) - before <= IDLE_CPU_SECONDS and audit.end_of(log) - end <= IDLE_LOG_BYTES
            idle = idle + 1 if rests else 0

    async def metrics(self) -> str:
        """Its Prometheus page; empty for a program that has none."""
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{self.metrics_port}/metrics") as answer,
            ):
                return await answer.text()
        except aiohttp.ClientConnectionError:
            return ""


@contextlib.asynccontextmanager
async def running(plane: ControlPlane, kube: Kube, program: Program, namespace: str) -> AsyncIterator[Running]:
    """Start a program that watches one new namespace; ends it with SIGTERM."""
    await make_namespace(kube, namespace)
    metrics_port = free_port()
    variables = environment(
        KUBECONFIG=str(plane.kubeconfig(program.user)),
        SERINUS_RUNTIME_IMAGE=IMAGE,
        SERINUS_NAMESPACE=namespace,
        SERINUS_WATCH_NAMESPACES=namespace,
        SERINUS_METRICS_PORT=str(metrics_port),
        SERINUS_HEALTH_PORT=str(free_port()),
    )
    log = plane.layout.logs / f"{namespace}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *DIES_WITH_US, *program.command, env=variables, stdout=output, stderr=output
        )
    started = Running(plane, program, namespace, process.pid, metrics_port)
    started.set_mark()
    try:
        await started.until_watching()
        yield started
    except (TimeoutError, ProcessLookupError, FileNotFoundError) as error:
        raise RuntimeError(f"{program.name} did not do its work:\n{log.read_text()[-3000:]}") from error
    finally:
        await stop(process)


async def stop(process: asyncio.subprocess.Process) -> None:
    """SIGTERM, and SIGKILL when it does not go."""
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def bring_up(kube: Kube, subject: Running, objects: int) -> Round:
    """Create so many models and wait until all are Ready and the program rests."""
    namespace = subject.namespace
    models = [f"model-{number:03d}" for number in range(objects)]
    await kube.create_all(f"/api/v1/namespaces/{namespace}/configmaps", [config_map(n) for n in models])
    path = f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.PLURAL}"
    await subject.until_idle()
    subject.set_mark()
    cpu, started = cpu_seconds(subject.pid), time.monotonic()
    async with asyncio.timeout(READY_SECONDS), asyncio.TaskGroup() as group:  # what fails ends all of it
        node = group.create_task(kubelet.play(kube, namespace, DIGEST))
        waiting = group.create_task(kubelet.until_ready(kube, path, objects))
        await kube.create_all(path, [model_deployment(name) for name in models])
        await waiting
        seconds = time.monotonic() - started
        await subject.until_idle()
        cpu = cpu_seconds(subject.pid) - cpu
        node.cancel()
    rss, peak = memory_mib(subject.pid)
    return Round(subject.program.name, objects, seconds, cpu, subject.calls(), rss, peak, await subject.metrics())


def serinus() -> Program:
    """The operator of this tree."""
    return Program("serinus", SERINUS, (str(Path(sys.executable).with_name("serinus-operator")),))


def bare(calls: Mapping[str, int]) -> Program:
    """The bare one, told how many requests of some kinds ours makes per model."""
    return Program("bare", BARE, (sys.executable, "-m", "bench.bare", json.dumps(calls)))
