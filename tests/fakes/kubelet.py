"""Plays what a cluster does by itself: Deployment controller, scheduler, kubelet and garbage collector.

A preflight pod "runs" by its own configuration: it looks for the model where it was told to, compares the digest, and
leaves the report that a runtime would. What a model is like (`models`) and what a node does to pods (`serving`,
`preflight`) is the test's to say.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.cluster import FakeCluster

from serinus_api import names
from serinus_api.conditions import Reason
from serinus_api.gateway import LABEL_SERVICE_NAME, LABEL_SLICE_MANAGER
from serinus_api.runtime import CONFIG_ENV, EXIT_OK, EXIT_REFUSED, EXIT_WAITING, Phase, PreflightReport, RuntimeConfig
from serinus_operator.cluster.port import CONFIG_MAP, DEPLOYMENT, ENDPOINT_SLICE, POD, SERVICE, Manifest, kind_of
from serinus_operator.decide.validation import golden_state

Status = dict[str, Any]
"""The status of a pod."""
WAITING_REASONS = (
    Reason.NOT_FOUND,
    Reason.ACCESS_DENIED,
    Reason.DOWNLOAD_STALLED,
    Reason.DOWNLOAD_FAILED,
    Reason.GOLDEN_UNAVAILABLE,
)


def running(*, ready: bool = True) -> Status:
    """The program runs; it answers, or does not (yet)."""
    return _status("Running", ready=ready, state={"running": {"startedAt": "2026-05-01T09:00:01Z"}})


def ended(report: PreflightReport, *, reason: str | None = None) -> Status:
    """The program of a preflight pod ended with a report."""
    passed = report.reason == Reason.PASSED
    code = EXIT_OK if passed else EXIT_WAITING if report.reason in WAITING_REASONS else EXIT_REFUSED
    why = reason or ("Completed" if passed else "Error")
    state = {"terminated": {"exitCode": code, "reason": why, "message": _message(report)}}
    return _status("Succeeded" if passed else "Failed", state=state)


def out_of_memory(phase: Phase = Phase.LOADING) -> Status:
    """The kernel killed the container of a preflight pod while it was in this phase."""
    report = PreflightReport(phase=phase, digest="sha256:" + "0" * 64, peak_bytes=500 * 2**20, limit_bytes=512 * 2**20)
    state = {"terminated": {"exitCode": 137, "reason": "OOMKilled", "message": _message(report)}}
    return _status("Failed", state=state)


def evicted(message: str = "The node was low on resource: memory.") -> Status:
    """The kubelet ended the pod for the node's sake."""
    return {"phase": "Failed", "reason": "Evicted", "message": message}


def unschedulable(message: str = "0/1 nodes are available: 1 Insufficient memory.") -> Status:
    """The scheduler finds no node."""
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return {"phase": "Pending", "conditions": [condition]}


def waiting(reason: str, message: str) -> Status:
    """The kubelet cannot start the container."""
    return _status("Pending", state={"waiting": {"reason": reason, "message": message}})


def crashing(last: PreflightReport | None = None) -> Status:
    """The program ends again and again."""
    terminated = {"exitCode": 1, "reason": "Error", "message": _message(last) if last else "Traceback: boom"}
    state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}}
    return _status("Running", state=state, last={"terminated": terminated})


def _status(phase: str, *, state: Status, ready: bool = False, last: Status | None = None) -> Status:
    container = {"name": names.CONTAINER_RUNTIME, "ready": ready, "state": state, "lastState": last or {}}
    conditions = [
        {"type": "PodScheduled", "status": "True"},
        {"type": "Ready", "status": "True" if ready else "False"},
    ]
    return {"phase": phase, "conditions": conditions, "containerStatuses": [container], "podIP": "10.0.0.9"}


def _message(report: PreflightReport) -> str:
    return report.model_dump_json(by_alias=True, exclude_none=True)


@dataclass(slots=True)
class Kubelet:
    """Brings pods and Deployments forward by one step at each `sync`."""

    cluster: FakeCluster
    remote: dict[str, bytes] = field(default_factory=dict)
    """What `https://` and `pvc://` models hold, by URI."""
    models: dict[bytes, Callable[[PreflightReport], Status]] = field(default_factory=dict)
    """Models that do not simply pass their preflight: how a pod that tries them ends."""
    preflight: Status | None = None
    """What becomes of every preflight pod, whatever the model."""
    serving: Callable[[str, int], Status] = lambda revision, number: running()
    """What becomes of the serving pods of a revision, by its name and the pod's number."""
    refusal: Callable[[str], str | None] = lambda revision: None
    """Why the Deployment controller may make no pods for a revision (quota, Pod Security), if so."""
    sidecar: bool = False
    """Whether a mesh adds a container to every pod, which runs on when ours has ended."""
    leads: bool = True
    """Whether the controller of EndpointSlices runs."""
    collects: bool = True
    """Whether the garbage collector runs."""

    def sync(self) -> None:
        """One step of everything."""
        if self.collects:
            self.cluster.collect_garbage()
        for deployment in self.cluster.of(DEPLOYMENT):
            self._roll(deployment)
        for pod in self.cluster.of(POD):
            self._run(pod)
        for deployment in self.cluster.of(DEPLOYMENT):
            self._count(deployment)
        if self.leads:
            for service in self.cluster.of(SERVICE):
                self._lead(service)

    def pods(self, revision: str) -> list[Manifest]:
        """The serving pods of a revision."""
        return self.cluster.of(POD, **{names.LABEL_REVISION: revision, names.LABEL_ROLE: names.ROLE_SERVING})

    def _roll(self, deployment: Manifest) -> None:
        meta, template = deployment["metadata"], deployment["spec"]["template"]
        version = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
        pods = [p for p in self.cluster.of(POD) if _owner(p) == f"{meta['uid']}-rs"]
        for pod in pods:
            if pod["metadata"]["labels"].get("pod-template-hash") != version:
                self._drop(pod)
        pods = [p for p in pods if p["metadata"]["labels"].get("pod-template-hash") == version]
        wanted = deployment["spec"]["replicas"]
        for pod in sorted(pods, key=_deletion_cost)[: max(0, len(pods) - wanted)]:
            self._drop(pod)
        if self.refusal(meta["name"]):
            return
        taken = {p["metadata"]["name"] for p in pods}
        for number in range(wanted):
            name = f"{meta['name']}-{version[:4]}-{number}"[-63:]
            if name not in taken and len(taken) < wanted:
                taken.add(name)
                self.cluster.put(_pod(name, version, deployment))

    def _lead(self, service: Manifest) -> None:
        """The EndpointSlice of a Service: its ready pods, under the labels of the Service itself."""
        meta, selector = service["metadata"], service["spec"].get("selector") or {}
        pods = [p for p in self.cluster.of(POD, **selector) if p["metadata"]["namespace"] == meta["namespace"]]
        endpoints = [
            {
                "addresses": [pod["status"]["podIP"]],
                "conditions": {"ready": True},
                "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"]},
            }
            for pod in pods
            if _is_ready(pod)
        ]
        labels = {**meta["labels"], LABEL_SERVICE_NAME: meta["name"], LABEL_SLICE_MANAGER: "endpointslice-controller"}
        owner = {"apiVersion": "v1", "kind": "Service", "name": meta["name"], "uid": meta["uid"], "controller": True}
        name = f"{meta['name']}-slice"
        live = self.cluster.objects.get((ENDPOINT_SLICE.kind, meta["namespace"], name))
        if live is None or live["endpoints"] != endpoints:
            found = {"namespace": meta["namespace"], "name": name, "labels": labels, "ownerReferences": [owner]}
            self.cluster.put(
                {
                    "apiVersion": ENDPOINT_SLICE.api_version,
                    "kind": ENDPOINT_SLICE.kind,
                    "metadata": found,
                    "addressType": "IPv4",
                    "endpoints": endpoints,
                    "ports": [{"name": "http", "port": 8080}],
                }
            )

    def _drop(self, pod: Manifest) -> None:
        self.cluster.remove(POD, pod["metadata"]["namespace"], pod["metadata"]["name"])

    def _run(self, pod: Manifest) -> None:
        meta = pod["metadata"]
        if names.LABEL_ROLE not in meta["labels"]:
            return  # a gateway's
        if pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            return
        if meta["labels"].get(names.LABEL_ROLE) == names.ROLE_PREFLIGHT:
            status = self.preflight or self._try(pod)
        else:
            status = self.serving(meta["labels"][names.LABEL_REVISION], int(meta["name"].rpartition("-")[2]))
        self._say(pod, _beside_sidecar(status) if self.sidecar else status)

    def _try(self, pod: Manifest) -> Status:
        """What the runtime does in a preflight pod, as far as the operator can tell."""
        container = pod["spec"]["containers"][0]
        told = next(e["value"] for e in container["env"] if e["name"] == CONFIG_ENV)
        config = RuntimeConfig.model_validate_json(told)
        data = self._read(pod, config)
        if data is None:
            message = f"{config.source.uri} does not exist"
            return ended(PreflightReport(phase=Phase.RESOLVING, reason=Reason.NOT_FOUND, message=message))
        digest = digest_of(data)
        report = PreflightReport(phase=Phase.DONE, reason=Reason.PASSED, digest=digest, size_bytes=len(data))
        if config.source.digest not in (None, digest):
            message = f"{config.source.uri} is {digest}, expected {config.source.digest}"
            return ended(report.model_copy(update={"reason": Reason.DIGEST_MISMATCH, "message": message}))
        if config.validation:
            if self._golden_digest(pod) != config.validation.golden_digest:
                return ended(report.model_copy(update={"reason": Reason.GOLDEN_UNAVAILABLE, "message": "changed"}))
            report = report.model_copy(update={"validation": config.validation.key})
        return self.models.get(data, ended)(report)

    def _golden_digest(self, pod: Manifest) -> str | None:
        """Of the golden requests that are mounted now; None where none are."""
        volume = next((v for v in pod["spec"]["volumes"] if v["name"] == "golden"), None)
        if volume is None:
            return None
        address = (CONFIG_MAP.kind, pod["metadata"]["namespace"], volume["configMap"]["name"])
        return golden_state(self.cluster.objects.get(address), address[2]).digest

    def _read(self, pod: Manifest, config: RuntimeConfig) -> bytes | None:
        volume = next((v for v in pod["spec"]["volumes"] if v["name"] == "model"), {})
        if "configMap" not in volume:
            return self.remote.get(config.source.uri)
        address = (CONFIG_MAP.kind, pod["metadata"]["namespace"], volume["configMap"]["name"])
        held = self.cluster.objects.get(address, {}).get("binaryData", {}).get(config.source.path)
        return None if held is None else base64.b64decode(held)

    def _count(self, deployment: Manifest) -> None:
        meta = deployment["metadata"]
        pods = [p for p in self.cluster.of(POD) if _owner(p) == f"{meta['uid']}-rs"]
        ready = sum(_is_ready(p) for p in pods)
        refusal = self.refusal(meta["name"])
        conditions = [{"type": "Available", "status": "True" if ready else "False", "reason": "MinimumReplicas"}]
        if refusal:
            conditions.append(
                {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": refusal}
            )
        status = {"observedGeneration": meta["generation"], "replicas": len(pods), "conditions": conditions}
        if ready:
            status["readyReplicas"] = ready
        self._say(deployment, status)

    def _say(self, manifest: Manifest, status: Status) -> None:
        if manifest.get("status") != status:
            meta = manifest["metadata"]
            kind = kind_of(manifest)
            self.cluster.edit(kind, meta["namespace"], meta["name"], lambda live: live.update(status=status))


def digest_of(data: bytes) -> str:
    """`sha256:<64 hex>`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def refused(reason: Reason, message: str) -> Callable[[PreflightReport], Status]:
    """A model that ends its preflight with this verdict."""
    return lambda report: ended(report.model_copy(update={"reason": reason, "message": message}))


def _beside_sidecar(status: Status) -> Status:
    """The same of a pod that ends only when somebody deletes it."""
    found = [{"name": "istio-proxy", "ready": True, "state": {"running": {}}, "lastState": {}}]
    phase = "Running" if status["phase"] in ("Succeeded", "Failed") else status["phase"]
    return {**status, "phase": phase, "containerStatuses": [*found, *status.get("containerStatuses", ())]}


def _owner(pod: Manifest) -> str | None:
    return next((owner["uid"] for owner in pod["metadata"].get("ownerReferences", ())), None)


def _deletion_cost(pod: Manifest) -> tuple[int, str]:
    """The order in which the ReplicaSet controller ends pods that are ready alike; the last by name first."""
    cost = pod["metadata"].get("annotations", {}).get(names.ANNOTATION_DELETION_COST, "0")
    return int(cost), "".join(chr(0x10FFFF - ord(c)) for c in pod["metadata"]["name"])


def _is_ready(pod: Manifest) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", ()))


def _pod(name: str, version: str, deployment: Manifest) -> Manifest:
    meta, template = deployment["metadata"], deployment["spec"]["template"]
    owner = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": f"{meta['name']}-{version}",
        "uid": f"{meta['uid']}-rs",
        "controller": True,
        "blockOwnerDeletion": True,
    }
    labels = {**template["metadata"]["labels"], "pod-template-hash": version}
    annotations = template["metadata"].get("annotations", {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [owner],
        },
        "spec": template["spec"],
        "status": {"phase": "Pending"},
    }
