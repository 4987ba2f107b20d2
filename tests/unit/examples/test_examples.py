"""The files in `examples/`: what the API server says to each, and that the models in them are what their words say."""

import base64
import json
import math
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import yaml
from onnx import numpy_helper

from serinus_api.admission import judge

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
TRAIN = EXAMPLES / "iris" / "train.py"
FILES = sorted(EXAMPLES.rglob("*.yaml"))
LIMIT = 190_000
"""`kubectl apply` keeps a copy of the object in an annotation, and annotations end at 256 KiB."""


def objects(path: Path, kind: str) -> list[dict[str, Any]]:
    return [found for found in yaml.safe_load_all(path.read_text()) if found["kind"] == kind]


def sources(path: Path, kind: str) -> list[dict[str, Any]]:
    """Without the golden requests, which are a ConfigMap too."""
    return [found for found in objects(path, kind) if found["metadata"]["name"] != "iris-golden"]


def model(path: Path) -> bytes:
    (config_map,) = sources(path, "ConfigMap")
    return base64.b64decode(config_map["binaryData"]["model.onnx"], validate=True)


@pytest.fixture(scope="module")
def train() -> dict[str, Any]:
    return runpy.run_path(str(TRAIN))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(EXAMPLES).as_posix())
def test_example_is_admitted_and_small(path: Path) -> None:
    assert path.stat().st_size < LIMIT
    (deployment,) = objects(path, "ModelDeployment")
    assert judge(deployment)[1] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(EXAMPLES).as_posix())
def test_example_brings_the_object_that_its_uri_names(path: Path) -> None:
    (deployment,) = objects(path, "ModelDeployment")
    scheme, _, rest = deployment["spec"]["model"]["uri"].partition("://")
    kind = {"configmap": "ConfigMap", "pvc": "PersistentVolumeClaim", "https": None}[scheme]
    if kind:
        found = sources(path, kind) or objects(EXAMPLES / "iris.yaml", kind)  # which their first lines apply as well
        assert [rest.partition("/")[0]] == [source["metadata"]["name"] for source in found]


def test_written_manifests_are_what_the_script_writes(
    train: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [str(TRAIN), "--check"])
    assert (train["main"](), capsys.readouterr().out) == (0, "")


def test_check_names_a_stale_file(
    train: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = EXAMPLES / "iris.yaml"
    monkeypatch.setitem(train["main"].__globals__, "manifests", lambda: {path: path.read_text() + "#"})
    monkeypatch.setattr(sys, "argv", [str(TRAIN), "--check"])
    assert train["main"]() == 1
    assert capsys.readouterr().out == "examples/iris.yaml is out of date; run examples/iris/train.py\n"


@pytest.mark.parametrize(("name", "builder"), [("iris.yaml", "first"), ("iris/improved.yaml", "improved")])
def test_model_answers_as_scikit_learn_does(train: dict[str, Any], name: str, builder: str) -> None:
    session = onnxruntime.InferenceSession(model(EXAMPLES / name))
    assert [(i.name, i.type, i.shape) for i in session.get_inputs()] == [("features", "tensor(float)", [None, 4])]
    assert [o.name for o in session.get_outputs()] == ["label", "probabilities"]
    features, _ = train["flowers"]()[1]
    label, probabilities = session.run(None, {"features": features})
    classifier = train[builder]()
    assert label.tolist() == classifier.predict(features).tolist()
    np.testing.assert_allclose(probabilities, classifier.predict_proba(features.astype(np.float64)), atol=1e-5)


def test_improved_model_is_better(train: dict[str, Any]) -> None:
    features, species = train["flowers"]()[1]
    assert train["improved"]().score(features, species) > train["first"]().score(features, species)


def test_broken_model_does_not_load() -> None:
    with pytest.raises(Exception, match="protobuf parsing failed"):
        onnxruntime.InferenceSession(model(EXAMPLES / "iris" / "broken.yaml"))


def test_small_file_asks_for_more_memory_than_its_limit(train: dict[str, Any]) -> None:
    path = EXAMPLES / "iris" / "too-large.yaml"
    (shape,) = onnx.load_from_string(model(path)).graph.initializer
    numbers = math.prod(numpy_helper.to_array(shape).tolist())
    (deployment,) = objects(path, "ModelDeployment")
    assert deployment["spec"]["runtime"]["resources"]["limits"]["memory"] == "512Mi"
    assert 4 * numbers == 2 << 30
    assert len(model(path)) < 300


def golden(path: Path) -> tuple[np.ndarray[Any, Any], list[str]]:
    """The measures that a golden request has, and the species that it expects."""
    (config_map,) = (found for found in objects(path, "ConfigMap") if found["metadata"]["name"] == "iris-golden")
    (case,) = (json.loads(text) for text in config_map["data"].values())
    (tensor,), (expected,) = case["request"]["inputs"], case["expected"]["outputs"]
    return np.array(tensor["data"], dtype=np.float32).reshape(tensor["shape"]), expected["data"]


@pytest.mark.parametrize(("name", "right"), [("canary", True), ("brittle", True), ("mixed-up", False)])
def test_golden_request_tells_the_wrong_model_from_those_that_are_right_about_it(name: str, right: bool) -> None:
    path = EXAMPLES / "iris" / f"{name}.yaml"
    features, expected = golden(path)
    label, _ = onnxruntime.InferenceSession(model(path)).run(None, {"features": features})
    assert (label.tolist() == expected) is right


def test_brittle_model_fails_on_long_petals_alone(train: dict[str, Any]) -> None:
    session = onnxruntime.InferenceSession(model(EXAMPLES / "iris" / "brittle.yaml"))
    features, _ = train["flowers"]()[1]
    short = features[features[:, train["PETAL"]] <= train["LONGEST"]]
    assert 0 < len(short) < len(features)
    assert session.run(None, {"features": short})[0].tolist() == train["improved"]().predict(short).tolist()
    with pytest.raises(Exception, match="cannot be reshaped"):
        session.run(None, {"features": features})


def test_digest_pins_are_those_of_the_first_model(train: dict[str, Any]) -> None:
    first = train["digest"](model(EXAMPLES / "iris.yaml"))
    for name in ("iris/wrong-digest.yaml", "https.yaml"):
        (deployment,) = objects(EXAMPLES / name, "ModelDeployment")
        assert deployment["spec"]["model"]["digest"] == first
    assert train["digest"](model(EXAMPLES / "iris" / "wrong-digest.yaml")) != first
