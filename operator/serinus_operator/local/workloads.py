"""Plays the Deployment controller: as many Pods as a Deployment asks for, and its status.

A revision's template never changes, so there is no rolling update: a Deployment has one generation of Pods.
"""

import asyncio
import uuid

from serinus_api import names
from serinus_operator.cluster.port import DEPLOYMENT, POD
from serinus_operator.cluster.process import ProcessCluster
from serinus_operator.state import Manifest

OVER = ("Succeeded", "Failed")


class Workloads:
    """Follows the store; `run` is a task."""

    def __init__(self, cluster: ProcessCluster) -> None:
        self._cluster = cluster
        self._dirty: set[tuple[str, str]] = set()
        self._changed = asyncio.Event()

    def start(self) -> None:
        """Follow the store; Deployments of an earlier instance get their Pods anew."""
        self._cluster.watch(self._observe)
        for deployment in self._cluster.select(DEPLOYMENT):
            self._observe("ADDED", deployment)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._dirty:
                namespace, name = self._dirty.pop()
                if deployment := self._cluster.find(DEPLOYMENT, namespace, name):
                    await self._sync(deployment)

    def _observe(self, event: str, manifest: Manifest) -> None:
        meta = manifest["metadata"]
        if manifest["kind"] == DEPLOYMENT.kind and event != "DELETED":
            self._touch(meta["namespace"], meta["name"])
        elif manifest["kind"] == POD.kind:
            for owner in meta.get("ownerReferences", ()):
                if owner["kind"] == DEPLOYMENT.kind:
                    self._touch(meta["namespace"], owner["name"])

    def _touch(self, namespace: str, name: str) -> None:
        self._dirty.add((namespace, name))
        self._changed.set()

    async def _sync(self, deployment: Manifest) -> None:
        """Make or end Pods, then write what there is."""
        meta, wanted = deployment["metadata"], deployment["spec"].get("replicas", 1)
        pods = self._pods(deployment)
        for _ in range(wanted - len(pods)):
            await self._cluster.create(pod_of(deployment, uuid.uuid4().hex[:5]))
        for pod in sorted(pods, key=_last_to_go)[: max(0, len(pods) - wanted)]:
            await self._cluster.user_delete(POD, meta["namespace"], pod["metadata"]["name"])
        pods = self._pods(deployment)
        ready = sum(is_ready(pod) for pod in pods)
        status = {
            "observedGeneration": meta["generation"],
            "replicas": len(pods),
            "updatedReplicas": len(pods),
            "readyReplicas": ready,
            "availableReplicas": ready,
        }
        self._cluster.put_status(DEPLOYMENT, meta["namespace"], meta["name"], meta["uid"], status)

    def _pods(self, deployment: Manifest) -> list[Manifest]:
        """Its Pods that run, or will."""
        meta = deployment["metadata"]
        return [
            pod
            for pod in self._cluster.select(POD, meta["namespace"])
            if any(owner["uid"] == meta["uid"] for owner in pod["metadata"].get("ownerReferences", ()))
            and "deletionTimestamp" not in pod["metadata"]
            and pod.get("status", {}).get("phase") not in OVER
        ]


def pod_of(deployment: Manifest, suffix: str) -> Manifest:
    """A new Pod from the Deployment's template."""
    meta, template = deployment["metadata"], deployment["spec"]["template"]
    owner = {
        "apiVersion": DEPLOYMENT.api_version,
        "kind": DEPLOYMENT.kind,
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    named = {"namespace": meta["namespace"], "name": names.bounded(meta["name"], f"-{suffix}")}
    return {
        "apiVersion": POD.api_version,
        "kind": POD.kind,
        "metadata": {**template.get("metadata", {}), **named, "ownerReferences": [owner]},
        "spec": template["spec"],
    }


def is_ready(pod: Manifest) -> bool:
    """Whether a Pod takes requests."""
    conditions = pod.get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _last_to_go(pod: Manifest) -> tuple[bool, int, int]:
    """Pods that are not ready go first, then those that are marked for it, then the youngest."""
    cost = (pod["metadata"].get("annotations") or {}).get(names.ANNOTATION_DELETION_COST, "0")
    return is_ready(pod), int(cost), -int(pod["metadata"]["resourceVersion"])
