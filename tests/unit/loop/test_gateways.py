"""Which gateways are taken for ready, whom they are asked about, and how a Service is seen to lead to them."""

from typing import Any

import pytest
from tests.unit.decide.subjects import at

from serinus_api.gateway import GatewayReport, ModelTraffic
from serinus_operator.cache import Cache
from serinus_operator.cluster.errors import Unavailable
from serinus_operator.gateways import Gateways, gateway_pod
from serinus_operator.places import GatewayPod
from serinus_operator.queue import Key

IRIS, LILY = Key("ml", "iris"), Key("ml", "lily")


def pod(name: str, *addresses: str, ready: bool = True, leaves: bool = False) -> dict[str, Any]:
    meta = {"name": name, "namespace": "serinus-system", **({"deletionTimestamp": "now"} if leaves else {})}
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {"metadata": meta, "status": {"conditions": conditions, "podIPs": [{"ip": a} for a in addresses]}}


class Stage:
    """Gateways that answer as told."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] | None = [pod("b", "10.0.0.2"), pod("a", "10.0.0.1", "fd00::1")]
        self.arrivals = 0
        self.per_probe = 1
        self.others = 0
        """Requests for another model: they come while this one is tried, and say nothing of it."""
        self.answers = True
        self.asked: list[str] = []
        self.queued: list[Key] = []
        self.nudged: list[Key] = []
        self.now = 100.0
        self.versions = 0
        self.cache = Cache()
        self.led("iris", "Direct")
        self.led("lily", "Direct", least=1)
        self.gateways = Gateways(
            self,  # type: ignore[arg-type]
            self.cache,
            "serinus-system",
            {"component": "gateway"},
            self.ask,
            self.probe,
            enqueue=self.queued.append,
            nudge=self.nudged.append,
            clock=lambda: at(self.now),
        )

    def led(self, name: str, traffic: str, *, least: int = 0) -> None:
        """A model, and what its status says of its Service."""
        self.versions += 1
        meta = {"namespace": "ml", "name": name, "uid": name, "resourceVersion": str(self.versions)}
        spec, status = {"scaling": {"minReplicas": least}}, {"scaling": {"traffic": traffic}}
        self.cache.put({"kind": "ModelDeployment", "metadata": meta, "spec": spec, "status": status})

    async def list(self, *_: object) -> list[dict[str, Any]]:
        if self.found is None:
            raise Unavailable("no answer")
        return self.found

    async def ask(self, address: str) -> GatewayReport:
        self.asked.append(address)
        traffic = ModelTraffic(namespace="ml", name="iris", port=20001, held=2, in_flight=3, arrivals=self.arrivals)
        other = ModelTraffic(namespace="ml", name="lily", port=20002, arrivals=self.others)
        return GatewayReport(ready=True, draining=False, models=(traffic, other))

    async def probe(self, _: str) -> bool:
        self.arrivals += self.per_probe
        self.others += 1
        return self.answers


@pytest.mark.parametrize(
    ("manifest", "taken"),
    [
        (pod("a", "10.0.0.1", "fd00::1"), GatewayPod("a", ("10.0.0.1", "fd00::1"))),
        (pod("a", "10.0.0.1", ready=False), None),
        (pod("a", "10.0.0.1", leaves=True), None),
        (pod("a"), None),
        ({"metadata": {"name": "a"}}, None),
    ],
    ids=["ready", "not ready", "told to stop", "without an address", "just made"],
)
def test_gateway_is_ready(manifest: dict[str, Any], taken: GatewayPod | None) -> None:
    assert gateway_pod(manifest) == taken


async def test_gateways_are_asked_only_about_models_that_are_followed() -> None:
    stage = Stage()
    await stage.gateways.look()
    assert stage.asked == []
    assert stage.gateways.of(IRIS).told is None
    stage.gateways.follow(IRIS, wanted=True)
    await stage.gateways.look()
    assert stage.asked == ["10.0.0.1", "10.0.0.2"]
    told = stage.gateways.of(IRIS).told
    assert told
    assert [one.held for one in told] == [2, 2]
    assert stage.gateways.of(LILY).told is None
    stage.gateways.follow(IRIS, wanted=False)
    await stage.gateways.look()
    assert len(stage.asked) == 2


async def test_old_answer_is_none() -> None:
    stage = Stage()
    stage.gateways.follow(IRIS, wanted=True)
    await stage.gateways.look()
    stage.now += 4
    assert stage.gateways.of(IRIS).told is None


async def test_models_that_may_sleep_are_looked_at_when_the_gateways_change_and_no_others() -> None:
    stage = Stage()
    await stage.gateways.look()
    assert stage.queued == [IRIS]
    await stage.gateways.look()
    assert stage.queued == [IRIS]
    stage.found = [pod("a", "10.0.0.1")]
    await stage.gateways.look()
    assert stage.queued == [IRIS, IRIS]
    assert [one.name for one in stage.gateways.of(IRIS).pods] == ["a"]


async def test_without_a_gateway_only_models_that_are_led_to_one_are_looked_at_again_and_again() -> None:
    stage = Stage()
    stage.gateways.follow(IRIS, wanted=True)
    await stage.gateways.look()
    assert (stage.queued, stage.nudged) == ([IRIS], [IRIS])
    stage.gateways.follow(IRIS, wanted=False)
    stage.led("iris", "Proxied")
    await stage.gateways.look()
    assert stage.nudged == [IRIS], "it sleeps, and its gateways are there"
    stage.found = []
    for _ in range(3):
        await stage.gateways.look()
    assert (stage.queued, stage.nudged) == ([IRIS, IRIS], [IRIS] * 4)
    stage.led("iris", "Direct")
    await stage.gateways.look()
    assert (len(stage.queued), len(stage.nudged)) == (2, 4)


async def test_last_one_that_is_gone_is_told_from_a_list_that_failed() -> None:
    stage = Stage()
    await stage.gateways.look()
    stage.found = None
    stage.now = 110.0
    await stage.gateways.look()
    assert len(stage.gateways.of(IRIS).pods) == 2
    stage.found = []
    stage.now = 120.0
    await stage.gateways.look()
    stage.now = 130.0
    await stage.gateways.look()
    assert (stage.gateways.of(IRIS).pods, stage.gateways.of(IRIS).none_since) == ((), 120.0)


async def test_gateway_is_seen_to_answer_by_its_own_count() -> None:
    stage = Stage()
    await stage.gateways.look()
    assert await stage.gateways.answer(IRIS, "10.1.1.1") is True
    stage.per_probe = 0
    assert await stage.gateways.answer(IRIS, "10.1.1.1") is None
    stage.answers = False
    assert await stage.gateways.answer(IRIS, "10.1.1.1") is False


async def test_service_without_an_address_is_not_asked() -> None:
    stage = Stage()
    assert await stage.gateways.answer(IRIS, None) is None
    assert stage.asked == []


def test_installation_without_gateways_has_had_none_for_ever() -> None:
    stage = Stage()
    look = Gateways.none(stage, stage.cache).of(IRIS)  # type: ignore[arg-type]
    assert (look.installed, look.none_since) == (False, 0.0)
