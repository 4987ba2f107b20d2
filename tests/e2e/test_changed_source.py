"""Failure table: the source is overwritten in place while it is served. What a revision serves never changes."""

import pytest
from tests.e2e.harness import oip
from tests.e2e.harness.models import Model, config_map
from tests.e2e.harness.waiting import Stopwatch, wait_for
from tests.e2e.harness.world import World
from tests.models import doubler

from serinus_api import names

DOUBLED = [2.0, 4.0, 6.0, 8.0]
NOTICED_SECONDS = 150
"""A ready pod looks once a minute, and the operator asks it once a minute."""


def answers(model: Model) -> list[list[float]]:
    """What each ready pod answers by itself."""
    found = []
    for pod in model.pods():
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))
        if ready and "deletionTimestamp" not in pod["metadata"]:
            (row,) = oip.predict(f"http://{pod['status']['podIP']}:8080", model.name)["y"]
            found.append(row)
    return found


def test_an_overwritten_config_map_changes_nothing_and_new_pods_serve_the_same(world: World, namespace: str) -> None:
    model = world.model(namespace, "pinned")
    model.apply_onnx(doubler(2.0))
    model.wait_ready()
    stable, before = model.stable, model.incarnations()
    with model.probe() as light:
        model.kubectl.apply(config_map("pinned-model", model_onnx=doubler(5.0)))
        model.kubectl("scale", "mdep/pinned", "--replicas=3")
        wait_for(lambda: len(model.incarnations()) == 3, seconds=60, what="three pods", describe=model.brief)
        model.wait_ready()
        assert answers(model) == [DOUBLED] * 3
        assert before < model.incarnations()
        copy = world.api.read("configmaps", namespace, stable)
        assert copy["immutable"] is True
    light.assert_none_lost()
    assert model.revisions == [stable]
    assert all(record["output"] == DOUBLED for record in light.records)


def changes_under(world: World, model: Model, overwrite: object, **spec: object) -> None:
    """The story for sources that cannot be copied: running pods go on, a new one does not start, and it says why."""
    assert callable(overwrite)
    stable, before = model.stable, model.incarnations()
    watch = Stopwatch()
    with model.probe() as light:
        overwrite()
        model.kubectl("scale", f"mdep/{model.name}", "--replicas=2")
        model.wait_for("ModelResolved", "False", "SourceChanged", seconds=60)
        world.figures.note("source changed", model=model.name, told_within=watch.seconds, on="scale-up")
        model.wait_for("Ready", "False", "SourceChanged")
        model.wait_for("Available", "True", "Serving")
        assert model.shown_reason() == "SourceChanged"
        assert answers(model) == [DOUBLED], "a pod of the same revision serves other bytes"
        assert before <= model.incarnations()
    light.assert_none_lost()
    assert model.revisions == [stable]
    assert all(record["output"] == DOUBLED for record in light.records)


def test_an_overwritten_file_of_a_claim_is_noticed_and_never_served(world: World, namespace: str) -> None:
    volume = world.volume(namespace, "models")
    model = world.model(namespace, "claimed")
    model.apply(volume.write("model.onnx", doubler(2.0)), replicas=1)
    model.wait_ready()
    changes_under(world, model, lambda: volume.write("model.onnx", doubler(5.0)))


def test_an_overwritten_download_is_noticed_and_never_served(world: World, namespace: str) -> None:
    files = world.files()
    path = f"/{namespace}/model.onnx"
    model = world.model(namespace, "fetched")
    model.kubectl.apply(files.trust("trust"))
    model.apply(files.put(path, doubler(2.0)), runtime={"caConfigMapRef": {"name": "trust"}}, replicas=1)
    model.wait_ready()
    changes_under(world, model, lambda: files.put(path, doubler(5.0)))


@pytest.mark.long
def test_an_overwritten_download_is_noticed_without_a_new_pod(world: World, namespace: str) -> None:
    files = world.files()
    path = f"/{namespace}/model.onnx"
    model = world.model(namespace, "watched")
    model.kubectl.apply(files.trust("trust"))
    model.apply(files.put(path, doubler(2.0)), runtime={"caConfigMapRef": {"name": "trust"}}, replicas=1)
    model.wait_ready()
    before, watch = model.incarnations(), Stopwatch()
    files.put(path, doubler(5.0))
    model.wait_for("ModelResolved", "False", "SourceChanged", seconds=NOTICED_SECONDS)
    world.figures.note("source changed", model=model.name, told_within=watch.seconds, on="the pods' own look")
    assert answers(model) == [DOUBLED]
    assert model.incarnations() == before
    restorable = {revision["name"]: revision["restorable"] for revision in model.status()["revisions"]}
    assert restorable == {model.stable: False}
    assert not model.pods(names.ROLE_PREFLIGHT)
