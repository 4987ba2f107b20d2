"""From manifests to what the agent works with: those of an API server, or of local mode's store. Pure.

Only the fields of the contract (`serinus_api.gateway`) are read, and one that is missing or odd counts as absent: a
newer operator must not make a model vanish from an older gateway.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from pydantic import ValidationError

from serinus_api import names
from serinus_api.gateway import DEADLINE_SECONDS, INITIAL_REPLICAS, MAX_PENDING_REQUESTS
from serinus_api.runtime import CONFIG_ENV, HTTP_PORT, METRICS_PORT, READY_PATH, PreflightReport, RuntimeConfig
from serinus_gateway.description import Endpoint, HeaderMatch
from serinus_gateway.world import Activation, ModelView, Pod, Trouble

Manifest = Mapping[str, Any]
Ports: TypeAlias = tuple[Endpoint, Endpoint]
"""Where a pod takes requests, and where it tells its load."""

TRIED: Final = ("Stepping", "Held", "Promoting")
"""Phases of a rollout in which the candidate gets requests, also those that match."""
SPLITTING: Final = (*TRIED, "Aborting", "Superseding")
"""Phases in which it may have a share of the traffic, if only what is left of one."""
BENTO_READY_PATH: Final = "/readyz"
STARTING: Final = ("ContainerCreating", "PodInitializing")
AWAKE: Final = "Awake"


def pod_ports(pod: Manifest) -> Ports | None:
    """Those of a pod of a cluster: its own address, and the ports that every pod has."""
    address = pod.get("status", {}).get("podIP")
    return (Endpoint(address, HTTP_PORT), Endpoint(address, METRICS_PORT)) if address else None


def view_of(
    model: Manifest, pods: Iterable[Manifest], *, in_path: bool, locate: Callable[[Manifest], Ports | None] = pod_ports
) -> ModelView | None:
    """A model's view; None where the gateway has nothing to do with it yet.

    `in_path`: clients are led through the gateway, because an EndpointSlice of ours stands beside the model's Service.
    """
    meta, spec, status = model["metadata"], model.get("spec", {}), model.get("status", {})
    port, stable = status.get("gatewayPort"), status.get("stableRevision")
    if not port or not stable or "deletionTimestamp" in meta:
        return None
    rollout = status.get("rollout") or {}
    candidate = status.get("candidateRevision") if rollout.get("phase") in SPLITTING else None
    mine = [pod for pod in pods if pod["metadata"]["namespace"] == meta["namespace"]]
    state = (status.get("scaling") or {}).get("state", AWAKE)
    runtime = spec.get("runtime") or {}
    headers = ((spec.get("rollout") or {}).get("match") or {}).get("headers", ())
    return ModelView(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        port=port,
        stable=stable,
        candidate=candidate,
        weight=rollout.get("requestedWeight") or 0,
        match=tuple(HeaderMatch(one["name"], one["value"]) for one in headers)
        if candidate and rollout["phase"] in TRIED
        else (),
        settled=state == AWAKE and (not in_path or candidate is not None),
        created=str(meta.get("creationTimestamp", "")),
        request_timeout_seconds=runtime.get("requestTimeoutSeconds") or 60,
        activation=_activation((spec.get("scaling") or {}).get("activation") or {}),
        pods=tuple(pod for pod in (_pod(one, runtime, locate(one)) for one in mine) if pod),
        troubles=_troubles(model, mine),
    )


def _activation(told: Manifest) -> Activation:
    return Activation(
        max_pending=told.get("maxPendingRequests") or MAX_PENDING_REQUESTS,
        deadline_seconds=told.get("deadlineSeconds") or DEADLINE_SECONDS,
        initial_replicas=told.get("initialReplicas") or INITIAL_REPLICAS,
    )


def _pod(manifest: Manifest, runtime: Manifest, ports: Ports | None) -> Pod | None:
    """A pod that may be sent requests, now or soon."""
    meta, status = manifest["metadata"], manifest.get("status", {})
    if "deletionTimestamp" in meta or status.get("phase") in ("Succeeded", "Failed"):
        return None
    conditions = {one["type"]: one["status"] for one in status.get("conditions", ())}
    return Pod(
        name=meta["name"],
        uid=meta["uid"],
        revision=meta.get("labels", {}).get(names.LABEL_REVISION, ""),
        http=ports[0] if ports else None,
        private=ports[1] if ports else None,
        ready=ports is not None and conditions.get("Ready") == "True",
        concurrency=_concurrency(manifest) or runtime.get("maxConcurrency") or 8,
        ready_path=BENTO_READY_PATH if runtime.get("bento") else READY_PATH,
    )


def _concurrency(pod: Manifest) -> int | None:
    """What this very pod was told; the spec may speak of another revision by now."""
    for container in pod.get("spec", {}).get("containers", ()):
        for variable in container.get("env", ()):
            if variable.get("name") == CONFIG_ENV:
                try:
                    return RuntimeConfig.model_validate_json(variable.get("value", "")).limits.max_concurrency
                except ValidationError:
                    return None
    return None


def _troubles(model: Manifest, pods: Iterable[Manifest]) -> dict[str, Trouble]:
    """What keeps revisions from answering, in the words of whoever knows best: the pods first."""
    found: dict[str, Trouble] = {}
    for pod in pods:
        revision = pod["metadata"].get("labels", {}).get(names.LABEL_REVISION, "")
        if trouble := _trouble(pod.get("status", {})):
            found.setdefault(revision, trouble)
    conditions = {one["type"]: one for one in model.get("status", {}).get("conditions", ())}
    for kind in ("Available", "Ready"):
        one = conditions.get(kind)
        if one and one["status"] == "False":
            found.setdefault("", Trouble(one["reason"], one.get("message", "")))
    return found


def _trouble(status: Manifest) -> Trouble | None:
    for one in status.get("conditions", ()):
        if one["type"] == "PodScheduled" and one["status"] == "False":
            return Trouble("NotSchedulable", one.get("message", ""))
    for container in status.get("containerStatuses", ()):
        ended = container.get("lastState", {}).get("terminated") or container.get("state", {}).get("terminated")
        if ended and (said := _last_words(ended.get("message", ""))):
            return said
        waiting = container.get("state", {}).get("waiting")
        if waiting and waiting.get("reason") not in STARTING:
            return Trouble(waiting.get("reason") or "Waiting", waiting.get("message", ""))
    return None


def _last_words(message: str) -> Trouble | None:
    try:
        report = PreflightReport.model_validate_json(message)
    except ValidationError:
        return None
    return Trouble(report.reason, report.message) if report.reason and report.reason != "Passed" else None
