"""The whole loop on processes: apply, predict, edit, scale, delete, stop."""

import asyncio
import base64
import os
import signal
from pathlib import Path

from tests.local.stage import Stage, condition, is_ready, model_of, under_load
from tests.models.good import doubler

from serinus_operator.cluster.port import CONTROLLER_REVISION, DEPLOYMENT, MODEL_DEPLOYMENT, POD, SERVICE
from serinus_operator.local.launch import last_words


async def test_model_is_served_and_an_edit_takes_over_without_a_lost_request(stage: Stage) -> None:
    uri = stage.file("two.onnx", doubler(2.0))
    assert await stage.apply(model_of(uri)) == "created"
    first = (await stage.ready())["status"]["stableRevision"]
    assert await stage.predict(3.0) == 6.0
    assert await stage.apply(model_of(uri)) == "unchanged"
    over = asyncio.Event()
    load = [asyncio.create_task(under_load(lambda: stage.predict(3.0), over)) for _ in range(2)]
    assert await stage.apply(model_of(stage.file("five.onnx", doubler(5.0)))) == "configured"
    await stage.ready()
    await stage.until(lambda: [d["metadata"]["name"] for d in stage.cluster.select(DEPLOYMENT)] != [first])
    assert await stage.predict(3.0) == 15.0
    await stage.until(lambda: len(stage.cluster.select(POD)) == 1)  # the old pod has drained
    over.set()
    for answers, faults in await asyncio.gather(*load):
        assert faults == []
        assert set(answers) == {6.0, 15.0}
    status = stage.get()["status"]
    assert [r["state"] for r in status["revisions"]] == ["Stable", "Retired"]


async def test_return_to_the_first_bytes_is_a_return_to_the_first_revision(stage: Stage) -> None:
    two, five = stage.file("two.onnx", doubler(2.0)), stage.file("five.onnx", doubler(5.0))
    await stage.apply(model_of(two))
    first = await stage.ready()
    pin = first["status"]["revisions"][0]["model"]["digest"]
    await stage.apply(model_of(five))
    await stage.ready()
    await stage.apply(model_of(two))
    again = await stage.ready()
    assert again["status"]["stableRevision"] == first["status"]["stableRevision"]
    assert again["status"]["revisions"][0]["model"]["digest"] == pin


async def test_replicas_follow_the_spec_and_deletion_leaves_nothing(stage: Stage) -> None:
    uri = stage.file("two.onnx", doubler(2.0))
    await stage.apply(model_of(uri, replicas=2))
    await stage.ready()
    hosts = {backend.host for backend in stage.instance.backends("default", "m")}
    assert len(hosts) == 2
    assert all(host.startswith("127.1.") for host in hosts)
    await stage.apply(model_of(uri, replicas=1))
    await stage.until(lambda: is_ready(stage.get()) and len(stage.instance.backends("default", "m")) == 1)
    assert [p.terminating for p in stage.instance.pods("default", "m")].count(False) == 1
    await stage.cluster.user_delete(MODEL_DEPLOYMENT, "default", "m")
    await stage.until(lambda: not stage.cluster.select(POD))
    assert [k.kind for k in (DEPLOYMENT, SERVICE, CONTROLLER_REVISION) if stage.cluster.select(k)] == []
    assert list((stage.state / "pods").glob("*")) == []


async def test_model_of_a_config_map_and_of_a_claim(stage: Stage) -> None:
    data = base64.b64encode(doubler(3.0)).decode()
    bytes_of = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "binaryData": {"a.onnx": data}}
    await stage.apply(model_of("configmap://c/a.onnx"))
    await stage.until(lambda: condition(stage.get(), "ModelResolved").get("reason") == "NotFound")
    await stage.apply(bytes_of)  # the model is looked at again at once
    await stage.apply(model_of("pvc://store/a.onnx", name="p"))
    await stage.ready()
    assert await stage.predict(1.0) == 3.0
    await stage.until(lambda: condition(stage.get("p"), "ModelResolved").get("reason") == "NotFound")
    (stage.state / "volumes" / "store").mkdir(parents=True)
    (stage.state / "volumes" / "store" / "a.onnx").write_bytes(doubler(4.0))
    await stage.ready("p")
    assert await stage.predict(1.0, "p", "p") == 4.0


async def test_file_that_is_edited_while_it_serves_is_told(stage: Stage) -> None:
    uri = stage.file("two.onnx", doubler(2.0))
    await stage.apply(model_of(uri))
    await stage.ready()
    stage.file("two.onnx", doubler(7.0))
    await stage.until(lambda: condition(stage.get(), "ModelResolved").get("reason") == "SourceChanged")
    assert await stage.predict(1.0) == 2.0


async def test_pod_that_is_killed_comes_back(stage: Stage) -> None:
    await stage.apply(model_of(stage.file("two.onnx", doubler(2.0))))
    await stage.ready()
    run = next(iter(stage.instance.runner._runs.values()))  # type: ignore[attr-defined]
    os.kill(run.pid, signal.SIGKILL)
    await stage.until(lambda: stage.instance.pods("default", "m")[0].restarts == 1)
    await stage.ready()
    await stage.until(lambda: stage.instance.backends("default", "m"))
    assert await stage.predict(1.0) == 2.0


async def test_pods_on_ports_where_there_are_no_aliases(tmp_path: Path) -> None:
    stage = Stage(tmp_path, aliases=False)
    await stage.start()
    try:
        await stage.apply(model_of(stage.file("two.onnx", doubler(2.0)), replicas=2))
        await stage.ready()
        places = [(b.host, b.port) for b in stage.instance.backends("default", "m")]
        assert {host for host, _ in places} == {"127.0.0.1"}
        assert len({port for _, port in places}) == 2
        assert await stage.predict(2.0) == 4.0
    finally:
        await stage.close()


async def test_stop_drains_and_says_so(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    await stage.start()
    await stage.apply(model_of(stage.file("two.onnx", doubler(2.0))))
    await stage.ready()
    pod = stage.backend().pod
    report = await stage.close(drain=True)
    assert (report.stopped, report.killed, report.unfinished) == ((f"default/{pod}",), (), ())
    assert "Stopped" in stage.logs()[f"{pod}.log"]
    assert last_words(stage.state / "lock") == "{}"


async def test_field_that_needs_a_cluster_is_a_condition(stage: Stage) -> None:
    manifest = model_of(stage.file("two.onnx", doubler(2.0)))
    manifest["spec"]["runtime"] |= {"serviceAccountName": "robot", "nodeSelector": {"gpu": "yes"}}
    await stage.apply(manifest)
    ready = await stage.stalled()
    assert ready["reason"] == "NotInLocalMode"
    assert ready["message"] == (
        "spec.runtime.nodeSelector, spec.runtime.serviceAccountName: needs a cluster, which local mode has not; "
        "remove it to go on"
    )
