"""A model that is deleted leaves nothing, whatever it was doing."""

from collections.abc import Callable

import pytest
from tests.e2e.harness.models import Model
from tests.e2e.harness.waiting import Stopwatch, wait_for
from tests.e2e.harness.world import World
from tests.models import doubler

from serinus_api import names

GONE_SECONDS = 30


def gone(world: World, model: Model, what: str) -> None:
    """Delete it, and see all its children go in time."""
    watch = Stopwatch()
    model.kubectl.delete("mdep", model.name)
    wait_for(lambda: not model.children(), seconds=GONE_SECONDS, what="no child is left", describe=model.children)
    assert world.api.get("modeldeployments", model.namespace, model.name) is None
    world.figures.note("deletion", what=what, children_gone_within=watch.seconds)


def test_a_deleted_model_leaves_nothing(world: World, namespace: str) -> None:
    model = world.model(namespace, "gone")
    model.apply_onnx(doubler(2.0), replicas=2)
    model.wait_ready()
    assert len(model.children()) >= 7
    gone(world, model, "serving, 2 replicas")


ROLLING: dict[str, Callable[[Model], object]] = {
    "in-preflight": lambda model: model.pods(names.ROLE_PREFLIGHT),
    "while-its-pods-start": lambda model: model.status().get("candidateRevision"),
}


@pytest.mark.parametrize("moment", ROLLING)
def test_a_model_that_is_deleted_while_rolling_leaves_nothing(world: World, namespace: str, moment: str) -> None:
    model = world.model(namespace, "rolling")
    model.apply_onnx(doubler(2.0))
    model.wait_ready()
    model.apply_onnx(doubler(3.0), "second")
    wait_for(lambda: ROLLING[moment](model), seconds=60, what=moment, describe=model.brief)
    gone(world, model, moment)


def test_a_deleted_model_can_be_made_again_at_once(world: World, namespace: str) -> None:
    model = world.model(namespace, "again")
    model.apply_onnx(doubler(2.0))
    model.wait_ready()
    before = model.live()["metadata"]["uid"]
    model.kubectl.delete("mdep", "again")
    model.apply_onnx(doubler(2.0))
    model.wait_ready()
    owner = model.live()["metadata"]["uid"]
    assert owner != before
    service = world.api.read("services", namespace, "again")
    assert [reference["uid"] for reference in service["metadata"]["ownerReferences"]] == [owner]


def test_a_deleted_namespace_goes_although_its_model_was_rolling(world: World, namespace: str) -> None:
    model = world.model(namespace, "iris")
    model.apply_onnx(doubler(2.0))
    model.wait_ready()
    model.apply_onnx(doubler(3.0), "second")
    wait_for(lambda: model.pods(names.ROLE_PREFLIGHT), seconds=60, what="a preflight", describe=model.brief)
    watch = Stopwatch()
    world.kubectl("delete", "namespace", namespace, "--wait=false")
    wait_for(
        lambda: world.api.get("namespaces", None, namespace) is None,
        seconds=60,
        what="the namespace is gone",
        describe=lambda: world.api.read("namespaces", None, namespace)["status"],
    )
    world.figures.note("deletion", what="namespace with a rolling model", children_gone_within=watch.seconds)
    complaints = [line for line in world.main_release().logs().splitlines() if namespace in line and "ERROR" in line]
    assert not complaints
