"""Failure table: bytes that must never be served."""

import hashlib

import pytest
from tests import models
from tests.e2e.harness.rows import refused, served
from tests.e2e.harness.waiting import wait_for
from tests.e2e.harness.world import World

from serinus_api import names

BAD = {
    "no-onnx": (models.not_onnx, "LoadFailed", "Protobuf parsing failed"),
    "truncated": (models.truncated, "LoadFailed", "Protobuf parsing failed"),
    "unknown-operator": (models.unknown_operator, "LoadFailed", "Frobnicate"),
    "data-outside-its-folder": (models.escaping, "UnsafeModel", "secret"),
}


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_model_is_refused_in_the_words_of_who_refused_it(world: World, namespace: str, bad: str) -> None:
    build, reason, word = BAD[bad]
    with served(world, namespace) as model:
        model.apply_onnx(build(), "bad")
        condition = refused(world, model, "ModelValidated", reason, word, final=True)
        world.figures.note("words of a refusal", bad=bad, message=condition["message"][:160])
        wait_for(lambda: not model.pods(names.ROLE_PREFLIGHT), seconds=30, what="the preflight pod is gone")
        model.apply_onnx(models.doubler(3.0), "good")
        model.wait_ready()


def test_other_bytes_than_the_pinned_ones_are_never_served(world: World, namespace: str) -> None:
    pinned, found = sha256(models.doubler(3.0)), sha256(models.doubler(4.0))
    with served(world, namespace) as model:
        model.apply_onnx(models.doubler(4.0), "other", model={"digest": pinned})
        refused(world, model, "ModelResolved", "DigestMismatch", pinned, found, final=True)
        assert len(world.api.list("deployments", namespace)) == 1


def test_a_download_with_another_digest_is_never_served(world: World, namespace: str) -> None:
    files = world.files()
    uri = files.put(f"/{namespace}/model.onnx", models.doubler(4.0))
    pinned, found = sha256(models.doubler(3.0)), sha256(models.doubler(4.0))
    with served(world, namespace) as model:
        model.kubectl.apply(files.trust("trust"))
        model.apply(uri, model={"digest": pinned}, runtime={"caConfigMapRef": {"name": "trust"}})
        refused(world, model, "ModelResolved", "DigestMismatch", pinned, found, final=True)
        assert len(world.api.list("deployments", namespace)) == 1


def test_a_model_that_needs_too_much_memory_is_refused_with_limit_and_peak(world: World, namespace: str) -> None:
    with served(world, namespace) as model:
        model.apply_onnx(models.memory_hog(4), "hog")
        condition = refused(world, model, "ModelValidated", "OutOfMemory", "512 MiB", "peak", final=True)
        world.figures.note("words of a refusal", bad="memory", message=condition["message"][:160])
