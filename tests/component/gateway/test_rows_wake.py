"""Rows of the failure table on waking: pods that never answer, an API server that is down, others that scale, and
models that nobody wakes. See `rows.py`.
"""

import asyncio
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bench.procfs import cpu_seconds, memory_mib
from dev.gateway import fake_api
from dev.gateway.fake_api import MODELS, PODS
from tests.component.gateway.harness import Gateway, echo, until
from tests.component.gateway.rows import AWAKE, FULL, note, seeded

from serinus_api.runtime import PreflightReport
from serinus_operator.local.addresses import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNLOADABLE = PreflightReport(phase="Loading", reason="LoadFailed", message="not an ONNX file")
PROBLEMS: dict[str, tuple[dict[str, Any], str, bytes]] = {
    "a model that never loads": (
        {
            "phase": "Running",
            "containerStatuses": [
                {
                    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
                    "lastState": {"terminated": {"exitCode": 1, "message": UNLOADABLE.model_dump_json(by_alias=True)}},
                }
            ],
        },
        "LoadFailed",
        b"not an ONNX file",
    ),
    "an image that is missing": (
        {
            "phase": "Pending",
            "containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}],
        },
        "ImagePullBackOff",
        b"no such image",
    ),
    "a pod that fits nowhere": (
        {
            "phase": "Pending",
            "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}],
        },
        "NotSchedulable",
        b"0/3 nodes",
    ),
}


def cluster_that_fails(gateway: Gateway, name: str, status: dict[str, Any]) -> Callable[[], Any]:
    """Make each wake bring a pod in this state; the function that takes it away again, as giving up does."""
    loop, number, tasks = asyncio.get_running_loop(), iter(range(1000)), set[asyncio.Task[None]]()
    alive: list[str] = []

    def scaled(namespace: str, revision: str, _: int) -> None:
        pod = fake_api.pod(f"{name}-{next(number)}", "", of=name, revision=revision)
        pod["status"] = status
        alive.append(pod["metadata"]["name"])
        tasks.add(loop.create_task(gateway.api.put(PODS, pod)))

    async def give_up() -> None:
        gateway.api.set_replicas("ml", f"{name}-1", 0)
        while alive:
            await gateway.api.remove(PODS, "ml", alive.pop())

    gateway.api.on_scale = scaled
    return give_up


@pytest.mark.parametrize(("status", "reason", "words"), PROBLEMS.values(), ids=PROBLEMS)
async def test_pods_that_never_answer_are_a_503_with_the_reason_and_wakes_become_rare(
    gateway: Gateway, status: dict[str, Any], reason: str, words: bytes, request: pytest.FixtureRequest
) -> None:
    """The pods are given up again and again while clients keep coming."""
    name = f"bad-{reason.lower()}"
    port = await gateway.model(name, scaling={"activation": {"deadlineSeconds": 2}})
    give_up = cluster_that_fails(gateway, name, status)
    answers = []
    over = asyncio.Event()

    async def client() -> None:
        while not over.is_set():
            answers.append(await gateway.read(port))

    clients = [asyncio.create_task(client()) for _ in range(5)]
    wanted = 5 if FULL else 2
    writes: list[float] = []
    while len(writes) < wanted:
        await until(lambda: len(gateway.api.scaled) > len(writes), "the next wake")
        writes.append(time.monotonic())
        seen = len(answers)
        await until(lambda seen=seen: len(answers) > seen, "an answer")
        await give_up()
    over.set()
    await asyncio.gather(*clients)
    await until(lambda: sum(vain(line, name) for line in gateway.logs().splitlines()) == wanted, "the last one is told")
    assert {status for status, _, _ in answers} == {503}
    for _, headers, body in answers:
        assert headers["Retry-After"] == "1"
        assert json.loads(body)["reason"] == reason
        assert words in body
    gaps = [later - sooner for sooner, later in itertools.pairwise(writes)]
    assert all(gap >= 2.0 * 2**number for number, gap in enumerate(gaps)), "each comes later than the one before"
    text = await gateway.metrics()
    assert sample(text, "serinus_gateway_wakes_total", model=name, outcome="asked") == wanted
    assert sample(text, "serinus_gateway_wakes_total", model=name, outcome="vain") == wanted
    assert sample(text, "serinus_gateway_wake_pause_seconds", model=name) == 2.0**wanted
    note(f"wakes in vain: {request.node.callspec.id}", refused=len(answers), gaps=[round(gap, 1) for gap in gaps])


def vain(line: str, name: str) -> bool:
    """Whether a line of the log tells of a vain wake of the model."""
    return "Woke in vain" in line and f"ml/{name}" in line


def sample(text: str, metric: str, **labels: str) -> float:
    """The value of the one series with these labels."""
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    (line,) = [
        line for line in text.splitlines() if line.startswith(metric + "{") and all(one in line for one in wanted)
    ]
    return float(line.rsplit(" ", 1)[1])


async def test_pod_that_answers_at_last_ends_the_back_off(gateway: Gateway) -> None:
    port = await gateway.model("late", scaling={"activation": {"deadlineSeconds": 20}})
    give_up = cluster_that_fails(gateway, "late", {"phase": "Pending"})
    asking = asyncio.create_task(gateway.read(port))
    await until(lambda: gateway.api.scaled)
    await until(lambda: gateway.api.replicas["ml", "late-1"][0])
    await give_up()
    await until(lambda: len(gateway.api.scaled) == 2, "held on, and woken once more")
    await give_up()
    small = await gateway.small_pod(echo)
    await gateway.show("good", small.address, of="late")
    assert (await asking)[0] == 200
    assert sample(await gateway.metrics(), "serinus_gateway_wake_pause_seconds", model="late") == 0


async def test_api_server_that_is_down_holds_the_sleeper_and_leaves_the_warm_alone(gateway: Gateway) -> None:
    asleep = await gateway.model("cold")
    doomed = await gateway.model("doomed", scaling={"activation": {"deadlineSeconds": 1}})
    warm = await gateway.model("warm", status=AWAKE, replicas=1)
    small = await gateway.small_pod(echo)
    await gateway.show("w", small.address, of="warm", ready=True)
    await gateway.applied("warm", guarded=False)
    gateway.api.down = True
    asking = asyncio.create_task(gateway.read(asleep))
    status, _, body = await gateway.read(doomed)
    assert (status, json.loads(body)["reason"]) == (503, "WakeFailed"), "by the deadline, in the API server's words"
    assert {(await gateway.read(warm))[0] for _ in range(100)} == {200}
    assert await gateway.ready() == 200
    assert gateway.api.scaled == []
    assert not asking.done()
    gateway.api.down = False
    await until(lambda: gateway.api.scaled == [("ml", "cold-1", 1)])
    pod = await gateway.small_pod(echo)
    await gateway.show("c", pod.address, of="cold")
    assert (await asking)[0] == 200
    note("API server down", warm_sent=100, warm_lost=0, tries=gateway.api.asked["GET " + scale_of("cold-1")])


def scale_of(revision: str) -> str:
    return fake_api.SCALE.format(namespace="ml", name=revision)


async def test_no_replica_is_taken_back_by_an_agent_whose_view_is_stale(own: Gateway, tmp_path_factory: Any) -> None:
    """Two agents with a request each see no pods, while a hand sets 5 at any moment around their read and write."""
    chance = seeded("taken_back")
    other = Gateway(tmp_path_factory.mktemp("other"), beside=own)
    loop, trials, both = asyncio.get_running_loop(), 50 if FULL else 10, 0
    try:
        await other.start()
        for trial in range(trials):
            name = f"stale{trial}"
            port = await own.model(name)
            await other.applied(name, port=port)
            set_by_hand = asyncio.Event()

            def hand(name: str = name, done: asyncio.Event = set_by_hand) -> None:
                if not done.is_set():
                    own.api.set_replicas("ml", f"{name}-1", 5)
                    done.set()

            between = chance.random() < 0.5  # the read of one of them and its write
            own.api.on_read = (lambda *_, hand=hand: hand()) if between else (lambda *_: None)
            if not between:
                loop.call_later(chance.uniform(0, 0.05), hand)
            before = len(own.api.scaled)
            asking = [asyncio.create_task(one.read(port)) for one in (own, other)]
            for one in (own, other):
                await one.until_held(name, 1)
            await until(set_by_hand.is_set)
            small = await own.small_pod(echo)
            await own.show(name, small.address, of=name)
            assert {status for status, _, _ in await asyncio.gather(*asking)} == {200}
            assert own.api.replicas["ml", f"{name}-1"][0] == 5, f"trial {trial}: no 5 to 1"
            writes = own.api.scaled[before:]
            assert len(writes) <= 1, "one wake of two agents"
            both += between
    finally:
        await other.stop()
    note("stale views of two agents", trials=trials, between_read_and_write=both, taken_back=0)


async def test_two_hundred_sleepers_cost_neither_scrapes_nor_writes(own: Gateway, tmp_path: Path) -> None:
    """A minute in full, 5 s else. One of them was just asked, so that the agent knows a pod of it."""
    small = await own.small_pod(echo)
    asked = await own.model("asked", replicas=1)
    for number in range(199):
        await own.api.put(MODELS, fake_api.model(f"m{number}", free_port()))
    await own.show("w", small.address, of="asked", ready=True)
    await own.applied("m198")
    assert (await own.read(asked))[0] == 200
    seconds = 60 if FULL else 5
    processes = {"agent": own.agent.pid, "envoy": own.envoy.pid}
    files = written(tmp_path / "envoy")
    calls, used = own.api.asked.copy(), {name: cpu_seconds(pid) for name, pid in processes.items()}
    own.api.asked.clear()
    small.dialled = small.scraped = 0
    await asyncio.sleep(seconds)  # nothing is to happen in this time
    spent = {name: round((cpu_seconds(pid) - used[name]) / seconds, 4) for name, pid in processes.items()}
    assert own.api.asked == {}, "neither reads nor writes"
    assert (small.scraped, small.dialled) == (0, 0)
    assert written(tmp_path / "envoy") == files
    assert not [call for call in calls if call.startswith("PATCH")]
    note(
        "200 sleeping models", seconds=seconds, scrapes=0, writes=0,
        memory_mib={name: memory_mib(pid)[0] for name, pid in processes.items()}, cores=spent,
    )  # fmt: skip


def written(folder: Path) -> dict[str, int]:
    """When each of Envoy's files was written."""
    return {str(path): path.stat().st_mtime_ns for path in sorted(folder.rglob("*.json"))}
