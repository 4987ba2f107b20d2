"""Failure table: what the model's address names is not there yet, and heals when it appears."""

from tests.e2e.harness.models import config_map
from tests.e2e.harness.rows import healed, refused, served
from tests.e2e.harness.world import World
from tests.models import doubler

TRIPLED = {"y": [[3.0, 6.0, 9.0, 12.0]]}


def test_a_missing_config_map_is_named_and_heals(world: World, namespace: str) -> None:
    with served(world, namespace) as model:
        model.apply("configmap://late/model.onnx")
        refused(world, model, "ModelResolved", "NotFound", "ConfigMap late does not exist", final=False)
        model.kubectl.apply(config_map("late", model_onnx=doubler(3.0)))
        healed(world, model, "ConfigMap")
        model.wait_for_answer(TRIPLED)


def test_a_missing_key_is_named_and_heals(world: World, namespace: str) -> None:
    with served(world, namespace) as model:
        model.kubectl.apply(config_map("late", other_onnx=doubler(3.0)))
        model.apply("configmap://late/model.onnx")
        refused(world, model, "ModelResolved", "NotFound", "no key model.onnx", "other.onnx", final=False)
        model.kubectl.apply(config_map("late", model_onnx=doubler(3.0)))
        healed(world, model, "key of a ConfigMap")
        model.wait_for_answer(TRIPLED)


def test_a_missing_claim_and_then_a_missing_file_are_named_and_heal(world: World, namespace: str) -> None:
    with served(world, namespace) as model:
        model.apply("pvc://models/model.onnx")
        refused(world, model, "ModelResolved", "NotFound", "PersistentVolumeClaim models", final=False)
        volume = world.volume(namespace, "models")
        refused(world, model, "ModelResolved", "NotFound", "model.onnx", final=False, seconds=60)
        volume.write("model.onnx", doubler(3.0))
        healed(world, model, "file on a claim")
        model.wait_for_answer(TRIPLED)


def test_a_missing_download_is_named_and_heals(world: World, namespace: str) -> None:
    files = world.files()
    uri = files.put(f"/{namespace}/model.onnx", None)
    with served(world, namespace) as model:
        model.kubectl.apply(files.trust("trust"))
        model.apply(uri, runtime={"caConfigMapRef": {"name": "trust"}})
        refused(world, model, "ModelResolved", "NotFound", "404", final=False)
        files.put(f"/{namespace}/model.onnx", doubler(3.0))
        healed(world, model, "download")
        model.wait_for_answer(TRIPLED)
