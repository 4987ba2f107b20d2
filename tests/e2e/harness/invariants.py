"""What must hold at every moment of the whole run, watched from the side.

    the entry Service never turns to a revision without a ready pod, once it had one with
    Reconciling and Stalled are never both there; observedGeneration never falls and is never ahead
    the operator never writes the spec of a ModelDeployment

Breaches are written to the folder of the run; a story of the last stage fails when there are any.
"""

import http.client
import threading
import time
from pathlib import Path

from dev.cluster import api as cluster
from tests.e2e.harness.api import Api, Manifest

from serinus_api import names

MANAGED = f"{names.LABEL_MANAGED_BY}%3D{names.MANAGED_BY}"
STORIES = "e2e-"


class Watcher:
    """Two threads, each with a watch of one kind."""

    def __init__(self, folder: Path) -> None:
        tools = cluster.tools()
        self.file = folder / "breaches.txt"
        self.api = Api(tools.kubectl, cluster.kubeconfig())
        self._stop = threading.Event()
        self._revisions: dict[str, str] = {}
        self._generations: dict[str, int] = {}

    def start(self) -> None:
        for plural, labels, check in (("services", MANAGED, self._service), ("modeldeployments", "", self._model)):
            threading.Thread(target=self._watch, args=(plural, labels, check), daemon=True).start()

    def stop(self) -> None:
        self._stop.set()
        self.api.close()

    def _watch(self, plural: str, labels: str, check: object) -> None:
        assert callable(check)
        while not self._stop.is_set():
            try:
                for event in self.api.watch(plural, labels, ""):
                    if event["type"] in ("ADDED", "MODIFIED") and self._ours(event["object"]):
                        check(event["object"])
            except (OSError, http.client.HTTPException, ValueError, AssertionError):
                self._stop.wait(1)  # the watch ended, the CRD is not there yet, or the cluster is busy

    def _ours(self, live: Manifest) -> bool:
        return str(live["metadata"].get("namespace", "")).startswith(STORIES)

    def _breach(self, words: str) -> None:
        with self.file.open("a") as stream:
            stream.write(f"{time.strftime('%H:%M:%S')} {words}\n")

    def _service(self, live: Manifest) -> None:
        meta, selector = live["metadata"], live["spec"].get("selector", {})
        now = selector.get(names.LABEL_REVISION, "")
        if meta["name"] == now or "deletionTimestamp" in meta:
            return  # a revision's own Service
        before = self._revisions.get(meta["uid"])
        self._revisions[meta["uid"]] = now
        if before in (None, now) or self._ready(meta["namespace"], now):
            return
        if self._ready(meta["namespace"], before or ""):
            self._breach(
                f"Service {meta['namespace']}/{meta['name']} turned from {before} to {now}, which has no ready pod"
            )

    def _ready(self, namespace: str, revision: str) -> bool:
        pods = self.api.list("pods", namespace, {names.LABEL_REVISION: revision, names.LABEL_ROLE: names.ROLE_SERVING})
        return any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for pod in pods
            for condition in pod.get("status", {}).get("conditions", ())
        )

    def _model(self, live: Manifest) -> None:
        meta, status = live["metadata"], live.get("status", {})
        where = f"{meta['namespace']}/{meta['name']}"
        abnormal = {"Reconciling", "Stalled"} & {c["type"] for c in status.get("conditions", ())}
        if len(abnormal) == 2:
            self._breach(f"{where} is Reconciling and Stalled at once")
        observed = status.get("observedGeneration", 0)
        if observed < self._generations.get(meta["uid"], 0) or observed > meta["generation"]:
            self._breach(f"{where}: observedGeneration {observed} at generation {meta['generation']}")
        self._generations[meta["uid"]] = observed
        for entry in meta.get("managedFields", ()):
            ours = entry["manager"] in (names.FIELD_MANAGER, names.STATUS_FIELD_MANAGER)
            if ours and any(key in entry.get("fieldsV1", {}) for key in ("f:spec", "f:metadata")):
                self._breach(f"{where}: {entry['manager']} wrote {sorted(entry['fieldsV1'])}")
