"""Golden requests and limits without a cluster: real preflights over the ConfigMaps of the store."""

import json

from tests.local.stage import Stage, condition, model_of
from tests.models.good import adder, doubler

from serinus_operator.cluster.port import Manifest

ASKED = {"golden": {"configMapRef": {"name": "golden"}}, "maxLatencyP95Milliseconds": 60_000, "maxMemory": "512Mi"}


def golden(*outputs: float) -> Manifest:
    """A ConfigMap with one golden request: the doubler's, with these outputs for 1, 2, 3, 4."""
    inputs = [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]
    case = {"request": {"inputs": inputs}, "expected": {"outputs": [{"name": "y", "data": outputs}]}}
    meta = {"name": "golden", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"first.json": json.dumps(case)}}


async def test_wrong_answer_is_refused_the_good_model_serves_on_and_a_corrected_expectation_lets_it_pass(
    stage: Stage,
) -> None:
    await stage.apply(golden(2, 4, 6, 8))
    await stage.apply(model_of(stage.file("two.onnx", doubler(2.0)), validation=ASKED))
    await stage.ready()
    await stage.apply(model_of(stage.file("three.onnx", doubler(3.0)), validation=ASKED))
    refusal = await stage.stalled()
    assert refusal["reason"] == "GoldenMismatch"
    assert "golden request first.json: output 'y'[0, 3] is 12.0, expected 8" in refusal["message"]
    assert condition(stage.get(), "Stalled")["reason"] == "RolledBack"
    assert await stage.predict(2.0) == 4.0
    await stage.apply(golden(3, 6, 9, 12))
    await stage.ready()
    assert await stage.predict(2.0) == 6.0


async def test_missing_golden_requests_are_waited_for(stage: Stage) -> None:
    await stage.apply(model_of(stage.file("two.onnx", doubler(2.0)), validation=ASKED))
    await stage.until(lambda: condition(stage.get(), "Ready").get("reason") == "GoldenUnavailable")
    await stage.apply(golden(2, 4, 6, 8))
    await stage.ready()


async def test_more_memory_than_asked_for_is_refused_whatever_the_limit(stage: Stage) -> None:
    await stage.apply(model_of(stage.file("two.onnx", doubler(2.0)), validation={"maxMemory": "4Mi"}))
    refusal = await stage.stalled()
    assert refusal["reason"] == "OutOfMemory"
    assert "more than the 4.0 MiB of spec.validation.maxMemory" in refusal["message"]


async def test_other_inputs_are_refused_until_they_are_allowed(stage: Stage) -> None:
    await stage.apply(model_of(stage.file("two.onnx", doubler(2.0))))
    await stage.ready()
    other = model_of(stage.file("sum.onnx", adder()))
    await stage.apply(other)
    refusal = await stage.stalled()
    assert refusal["reason"] == "SignatureChanged"
    assert "input 'x' is gone" in refusal["message"]
    other["spec"]["validation"] = {"allowSignatureChange": True}
    await stage.apply(other)
    await stage.ready()
