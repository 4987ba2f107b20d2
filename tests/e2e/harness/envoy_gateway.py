"""Envoy Gateway as its own chart installs it: a Gateway API implementation that knows nothing of Serinus.

`dev/envoy_gateway` has built it. One installation for the whole run; each story has Gateways of its own, and so an
Envoy of its own, at a cluster address that the host reaches.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import yaml
from dev.cluster import api as cluster
from dev.cluster.paths import default_layout
from dev.envoy_gateway import image, module
from dev.images.load import full_name, loaded
from tests.e2e.harness.kubectl import Kubectl, Manifest, run
from tests.e2e.harness.needs import lacking
from tests.e2e.harness.waiting import wait_for
from tests.e2e.harness.world import RUN_LABEL, World

NAMESPACE, RELEASE, CLASS = "serinus-e2e-envoy", "envoy-gateway", "serinus-e2e"
GATEWAY_API = "gateway.networking.k8s.io/v1"
CONTROLLER = "gateway.envoyproxy.io/gatewayclass-controller"
READY_SECONDS = 120.0
VALUES = {
    "deployment": {"envoyGateway": {"resources": {"requests": {"cpu": "50m", "memory": "128Mi"}}}},
    "topologyInjector": {"enabled": False},
}
"""Small, without a webhook."""
INSTALLED = "envoy-gateway-installed"
"""A file of the run's folder: there is something to remove."""


@dataclass(frozen=True)
class EnvoyGateway:
    """The installation of this run."""

    world: World

    @classmethod
    def of(cls, world: World) -> "EnvoyGateway":
        """Installed, by whichever worker needs it first."""
        ctr = cluster.tools().ctr
        if ctr is None or full_name(image.reference()) not in loaded(ctr):
            lacking("Envoy Gateway is not in the cluster; it is loaded into our own alone (make cluster envoy-gateway)")
        found = cls(world)
        world.stage.once("install Envoy Gateway", found._install)
        return found

    def _install(self) -> None:
        """Namespace, chart with all CRDs, and a class whose proxies need no load balancer."""
        (self.world.folder / INSTALLED).touch()
        kubectl = self.world.kubectl
        meta = {"name": NAMESPACE, "labels": {RUN_LABEL: self.world.run_name}}
        kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
        chart = module.chart(default_layout().cache, full_name(image.reference()))
        scope = (f"--kubeconfig={cluster.kubeconfig()}", f"--namespace={NAMESPACE}")
        chosen = yaml.safe_dump(VALUES)
        words = ("upgrade", RELEASE, str(chart), "--install", "--wait", "--timeout=150s", "--values=-")
        run(cluster.tools().helm, *scope, *words, stdin=chosen, seconds=180)
        kubectl.apply(*gateway_class(full_name(self.world.images.gateway)))

    def gateway(self, namespace: str, name: str, *, admits: str = "Same") -> None:
        """A Gateway with one listener, whose proxy runs. `admits`: namespaces of its routes."""
        self.world.kubectl.to(namespace).apply(gateway(name, admits))
        wait_for(
            lambda: self._programmed(namespace, name),
            seconds=READY_SECONDS,
            what=f"Gateway {name} is programmed",
            describe=lambda: json.dumps(self._live(namespace, name).get("status", {})),
        )

    def url(self, namespace: str, name: str) -> str:
        """Where its proxy listens."""
        (address,) = self._live(namespace, name)["status"]["addresses"]
        return f"http://{address['value']}"

    def _live(self, namespace: str, name: str) -> Manifest:
        return self.world.api.read("gateways", namespace, name)

    def _programmed(self, namespace: str, name: str) -> bool:
        status = self._live(namespace, name).get("status", {})
        conditions = {c["type"]: c["status"] for c in status.get("conditions", ())}
        return conditions.get("Programmed") == "True" and bool(status.get("addresses"))


def is_installed(world: World) -> bool:
    """Whether a story of this run has had it installed."""
    return (world.folder / INSTALLED).exists()


def uninstall(world: World) -> None:
    """Everything of it, the CRDs of the Gateway API too; nothing where no story had it installed."""
    if not is_installed(world):
        return
    # Its controller takes its finalizers away, so what bears them goes before it.
    world.kubectl.try_("delete", "gateways", "--all", "--all-namespaces", "--timeout=60s")
    world.kubectl.try_("delete", "gatewayclass", CLASS, "--ignore-not-found", "--timeout=30s")
    scope = (f"--kubeconfig={cluster.kubeconfig()}", f"--namespace={NAMESPACE}")
    run(cluster.tools().helm, *scope, "uninstall", RELEASE, "--ignore-not-found", "--wait", check=False, seconds=180)
    remove_crds(world.kubectl, module.chart(default_layout().cache, full_name(image.reference())))


def remove_crds(kubectl: Kubectl, chart: Path) -> None:
    """Helm leaves CRDs where they are."""
    folder = chart / "charts" / "crds" / "crds"
    kubectl.try_("delete", "--recursive", "-f", str(folder), "--ignore-not-found", "--wait=false", seconds=60)


def gateway_class(envoy: str) -> tuple[Manifest, Manifest]:
    """The class of all stories, and what its proxies are: the Envoy of our own gateway image, no load balancer."""
    container = {"image": envoy, "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}}}
    kubernetes = {"envoyService": {"type": "ClusterIP"}, "envoyDeployment": {"container": container}}
    group = "gateway.envoyproxy.io"
    proxy = {
        "apiVersion": f"{group}/v1alpha1",
        "kind": "EnvoyProxy",
        "metadata": {"name": CLASS, "namespace": NAMESPACE},
        "spec": {"provider": {"type": "Kubernetes", "kubernetes": kubernetes}},
    }
    parameters = {"group": group, "kind": "EnvoyProxy", "name": CLASS, "namespace": NAMESPACE}
    found = {
        "apiVersion": GATEWAY_API,
        "kind": "GatewayClass",
        "metadata": {"name": CLASS},
        "spec": {"controllerName": CONTROLLER, "parametersRef": parameters},
    }
    return proxy, found


def gateway(name: str, admits: str) -> Manifest:
    """A Gateway with a listener for plain HTTP."""
    listener = {"name": "web", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": admits}}}
    return {
        "apiVersion": GATEWAY_API,
        "kind": "Gateway",
        "metadata": {"name": name},
        "spec": {"gatewayClassName": CLASS, "listeners": [listener]},
    }
