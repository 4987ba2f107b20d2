"""The port `World` on a cluster: three watches, and a view per model that is made anew when something of it changes."""

import asyncio
import functools
import ipaddress
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Self

from serinus_api import names
from serinus_api.gateway import LABEL_SERVICE_NAME, LABEL_SLICE_MANAGER, SLICE_MANAGER
from serinus_gateway.cluster.api import Api, Manifest
from serinus_gateway.cluster.follow import Follower
from serinus_gateway.description import ModelKey
from serinus_gateway.views import view_of
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
        self._in_use: dict[tuple[str, str], tuple[str, frozenset[str]]] = {}
        """Service and our addresses of each slice, by its namespace and name."""
        self._led: Counter[ModelKey] = Counter()
        """Slices with addresses, by model."""
        scopes = [f"/namespaces/{namespace}" for namespace in namespaces] or [""]
        models = f"/apis/{names.API_VERSION}{{}}/{names.PLURAL}"
        slices = "/apis/discovery.k8s.io/v1{}/endpointslices"

        def follow(path: str, labels: str, changed: Callable[[Manifest], None]) -> list[Follower]:
            told = functools.partial(self._changed, changed)
            return [Follower(api, path.format(scope), labels, told) for scope in scopes]

        self._models = follow(models, "", self._model_changed)
        self._pod_lists = follow("/api/v1{}/pods", SERVING, self._pod_changed)
        self._slices = follow(slices, OUR_SLICES, self._slice_changed)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        for follower in self._followers:
            self._tasks.append(asyncio.create_task(follower.run()))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def ended(self) -> None:
        """Return only if a watch cannot go on: a bug, raised here. What is known would grow old unseen."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

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
        found = self._addresses.union(*(addresses for _, addresses in self._in_use.values()))
        fourth = sum(1 for address in found if ipaddress.ip_address(address).version == 4)
        return max(fourth, len(found) - fourth, 1)

    def names_us(self) -> bool:
        """See `World.names_us`."""
        return any(self._addresses & addresses for _, addresses in self._in_use.values())

    def watch(self, changed: Callable[[], None]) -> None:
        """See `World.watch`."""
        self._watchers.append(changed)

    def _changed(self, changed: Callable[[Manifest], None], manifest: Manifest | None) -> None:
        if manifest is not None:
            changed(manifest)
        for tell in self._watchers:
            tell()

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
        key = _key(manifest)
        service, addresses = self._in_use.pop(key, ("", frozenset()))
        if addresses:
            self._led[key[0], service] -= 1
        live = next((f.objects[key] for f in self._slices if key in f.objects), None)
        if live is not None:
            service, addresses = live["metadata"].get("labels", {}).get(LABEL_SERVICE_NAME, ""), _ready_addresses(live)
            self._in_use[key] = service, addresses
            self._led[key[0], service] += bool(addresses)
        self._renew((key[0], service))

    def _renew(self, key: ModelKey) -> None:
        """Make a model's view anew."""
        model = next((f.objects[key] for f in self._models if key in f.objects), None)
        view = None
        if model is not None:
            label = key[0], names.bounded(key[1])
            view = view_of(model, self._pods.get(label, {}).values(), in_path=self._led[key] > 0)
        if view is None:
            self._views.pop(key, None)
        else:
            self._views[key] = view


def _ready_addresses(manifest: Manifest) -> frozenset[str]:
    return frozenset(
        address
        for endpoint in manifest.get("endpoints") or ()
        if endpoint.get("conditions", {}).get("ready", True)
        for address in endpoint.get("addresses", ())
    )


def _key(manifest: Manifest) -> ModelKey:
    return manifest["metadata"]["namespace"], manifest["metadata"]["name"]
