"""One Pod from start to end, as a kubelet takes it: mounts, process, probes, restarts, grace."""

import asyncio
import base64
import contextlib
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from serinus_api import runtime
from serinus_operator.clock import read_clocks
from serinus_operator.local.addresses import Addresses, Place
from serinus_operator.local.health import Health
from serinus_operator.local.launch import End, bound_log, ending, last_words, launch
from serinus_operator.local.layout import Layout
from serinus_operator.local.memory import Group, Groups
from serinus_operator.local.podstatus import PodFacts, terminated, with_memory
from serinus_operator.local.program import (
    ConfigMissing,
    Folders,
    Program,
    build_program,
    container_of,
    memory_limit,
    missing_claim,
)
from serinus_operator.state import Manifest

log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
"""What is missing from outside is looked for this often."""
LAST_BACKOFF_SECONDS = 300.0
CALM_SECONDS = 600.0
"""A container that ran this long starts again without a delay."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a pod needs of its instance."""

    layout: Layout
    addresses: Addresses
    groups: Groups
    config_map: Callable[[str, str], Manifest | None]
    report: Callable[[Manifest, PodFacts], None]
    """Called with the Pod and what is known of it, on every change."""
    first_backoff_seconds: float = 1.0


class PodRun:
    """Runs one Pod until it is stopped. `run` is a task; the rest may be asked meanwhile."""

    def __init__(self, pod: Manifest, around: Surroundings) -> None:
        meta = pod["metadata"]
        self.pod = pod
        self.uid: str = meta["uid"]
        self.namespace: str = meta["namespace"]
        self.name: str = meta["name"]
        self.facts = PodFacts()
        self.place: Place | None = None
        self.pid: int | None = None
        """Of the present container."""
        self.killed = False
        self._around = around
        self._folders = Folders(around.layout.pod(self.uid), around.layout.volumes)
        self._stopping = asyncio.Event()
        self._grace = float(pod["spec"].get("terminationGracePeriodSeconds", 30))

    def stop(self, grace_seconds: float | None = None) -> None:
        """Ask it to end; it is killed after its own grace period, or after this one."""
        if grace_seconds is not None:
            self._grace = grace_seconds
        self._stopping.set()

    async def run(self) -> None:
        """To the end of the Pod. Whatever it left, but for its log, is removed."""
        try:
            if await self._claims():
                await self._containers()
        finally:
            if self.place:
                self._around.addresses.give_back(self.place)
            shutil.rmtree(self._folders.pod, ignore_errors=True)

    async def _claims(self) -> bool:
        """Wait until the pod's claims exist; False where it is stopped before."""
        while claim := missing_claim(self.pod, self._folders):
            folder = self._around.layout.volumes / claim
            words = f'persistentvolumeclaim "{claim}" not found; make the folder {folder}'
            self._tell(replace(self.facts, unschedulable=words))
            if await self._stopped_within(LOOK_SECONDS):
                return False
        return not self._stopping.is_set()

    async def _containers(self) -> None:
        """Container after container, as the restart policy asks."""
        loop, failures = asyncio.get_running_loop(), 0
        self._tell(replace(self.facts, unschedulable=None).waiting("ContainerCreating"))
        while True:
            begun = loop.time()
            end = await self._container()
            if self._stopping.is_set():
                return
            if end is not None and self.pod["spec"].get("restartPolicy") == "Never":
                phase = "Succeeded" if end.code == 0 and self.facts.reason is None else "Failed"
                self._tell(replace(self.facts, phase=phase))
                await self._stopping.wait()
                return
            failures = 0 if loop.time() - begun > CALM_SECONDS else failures + 1
            delay = min(LAST_BACKOFF_SECONDS, self._around.first_backoff_seconds * 2 ** min(failures - 1, 16))
            if end is not None:
                self._tell(self.facts.waiting("CrashLoopBackOff", f"back-off {delay:.0f}s restarting failed container"))
            if await self._stopped_within(delay):
                return
            if end is not None:
                self.facts = replace(self.facts, restarts=self.facts.restarts + 1)

    async def _container(self) -> End | None:
        """One container; None where it could not be made."""
        limit = memory_limit(self.pod)
        group = self._around.groups.make(self.uid, limit) if limit else None
        started = read_clocks().timestamp()
        try:
            process = await launch(self._prepare(), self._log(), group)
        except (ConfigMissing, OSError) as error:
            if group:
                group.remove()
            self._tell(self.facts.waiting("CreateContainerConfigError", str(error)))
            return None
        self.pid = process.pid
        self._tell(replace(self.facts.running(started), address=self.place.host if self.place else None))
        try:
            end = await self._until_end(process, limit, group)
        finally:
            if process.returncode is None:  # the task itself was cancelled
                process.kill()
                await process.wait()
            if group:
                group.remove()
        words = last_words(self._folders.termination_log)
        self._tell(
            self.facts.ended(
                terminated(
                    end.code,
                    out_of_memory=end.out_of_memory,
                    message=with_memory(words, limit, end.peak) if end.out_of_memory else words,
                    started=started,
                    now=read_clocks().timestamp(),
                )
            )
        )
        return end

    def _prepare(self) -> Program:
        """Folders, mounted ConfigMaps, an address, and the program with them."""
        folders = self._folders
        for folder in (folders.work, folders.temporary):
            folder.mkdir(parents=True, exist_ok=True)
        folders.termination_log.write_bytes(b"")
        for volume in self.pod["spec"].get("volumes", ()):
            if "configMap" in volume:
                found = self._around.config_map(self.namespace, volume["configMap"]["name"])
                _write_files(folders.mount(volume), found or {})
        if self.place:
            self._around.addresses.give_back(self.place)
        self.place = self._around.addresses.take(runtime.HTTP_PORT, runtime.METRICS_PORT)
        return build_program(self.pod, self.place, folders, lambda name: self._around.config_map(self.namespace, name))

    async def _until_end(self, process: asyncio.subprocess.Process, limit: int | None, group: Group | None) -> End:
        """Probe it until it ends; end it when it is stopped, fails its probes, or is past its deadline."""
        over = asyncio.ensure_future(ending(process, limit, group))
        probing = asyncio.ensure_future(self._probe())
        stopping = asyncio.ensure_future(self._stopping.wait())
        deadline = self.pod["spec"].get("activeDeadlineSeconds")
        try:
            await asyncio.wait({over, probing, stopping}, timeout=deadline, return_when=asyncio.FIRST_COMPLETED)
            if over.done():
                return over.result()
            if not probing.done() and not stopping.done():
                words = "Pod was active on the node longer than the specified deadline"
                self.facts = replace(self.facts, reason="DeadlineExceeded", message=words)
            return await self._end(process, over)
        finally:
            for task in (over, probing, stopping):
                task.cancel()
            await asyncio.gather(over, probing, stopping, return_exceptions=True)

    async def _end(self, process: asyncio.subprocess.Process, over: "asyncio.Future[End]") -> End:
        """SIGTERM, the grace period, SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait({over}, timeout=self._grace)
        if not over.done():
            self.killed = True
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        return await over

    async def _probe(self) -> None:
        """Ready or not, on and on; returns when the container is to be restarted."""
        assert self.place is not None
        await Health(container_of(self.pod), self.place, self._asked).watch()
        log.warning("Pod does not answer, restarting", extra={"pod": f"{self.namespace}/{self.name}"})

    def _asked(self, ready: bool) -> None:
        self._tell(replace(self.facts, started=True, ready=ready))
        bound_log(self._log())

    async def _stopped_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()

    def _tell(self, facts: PodFacts) -> None:
        self.facts = facts
        self._around.report(self.pod, facts)

    def _log(self) -> Path:
        return self._around.layout.log(self.namespace, self.name)


def _write_files(folder: Path, config_map: Manifest) -> None:
    """A ConfigMap as a folder of files; one that does not exist is an empty folder, as all are optional."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (config_map.get("data") or {}).items():
        (folder / name).write_text(text)
    for name, data in (config_map.get("binaryData") or {}).items():
        (folder / name).write_bytes(base64.b64decode(data))
