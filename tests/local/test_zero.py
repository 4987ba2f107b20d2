"""Sleep and wake without a cluster: real Envoy, real pods, the operator's own steps. No request is lost on the way."""

import asyncio
import json
import os
import random
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.local.stage import DEADLINE_SECONDS, Stage, condition, model_of, polled
from tests.models.good import doubler

from serinus_api.gateway import HEADER_COLD_START
from serinus_operator.cluster.port import DEPLOYMENT, EVENT

FULL = bool(os.environ.get("SERINUS_FULL"))
FLIPS = 50 if FULL else 10
AT_ONCE = 5
"""Models that sleep and wake side by side: each flip takes a dozen seconds."""
RATE = 20.0
"""Requests a second, to all of them together."""
SCALING = {
    "minReplicas": 0,
    "maxReplicas": 2,
    "stableWindowSeconds": 6,
    "scaleToZero": {"gracePeriodSeconds": 1},
    "metrics": [{"type": "Concurrency", "target": 4}],
}
RUNTIME = {"resources": {"limits": {"memory": "512Mi"}}}


def sleeper(stage: Stage, name: str = "m") -> dict[str, Any]:
    return model_of(stage.file("two.onnx", doubler(2.0)), name, scaling=SCALING, runtime=RUNTIME)


def scaling_of(stage: Stage, name: str = "m") -> dict[str, Any]:
    found: dict[str, Any] = stage.get(name).get("status", {}).get("scaling") or {}
    return found


async def asleep(stage: Stage, name: str = "m") -> None:
    """Wait until it sleeps, and no process is left."""
    await stage.until(lambda: scaling_of(stage, name).get("state") == "Asleep")
    await stage.until(lambda: not stage.instance.pods("default", name))


async def ask(
    stage: Stage, name: str = "m", *, by_host: bool = False, number: int = 3
) -> "aiohttp.typedefs.CIMultiDictProxy[str]":
    """Ask for twice a number; the headers of the right answer."""
    path = f"/v2/models/{name}/infer"
    url = f"http://127.0.0.1:{stage.entry.port}{path}" if by_host else stage.url(path, name)
    headers = {"Host": f"{name}.localhost:{stage.entry.port}"} if by_host else {}
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [float(number)] * 4}
    body = {"id": str(number), "inputs": [tensor]}
    timeout = aiohttp.ClientTimeout(total=DEADLINE_SECONDS)
    async with stage.session.post(url, json=body, headers=headers, timeout=timeout) as answer:
        said = json.loads(await answer.read())
        assert answer.status == 200, said
        assert (said["id"], said["outputs"][0]["data"][0]) == (str(number), 2.0 * number), said
        return answer.headers


async def test_model_sleeps_when_nobody_asks_and_a_request_wakes_it(fronted: Stage) -> None:
    await fronted.apply(sleeper(fronted))
    await fronted.ready()
    await asleep(fronted)
    found = fronted.get()
    ready = condition(found, "Ready")
    assert (ready["status"], ready["reason"]) == ("True", "Asleep")
    assert condition(found, "Available")["status"] == "True"
    assert found["status"]["summary"]["replicas"] == "0/0"
    for by_host in (False, True):
        headers = await ask(fronted, by_host=by_host)
        assert int(headers[HEADER_COLD_START]) > 0
        assert headers["x-serinus-revision"] == found["status"]["stableRevision"]
        await fronted.until(lambda: scaling_of(fronted)["state"] == "Awake")
        assert HEADER_COLD_START not in await ask(fronted, by_host=by_host), "it is warm"
        await asleep(fronted)
    reasons = [event["reason"] for event in fronted.cluster.select(EVENT)]
    assert {"Asleep", "Waking", "Awake"} <= set(reasons), reasons


async def test_twenty_at_once_from_zero_are_all_answered(fronted: Stage) -> None:
    await fronted.apply(sleeper(fronted))
    await fronted.ready()
    await asleep(fronted)
    answers = await asyncio.gather(*(ask(fronted, number=n) for n in range(20)))
    assert all(HEADER_COLD_START in headers for headers in answers)


async def test_sleeper_of_an_earlier_start_is_woken_by_a_request(tmp_path: Path) -> None:
    first = Stage(tmp_path, front=True)
    await first.start()
    try:
        await first.apply(sleeper(first))
        await first.ready()
        await asleep(first)
    finally:
        await first.close(drain=True)
    second = Stage(tmp_path, front=True)
    try:
        await second.start()
        assert scaling_of(second)["state"] == "Asleep"
        assert not second.instance.pods("default", "m")
        assert HEADER_COLD_START in await ask(second)
    finally:
        await second.close()


async def test_wake_is_written_only_in_the_version_that_was_looked_at(
    fronted: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody gives it two pods between the look and the write: they stay two, and the request is answered."""
    await fronted.apply(sleeper(fronted))
    await fronted.ready()
    await asleep(fronted)
    revision = fronted.get()["status"]["stableRevision"]
    real, wakes = fronted.cluster.scale, []

    async def late(*given: Any) -> str:
        kind, namespace, name, replicas, _ = given
        if kind is DEPLOYMENT and replicas == 1 and not wakes:
            wakes.append(name)
            live = fronted.cluster.find(DEPLOYMENT, namespace, name)
            assert live is not None
            other = {**live, "spec": {**live["spec"], "replicas": 2}}
            fronted.cluster._store.change(live, other)
        return await real(*given)

    monkeypatch.setattr(fronted.cluster, "scale", late)
    await ask(fronted)
    assert wakes == [revision]
    live = fronted.cluster.find(DEPLOYMENT, "default", revision)
    assert live is not None
    assert live["spec"]["replicas"] == 2


async def test_envoy_that_is_killed_comes_back_and_holds_requests(fronted: Stage) -> None:
    await fronted.apply(sleeper(fronted))
    await fronted.ready()
    await asleep(fronted)
    envoy = fronted.entry.gateway.envoy
    killed = envoy.pid
    assert killed
    os.kill(killed, signal.SIGKILL)

    async def back() -> bool:
        return envoy.up and envoy.pid != killed

    await polled(back, "Envoy was started again")
    assert scaling_of(fronted)["state"] == "Asleep", "nobody needs to wake for it"
    assert HEADER_COLD_START in await ask(fronted)


async def test_without_an_entry_port_it_stays_awake_and_says_so(stage: Stage) -> None:
    await stage.apply(sleeper(stage))
    await stage.until(lambda: condition(stage.get(), "ScalingActive").get("reason") == "GatewayUnavailable")
    assert scaling_of(stage)["state"] == "Awake"


class Flips:
    """An open loop over models that sleep and wake in turns, and one that never does."""

    def __init__(self, stage: Stage, sleepers: list[str], awake: str, seed: int) -> None:
        self.stage, self.sleepers, self.awake = stage, sleepers, awake
        self.random = random.Random(seed)
        self.flips = 0
        """How often one of them has slept and was woken."""
        self.sent = 0
        self.lost: list[str] = []
        self.answered: set[int] = set()
        self._states: dict[str, str] = {}
        stage.cluster.watch(lambda *_: self._look())

    def _look(self) -> None:
        for name in self.sleepers:
            state = str(scaling_of(self.stage, name).get("state"))
            self.flips += (self._states.get(name), state) == ("Asleep", "Waking")
            self._states[name] = state

    async def run(self, wanted: int) -> None:
        """Send so many a second, whether or not the ones before were answered."""
        clock = asyncio.get_running_loop().time
        async with asyncio.TaskGroup() as requests:
            due = clock()
            while self.flips < wanted and not self.lost:
                requests.create_task(self._account(self._next(), self.sent))
                self.sent += 1
                due += self.random.expovariate(RATE)
                await asyncio.sleep(max(0.0, due - clock()))

    def _next(self) -> str:
        """A model that sleeps or wakes; now and then one that is about to sleep, where a request is lost most easily;
        else the one that never sleeps, so that the others come to rest."""
        states = {name: scaling_of(self.stage, name) for name in self.sleepers}
        drowsy = [n for n, s in states.items() if s.get("state") == "Awake" and s.get("traffic") != "Direct"]
        others = [n for n, s in states.items() if s.get("state") in ("Asleep", "Waking")]
        if drowsy and self.random.random() < 0.02:
            return self.random.choice(drowsy)
        return self.random.choice(others) if others and self.random.random() < 0.5 else self.awake

    async def _account(self, name: str, number: int) -> None:
        try:
            await ask(self.stage, name, number=number)
        except (aiohttp.ClientError, AssertionError, TimeoutError, ValueError) as error:
            self.lost.append(f"{number} to {name}: {error!r}")
            return
        self.answered.add(number)


async def test_flips_under_requests_lose_none(fronted: Stage) -> None:
    seed = int(os.environ.get("SERINUS_SEED") or random.randrange(2**32))
    print(f"seed {seed}; to repeat: SERINUS_SEED={seed}; SERINUS_FULL=1 for 50 flips")
    names = [f"m{n}" for n in range(AT_ONCE)]
    for name in names:
        await fronted.apply(sleeper(fronted, name))
    await fronted.apply(model_of(fronted.file("two.onnx", doubler(2.0)), "awake", replicas=1, runtime=RUNTIME))
    for name in (*names, "awake"):
        await fronted.ready(name)
    flips = Flips(fronted, names, "awake", seed)
    await flips.run(FLIPS)
    print(f"{flips.sent} requests, {flips.flips} flips")
    assert flips.lost == [], seed
    assert flips.answered == set(range(flips.sent)), seed
    assert flips.flips >= FLIPS


async def test_stop_answers_what_is_held_for_a_sleeper(fronted: Stage) -> None:
    """What Ctrl-C does first: the pods still start for whoever has asked."""
    stage = fronted
    await stage.apply(sleeper(stage))
    await stage.ready()
    await asleep(stage)
    asking = asyncio.create_task(ask(stage))

    async def held() -> bool:
        report = await stage.entry.gateway.report()
        return report is not None and report.models[0].held > 0

    await polled(held, "the request is held")
    await stage.entry.stop()
    assert HEADER_COLD_START in await asking
