"""The contract on a real API server. `tests/contract` runs the same cases on the store of local mode.

No operator may run meanwhile, for it would write the statuses that the cases write.
"""

import contextlib
import http.client
import re
import threading
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from dev.cluster.api import kubeconfig
from kubernetes.aio import client, config
from tests.contract.cases import *  # noqa: F403  # the cases are the tests
from tests.contract.surface import Surface, bound, deployment
from tests.e2e.harness.api import Api, path_of
from tests.e2e.harness.world import RUN_LABEL, World

from serinus_operator.cluster.errors import Conflict, Invalid
from serinus_operator.cluster.kubernetes import KubernetesCluster
from serinus_operator.cluster.port import Kind, Manifest, kind_of

pytestmark = pytest.mark.own_operator
NAMESPACES = Kind("v1", "Namespace", "namespaces")
SHARED = f"e2e-contract-{uuid.uuid4().hex[:5]}"
"""For the samples, which leave nothing."""


class KubernetesSurface:
    """The adapter for clusters, and requests as kubectl sends them."""

    has_controllers = True

    def __init__(self, cluster: KubernetesCluster, api: Api, namespace: str) -> None:
        self.cluster, self.api, self.namespace = cluster, api, namespace

    async def make_namespace(self) -> None:
        meta = {"name": self.namespace, "labels": {RUN_LABEL: "story"}}
        body: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}
        try:
            await self.cluster._call("create", NAMESPACES, None, None, body=body)
        except Conflict:
            return

    async def submit(self, manifest: Manifest) -> None:
        kind = Kind("serving.serinus.dev/v1alpha1", "ModelDeployment", "modeldeployments")
        query = {"fieldValidation": "Strict", "fieldManager": "kubectl-create"}
        await self.cluster._call("create", kind, self.namespace, None, body=manifest, query=query)

    async def change(self, manifest: Manifest) -> None:
        name, query = manifest["metadata"]["name"], {"fieldManager": "kubectl", "force": "true"}
        await self.cluster._call(
            "patch", kind_of(manifest), self.namespace, name, body=manifest, query=query,
            content_type="application/apply-patch+yaml",
        )  # fmt: skip

    async def remove(self, kind: Kind, name: str) -> None:
        await self.cluster._call("delete", kind, self.namespace, name, body={"propagationPolicy": "Background"})

    def watch(self, kind: Kind) -> list[tuple[str, Manifest]]:
        """A watch from the present version on, in a thread; it ends with the first object that is deleted."""
        listed = self.api.request("GET", path_of(kind.plural, self.namespace))
        told: list[tuple[str, Manifest]] = []

        def follow() -> None:
            events = self.api.watch(kind.plural, "", listed["metadata"]["resourceVersion"])
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError), contextlib.closing(events):
                for event in events:
                    if event["object"]["metadata"].get("namespace") != self.namespace:
                        continue
                    told.append((event["type"], event["object"]))
                    if event["type"] == "DELETED":
                        return

        threading.Thread(target=follow, daemon=True).start()
        return told


async def connected(file: str) -> KubernetesCluster:
    configuration = client.Configuration()
    load: Callable[..., Awaitable[None]] = config.load_kube_config  # which is not annotated
    await load(config_file=file, client_configuration=configuration)
    configuration.client_session_kwargs = {"trust_env": False}
    return KubernetesCluster(client.ApiClient(configuration), lambda *_: None)


def namespace_of(test: str) -> str:
    word = re.sub(r"[^a-z0-9]+", "-", test.removeprefix("test_").lower())[:32].strip("-")
    return SHARED if "sample" in test else f"e2e-{word}-{uuid.uuid4().hex[:5]}"


@pytest.fixture
async def surface(world: World, request: pytest.FixtureRequest) -> AsyncIterator[KubernetesSurface]:
    async with await connected(str(kubeconfig())) as cluster:
        surface = KubernetesSurface(cluster, world.api, namespace_of(request.node.name))
        await surface.make_namespace()
        yield surface


async def test_misspelt_affinity_of_a_pod_is_invalid_by_its_name(surface: Surface) -> None:
    """Here alone: local mode does not judge built-in kinds, which come from the operator's own renderer."""
    misspelt = deployment(surface)
    misspelt["spec"]["template"]["spec"]["affinity"] = {"nodeAffinty": {}}
    with pytest.raises(Invalid, match=r"affinity\.nodeAffinty"):
        await surface.cluster.create(misspelt)
    live = await surface.cluster.create(deployment(surface))
    with pytest.raises(Invalid, match=r"affinity\.nodeAffinty"):
        await surface.cluster.apply(misspelt, bound(live))
