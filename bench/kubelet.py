"""Plays scheduler, kubelet and runtime: writes preflight verdicts and readiness into the status of pods.

So that an operator can be measured on a control plane without a node. One status write per pod.
"""

import asyncio

from bench.kube import MERGE, Kube, Manifest
from serinus_api import names
from serinus_api.conditions import Reason
from serinus_api.runtime import Phase, PreflightReport, TensorSignature

STARTED = "2026-01-01T00:00:00Z"


async def play(kube: Kube, namespace: str, digest: str) -> None:
    """Answer for every pod of ours in `namespace` until cancelled; all models have the bytes of `digest`."""
    seen: set[str] = set()
    pods = f"/api/v1/namespaces/{namespace}/pods"
    labels = {"labelSelector": f"{names.LABEL_MANAGED_BY}={names.MANAGED_BY}"}
    async with asyncio.TaskGroup() as group:
        async for change, pod in kube.watch(pods, labels):
            uid, meta = pod["metadata"]["uid"], pod["metadata"]
            if change == "DELETED" or uid in seen:
                continue
            seen.add(uid)
            preflight = meta["labels"].get(names.LABEL_ROLE) == names.ROLE_PREFLIGHT
            status = passed(pod, digest) if preflight else running(pod)
            path = f"{pods}/{meta['name']}/status"
            group.create_task(kube.call("PATCH", path, {"status": status}, content_type=MERGE))


def passed(pod: Manifest, digest: str) -> Manifest:
    """The status of a preflight pod that found nothing wrong."""
    report = PreflightReport(
        phase=Phase.DONE,
        reason=Reason.PASSED,
        message="the model loads and answers",
        digest=digest,
        size_bytes=2048,
        peak_bytes=96 * 2**20,
        limit_bytes=256 * 2**20,
        load_seconds=0.02,
        inference_milliseconds=0.1,
        inputs=(TensorSignature(name="x", datatype="FP32", shape=(-1, 4)),),
        outputs=(TensorSignature(name="y", datatype="FP32", shape=(-1, 3)),),
    )
    ended = {
        "exitCode": 0,
        "reason": "Completed",
        "startedAt": STARTED,
        "finishedAt": STARTED,
        "message": report.model_dump_json(by_alias=True, exclude_none=True),
    }
    return {"phase": "Succeeded", **_pod_status(pod, ready=False, state={"terminated": ended})}


def running(pod: Manifest) -> Manifest:
    """The status of a serving pod whose model answers."""
    return {"phase": "Running", **_pod_status(pod, ready=True, state={"running": {"startedAt": STARTED}})}


def _pod_status(pod: Manifest, *, ready: bool, state: Manifest) -> Manifest:
    container = pod["spec"]["containers"][0]
    word = "True" if ready else "False"
    conditions = [
        {"type": kind, "status": status, "lastTransitionTime": STARTED}
        for kind, status in (
            ("PodScheduled", "True"),
            ("Initialized", "True"),
            ("ContainersReady", word),
            ("Ready", word),
        )
    ]
    statuses = [
        {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": ready,
            "started": ready,
            "restartCount": 0,
            "state": state,
        }
    ]
    return {"conditions": conditions, "containerStatuses": statuses, "startTime": STARTED}


async def until_ready(kube: Kube, path: str, count: int) -> None:
    """Wait until so many ModelDeployments below `path` say Ready=True."""
    ready: set[str] = set()
    async for change, manifest in kube.watch(path, {}):
        name = manifest["metadata"]["name"]
        conditions = manifest.get("status", {}).get("conditions", ())
        if change != "DELETED" and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions):
            ready.add(name)
        if len(ready) >= count:
            return
