"""Failure table: long names, letters of all scripts, fields of a newer version."""

import json

from tests.e2e.harness.models import config_map, deployment
from tests.e2e.harness.world import World
from tests.models import doubler

DOUBLED = {"y": [[2.0, 4.0, 6.0, 8.0]]}
LONG = "m" + "o" * 61 + "d"
SCRIPTS = "Modèle – 模型 – نموذج – 🐤"


def test_a_name_of_63_characters_works_and_64_are_refused(world: World, namespace: str) -> None:
    model = world.model(namespace, LONG)
    model.apply_onnx(doubler(2.0), "bytes", runtime={"podAnnotations": {"example.com/note": SCRIPTS}})
    model.wait_ready()
    model.wait_for_answer(DOUBLED)
    for pod in model.pods():
        assert pod["metadata"]["annotations"]["example.com/note"] == SCRIPTS
    too_long = json.dumps(deployment(LONG + "x", "configmap://bytes/model.onnx"))
    said = model.kubectl.try_("apply", "-f", "-", stdin=too_long)
    assert said.returncode == 1
    assert "63" in said.stderr


def test_unicode_in_annotations_works(world: World, namespace: str) -> None:
    model = world.model(namespace, "scripts")
    model.apply_onnx(doubler(2.0), metadata={"annotations": {"example.com/note": SCRIPTS}})
    model.wait_ready()
    assert model.live()["metadata"]["annotations"]["example.com/note"] == SCRIPTS


def test_fields_of_a_newer_version_are_refused_by_name_or_left_out(world: World, namespace: str) -> None:
    model = world.model(namespace, "newer")
    manifest = deployment("newer", "configmap://newer-model/model.onnx", flavour="vanilla", model={"teleport": True})
    text = json.dumps(manifest)
    strict = model.kubectl.try_("apply", "--validate=strict", "-f", "-", stdin=text)
    assert strict.returncode == 1
    assert "spec.flavour" in strict.stderr
    assert "spec.model.teleport" in strict.stderr
    model.kubectl.apply(config_map("newer-model", model_onnx=doubler(2.0)))
    model.kubectl("apply", "--validate=warn", "-f", "-", stdin=text)
    model.wait_ready()
    assert "flavour" not in model.live()["spec"]
    model.wait_for_answer(DOUBLED)


def test_a_field_of_a_later_feature_is_a_condition_that_names_it(world: World, namespace: str) -> None:
    model = world.model(namespace, "early")
    model.apply_onnx(doubler(2.0))
    model.wait_ready()
    stable, before = model.stable, model.incarnations()
    model.apply_onnx(doubler(2.0), model={"refreshSeconds": 300})
    model.wait_for("Ready", "False", "NotSupported", "spec.model.refreshSeconds")
    assert model.shown_reason() == "NotSupported"
    model.apply_onnx(doubler(2.0))
    model.wait_ready()
    assert (model.stable, model.incarnations()) == (stable, before)
