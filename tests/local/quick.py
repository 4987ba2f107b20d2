"""A kubelet without processes, for tests of what the store and the steps do: a pod is ready, or has passed, at once."""

import asyncio
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from serinus_api import names, runtime
from serinus_operator.cluster.port import POD
from serinus_operator.cluster.process import ProcessCluster
from serinus_operator.local.addresses import Place
from serinus_operator.local.podstatus import PodFacts, pod_status, terminated
from serinus_operator.local.program import container_of
from serinus_operator.state import Manifest

NOW = "2026-01-31T12:00:00Z"


def digest_of(pod: Manifest) -> str:
    """As if the bytes were the file's name."""
    environment = {entry["name"]: entry["value"] for entry in container_of(pod)["env"]}
    told = runtime.RuntimeConfig.model_validate_json(environment[runtime.CONFIG_ENV])
    return f"sha256:{unquote(urlsplit(told.source.uri).path).encode().hex():0>64}"[-71:]


class QuickPods:
    """See `instance.Pods`."""

    def __init__(self, cluster: ProcessCluster) -> None:
        self.cluster = cluster
        self.on_bug: Callable[[asyncio.Task[None]], None] = lambda task: None
        self.stopped = False

    def start(self) -> None:
        self.cluster.watch(self._observe)

    def place(self, pod: Manifest) -> Place | None:
        return Place("127.0.0.1", 1, 2)

    async def stop(self, *, drain: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
        self.stopped = True
        return (), ()

    def _observe(self, event: str, manifest: Manifest) -> None:
        if manifest["kind"] == POD.kind and event != "DELETED":
            asyncio.get_running_loop().call_soon(self._advance, manifest)

    def _advance(self, pod: Manifest) -> None:
        meta = pod["metadata"]
        if self.stopped:
            return
        if "deletionTimestamp" in meta:
            self.cluster.remove_pod(meta["namespace"], meta["name"], meta["uid"])
            return
        facts = PodFacts(address="127.0.0.1").running(NOW)
        if meta["labels"][names.LABEL_ROLE] == names.ROLE_PREFLIGHT:
            report = runtime.PreflightReport(phase=runtime.Phase.DONE, reason="Passed", digest=digest_of(pod))
            words = report.model_dump_json(by_alias=True, exclude_none=True)
            facts = PodFacts(phase="Succeeded").ended(
                terminated(0, out_of_memory=False, message=words, started=NOW, now=NOW)
            )
        else:
            facts = PodFacts(phase="Running", ready=True, started=True, state=facts.state)
        status = pod_status(facts, "image", pod.get("status", {}), NOW)
        self.cluster.put_status(POD, meta["namespace"], meta["name"], meta["uid"], status)
