"""The port `World` on a cluster: three watches, and a view per model that is made anew when something of it changes."""

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Sequence
from typing import Self

from serinus_api import names
from serinus_api.gateway import LABEL_SERVICE_NAME, LABEL_SLICE_MANAGER, SLICE_MANAGER
from serinus_gateway.cluster.api import Api, Manifest
from serinus_gateway.cluster.follow import Follower
from serinus_gateway.cluster.views import view_of
from serinus_gateway.description import ModelKey
from serinus_gateway.logs import fields
from serinus_gateway.world import ModelView, Views

SERVING = f"{names.LABEL_MANAGED_BY}={names.MANAGED_BY},{names.LABEL_ROLE}={names.ROLE_SERVING}"
OUR_SLICES = f"{LABEL_SLICE_MANAGER}={SLICE_MANAGER}"

log = logging.getLogger(__name__)


class KubernetesWorld:
    """What the API server tells. Use as an async context manager."""

    def __init__(self, api: Api, namespaces: Sequence[str], addresses: Sequence[str]) -> None:
        """`namespaces` empty: all. `addresses`: those of this gateway."""
        self._addresses = frozenset(addresses)
        self._views: dict[ModelKey, ModelView] = {}
        self._watchers: list[Callable[[], None]] = []
        self._names: dict[tuple[str, str], str] = {}
        self._pods: dict[tuple[str, str], dict[str, Manifest]] = {}
        self._in_use: list[frozenset[str]] = []
        scopes = [f"/namespaces/{namespace}" for namespace in namespaces] or [""]
        models = f"/apis/{names.API_VERSION}{{}}/{names.PLURAL}"
        self._models = [Follower(api, models.format(scope), "", self._model_changed) for scope in scopes]
        self._pod_lists = [Follower(api, f"/api/v1{scope}/pods", SERVING, self._pod_changed) for scope in scopes]
        slices = "/apis/discovery.k8s.io/v1{}/endpointslices"
        self._slices = [Follower(api, slices.format(scope), OUR_SLICES, self._slice_changed) for scope in scopes]
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        for follower in self._followers:
            task = asyncio.create_task(follower.run())
            task.add_done_callback(_ended)
            self._tasks.append(task)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def _followers(self) -> list[Follower]:
        return [*self._models, *self._pod_lists, *self._slices]

    @property
    def synced(self) -> bool:
        """See `World.synced`."""
        return all(follower.synced for follower in self._followers)

    def views(self) -> Views:
        """See `World.views`."""
        return self._views

    def gateways(self) -> int:
        """See `World.gateways`: addresses in our slices, of the family that has more of them."""
        found = frozenset().union(*self._in_use) | self._addresses
        fourth = sum(1 for address in found if ipaddress.ip_address(address).version == 4)
        return max(fourth, len(found) - fourth, 1)

    def names_us(self) -> bool:
        """See `World.names_us`."""
        return any(self._addresses & addresses for addresses in self._in_use)

    def watch(self, changed: Callable[[], None]) -> None:
        """See `World.watch`."""
        self._watchers.append(changed)

    def _model_changed(self, manifest: Manifest) -> None:
        namespace, name = _key(manifest)
        self._names[namespace, names.bounded(name)] = name
        self._renew((namespace, name))

    def _pod_changed(self, manifest: Manifest) -> None:
        namespace, name = _key(manifest)
        label = manifest["metadata"].get("labels", {}).get(names.LABEL_DEPLOYMENT, "")
        mine = self._pods.setdefault((namespace, label), {})
        live = next((f.objects[namespace, name] for f in self._pod_lists if (namespace, name) in f.objects), None)
        if live is None:
            mine.pop(name, None)
        else:
            mine[name] = live
        if model := self._names.get((namespace, label)):
            self._renew((namespace, model))

    def _slice_changed(self, manifest: Manifest) -> None:
        slices = [one for follower in self._slices for one in follower.objects.values()]
        self._in_use = [_ready_addresses(one) for one in slices]
        service = manifest["metadata"].get("labels", {}).get(LABEL_SERVICE_NAME, "")
        self._renew((manifest["metadata"]["namespace"], service))

    def _renew(self, key: ModelKey) -> None:
        """Make a model's view anew, and tell where it differs."""
        model = next((f.objects[key] for f in self._models if key in f.objects), None)
        view = None
        if model is not None:
            label = key[0], names.bounded(key[1])
            view = view_of(model, self._pods.get(label, {}).values(), in_path=self._in_path(key))
        if view is None:
            self._views.pop(key, None)
        else:
            self._views[key] = view
        for tell in self._watchers:
            tell()

    def _in_path(self, key: ModelKey) -> bool:
        namespace, service = key
        return any(
            one["metadata"]["namespace"] == namespace
            and one["metadata"].get("labels", {}).get(LABEL_SERVICE_NAME) == service
            and _ready_addresses(one)
            for follower in self._slices
            for one in follower.objects.values()
        )


def _ready_addresses(manifest: Manifest) -> frozenset[str]:
    return frozenset(
        address
        for endpoint in manifest.get("endpoints") or ()
        if endpoint.get("conditions", {}).get("ready", True)
        for address in endpoint.get("addresses", ())
    )


def _key(manifest: Manifest) -> ModelKey:
    return manifest["metadata"]["namespace"], manifest["metadata"]["name"]


def _ended(task: asyncio.Task[None]) -> None:
    """A watch never ends by itself."""
    if not task.cancelled():
        log.error("A watch has ended", extra=fields(), exc_info=task.exception())
