"""`kubectl wait` as a pipeline has it: for a moment of a rollout, for its end, and for one that is given up."""

from typing import Any

import pytest
from tests.e2e.harness.models import Model
from tests.e2e.harness.world import World
from tests.models import doubler

pytestmark = [pytest.mark.own_operator, pytest.mark.long]
PHASE, OBSERVED = "{.status.rollout.phase}", "{.status.observedGeneration}"
TIMEOUT_SECONDS = 150
ROLLOUT: dict[str, Any] = {
    "strategy": "Canary",
    "steps": [{"weight": 25, "pauseSeconds": 4}],
    "analysis": {
        "minRequests": 20,
        "lowTrafficWaitSeconds": 4,
        "metrics": [{"name": "errors", "type": "ErrorRatePermille", "max": 100}],
    },
    "bakeSeconds": 4,
}


def waited(model: Model, what: str) -> str:
    """`kubectl wait --for=…`; fails where it does."""
    words = ("wait", f"mdep/{model.name}", f"--for={what}", f"--timeout={TIMEOUT_SECONDS}s")
    return model.kubectl(*words, seconds=TIMEOUT_SECONDS + 10)


def at(model: Model, phase: str) -> str:
    return waited(model, f"jsonpath={PHASE}={phase}")


def renew(model: Model, factor: float) -> int:
    """Another version; the generation by which its statuses are known."""
    model.apply_onnx(doubler(factor), f"model-{factor:g}", rollout=ROLLOUT)
    return int(model.live()["metadata"]["generation"])


def test_kubectl_waits_for_the_phases_of_a_rollout_and_for_its_end(world: World, namespace: str) -> None:
    world.own_release(namespace, gateways=2)
    model = world.model(namespace, "awaited")
    model.apply_onnx(doubler(2.0), rollout=ROLLOUT)
    waited(model, "condition=Ready")
    first = model.stable

    generation = renew(model, 3.0)
    waited(model, f"jsonpath={OBSERVED}={generation}")
    assert "condition met" in at(model, "Stepping")
    assert model.stable == first
    assert "condition met" in at(model, "Stable")
    second = model.stable
    assert second != first

    # `Stable` is still the phase of the rollout before while a third version is looked up; Ready is of its generation.
    renew(model, 4.0)
    assert "condition met" in waited(model, "condition=Ready")
    third = model.stable
    assert third not in (first, second)
    assert model.status()["rollout"]["phase"] == "Stable"

    renew(model, 5.0)
    at(model, "Stepping")
    model.kubectl("annotate", "mdep", model.name, "serinus.dev/abort=1")
    assert "condition met" in at(model, "Aborted")
    assert "condition met" in waited(model, "condition=Stalled")
    assert "condition met" in waited(model, "condition=Available")
    assert model.stable == third
