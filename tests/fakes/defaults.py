"""What an API server adds to the objects it is given, and how it writes quantities: the noise that is no drift.

Written from what Kubernetes 1.36 answers to the operator's own manifests.
"""

import zlib
from decimal import Decimal
from typing import Any

from tests.fakes.merge import clone

Manifest = dict[str, Any]

PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
BINARY = {"Ki": 1024, "Mi": 1024**2, "Gi": 1024**3, "Ti": 1024**4}
DECIMAL: dict[str, Decimal | int] = {"m": Decimal("0.001"), "k": 1000, "M": 10**6, "G": 10**9}


def defaulted(manifest: Manifest) -> Manifest:
    """A copy with the API server's additions."""
    made = clone(manifest)
    add = {
        "Deployment": _deployment,
        "Pod": _pod_object,
        "Service": _service,
        "NetworkPolicy": _network_policy,
        "HTTPRoute": _http_route,
    }
    if made["kind"] in add:
        add[made["kind"]](made)
    return made


def _deployment(manifest: Manifest) -> None:
    spec = manifest["spec"]
    spec.setdefault("replicas", 1)
    spec.setdefault("progressDeadlineSeconds", 600)
    spec.setdefault("revisionHistoryLimit", 10)
    manifest["metadata"].setdefault("annotations", {}).setdefault("deployment.kubernetes.io/revision", "1")
    spec["template"].setdefault("metadata", {}).setdefault("creationTimestamp", None)
    _pod(spec["template"]["spec"])


def _pod_object(manifest: Manifest) -> None:
    spec = manifest["spec"]
    _pod(spec)
    spec.setdefault("serviceAccountName", "default")
    spec["serviceAccount"] = spec["serviceAccountName"]
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    for resources in (container["resources"] for container in spec["containers"]):
        if limits := resources.get("limits"):
            resources["requests"] = {**limits, **resources.get("requests", {})}
    spec.setdefault("tolerations", [])
    for key in ("not-ready", "unreachable"):
        toleration = {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute"}
        if not any(t.get("key") == toleration["key"] for t in spec["tolerations"]):
            spec["tolerations"].append({**toleration, "tolerationSeconds": 300})


def _pod(spec: Manifest) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("securityContext", {})
    if "serviceAccountName" in spec:
        spec["serviceAccount"] = spec["serviceAccountName"]
    for volume in spec.get("volumes", ()):
        if "configMap" in volume:
            volume["configMap"].setdefault("defaultMode", 420)
        if "sizeLimit" in volume.get("emptyDir", {}):
            volume["emptyDir"]["sizeLimit"] = quantity(volume["emptyDir"]["sizeLimit"])
    for container in spec["containers"]:
        _container(container)


def _container(container: Manifest) -> None:
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    container.setdefault("imagePullPolicy", "IfNotPresent")
    for port in container.get("ports", ()):
        port.setdefault("protocol", "TCP")
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        if name in container:
            container[name] = {**PROBE, **container[name]}
    for values in container.setdefault("resources", {}).values():
        for key in values:
            values[key] = quantity(values[key])


def _service(manifest: Manifest) -> None:
    spec = manifest["spec"]
    spec.setdefault("type", "ClusterIP")
    number = zlib.crc32(f"{manifest['metadata'].get('namespace')}/{manifest['metadata']['name']}".encode()) % 2**16
    spec.setdefault("clusterIP", f"10.96.{number >> 8}.{number & 255}")
    spec.setdefault("clusterIPs", [spec["clusterIP"]])
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    spec.setdefault("internalTrafficPolicy", "Cluster")
    spec.setdefault("sessionAffinity", "None")
    for port in spec["ports"]:
        port.setdefault("protocol", "TCP")


def _network_policy(manifest: Manifest) -> None:
    for rule in manifest["spec"].get("ingress", ()):
        for peer in rule.get("from", ()):
            for selector in peer.values():
                if selector.get("matchLabels") == {}:
                    del selector["matchLabels"]


def _http_route(manifest: Manifest) -> None:
    """The defaults in the CRD of the Gateway API 1.6, for what we render of it."""
    for parent in manifest["spec"].get("parentRefs", ()):
        parent.setdefault("group", "gateway.networking.k8s.io")
        parent.setdefault("kind", "Gateway")
    for rule in manifest["spec"].setdefault("rules", [{}]):
        for match in rule.setdefault("matches", [{}]):
            path = match.setdefault("path", {})
            path.setdefault("type", "PathPrefix")
            path.setdefault("value", "/")
            for header in match.get("headers", ()):
                header.setdefault("type", "Exact")
        for backend in rule.get("backendRefs", ()):
            backend.setdefault("group", "")
            backend.setdefault("kind", "Service")
            backend.setdefault("weight", 1)


def quantity(text: str) -> str:
    """A quantity in Kubernetes' canonical form: `1000m` is `1`, `1024Mi` is `1Gi`, `0.5` is `500m`."""
    for suffix, factor in BINARY.items():
        if text.endswith(suffix):
            size = int(Decimal(text.removesuffix(suffix)) * factor)
            best = max((f for f in (1, *BINARY.values()) if size % f == 0), default=1)
            return str(size // best) + {f: s for s, f in BINARY.items()}.get(best, "")
    amount = Decimal(text.rstrip("mkMG")) * Decimal(DECIMAL.get(text[-1], 1))
    milli = amount * 1000
    if milli % 1000:
        return f"{milli.normalize():f}m"
    whole = int(amount)
    for suffix in ("G", "M", "k"):
        if whole and whole % DECIMAL[suffix] == 0:
            return f"{whole // int(DECIMAL[suffix])}{suffix}"
    return str(whole)
