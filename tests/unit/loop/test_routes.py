"""When routes are listed, when a Gateway is read, and who is told of a change."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from tests.unit.decide.subjects import spec, subject

from serinus_api import names
from serinus_operator import routes
from serinus_operator.apply import Applier
from serinus_operator.cache import Cache
from serinus_operator.cluster.errors import Conflict, Denied, Missing
from serinus_operator.cluster.port import GATEWAY, GATEWAY_CLASS, HTTP_ROUTE, MODEL_DEPLOYMENT, Kind, Manifest
from serinus_operator.queue import Key
from serinus_operator.routes import Routes
from serinus_operator.state import Subject

KEY = Key("ml", "iris")


class Api:
    """As much of a cluster as is asked."""

    def __init__(self) -> None:
        self.routes: list[Manifest] = []
        self.objects: dict[tuple[str, str], Manifest] = {}
        self.refuse: Exception | None = None
        self.asked: list[str] = []
        self.lists: asyncio.Queue[str] = asyncio.Queue()
        self.told: list[Key] = []
        self.cache = Cache()
        self.known = Routes(self, self.cache, self.told.append)  # type: ignore[arg-type]  # it reads, and no more

    async def list(self, kind: Kind, namespace: str | None, labels: Any) -> Sequence[Manifest]:
        self.asked.append(kind.kind)
        self.lists.put_nowait(kind.kind)
        assert (namespace, labels) == (None, {names.LABEL_MANAGED_BY: names.MANAGED_BY})
        if self.refuse:
            raise self.refuse
        return list(self.routes)

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        self.asked.append(f"{kind.kind} {name}")
        if isinstance(self.refuse, Denied):
            raise self.refuse
        return self.objects.get((kind.kind, name))


def made(version: str = "1", owner: str | None = "u1") -> Manifest:
    meta: Manifest = {
        "namespace": "ml",
        "name": "iris",
        "uid": "u-route",
        "resourceVersion": version,
        "labels": names.deployment_labels("iris"),
    }
    if owner:
        meta["ownerReferences"] = [{"uid": owner, "controller": True}]
    return {"apiVersion": HTTP_ROUTE.api_version, "kind": HTTP_ROUTE.kind, "metadata": meta, "spec": {"rules": []}}


def model() -> Subject:
    return subject(spec(route={"gatewayRef": {"name": "public", "namespace": "infra"}}))


def put_model(api: Api, **more: Any) -> None:
    meta = {"namespace": "ml", "name": "iris", "uid": "u1", "resourceVersion": "1"}
    api.cache.put({"apiVersion": MODEL_DEPLOYMENT.api_version, "kind": names.KIND, "metadata": meta, "spec": more})


async def test_nothing_is_read_for_a_model_without_a_route() -> None:
    api = Api()
    await api.known.look(subject())
    assert api.asked == []
    assert api.known.of(subject()).parent is None


async def test_gateway_and_class_are_read_once_in_a_while() -> None:
    api = Api()
    api.objects[GATEWAY.kind, "public"] = {"spec": {"gatewayClassName": "eg"}}
    api.objects[GATEWAY_CLASS.kind, "eg"] = {"status": {"supportedFeatures": [{"name": "A"}, "B"]}}
    await api.known.look(model())
    await api.known.look(model())
    assert api.asked == ["HTTPRoute", "Gateway public", "GatewayClass eg"]
    seen = api.known.of(model())
    assert (seen.parent, seen.model, seen.features) == (("infra", "public"), ("ml", "iris"), frozenset({"A", "B"}))
    assert not seen.gateway_absent


@pytest.mark.parametrize("status", [{}, {"conditions": []}])
async def test_class_that_says_nothing_of_features_is_unknown(status: Manifest) -> None:
    api = Api()
    api.objects[GATEWAY.kind, "public"] = {"spec": {"gatewayClassName": "eg"}}
    api.objects[GATEWAY_CLASS.kind, "eg"] = {"status": status}
    await api.known.look(model())
    assert api.known.of(model()).features is None


async def test_gateway_that_is_not_there_is_not_the_same_as_one_that_may_not_be_read() -> None:
    api = Api()
    await api.known.look(model())
    assert api.known.of(model()).gateway_absent
    other = Api()
    await other.known.refresh()
    other.refuse = Denied("get", GATEWAY.resource)
    await other.known.look(model())
    assert not other.known.of(model()).gateway_absent


async def test_cluster_without_the_kind_is_known_and_asked_again() -> None:
    api = Api()
    put_model(api, route={"gatewayRef": {"name": "public"}})
    api.refuse = Missing("the server could not find the requested resource")
    await api.known.refresh()
    assert api.known.of(model()).missing
    assert api.told == [KEY]
    api.refuse, api.routes = None, [made()]
    await api.known.refresh()
    seen = api.known.of(model())
    assert (seen.missing, seen.route is not None) == (False, True)
    assert api.told == [KEY, KEY]


async def test_right_that_is_missing_is_told_and_what_is_known_stays() -> None:
    api = Api()
    put_model(api, route={"gatewayRef": {"name": "public"}})
    api.routes = [made()]
    await api.known.refresh()
    api.refuse = Denied("list", HTTP_ROUTE.resource)
    await api.known.refresh()
    seen = api.known.of(model())
    assert seen.denied
    assert "list httproutes" in seen.denied
    assert seen.route is not None


async def test_who_is_concerned_by_a_change_is_told_and_nobody_else() -> None:
    api = Api()
    api.routes = [made("1")]
    await api.known.refresh()
    await api.known.refresh()
    assert api.told == [KEY]
    api.routes = [made("2")]
    await api.known.refresh()
    api.routes = []
    await api.known.refresh()
    assert api.told == [KEY, KEY, KEY]
    assert api.known.of(model()).route is None


async def test_route_of_another_owner_is_not_ours() -> None:
    api = Api()
    api.routes = [made(owner="u-other")]
    await api.known.refresh()
    assert api.known.of(model()).route is None
    api.routes = [made("2", owner=None)]
    await api.known.refresh()
    assert api.known.of(model()).route is not None


async def test_routes_are_listed_once_and_then_only_while_somebody_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "LOOK_SECONDS", 0.0)
    api = Api()
    task = asyncio.ensure_future(api.known.run())
    await asyncio.wait_for(api.lists.get(), 5)
    for _ in range(100):
        await asyncio.sleep(0)
    assert api.asked == ["HTTPRoute"]
    put_model(api, route={"gatewayRef": {"name": "public"}})
    for _ in range(2):
        await asyncio.wait_for(api.lists.get(), 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_route_that_has_changed_meanwhile_is_read_before_the_next_pass() -> None:
    """Its controller writes its status, and nobody watches it."""
    api = Api()
    live = made("1")
    api.cache.put(live)
    api.objects[HTTP_ROUTE.kind, "iris"] = {k: v for k, v in made("9").items() if k not in ("kind", "apiVersion")}

    async def apply(*_: Any) -> Manifest:
        raise Conflict("the object has been modified")

    api.apply = apply  # type: ignore[attr-defined]
    applier = Applier(api, api.cache)  # type: ignore[arg-type]
    with pytest.raises(Conflict):
        await applier._repair({**live, "spec": {"rules": [{}]}}, live)
    known = api.cache.get(HTTP_ROUTE, "ml", "iris")
    assert known
    assert known["metadata"]["resourceVersion"] == "9"
