"""Scaling by load, with real pods: one that has too much to do gets company, which leaves again; no request notices."""

import asyncio
import json
from typing import Any

import aiohttp
from tests.local.stage import Stage, condition, model_of
from tests.models import slow

from serinus_operator.cluster.port import EVENT, Manifest

AT_ONCE = 6
ROUNDS = 700
"""Some twenty milliseconds of one processor."""
SCALING = {
    "minReplicas": 1,
    "maxReplicas": 3,
    "stableWindowSeconds": 6,
    "targetUtilizationPercent": 100,
    "metrics": [{"type": "Concurrency", "target": 2}],
}
CPU = {"type": "CPUUtilization", "target": 80}


class Clients:
    """So many clients that ask again as soon as they have their answer."""

    def __init__(self, stage: Stage, count: int) -> None:
        self.count = count
        self.notice = stage.changed.set
        self.url = stage.url("/v2/models/m/infer")
        tensor = {"name": "rounds", "datatype": "INT64", "shape": [1], "data": [ROUNDS]}
        self.body = json.dumps({"inputs": [tensor]})
        self.over = asyncio.Event()
        self.answered = 0
        self.lost: list[str] = []

    async def run(self) -> None:
        async with aiohttp.ClientSession(trust_env=False) as session, asyncio.TaskGroup() as clients:
            for _ in range(self.count):
                clients.create_task(self._ask(session))

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        while not self.over.is_set():
            try:
                async with session.post(self.url, data=self.body, timeout=aiohttp.ClientTimeout(30)) as answer:
                    await answer.read()
                    if answer.status == 200:
                        self.answered += 1
                        self.notice()
                    else:
                        self.lost.append(f"{answer.status} {await answer.text()}")
            except (aiohttp.ClientError, TimeoutError) as error:
                self.lost.append(repr(error))


def scaling_of(manifest: Manifest) -> dict[str, Any]:
    found: dict[str, Any] = manifest["status"]["scaling"]
    return found


async def test_load_brings_more_pods_and_its_end_takes_them_away(fronted: Stage) -> None:
    stage = fronted
    await stage.apply(model_of(stage.file("slow.onnx", slow()), scaling=SCALING))
    await stage.ready()
    assert len(stage.instance.backends("default", "m")) == 1
    heavy, light = Clients(stage, AT_ONCE - 1), Clients(stage, 1)
    running = asyncio.gather(heavy.run(), light.run())
    await stage.until(lambda: len(stage.instance.backends("default", "m")) == 3)
    grown = scaling_of(stage.get())
    assert (grown["engine"], grown["desiredReplicas"]) == ("Builtin", 3)
    assert "→ 3: concurrency " in grown["message"]
    assert condition(stage.get(), "ScalingActive")["reason"] == "MetricsAvailable"
    assert condition(stage.get(), "Ready")["status"] == "True"
    before = heavy.answered
    await stage.until(lambda: heavy.answered > before + 3 * AT_ONCE)
    heavy.over.set()
    await stage.until(lambda: len(stage.instance.pods("default", "m")) == 1)
    light.over.set()
    await running
    assert heavy.lost == light.lost == []
    told = scaling_of(stage.get())
    assert told["desiredReplicas"] == 1
    assert told["message"].endswith("over target 2 in the last 6 s")
    reasons = [event["reason"] for event in stage.cluster.select(EVENT)]
    assert (reasons.count("ScaledUp"), reasons.count("ScaledDown")) == (1, 1)


async def test_engines_of_a_cluster_are_no_engines_here(stage: Stage) -> None:
    manifest = model_of(stage.file("slow.onnx", slow()), scaling={"engine": "HPA", "metrics": [CPU]})
    manifest["spec"]["runtime"]["resources"] = {"requests": {"cpu": "100m"}}
    await stage.apply(manifest)
    ready = await stage.stalled()
    assert ready["reason"] == "NotInLocalMode"
    assert "spec.scaling.engine" in ready["message"]


async def test_processor_time_of_the_pods_alone_is_counted(fronted: Stage) -> None:
    """All pods share the control group of this test, which has more to do than any of them."""
    stage = fronted
    manifest = model_of(stage.file("slow.onnx", slow()), scaling={**SCALING, "metrics": [CPU]})
    manifest["spec"]["runtime"]["resources"] = {"requests": {"cpu": "300m"}, "limits": {"memory": "512Mi"}}
    await stage.apply(manifest)
    await stage.ready()
    clients = Clients(stage, AT_ONCE)
    running = asyncio.create_task(clients.run())
    await stage.until(lambda: len(stage.instance.backends("default", "m")) >= 2)
    assert "CPU " in scaling_of(stage.get())["message"]
    clients.over.set()
    await running
    await stage.until(lambda: len(stage.instance.backends("default", "m")) == 1)
    assert clients.lost == []
