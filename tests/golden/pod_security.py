"""Pod Security `restricted`, and what Serinus asks of itself beyond it, judged in Python."""

from collections.abc import Iterator
from typing import Any

ALLOWED_VOLUMES = frozenset(
    {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
)


def pods_of(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The pod specs in a manifest, wherever they are."""
    if manifest["kind"] == "Pod":
        yield manifest["spec"]
    elif manifest["kind"] == "ControllerRevision":
        yield manifest["data"]["template"]["spec"]
    elif "template" in manifest.get("spec", {}):
        yield manifest["spec"]["template"]["spec"]


def violations(pod: dict[str, Any]) -> list[str]:
    """What Pod Security `restricted` would refuse, and a writable root or a token where none is needed."""
    found = [f"{name} is set" for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
    found += [f"volume {v['name']} is no allowed kind" for v in pod.get("volumes", ()) if not ALLOWED_VOLUMES & set(v)]
    if pod.get("automountServiceAccountToken") is not False:
        found.append("a service account token is mounted")
    shared = pod.get("securityContext", {})
    for container in [*pod.get("initContainers", ()), *pod["containers"]]:
        own = container.get("securityContext", {})
        found += [f"{container['name']}: {what}" for what in _of_container({**shared, **own}, container)]
    return found


def _of_container(context: dict[str, Any], container: dict[str, Any]) -> Iterator[str]:
    if context.get("runAsNonRoot") is not True:
        yield "may run as root"
    if context.get("runAsUser") == 0:
        yield "runs as root"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges"
    if context.get("privileged"):
        yield "is privileged"
    if context.get("capabilities", {}).get("drop") != ["ALL"]:
        yield "keeps capabilities"
    if set(context.get("capabilities", {}).get("add", ())) - {"NET_BIND_SERVICE"}:
        yield "adds capabilities"
    if context.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "has no seccomp profile"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "has a writable root"
    if any("hostPort" in port for port in container.get("ports", ())):
        yield "takes a port of the node"
