"""Failure table: what a model must show before any traffic, on a real kubelet: mounted, measured, refused, healed."""

import json

from tests import models
from tests.e2e.harness.kubectl import Manifest
from tests.e2e.harness.rows import healed, refused, served
from tests.e2e.harness.world import World
from tests.models import doubler

ASKED = {"golden": {"configMapRef": {"name": "golden"}}}


def golden(*outputs: float) -> Manifest:
    """One golden request: the doubler's, with these outputs for 1, 2, 3, 4."""
    inputs = [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]
    case = {"request": {"inputs": inputs}, "expected": {"outputs": [{"name": "y", "data": outputs}]}}
    meta = {"name": "golden"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"first.json": json.dumps(case)}}


def test_a_wrong_answer_is_refused_and_a_corrected_expectation_lets_the_model_pass(
    world: World, namespace: str
) -> None:
    with served(world, namespace) as model:
        model.kubectl.apply(golden(2, 4, 6, 8))
        model.apply_onnx(doubler(3.0), "three", validation=ASKED)
        words = ("golden request first.json: output 'y'[0, 3] is 12.0, expected 8", "off by 4")
        condition = refused(world, model, "ModelValidated", "GoldenMismatch", *words, final=True)
        world.figures.note("words of a refusal", bad="golden", message=condition["message"][:160])
        model.kubectl.apply(golden(3, 6, 9, 12))
        healed(world, model, "golden requests", "ModelValidated")


def test_missing_golden_requests_are_named_and_heal(world: World, namespace: str) -> None:
    with served(world, namespace) as model:
        model.apply_onnx(doubler(3.0), "three", validation=ASKED)
        refused(world, model, "Ready", "GoldenUnavailable", "ConfigMap golden", final=False)
        model.kubectl.apply(golden(3, 6, 9, 12))
        healed(world, model, "ConfigMap with golden requests", "ModelValidated")


def test_a_model_beyond_the_memory_asked_for_is_refused_below_its_limit(world: World, namespace: str) -> None:
    with served(world, namespace) as model:
        model.apply_onnx(doubler(3.0), "three", validation={"maxMemory": "8Mi"})
        refused(world, model, "ModelValidated", "OutOfMemory", "8.0 MiB of spec.validation.maxMemory", final=True)


def test_inputs_that_break_clients_are_refused_until_they_are_allowed(world: World, namespace: str) -> None:
    with served(world, namespace) as model:
        stable = model.stable
        model.apply_onnx(models.adder(), "sum")
        refused(world, model, "ModelValidated", "SignatureChanged", stable, "input 'x' is gone", final=True)
    model.apply_onnx(models.adder(), "sum", validation={"allowSignatureChange": True})
    model.wait_ready()
    assert model.stable != stable
