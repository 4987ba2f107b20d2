"""What `spec.validation` asks for, as a user meets it: waiting, refused, tried again; the stable revision untouched."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.fakes.kubelet import Status, ended, refused, running
from tests.fakes.world import NAMESPACE, World, config_map, model

from serinus_api.conditions import Reason
from serinus_api.runtime import Phase, PreflightReport, TensorSignature
from serinus_operator.cluster.port import CONFIG_MAP, POD, Manifest

TWO = {"uri": "configmap://iris-model-2/model.onnx"}
ASKED = {"golden": {"configMapRef": {"name": "iris-golden"}}, "maxLatencyP95Milliseconds": 50, "maxMemory": "400Mi"}
WRONG = "golden request first.json: output 'y'[0] is 2.5, expected 2.0: off by 0.5"


def golden(text: str = "{}") -> Manifest:
    meta = {"namespace": NAMESPACE, "name": "iris-golden"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"first.json": text}}


def with_signature(*shape: int, name: str = "x") -> Callable[[PreflightReport], Status]:
    """A model that passes and has one input of this shape."""

    def end(report: PreflightReport) -> Status:
        inputs = (TensorSignature(name=name, datatype="FP32", shape=shape),)
        outputs = (TensorSignature(name="y", datatype="FP32", shape=(-1,)),)
        return ended(report.model_copy(update={"inputs": inputs, "outputs": outputs}))

    return end


@pytest.fixture
async def stable(world: World) -> str:
    """A model that serves; another waits in a ConfigMap."""
    world.kubelet.models[b"model one"] = with_signature(-1, 4)
    world.apply(config_map("iris-model-2", b"model two"))
    world.apply(model())
    return await world.ready()


def listed(world: World, revision: str) -> dict[str, Any]:
    return next(r for r in world.status()["revisions"] if r["name"] == revision)


async def test_model_that_passes_what_is_asked_serves_and_its_golden_requests_are_on_record(world: World) -> None:
    world.apply(golden())
    world.apply(model(validation=ASKED))
    revision = await world.ready()
    assert world.says("ModelValidated", "True", "Passed")
    assert listed(world, revision)["goldenDigest"].startswith("sha256:")
    assert len(world.preflights()) == 1


async def test_golden_requests_are_mounted_into_the_preflight_pod_and_not_into_a_serving_one(world: World) -> None:
    world.apply(golden())
    world.kubelet.preflight = running(ready=False)
    world.apply(model(validation=ASKED))
    await world.until(lambda: len(world.preflights()) == 1)
    spec = world.cluster.of(POD)[0]["spec"]
    (volume,) = [volume["configMap"] for volume in spec["volumes"] if volume["name"] == "golden"]
    assert (volume["name"], volume["optional"]) == ("iris-golden", True)
    assert "/mnt/golden" in [mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]]
    world.kubelet.preflight = None
    world.kubelet.sync()
    revision = await world.ready()
    assert all(v["name"] != "golden" for pod in world.kubelet.pods(revision) for v in pod["spec"]["volumes"])


async def test_missing_golden_requests_are_waited_for_and_found(world: World) -> None:
    world.apply(model(validation=ASKED))
    await world.until(lambda: world.says("Ready", "False", "GoldenUnavailable"))
    assert world.says("ModelValidated", "Unknown", "GoldenUnavailable")
    assert "ConfigMap iris-golden" in world.condition("Ready")["message"]
    assert world.says("Reconciling", "True", "GoldenUnavailable")
    await world.advance(120)
    assert world.preflights() == []
    assert not world.status()["rejected"]
    world.apply(golden())
    await world.ready(within=30)


async def test_missing_golden_requests_are_stalled_at_the_deadline(world: World) -> None:
    world.apply(model(validation=ASKED, runtime={"startupDeadlineSeconds": 60}))
    await world.until(lambda: world.says("Stalled", "True", "GoldenUnavailable"), within=120)


@pytest.mark.parametrize("reason", [Reason.GOLDEN_MISMATCH, Reason.TOO_SLOW, Reason.OUT_OF_MEMORY])
async def test_model_that_fails_what_is_asked_is_refused_and_the_stable_one_is_not_touched(
    world: World, stable: str, reason: Reason
) -> None:
    world.apply(golden())
    world.kubelet.models[b"model two"] = refused(reason, WRONG)
    pods = [pod["metadata"]["uid"] for pod in world.kubelet.pods(stable)]
    world.apply(model(model=TWO, validation=ASKED))
    await world.until(lambda: world.says("Stalled", "True", "RolledBack"))
    assert world.says("ModelValidated", "False", reason)
    assert world.condition("Ready")["reason"] == reason
    assert world.condition("ModelValidated")["message"] == WRONG
    await world.advance(300)
    assert world.deployments() == [stable]
    assert world.entry() == stable
    assert [pod["metadata"]["uid"] for pod in world.kubelet.pods(stable)] == pods
    assert len(world.preflights()) == (3 if reason is Reason.TOO_SLOW else 2)


async def test_model_that_is_slow_once_is_not_refused(world: World) -> None:
    answers = [refused(Reason.TOO_SLOW, "p95 is 60 ms"), ended]
    world.kubelet.models[b"model one"] = lambda report: answers.pop(0)(report)
    world.apply(model(validation={"maxLatencyP95Milliseconds": 50}))
    await world.until(lambda: world.says("Ready", "False", "TooSlow"))
    assert not world.condition("Stalled")
    await world.ready()
    assert len(world.preflights()) == 2


async def test_corrected_golden_requests_give_a_refused_model_another_chance(world: World, stable: str) -> None:
    world.apply(golden("wrong"))
    world.kubelet.models[b"model two"] = refused(Reason.GOLDEN_MISMATCH, WRONG)
    world.apply(model(model=TWO, validation=ASKED))
    await world.until(lambda: world.says("ModelValidated", "False", "GoldenMismatch"))
    del world.kubelet.models[b"model two"]
    await world.advance(120)
    assert world.status()["stableRevision"] == stable, "nothing has changed yet"
    world.apply(golden("right"))
    assert await world.ready(within=90) != stable
    assert world.status()["rejected"] == []


async def test_golden_requests_that_go_do_not_lift_a_refusal(world: World, stable: str) -> None:
    world.apply(golden())
    world.kubelet.models[b"model two"] = refused(Reason.GOLDEN_MISMATCH, WRONG)
    world.apply(model(model=TWO, validation=ASKED))
    await world.until(lambda: world.says("ModelValidated", "False", "GoldenMismatch"))
    world.cluster.remove(CONFIG_MAP, NAMESPACE, "iris-golden")
    await world.advance(300)
    assert world.says("ModelValidated", "False", "GoldenMismatch")
    assert world.status()["stableRevision"] == stable


async def test_relaxed_limit_gives_a_refused_model_another_chance(world: World, stable: str) -> None:
    world.kubelet.models[b"model two"] = refused(Reason.OUT_OF_MEMORY, "413 MiB")
    world.apply(model(model=TWO, validation={"maxMemory": "400Mi"}))
    await world.until(lambda: world.says("ModelValidated", "False", "OutOfMemory"))
    del world.kubelet.models[b"model two"]
    world.apply(model(model=TWO, validation={"maxMemory": "500Mi"}))
    assert await world.ready() != stable


async def test_other_golden_requests_are_asked_at_once_and_the_pod_with_the_old_ones_goes(world: World) -> None:
    world.apply(golden("before"))
    world.kubelet.preflight = running(ready=False)
    world.apply(model(validation=ASKED))
    await world.until(lambda: len(world.preflights()) == 1)
    world.apply(golden("after"))
    await world.until(lambda: len(world.preflights()) == 2)
    await world.until(lambda: [pod["metadata"]["name"] for pod in world.cluster.of(POD)] == world.preflights()[1:])


async def test_verdict_on_other_golden_requests_than_those_that_are_there_is_not_heard(world: World) -> None:
    """They change while a pod tries the model: what it says then is about requests that nobody sees any more."""
    world.apply(golden("before"))
    world.kubelet.preflight = running(ready=False)
    world.apply(model(validation=ASKED))
    await world.until(lambda: len(world.preflights()) == 1)
    said = ended(PreflightReport(phase=Phase.VALIDATING, reason=Reason.GOLDEN_MISMATCH, message=WRONG))
    world.apply(golden("after"))
    world.cluster.edit(POD, NAMESPACE, world.preflights()[0], lambda live: live.update(status=said))
    await world.until(lambda: len(world.preflights()) == 2)
    world.kubelet.preflight = None
    world.kubelet.sync()
    await world.ready()
    assert world.status()["rejected"] == []


async def test_settled_model_is_not_tried_again_when_what_is_asked_changes(world: World, stable: str) -> None:
    world.apply(model(validation=ASKED))
    await world.ready()
    await world.advance(120)
    assert world.status()["stableRevision"] == stable
    assert len(world.preflights()) == 1


async def test_runtime_that_knows_nothing_of_validation_passes_nothing(world: World) -> None:
    def old(report: PreflightReport) -> Status:
        return ended(report.model_copy(update={"validation": None}))

    world.kubelet.models[b"model one"] = old
    world.apply(model(validation={"maxMemory": "400Mi"}))
    await world.until(lambda: world.says("Ready", "False", "NotSupported"))
    assert "registry.example/serinus-runtime:1 knows nothing of spec.validation" in world.condition("Ready")["message"]
    await world.advance(120)
    assert world.deployments() == []


# The signature


async def test_signature_of_a_revision_is_on_record(world: World, stable: str) -> None:
    signature = listed(world, stable)["signature"]
    assert signature["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]
    assert [output["name"] for output in signature["outputs"]] == ["y"]


async def test_signature_that_breaks_clients_is_refused(world: World, stable: str) -> None:
    world.kubelet.models[b"model two"] = with_signature(-1, 5, name="features")
    world.apply(model(model=TWO))
    await world.until(lambda: world.says("ModelValidated", "False", "SignatureChanged"))
    message = world.condition("ModelValidated")["message"]
    assert message.startswith(f"clients of {stable} would break: input 'x' is gone; input 'features' is new")
    assert "spec.validation.allowSignatureChange" in message
    assert world.says("Stalled", "True", "RolledBack")
    assert world.entry() == stable
    assert world.deployments() == [stable]


async def test_signature_that_breaks_clients_may_be_allowed_afterwards(world: World, stable: str) -> None:
    world.kubelet.models[b"model two"] = with_signature(-1, 5)
    world.apply(model(model=TWO))
    await world.until(lambda: world.says("ModelValidated", "False", "SignatureChanged"))
    world.apply(model(model=TWO, validation={"allowSignatureChange": True}))
    revision = await world.ready()
    assert revision != stable
    assert listed(world, revision)["signature"]["inputs"][0]["shape"] == [-1, 5]


async def test_signature_that_frees_a_dimension_is_no_change(world: World, stable: str) -> None:
    world.kubelet.models[b"model two"] = with_signature(-1, -1)
    world.apply(model(model=TWO))
    assert await world.ready() != stable


async def test_signature_of_a_revision_outlives_the_operator_and_the_way_back(world: World, stable: str) -> None:
    world.kubelet.models[b"model two"] = with_signature(-1, -1)
    world.apply(model(model=TWO))
    await world.ready()
    await world.restart()
    world.apply(model())
    assert await world.ready() == stable
    assert listed(world, stable)["signature"]["inputs"][0]["shape"] == [-1, 4]
