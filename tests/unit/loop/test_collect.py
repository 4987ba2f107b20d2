"""Whom the collector asks, how, and what it keeps."""

import asyncio
from typing import Any

import pytest
from tests.unit.decide.subjects import at

from serinus_api import names
from serinus_api.runtime import LoadReport
from serinus_operator.cache import Cache
from serinus_operator.cluster.port import Manifest
from serinus_operator.collect import Collector
from serinus_operator.decide.copies import Loan
from serinus_operator.queue import Key

IRIS = Key("ml", "iris")
READY = {"conditions": [{"type": "Ready", "status": "True"}]}


def model(name: str = "iris", **spec: Any) -> Manifest:
    meta = {"namespace": "ml", "name": name, "uid": f"u-{name}", "resourceVersion": "1"}
    return {"kind": names.KIND, "metadata": meta, "spec": {"scaling": {}, **spec}}


def pod(name: str, of: str = "iris", role: str = names.ROLE_SERVING, status: Any = READY, **meta: Any) -> Manifest:
    labels = {**names.deployment_labels(of), names.LABEL_ROLE: role, names.LABEL_REVISION: f"{of}-1"}
    fields = {"namespace": "ml", "name": name, "uid": f"u-{name}", "resourceVersion": "1", "labels": labels, **meta}
    return {"kind": "Pod", "metadata": fields, "spec": {}, "status": status}


class Pods:
    """All pods; each answers at once, but for those that hang or are silent."""

    def __init__(self, *manifests: Manifest) -> None:
        self.cache = Cache()
        for manifest in manifests:
            self.cache.put(manifest)
        self.asked: list[str] = []
        self.at_once = self.most = 0
        self.enqueued: list[Key] = []
        self.paged: list[str] = []
        self.lent: list[Loan] = []
        self.silent: set[str] = set()
        self.active = True
        self.collector = Collector(
            self.cache,
            self.ask,
            self.page,
            self.lend,
            self.enqueued.append,
            active=lambda: self.active,
            clock=lambda: at(7.0),
        )

    async def page(self, manifest: Manifest) -> str | None:
        self.paged.append(manifest["metadata"]["name"])
        return "page"

    async def lend(self, loan: Loan) -> None:
        self.lent.append(loan)

    async def ask(self, manifest: Manifest) -> LoadReport | None:
        name = manifest["metadata"]["name"]
        self.asked.append(name)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if name in self.silent:
            return None
        return LoadReport(revision="r", in_flight=1, queued=0, arrivals={}, busy_seconds=0.0)


async def test_all_ready_pods_are_asked_at_once_and_the_key_is_worked_on() -> None:
    pods = Pods(model(), *(pod(f"p{n}") for n in range(5)))
    pods.silent = {"p3"}
    await pods.collector.look()
    assert (sorted(pods.asked), pods.most) == (["p0", "p1", "p2", "p3", "p4"], 5)
    assert pods.enqueued == [IRIS]
    sample = pods.collector.last(IRIS)
    assert sample
    assert (sample.at, sample.held) == (7.0, 0)
    assert [(told.name, told.revision, told.report is None) for told in sample.pods] == [
        ("p0", "iris-1", False),
        ("p1", "iris-1", False),
        ("p2", "iris-1", False),
        ("p3", "iris-1", True),
        ("p4", "iris-1", False),
    ]


async def test_pods_of_a_rollout_in_steps_are_asked_for_their_metrics_whoever_sizes_them() -> None:
    pods = Pods({**model(scaling=None), "status": {"rollout": {"phase": "Stepping"}}}, pod("p"))
    await pods.collector.look()
    sample = pods.collector.last(IRIS)
    assert sample
    assert (pods.asked, pods.paged, sample.pods[0].page) == (["p"], ["p"], "page")
    for phase in ("Stable", "Aborted"):
        pods = Pods({**model(), "status": {"rollout": {"phase": phase}}}, pod("p"))
        await pods.collector.look()
        assert (pods.asked, pods.paged) == (["p"], [])


async def test_stable_pods_of_a_rollout_are_told_what_to_copy_at_every_look_as_long_as_it_is_under_way() -> None:
    status = {"rollout": {"phase": "Stepping"}, "stableRevision": "iris-1", "candidateRevision": "iris-2"}
    manifest = {**model(scaling=None, rollout={"shadow": {"percent": 10}}), "status": status}
    candidate = pod("c")
    candidate["metadata"]["labels"][names.LABEL_REVISION] = "iris-2"
    pods = Pods(manifest, pod("p"), pod("starting", status={}), candidate)
    for _ in range(2):
        await pods.collector.look()
    assert [(loan.pod["metadata"]["name"], loan.order.percent) for loan in pods.lent] == [("p", 10)] * 2
    later = {"metadata": {**manifest["metadata"], "resourceVersion": "2"}}
    pods.cache.put({**manifest, **later, "spec": {**manifest["spec"], "paused": True}})
    pods.lent.clear()
    for _ in range(2):
        await pods.collector.look()
    assert [(loan.pod["metadata"]["name"], loan.order.percent) for loan in pods.lent] == [("p", 0)], "once"


@pytest.mark.parametrize(
    "manifest",
    [
        pod("p", status={}),
        pod("p", role=names.ROLE_PREFLIGHT),
        pod("p", deletionTimestamp="2026-05-01T09:00:00Z"),
        pod("p", of="other"),
    ],
    ids=["not ready", "a preflight", "one that ends", "of another model"],
)
async def test_pod_that_is_not_asked(manifest: Manifest) -> None:
    pods = Pods(model(), manifest)
    await pods.collector.look()
    assert (pods.asked, pods.enqueued, pods.collector.last(IRIS)) == ([], [], None)


@pytest.mark.parametrize(
    "spec",
    [{"scaling": None}, {"paused": True}, {"scaling": {"engine": "HPA"}}, {"scaling": {"engine": "KEDA"}}],
    ids=["of a fixed size", "paused", "scaled by an autoscaler", "scaled by KEDA"],
)
async def test_model_that_is_not_looked_at(spec: dict[str, Any]) -> None:
    pods = Pods(model(**spec), pod("p"))
    await pods.collector.look()
    assert pods.asked == []


async def test_sleeping_and_deleted_models_are_not_looked_at() -> None:
    asleep = {**model(), "status": {"scaling": {"state": "Asleep"}}}
    pods = Pods(asleep, pod("p"))
    await pods.collector.look()
    gone = model("gone")
    gone["metadata"]["deletionTimestamp"] = "2026-05-01T09:00:00Z"
    others = Pods(gone, pod("q", of="gone"))
    await others.collector.look()
    assert (pods.asked, others.asked) == ([], [])


async def test_sample_of_a_model_that_is_gone_is_forgotten() -> None:
    pods = Pods(model(), pod("p"))
    await pods.collector.look()
    pods.cache.drop(model())
    await pods.collector.look()
    assert pods.collector.samples == {}


async def test_process_that_stands_by_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    pods = Pods(model(), pod("p"))
    pods.active = False
    waits: list[float] = []

    async def no_wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise asyncio.CancelledError
        pods.active = len(waits) == 2

    monkeypatch.setattr("serinus_operator.collect.asyncio.sleep", no_wait)
    pods.collector.ask = _answer
    with pytest.raises(asyncio.CancelledError):
        await pods.collector.run()
    assert pods.enqueued == [IRIS]
    assert all(1.5 < seconds <= 2.0 for seconds in waits)


async def _answer(_: Manifest) -> LoadReport | None:
    return None
