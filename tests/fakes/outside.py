"""A Gateway of the Gateway API, in memory: its controller, which takes HTTPRoutes, and what it does with requests.

The controller is late, as a real one is, and the data plane is later. Requests go through the rules that were taken
last, whatever the object says since: what the operator believes too early is lost or sent to the wrong revision.
"""

import asyncio
import random
from collections.abc import Mapping
from typing import Any

from tests.fakes.plane import Plane
from tests.fakes.world import NAMESPACE, World

from serinus_api.runtime import HEADER_VIA
from serinus_operator.cluster.port import GATEWAY, GATEWAY_CLASS, HTTP_ROUTE, SERVICE, Manifest

CONTROLLER = "gateway.example/controller"
CONTROLLER_SECONDS, DATA_SECONDS = 0.3, 0.3
INFRA = "infra"


def gateway(name: str = "public", *, admits: str = "All") -> Manifest:
    """A Gateway with one listener; `admits` is `allowedRoutes.namespaces.from`."""
    listener = {"name": "web", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": admits}}}
    spec = {"gatewayClassName": "example", "listeners": [listener]}
    meta = {"namespace": INFRA, "name": name}
    return {"apiVersion": GATEWAY.api_version, "kind": GATEWAY.kind, "metadata": meta, "spec": spec}


def gateway_class(*features: str) -> Manifest:
    """Its class, which says what it supports beyond the core."""
    return {
        "apiVersion": GATEWAY_CLASS.api_version,
        "kind": GATEWAY_CLASS.kind,
        "metadata": {"namespace": "", "name": "example"},
        "spec": {"controllerName": CONTROLLER},
        "status": {"supportedFeatures": [{"name": feature} for feature in features]},
    }


class Outside:
    """The world outside of the cluster, and the way in."""

    def __init__(self, world: World, plane: Plane) -> None:
        self.world, self.plane = world, plane
        self.works = True
        """False: the controller and the data plane are gone; requests fail, and nothing is said of routes."""
        self.silent = False
        """True: the controller says nothing of routes, and hands none over."""
        self.stuck = False
        """True: the data plane goes on by the rules that it has."""
        self.seen: dict[str, int] = {}
        """Requests by the Service that they were sent to."""
        self.rules: dict[str, list[Manifest]] = {}
        """What the data plane goes by, by route."""
        self._random = random.Random(11)
        world.cluster.watchers.append(self._look)

    def _look(self, event: str, manifest: Manifest) -> None:
        if manifest["kind"] in (HTTP_ROUTE.kind, GATEWAY.kind, SERVICE.kind):
            asyncio.get_running_loop().call_later(CONTROLLER_SECONDS, self.sync)

    def sync(self) -> None:
        """Say of every route what there is to be said, and hand those that were taken to the data plane."""
        if self.silent or not self.works:
            return
        routes = self.world.cluster.of(HTTP_ROUTE)
        for name in {*self.rules} - {route["metadata"]["name"] for route in routes}:
            del self.rules[name]
        for route in routes:
            parent, meta = route["spec"]["parentRefs"][0], route["metadata"]
            attached = self.world.cluster.objects.get((GATEWAY.kind, parent["namespace"], parent["name"]))
            if attached is None:
                continue
            accepted = self._admits(attached, meta["namespace"])
            resolved = all(self.world.object(SERVICE, ref["name"]) for ref in backends(route))
            conditions = [
                _condition(meta, "Accepted", accepted, "NotAllowedByListeners", "No listener admits its namespace."),
                _condition(meta, "ResolvedRefs", resolved, "BackendNotFound", "A backend is missing."),
            ]
            told = {"parentRef": parent, "controllerName": CONTROLLER, "conditions": conditions}
            if route.get("status", {}).get("parents") != [told]:
                self.world.cluster.edit(
                    HTTP_ROUTE,
                    meta["namespace"],
                    meta["name"],
                    lambda live, told=told: live.update(status={"parents": [told]}),  # type: ignore[misc]
                )
            rules = route["spec"]["rules"] if accepted else []
            asyncio.get_running_loop().call_later(DATA_SECONDS, self._take, meta["name"], rules)

    def _take(self, name: str, rules: list[Manifest]) -> None:
        if not self.stuck:
            self.rules[name] = rules

    def _admits(self, attached: Manifest, namespace: str) -> bool:
        wanted = [one["allowedRoutes"]["namespaces"]["from"] for one in attached["spec"]["listeners"]]
        return "All" in wanted or ("Same" in wanted and namespace == attached["metadata"]["namespace"])

    async def request(self, model: str = "iris", **headers: str) -> bool:
        """One request from outside; whether it was answered."""
        rule = next((rule for rule in self._by_headers(model) if _matches(rule, headers)), None)
        refs = [ref for ref in rule["backendRefs"] if ref["weight"]] if rule else []
        if not self.works or not rule or not refs:
            self.plane.lost.append(f"{model}: no route")
            return False
        (chosen,) = self._random.choices([ref["name"] for ref in refs], [ref["weight"] for ref in refs])
        self.seen[chosen] = self.seen.get(chosen, 0) + 1
        marked = rule["filters"][0]["requestHeaderModifier"].get("set", ())
        via = next((header["value"] for header in marked if header["name"] == HEADER_VIA), "direct")
        return await self.plane.send(model, service=chosen, via=via)

    def _by_headers(self, model: str) -> list[Manifest]:
        """The rule with the most headers comes first."""
        return sorted(self.rules.get(model, ()), key=lambda rule: -len(rule["matches"][0].get("headers", ())))


def backends(route: Manifest) -> list[Manifest]:
    """Of all rules."""
    return [ref for rule in route["spec"]["rules"] for ref in rule["backendRefs"]]


def weights(world: World, name: str = "iris") -> dict[str, int]:
    """By Service, of the rule for everything, as the object says."""
    route = world.cluster.objects[HTTP_ROUTE.kind, NAMESPACE, name]
    return {ref["name"]: ref["weight"] for ref in route["spec"]["rules"][0]["backendRefs"]}


def _matches(rule: Manifest, headers: Mapping[str, str]) -> bool:
    wanted: list[dict[str, Any]] = rule["matches"][0].get("headers", [])
    return all(headers.get(one["name"]) == one["value"] for one in wanted)


def _condition(meta: Manifest, kind: str, holds: bool, reason: str, message: str) -> Manifest:
    return {
        "type": kind,
        "status": "True" if holds else "False",
        "reason": kind if holds else reason,
        "message": "" if holds else message,
        "observedGeneration": meta["generation"],
        "lastTransitionTime": "2026-05-01T09:00:00Z",
    }
