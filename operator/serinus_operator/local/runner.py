"""Plays the kubelet: a task for each Pod in the store (`pod.py`), whose status it writes."""

import asyncio
import logging
import shutil
from collections.abc import Callable

from serinus_operator.clock import read_clocks
from serinus_operator.cluster.port import CONFIG_MAP, POD
from serinus_operator.cluster.process import ProcessCluster
from serinus_operator.local.addresses import Addresses, Place
from serinus_operator.local.layout import Layout
from serinus_operator.local.memory import Groups
from serinus_operator.local.pod import PodRun, Surroundings
from serinus_operator.local.podstatus import PodFacts, pod_status
from serinus_operator.local.program import container_of
from serinus_operator.state import Manifest

log = logging.getLogger(__name__)
LOGS_KEPT = 64


class PodRunner:
    """Starts a Pod when it appears and ends it when it is deleted."""

    def __init__(
        self, cluster: ProcessCluster, layout: Layout, addresses: Addresses, groups: Groups, *, backoff_seconds: float
    ) -> None:
        self._cluster = cluster
        self._layout = layout
        self._around = Surroundings(
            layout=layout,
            addresses=addresses,
            groups=groups,
            config_map=lambda namespace, name: cluster.find(CONFIG_MAP, namespace, name),
            report=self._report,
            first_backoff_seconds=backoff_seconds,
        )
        self._runs: dict[str, PodRun] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.on_bug: Callable[[asyncio.Task[None]], None] = lambda task: None
        """Called with a pod's task that ended in an exception."""

    def start(self) -> None:
        """Clear what an earlier instance left, and follow the store."""
        shutil.rmtree(self._layout.pods, ignore_errors=True)
        self._cluster.watch(self._observe)

    def place(self, pod: Manifest) -> Place | None:
        """Where a Pod listens."""
        run = self._runs.get(pod["metadata"]["uid"])
        return run.place if run else None

    async def stop(self, *, drain: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """End all pods; those that ended by themselves, and those that had to be killed."""
        runs = list(self._runs.values())
        for run in runs:
            run.stop(None if drain else 0.0)
        tasks = list(self._tasks.values())
        await asyncio.gather(*tasks, return_exceptions=True)
        ended = tuple(sorted(f"{r.namespace}/{r.name}" for r in runs if not r.killed))
        killed = tuple(sorted(f"{r.namespace}/{r.name}" for r in runs if r.killed))
        return ended, killed

    def _observe(self, event: str, manifest: Manifest) -> None:
        if manifest["kind"] != POD.kind or event == "DELETED":
            return
        uid = manifest["metadata"]["uid"]
        if event == "ADDED":
            self._begin(PodRun(manifest, self._around))
        elif "deletionTimestamp" in manifest["metadata"] and uid in self._runs:
            self._runs[uid].stop()

    def _begin(self, run: PodRun) -> None:
        self._bound_logs()
        task = asyncio.get_running_loop().create_task(run.run(), name=f"pod {run.namespace}/{run.name}")
        self._runs[run.uid], self._tasks[run.uid] = run, task
        task.add_done_callback(lambda task: self._ended(run, task))

    def _ended(self, run: PodRun, task: asyncio.Task[None]) -> None:
        self._cluster.remove_pod(run.namespace, run.name, run.uid)
        del self._runs[run.uid], self._tasks[run.uid]
        if not task.cancelled() and task.exception():
            self.on_bug(task)

    def _report(self, pod: Manifest, facts: PodFacts) -> None:
        meta = pod["metadata"]
        live = self._cluster.find(POD, meta["namespace"], meta["name"])
        if live is None:
            return
        before, image = live.get("status", {}), str(container_of(pod).get("image", ""))
        status = pod_status(facts, image, before, read_clocks().timestamp())
        self._cluster.put_status(POD, meta["namespace"], meta["name"], meta["uid"], status)

    def _bound_logs(self) -> None:
        """Logs outlive their pods, the latest ones."""
        logs = sorted(self._layout.logs.glob("*/*.log"), key=lambda path: path.stat().st_mtime)
        running = {self._layout.log(run.namespace, run.name) for run in self._runs.values()}
        for path in [p for p in logs if p not in running][: max(0, len(logs) - LOGS_KEPT)]:
            path.unlink(missing_ok=True)
            path.with_name(f"{path.name}.1").unlink(missing_ok=True)
