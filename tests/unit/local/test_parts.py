"""The small parts of local mode: addresses, lock, control groups, pod status, merging, files, sources."""

import asyncio
import json
import os
import socket
from pathlib import Path

import pytest

from serinus_api.admission import judge
from serinus_api.local import fields_without_cluster
from serinus_api.v1alpha1 import ModelDeploymentSpec
from serinus_operator.cluster import store
from serinus_operator.cluster.errors import Unwritable
from serinus_operator.cluster.files import Files, StateError
from serinus_operator.cluster.merge import merged, three_way
from serinus_operator.cluster.port import CONFIG_MAP, EVENT
from serinus_operator.cluster.process import ProcessCluster, Refusal
from serinus_operator.decide.pods import pod_state
from serinus_operator.local.addresses import Addresses, free_port
from serinus_operator.local.lock import StateInUse, StateLock
from serinus_operator.local.memory import Groups
from serinus_operator.local.podstatus import PodFacts, pod_status, terminated, with_memory
from serinus_operator.sources import parse_source
from serinus_operator.state import Progress

NOW, LATER = "2026-01-31T12:00:00Z", "2026-01-31T12:00:09Z"


def test_each_pod_has_an_address_of_its_own() -> None:
    addresses = Addresses("seed", aliases=True)
    places = [addresses.take(18080, 18081) for _ in range(3)]
    assert len({place.host for place in places}) == 3
    assert {(place.http_port, place.metrics_port) for place in places} == {(18080, 18081)}


def test_port_taken_on_every_address_gives_other_ports() -> None:
    with socket.create_server(("", 0)) as taken:
        place = Addresses("seed", aliases=True).take(taken.getsockname()[1], 18081)
    assert place.host == "127.0.0.1"
    assert place.http_port != place.metrics_port


def test_no_port_is_given_to_two_who_may_not_listen_yet() -> None:
    ports = [free_port() for _ in range(900)]
    assert len(set(ports)) == len(ports)


def test_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(json.dumps({"pid": os.getpid(), "since": NOW}))
    lock = StateLock(tmp_path / "lock")
    lock.take()
    with pytest.raises(StateInUse, match=f"process {os.getpid()}"):
        StateLock(tmp_path / "lock").take()
    lock.release()
    StateLock(tmp_path / "lock").take()


def test_control_group_of_version_two_beside_our_own(tmp_path: Path) -> None:
    own = tmp_path / "user.slice"
    own.mkdir()
    groups = Groups("x", root=tmp_path, membership="0::/user.slice\n")
    assert groups.folder is None, "no memory.max appears in an ordinary folder"
    assert list(own.iterdir()) == []


def test_how_limits_are_kept_is_told(tmp_path: Path) -> None:
    groups = Groups("x", root=tmp_path, membership="")
    assert groups.told == "Memory limits are kept by a look every 50 ms, as no control group may be made here"
    groups.folder = tmp_path / "mine"
    assert groups.told == f"Memory limits are kept by control groups below {tmp_path}/mine"


@pytest.mark.parametrize(
    ("words", "peak", "told"),
    [
        (
            '{"phase": "Loading", "peakBytes": 1, "limitBytes": 2}',
            600 << 20,
            "while Loading (peak measured before that: 600 MiB)",
        ),
        ('{"phase": "Loading", "peakBytes": 1, "limitBytes": 2}', None, "while Loading; raise"),
        ("", 600 << 20, "while Starting (peak measured before that: 600 MiB)"),
        ("no report", None, "while Starting; raise"),
    ],
    ids=["what was measured counts", "not what the program took for its own", "no word", "other words"],
)
def test_out_of_memory_is_told_with_the_limit_that_holds(words: str, peak: int | None, told: str) -> None:
    said = with_memory(words, 512 << 20, peak)
    ended = terminated(-9, out_of_memory=True, message=said, started=NOW, now=LATER)
    status = pod_status(PodFacts(phase="Failed").ended(ended), "image", {}, NOW)
    verdict = pod_state({"metadata": {"name": "p", "uid": "u"}, "status": status}).verdict
    assert verdict is not None
    assert f"the memory limit of 512 MiB; it was killed {told}" in verdict.message


def test_status_of_a_pod_is_what_decide_reads() -> None:
    def seen(facts: PodFacts) -> tuple[Progress, str | None]:
        meta = {"name": "p", "uid": "u"}
        state = pod_state({"metadata": meta, "status": pod_status(facts, "image", {}, NOW)})
        return state.progress, state.verdict.reason if state.verdict else None

    running = PodFacts(address="127.1.0.1").running(NOW)
    killed = terminated(-9, out_of_memory=True, message="", started=NOW, now=LATER)
    crashed = terminated(-11, out_of_memory=False, message="", started=NOW, now=LATER)
    assert crashed["exitCode"] == 139
    assert seen(PodFacts(unschedulable='persistentvolumeclaim "a" not found')) == (Progress.WAITING, "NotFound")
    assert seen(PodFacts().waiting("ContainerCreating")) == (Progress.CREATING, "Starting")
    assert seen(PodFacts().waiting("CreateContainerConfigError", "x"))[1] == "ContainerConfigError"
    assert seen(running) == (Progress.STARTING, None)
    assert seen(PodFacts(phase="Running", ready=True, state=running.state)) == (Progress.READY, None)
    assert seen(running.ended(crashed).waiting("CrashLoopBackOff", "x")) == (Progress.FAILING, "CrashLoop")
    assert seen(running.ended(killed)) == (Progress.FAILING, "OutOfMemory")
    late = PodFacts(phase="Failed", reason="DeadlineExceeded", message="late").ended(crashed)
    assert seen(late) == (Progress.ENDED, "StartupDeadlineExceeded")


def test_condition_keeps_its_time_while_it_says_the_same() -> None:
    first = pod_status(PodFacts(), "image", {}, NOW)
    second = pod_status(PodFacts(phase="Running", ready=True), "image", first, LATER)
    times = {c["type"]: c["lastTransitionTime"] for c in second["conditions"]}
    assert times == {"PodScheduled": NOW, "ContainersReady": LATER, "Ready": LATER}


def test_three_way_merge_takes_away_what_is_no_longer_applied() -> None:
    assert three_way({"a": 1, "b": {"c": 1}}, {"b": {"d": 2}}, {"a": 1, "b": {"c": 1, "x": 3}, "y": 4}) == {
        "b": {"x": 3, "d": 2},
        "y": 4,
    }
    assert merged({"a": {"b": 1}, "l": [1]}, {"a": {"c": 2}, "l": [2]}) == {"a": {"b": 1, "c": 2}, "l": [2]}


def test_unreadable_object_is_named(tmp_path: Path) -> None:
    (tmp_path / "ConfigMap" / "default").mkdir(parents=True)
    broken = tmp_path / "ConfigMap" / "default" / "a.json"
    broken.write_text("{")
    (broken.parent / ".b.json.tmp").write_text("half")
    with pytest.raises(StateError, match=str(broken)):
        list(Files(tmp_path).load())
    assert [path.name for path in broken.parent.iterdir()] == ["a.json"]


def test_write_that_fails_is_told_with_the_file_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "full").write_text("not a folder")
    cluster = ProcessCluster(tmp_path / "full")
    given = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}}
    with pytest.raises(Unwritable, match=r"cannot write .*/a\.json: Not a directory"):
        asyncio.run(cluster.user_apply(given))
    assert cluster.find(CONFIG_MAP, "default", "a") is None


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ({"kind": "Secret", "metadata": {"name": "a"}}, 'kind: Unsupported value: "Secret"'),
        ({"kind": "ConfigMap", "metadata": {}}, "metadata.name: Required value"),
        ({"kind": "ConfigMap"}, "metadata: Required value"),
        ({"kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": 1}}, "data[k]: Invalid value: must be a text"),
        ({"kind": "ConfigMap", "metadata": {"name": "a"}, "binaryData": {"k": "a"}}, "binaryData[k]: Invalid value"),
    ],
    ids=["another kind", "no name", "no metadata", "a number", "not Base64"],
)
def test_manifest_that_is_not_taken_says_why(manifest: dict[str, object], words: str) -> None:
    with pytest.raises(Refusal) as refused:
        asyncio.run(ProcessCluster(None).user_apply(manifest))
    assert words in refused.value.messages[0]


def test_events_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "EVENTS_KEPT", 3)
    cluster = ProcessCluster(None)

    async def record() -> list[str]:
        for number in range(5):
            meta = {"name": f"e{number}", "namespace": "default"}
            await cluster.record_event({"apiVersion": "v1", "kind": "Event", "metadata": meta, "count": 1})
        return [event["metadata"]["name"] for event in await cluster.list(EVENT, None, {})]

    assert asyncio.run(record()) == ["e2", "e3", "e4"]


def model(uri: str) -> dict[str, object]:
    head = {"apiVersion": "serving.serinus.dev/v1alpha1", "kind": "ModelDeployment", "metadata": {"name": "m"}}
    return {**head, "spec": {"model": {"uri": uri}}}


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("file:///models/a.onnx", None),
        ("file://models/a.onnx", "file:///<absolute path"),
        ("file:///models/../a.onnx", "without . and .."),
        ("file:///models//a.onnx", "file:///<absolute path"),
        ("ftp://a/b", "in local mode, with file://"),
    ],
)
def test_file_source_is_admitted_locally_alone(uri: str, words: str | None) -> None:
    said = [str(violation) for violation in judge(model(uri), local=True)[1]]
    assert not said if words is None else any(words in line for line in said)
    assert judge(model(uri))[1]


def test_file_source_is_its_folder_and_its_name() -> None:
    source = parse_source("file:///home/me/my%20models/a.onnx")
    assert source is not None
    assert (source.object, source.path, source.pinned_by_copy) == ("/home/me/my models", "a.onnx", False)


def test_fields_of_a_cluster_are_named() -> None:
    secret = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    runtime = {"image": "other:1", "tolerations": [{"operator": "Exists"}], "env": [secret], "affinity": {"a": 1}}
    steps = {"strategy": "Canary", "steps": [{"weight": 25}]}  # which local mode can do
    route = {"gatewayRef": {"name": "public"}}
    given = {"model": {"uri": "file:///a"}, "runtime": runtime, "rollout": steps, "route": route}
    spec = ModelDeploymentSpec.model_validate(given)
    assert fields_without_cluster(spec, "serinus-runtime:1") == (
        "spec.runtime.image",
        "spec.runtime.tolerations",
        "spec.runtime.affinity",
        "spec.runtime.env[0].valueFrom.secretKeyRef",
        "spec.route",
    )
