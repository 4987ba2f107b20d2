"""`serinus run` and the verbs on it: files, edits, bad input, and what the running instance answers."""

import asyncio
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.local.going import Going, going, model, write

from serinus_operator.cli import verbs
from serinus_operator.cli.exits import Fault
from serinus_operator.local.instance import Instance


async def test_once_ends_well_when_all_are_ready(folder: Path) -> None:
    a = write(folder / "a.yaml", model("a"), model("b"))
    run = Going(folder, a, once=True)
    assert await run.once() == 0
    lines = run.screen.lines
    assert "modeldeployment.serving.serinus.dev/a created (a.yaml:1)" in lines
    assert "modeldeployment.serving.serinus.dev/b created (a.yaml:3)" in lines
    assert "default/a Ready=True Ready" in lines
    assert "ready: All Ready: default/a, default/b" in lines


async def test_once_with_a_bad_document_serves_the_others_and_ends_with_one(folder: Path) -> None:
    a = write(folder / "a.yaml", model("a"), model("b", replcas=2))
    run = Going(folder, a, once=True)
    assert await run.once() == 1
    assert 'a.yaml:3: unknown field "spec.replcas"; did you mean "replicas"?' in run.screen.lines
    assert "ready: All Ready: default/a" in run.screen.lines


async def test_once_says_why_a_model_is_stalled(folder: Path) -> None:
    a = write(folder / "a.yaml", model("a"), model("b", runtime={"nodeSelector": {"gpu": "yes"}}))
    run = Going(folder, a, once=True)
    assert await run.once() == 1
    said = "stalled: default/b is Stalled, NotInLocalMode: spec.runtime.nodeSelector"
    assert any(line.startswith(said) for line in run.screen.lines)


async def test_edit_is_an_apply_and_what_is_gone_is_deleted(folder: Path) -> None:
    a = write(folder / "a.yaml", model("a"), model("b"))
    async with going(folder, a) as run:
        seen = await run.screen.until("default/b Ready=True")
        write(a, model("a", replicas=2))
        await run.screen.until("/a configured (a.yaml:1)", after=seen)
        await run.screen.until(f"/b deleted: it is gone from {a} (a.yaml:3)", after=seen)
        seen = await run.screen.until("deleted: default/b is deleted", after=seen)
        a.write_text("kind: [\n")
        seen = await run.screen.until("a.yaml:2: not YAML", after=seen)
        a.write_text("")
        seen = await run.screen.until("a.yaml:1: holds no document", after=seen)
        a.unlink()
        seen = await run.screen.until("a.yaml:1: no such file or folder", after=seen)
        write(a, model("a", replicas=3))
        await run.screen.until("/a configured (a.yaml:1)", after=seen)
        assert not any("/a deleted" in line for line in run.screen.lines)


async def test_file_that_leaves_a_folder_takes_its_model_with_it(folder: Path) -> None:
    (folder / "models").mkdir()
    write(folder / "models" / "a.yaml", model("a", "file://../m.onnx"))
    async with going(folder, folder / "models") as run:
        b = write(folder / "models" / "b.yaml", model("b", "file://../m.onnx"))
        seen = await run.screen.until("/b created (b.yaml:1)")
        b.unlink()
        await run.screen.until("/b deleted: it is gone from", after=seen)


async def test_model_of_a_config_map_in_the_same_file(folder: Path) -> None:
    data = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "binaryData": {"m.onnx": "AAAA"}}
    a = write(folder / "a.yaml", data, model("a", "configmap://c/m.onnx"))
    async with going(folder, a) as run:
        await run.screen.until("default/a ModelResolved=")
        assert run.screen.lines[1] == "configmap/c created (a.yaml:1)"


async def test_port_that_is_taken(folder: Path) -> None:
    a = write(folder / "a.yaml", model("a"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = Going(folder, a, port=port)
        with pytest.raises(Fault, match=rf"port 127\.0\.0\.1:{port} is taken; name another with --port"):
            await run.once()
    assert await Going(folder, a, once=True).once() == 0, "the state folder was given back"


async def test_state_folder_in_use(folder: Path) -> None:
    a = write(folder / "a.yaml", model("a"))
    async with going(folder, a):
        with pytest.raises(Fault, match=rf"in use by process {os.getpid()} .*--state"):
            await Going(folder, a).once()


async def test_state_folder_that_cannot_be_made(folder: Path) -> None:
    a = write(folder / "a.yaml", model("a"))
    (folder / "state").write_text("a file")
    with pytest.raises(Fault, match=r"the state folder .* cannot be used: "):
        await Going(folder, a).once()


async def test_nothing_valid_starts_nothing(folder: Path) -> None:
    a = write(folder / "a.yaml", model("Not A Name"))
    run = Going(folder, a)
    with pytest.raises(Fault, match="nothing to serve: no document is valid"):
        await run.once()
    assert not run.state.exists()


async def test_address_follows_the_entry_port_of_the_next_run(folder: Path) -> None:
    a = write(folder / "a.yaml", model("a"))
    for _ in range(2):
        run = Going(folder, a, once=True)
        assert await run.once() == 0
        kept = json.loads((run.state / "objects" / "ModelDeployment" / "default" / "a.json").read_text())
        assert kept["status"]["url"] == f"http://a.localhost:{run.port}"


async def test_how_pods_are_kept_is_told(folder: Path) -> None:
    a = write(folder / "a.yaml", model("a"))
    run = Going(folder, a, once=True, make=lambda state: Instance(state=state))
    task = asyncio.create_task(run.once())
    await run.screen.until("remark: Memory limits are kept by ")
    run.run.stop()
    assert await task == 1


async def test_what_no_file_names_is_kept_and_told(folder: Path) -> None:
    a = write(folder / "a.yaml", model("a"))
    assert await Going(folder, a, once=True).once() == 0
    run = Going(folder, write(folder / "b.yaml", model("b")), once=True)
    assert await run.once() == 0
    assert any(line.startswith("kept: default/a is kept from an earlier run") for line in run.screen.lines)


async def test_verbs_speak_to_the_running_instance(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deep = folder / ("a-long-name" * 10)  # longer than a socket's path may be
    deep.mkdir()
    a = write(folder / "a.yaml", model("a"))
    async with going(deep, a) as run:
        await run.screen.until("default/a Ready=True")

        async def said(verb: Callable[..., int], *words: Any, **options: Any) -> str:
            assert await asyncio.to_thread(verb, run.state, *words, **options) == 0
            return capsys.readouterr().out

        head, line = (await said(verbs.get, None, "default", "")).splitlines()
        assert head.split() == ["NAME", "READY", "REVISION", "WEIGHT", "REPLICAS", "STATE", "REASON", "AGE"]
        assert line.split()[:2] == ["a", "True"]
        whole = json.loads(await said(verbs.get, "a", "default", "json"))
        assert whole["metadata"]["name"] == "a"
        assert whole["status"]["url"] == f"http://a.localhost:{run.port}"
        assert f"http://a.localhost:{run.port}" in await said(verbs.get, "a", "default", "wide")
        assert f" http://a.localhost:{run.port}\n" in await said(verbs.describe, "a", "default")
        assert "kind: List" in await said(verbs.get, None, None, "yaml")
        assert "No resources" not in await said(verbs.get, None, "other", "")
        assert (await said(verbs.describe, "a", "default")).startswith("Name:         a\nNamespace:    default\n")
        assert "Ready=True" in await said(verbs.events, "a", "default")
        log = run.state / "logs" / "default" / "a-pf-12345678-1.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("one\ntwo\nhal")
        assert await said(verbs.logs, "a", "default", follow=False, preflight=True) == "one\ntwo\n"
        seen = len(run.screen.lines)
        for action in verbs.ACTIONS:
            assert await said(verbs.act, action, "a", "default") == "modeldeployment.serving.serinus.dev/a annotated\n"
        asked = json.loads(await said(verbs.get, "a", "default", "json"))["metadata"]["annotations"]
        assert set(verbs.ACTIONS.values()) <= set(asked)
        with pytest.raises(Fault, match=r'NotFound.*modeldeployments.serving.serinus.dev "nope" not found'):
            await said(verbs.get, "nope", "default", "")
        assert '"a" deleted from default' in await said(verbs.delete, "a", "default")
        await run.screen.until("deleted: default/a is deleted", after=seen)
        assert await asyncio.to_thread(verbs.get, run.state, None, "default", "") == 0
        assert capsys.readouterr().err == "No resources found in default namespace.\n"
    assert not (run.state / "control.sock").exists()
