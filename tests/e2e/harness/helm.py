"""Serinus as Helm installs it: one release, its operator's pods, and who of them leads."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.e2e.harness.api import Api
from tests.e2e.harness.kubectl import CommandError, Manifest, run
from tests.e2e.harness.waiting import wait_for

CHART = Path(__file__).resolve().parents[3] / "charts" / "serinus"
READY_SECONDS = 90
INSTANCE, COMPONENT = "app.kubernetes.io/instance", "app.kubernetes.io/component"


@dataclass(frozen=True)
class Images:
    """References that the cluster can pull, or has."""

    operator: str
    runtime: str
    gateway: str


def values(
    images: Images,
    *,
    watch: tuple[str, ...] = (),
    replicas: int = 1,
    crd: bool = True,
    hosts: tuple[str, ...] = (),
    gateways: int = 0,
    admission_policy: bool = False,
) -> dict[str, Any]:
    """Values of the chart for one release."""
    return {
        "image": {
            "operator": image_values(images.operator),
            "runtime": image_values(images.runtime),
            "gateway": image_values(images.gateway),
        },
        "gateway": {
            "enabled": gateways > 0,
            "replicas": max(1, gateways),
            "admissionPolicy": crd or admission_policy,
            "resources": {part: {"requests": {"cpu": "40m", "memory": "64Mi"}} for part in ("agent", "envoy")},
        },
        "watchNamespaces": list(watch),
        "crds": {"install": crd},
        "downloads": {"allowHosts": list(hosts)},
        "operator": {
            "replicas": replicas,
            "log": {"format": "console", "level": "INFO"},
            "resources": {"requests": {"cpu": "20m", "memory": "96Mi"}},
        },
    }


def image_values(reference: str) -> dict[str, str]:
    repository, _, tag = reference.rpartition(":")
    return {"repository": repository, "tag": tag}


@dataclass(frozen=True)
class Release:
    """One installation of the chart."""

    program: Path
    kubeconfig: Path
    api: Api
    name: str
    namespace: str

    def helm(self, *words: str, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        scope = (f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}")
        return run(self.program, *scope, *words, stdin=stdin, check=check, seconds=180)

    def install(self, chosen: Mapping[str, Any], *, chart: Path = CHART, take_ownership: bool = True) -> str:
        """Install or upgrade, and wait until every pod of the operator is ready.

        Ownership is taken unless a story is about it: the CRD may be one that an earlier run has left.
        """
        flags = ("--take-ownership",) if take_ownership else ()
        done = self.helm(
            "upgrade", self.name, str(chart), "--install", *flags, "--values=-", stdin=yaml.safe_dump(dict(chosen))
        )
        self.wait_ready(int(chosen["operator"]["replicas"]))
        return done.stdout

    def uninstall(self) -> None:
        self.helm("uninstall", self.name, "--ignore-not-found", "--wait")
        wait_for(lambda: not self.pods(), seconds=READY_SECONDS, what="the operator's pods are gone")

    @property
    def user(self) -> str:
        """How the audit log calls the operator."""
        return f"system:serviceaccount:{self.namespace}:"

    def manifests(self) -> list[Manifest]:
        """What the release consists of."""
        documents = yaml.safe_load_all(self.helm("get", "manifest", self.name).stdout)
        return [document for document in documents if document]

    def deployment(self) -> Manifest:
        (found,) = self.api.list("deployments", self.namespace, self._labels("operator"))
        return found

    def scale(self, replicas: int) -> None:
        """As `kubectl scale` does it; waits until the pods are gone or ready."""
        name = self.deployment()["metadata"]["name"]
        self.api.patch("deployments", self.namespace, f"{name}/scale", {"spec": {"replicas": replicas}})
        wait_for(lambda: len(self.pods()) == replicas, seconds=READY_SECONDS, what=f"{replicas} pods of the operator")
        if replicas:
            self.wait_ready(replicas)

    def pods(self) -> list[Manifest]:
        return self.api.list("pods", self.namespace, self._labels("operator"))

    def gateways(self) -> list[Manifest]:
        """The gateway's pods that are ready and were not told to stop."""
        found = self.api.list("pods", self.namespace, self._labels("gateway"))
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"] and _is_ready(pod)]

    def _labels(self, component: str) -> dict[str, str]:
        return {INSTANCE: self.name, COMPONENT: component}

    def wait_ready(self, replicas: int) -> None:
        """Until the newest version of the operator's pods, and no other, are ready."""

        def done() -> bool:
            live = self.deployment()
            status, wanted = live.get("status", {}), live["spec"]["replicas"]
            return (
                wanted == replicas
                and status.get("observedGeneration", 0) >= live["metadata"]["generation"]
                and status.get("updatedReplicas", 0) == status.get("readyReplicas", 0) == replicas
                and len(self.pods()) == replicas
            )

        wait_for(done, seconds=READY_SECONDS, what="the operator is ready", describe=self._state)

    def _state(self) -> str:
        return json.dumps([pod.get("status", {}) for pod in self.pods()])[:3000]

    def lease(self) -> Manifest:
        (found,) = self.api.list("leases", self.namespace)
        return found

    def leader(self) -> Manifest | None:
        """The operator's pod that holds the Lease, by its UID; None while nobody does."""
        leases = self.api.list("leases", self.namespace)
        holder = leases[0]["spec"].get("holderIdentity") if leases else None
        uid = (holder or "").partition("/")[0]
        return next((pod for pod in self.pods() if pod["metadata"]["uid"] == uid), None)

    def wait_for_leader(self, other_than: str = "", seconds: float = 40) -> Manifest:
        """The leader, whose pod's UID is not `other_than`."""

        def look() -> Manifest | None:
            pod = self.leader()
            return pod if pod and pod["metadata"]["uid"] != other_than else None

        return wait_for(look, seconds=seconds, what="an operator holds the lease", describe=self.lease)

    def wait_for_another(self, ended: str) -> None:
        """One pod, whose container is ready and is not the one that has ended: the kubelet sees an end late."""

        def runs() -> bool:
            pods = self.pods()
            containers = [container for pod in pods for container in pod["status"].get("containerStatuses", ())]
            another = all(container["ready"] and container["containerID"] != ended for container in containers)
            return len(pods) == len(containers) == 1 and another

        wait_for(runs, seconds=90, what="the operator runs again")

    def logs(self) -> str:
        """The last lines of all operators, for a report of a failure."""
        parts = []
        for pod in self.pods():
            name = pod["metadata"]["name"]
            path = f"/api/v1/namespaces/{self.namespace}/pods/{name}/log?tailLines=80"
            try:
                parts.append(f"--- {name}\n{self.api.request('GET', path)['message']}")
            except AssertionError as error:
                parts.append(f"--- {name}: {error}")
        return "\n".join(parts)


__all__ = ["CommandError", "Images", "Release", "values"]


def _is_ready(pod: Manifest) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
