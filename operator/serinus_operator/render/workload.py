"""The pods of a model: one template for serving, from which the preflight pod is made as well.

All pods pass Pod Security `restricted` with a read-only root; no service-account token is mounted.
"""

import math
from typing import Any, Final

from serinus_api import names, runtime
from serinus_api.v1alpha1 import RuntimeSpec
from serinus_operator.quantity import amount
from serinus_operator.render.meta import labels, serving_selector
from serinus_operator.sources import Source, parse_source
from serinus_operator.state import Manifest, PreflightIntent, RenderOptions, RevisionRecord, Subject

SMALL: Final = {"cpu": "10m", "memory": "32Mi"}
"""What a preflight asks for where there is no room for two."""
USER: Final = 65532
GRACE_MARGIN_SECONDS: Final = 5
STARTUP_PROBE_SECONDS: Final = 1
PROBE_SECONDS: Final = 5
"""An answer may take so long on a node that has too much to do. A slow pod is no dead one: to take the only one of a
model out of its Service would be an outage."""
TMP_SPACE: Final = "64Mi"
PREFLIGHT_SPARE_SECONDS: Final = 3600
"""The pod's own deadline counts the pull of its image as well. The operator ends an attempt earlier, by its own clock;
this one is for a pod whose operator is gone."""


def deployment(subject: Subject, record: RevisionRecord, replicas: int) -> Manifest:
    """The Deployment of a revision, from its record. `replicas` counts when it is created; later `/scale` does."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": record.name, "labels": labels(subject, revision=record.name)},
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 1,
            "progressDeadlineSeconds": subject.spec.runtime.startup_deadline_seconds + 60,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "selector": {"matchLabels": serving_selector(subject, record.name)},
            "template": record.template,
        },
    }


def pod_template(subject: Subject, revision: str, digest: str, image: str, options: RenderOptions) -> Manifest:
    """The pod template of a new revision; called once per revision, then it lives in the revision's record."""
    spec = subject.spec.runtime
    source = _source(subject)
    config = runtime_config(subject, source, version=revision, digest=digest, options=options)
    container = {
        **_container(spec, image, config, options),
        "args": ["serve"],
        "ports": [
            {"name": names.PORT_HTTP, "containerPort": runtime.HTTP_PORT, "protocol": "TCP"},
            {"name": names.PORT_METRICS, "containerPort": runtime.METRICS_PORT, "protocol": "TCP"},
        ],
        "startupProbe": _probe(runtime.READY_PATH, 1, spec.startup_deadline_seconds, STARTUP_PROBE_SECONDS),
        "readinessProbe": _probe(runtime.READY_PATH, 2, 3),
        "livenessProbe": _probe(runtime.LIVE_PATH, 10, 6),
    }
    pod = {
        **_pod(subject, source, revision, options),
        "containers": [container],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": spec.drain_seconds + spec.request_timeout_seconds + GRACE_MARGIN_SECONDS,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": serving_selector(subject, revision)},
            }
        ],
    }
    return {"metadata": pod_metadata(subject, revision, names.ROLE_SERVING), "spec": pod}


def preflight_spec(subject: Subject, intent: PreflightIntent, options: RenderOptions) -> Manifest:
    """The pod spec that tries a model once, under the same limits and in the same place as the serving pods."""
    source = _source(subject)
    config = runtime_config(subject, source, version="preflight", digest=intent.digest, options=options)
    config = config.model_copy(update={"validation": intent.validation})
    pod = _pod(subject, source, intent.revision, options)
    if name := _golden(config):
        pod["volumes"].append({"name": "golden", "configMap": {"name": name, "optional": True}})
    container = {**_container(subject.spec.runtime, intent.image, config, options), "args": ["preflight"]}
    if subject.spec.rollout.strategy == "Recreate":
        container["resources"] = _with_small_requests(container["resources"])
    return {
        **pod,
        "containers": [container],
        "restartPolicy": "Never",
        "activeDeadlineSeconds": subject.spec.runtime.startup_deadline_seconds + PREFLIGHT_SPARE_SECONDS,
        "terminationGracePeriodSeconds": 1,
    }


def pod_metadata(subject: Subject, revision: str | None, role: str) -> Manifest:
    """Labels and annotations of a pod: the user's, then ours over them."""
    spec = subject.spec.runtime
    meta: Manifest = {
        "labels": {
            **spec.pod_labels,
            names.LABEL_NAME: names.MANAGED_BY,
            **labels(subject, revision=revision, role=role),
        }
    }
    if spec.pod_annotations:
        meta["annotations"] = dict(spec.pod_annotations)
    return meta


def runtime_config(
    subject: Subject, source: Source, *, version: str, digest: str | None, options: RenderOptions
) -> runtime.RuntimeConfig:
    """What the pod is told."""
    spec = subject.spec
    return runtime.RuntimeConfig(
        model_name=spec.model.name or subject.name,
        model_version=version,
        source=runtime.ModelSource(
            uri=spec.model.uri,
            path=source.path or None,
            digest=digest or spec.model.digest,
            ca_file=runtime.CA_MOUNT if spec.runtime.ca_config_map_ref else None,
            allow_hosts=options.allow_hosts,
            max_bytes=runtime.DOWNLOAD_BYTES if source.path else options.max_download_bytes,
        ),
        limits=runtime.RuntimeLimits(
            max_concurrency=spec.runtime.max_concurrency,
            max_queue=2 * spec.runtime.max_concurrency,
            request_timeout_seconds=spec.runtime.request_timeout_seconds,
        ),
        threads=threads(spec.runtime),
        drain_seconds=spec.runtime.drain_seconds,
        log_format="console" if options.log_format == "console" else "json",
    )


def threads(spec: RuntimeSpec) -> int | None:
    """Threads of one inference: as asked, else ceil(CPU limit, else CPU request). 1500m → 2; no CPU given → None."""
    if spec.threads is not None or spec.resources is None:
        return spec.threads
    cpu = spec.resources.limits.get("cpu") or spec.resources.requests.get("cpu")
    cores = amount(cpu)
    return None if cores is None else max(1, math.ceil(cores))


def _source(subject: Subject) -> Source:
    source = parse_source(subject.spec.model.uri)
    assert source is not None, "decide lets no unsupported scheme come this far"
    return source


def _container(spec: RuntimeSpec, image: str, config: runtime.RuntimeConfig, options: RenderOptions) -> Manifest:
    mounts: list[Manifest] = [
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  # the pod's own emptyDir
        {"name": "work", "mountPath": runtime.WORK_MOUNT},
    ]
    if config.source.path:
        mounts.append({"name": "model", "mountPath": runtime.MODEL_MOUNT, "readOnly": True})
    if _golden(config):
        mounts.append({"name": "golden", "mountPath": runtime.GOLDEN_MOUNT, "readOnly": True})
    if spec.ca_config_map_ref:
        mounts.append({"name": "ca", "mountPath": runtime.CA_MOUNT, "readOnly": True})
    env = [e.model_dump(by_alias=True, exclude_none=True) for e in spec.env]
    told = config.model_dump_json(by_alias=True, exclude_none=True, exclude_defaults=True)
    return {
        "name": names.CONTAINER_RUNTIME,
        "image": image,
        "imagePullPolicy": options.image_pull_policy,
        "env": [*env, {"name": runtime.CONFIG_ENV, "value": told}],
        "resources": _resources(spec),
        "volumeMounts": mounts,
        "terminationMessagePath": runtime.TERMINATION_LOG,
        "terminationMessagePolicy": "File",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }


def _golden(config: runtime.RuntimeConfig) -> str | None:
    """The ConfigMap with the golden requests that the pod is to look at."""
    return config.validation.golden_name if config.validation else None


def _resources(spec: RuntimeSpec) -> Manifest:
    if spec.resources is None:
        return {}
    return {
        kind: dict(values)
        for kind, values in (("requests", spec.resources.requests), ("limits", spec.resources.limits))
        if values
    }


def _with_small_requests(resources: Manifest) -> Manifest:
    """The same limits, but room for it where there is no spare capacity. A limit alone would be the request as well."""
    asked = {**resources.get("limits", {}), **resources.get("requests", {})}
    small = {name: little for name, little in SMALL.items() if (amount(asked.get(name)) or 0) > (amount(little) or 0)}
    return {**resources, "requests": {**resources.get("requests", {}), **small}} if small else resources


def _pod(subject: Subject, source: Source, revision: str | None, options: RenderOptions) -> Manifest:
    spec = subject.spec.runtime
    optional: dict[str, Any] = {
        "imagePullSecrets": [{"name": s.name} for s in spec.image_pull_secrets],
        "nodeSelector": dict(spec.node_selector),
        "tolerations": [t.model_dump(by_alias=True, exclude_none=True) for t in spec.tolerations],
        "affinity": spec.affinity,
        "priorityClassName": spec.priority_class_name,
        "serviceAccountName": spec.service_account_name,
    }
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": _volumes(subject, source, revision),
        **{field: value for field, value in optional.items() if value},
    }


def _volumes(subject: Subject, source: Source, revision: str | None) -> list[Manifest]:
    volumes: list[Manifest] = [
        {"name": "tmp", "emptyDir": {"sizeLimit": TMP_SPACE}},
        {"name": "work", "emptyDir": {}},
    ]
    if source.scheme == "configmap":
        # Optional, because the kubelet's retries for a missing volume back off to two minutes.
        volumes.append({"name": "model", "configMap": {"name": revision, "optional": True}})
    elif source.scheme == "pvc":
        volumes.append({"name": "model", "persistentVolumeClaim": {"claimName": source.object, "readOnly": True}})
    elif source.scheme == "file":
        volumes.append({"name": "model", "hostPath": {"path": source.object, "type": "Directory"}})
    if ca := subject.spec.runtime.ca_config_map_ref:
        volumes.append({"name": "ca", "configMap": {"name": ca.name, "optional": True}})
    return volumes


def _probe(path: str, period: int, failures: int, seconds: int = PROBE_SECONDS) -> Manifest:
    return {
        "httpGet": {"path": path, "port": names.PORT_HTTP, "scheme": "HTTP"},
        "periodSeconds": period,
        "timeoutSeconds": seconds,
        "failureThreshold": failures,
        "successThreshold": 1,
    }
