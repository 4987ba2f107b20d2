"""The table of bad input: each mistake with its message, line and field."""

import json
from pathlib import Path

import pytest
from tests.unit.api.samples import BAD, GOOD, expectation

from serinus_operator.cli.check import Checked, check
from serinus_operator.cli.documents import parse, read

HEAD = "apiVersion: serving.serinus.dev/v1alpha1\nkind: ModelDeployment\nmetadata: {name: m}\n"
MODEL = "  model: {uri: 'configmap://c/m.onnx'}\n"

OF_KUBECTL = """{"apiVersion": "serving.serinus.dev/v1alpha1", "kind": "ModelDeployment", "metadata": {"name": "m",
"creationTimestamp": "2026-01-31T12:00:00Z", "generation": 1, "namespace": "default", "resourceVersion": "7",
"uid": "u"}, "spec": {"model": {"uri": "configmap://c/m.onnx"}}}"""

MISTAKES = {
    "a kind that is misspelt": (
        HEAD.replace("Deployment", "Deploymnet"), 2,
        'kind: Unsupported value: "ModelDeploymnet": supported values: "ModelDeployment", "ConfigMap"; '
        'did you mean "ModelDeployment"?',
    ),
    "another kind": (
        "apiVersion: v1\nkind: Pod\n", 2,
        'kind: Unsupported value: "Pod": supported values: "ModelDeployment", "ConfigMap"',
    ),
    "no kind": ("a: 1\n", 1, 'kind: Unsupported value: null: supported values: "ModelDeployment", "ConfigMap"'),
    "another version": (
        HEAD.replace("v1alpha1", "v1"), 1,
        'apiVersion: Unsupported value: "serving.serinus.dev/v1": supported values: "serving.serinus.dev/v1alpha1"',
    ),
    "a list": ("- 1\n", 1, "an object is expected, not a list"),
    "an unknown field": (
        f"{HEAD}spec:\n{MODEL}  replcas: 2\n", 6, 'unknown field "spec.replcas"; did you mean "replicas"?',
    ),
    "an unknown field of an item": (
        f"{HEAD}spec:\n{MODEL}  runtime:\n    env:\n    - nam: A\n", 8,
        'unknown field "spec.runtime.env[0].nam"; did you mean "name"?',
    ),
    "an unknown field of the metadata": (
        f"{HEAD.replace('name: m', 'name: m, lables: {}')}spec:\n{MODEL}", 3,
        'unknown field "metadata.lables"; did you mean "labels"?',
    ),
    "an unknown field that resembles none": (f"{HEAD}spec:\n{MODEL}  xyzzy: 2\n", 6, 'unknown field "spec.xyzzy"'),
    "a broken rule": (
        f"{HEAD}spec:\n  model:\n    uri: ftp://x/y\n", 6,
        "spec.model.uri: Invalid value: model.uri must begin with configmap://, pvc://, https://, s3://, gs://, az://, "
        "oci:// or models:/, or, in local mode, with file://",
    ),
    "a value out of bounds": (
        f"{HEAD}spec:\n{MODEL}  replicas: -1\n", 6,
        "spec.replicas: Invalid value: -1: spec.replicas in body should be greater than or equal to 0",
    ),
    "a List of another version": (
        "apiVersion: v2\nkind: List\nitems: [{}]\n", 1,
        'apiVersion: Unsupported value: "v2": supported values: "v1"',
    ),
    "a List without items": (
        "apiVersion: v1\nkind: List\n", 1, "items: Invalid value: a list of objects is expected, not null",
    ),
    "a List of nothing": (
        "apiVersion: v1\nkind: List\nitems: []\n", 3, "items: Required value: the List holds no object",
    ),
    "an item that is no object": (
        "apiVersion: v1\nkind: List\nitems:\n- 1\n", 4, "items[0]: an object is expected, not a number",
    ),
    "an item of another kind": (
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n", 5,
        'items[0]: kind: Unsupported value: "Pod": supported values: "ModelDeployment", "ConfigMap"',
    ),
    "an unknown field of an object in a List": (
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: serving.serinus.dev/v1alpha1\n  kind: ModelDeployment\n"
        "  metadata: {name: m}\n  spec:\n    model: {uri: 'configmap://c/m.onnx'}\n    replcas: 2\n", 9,
        'items[0]: unknown field "spec.replcas"; did you mean "replicas"?',
    ),
    "a ConfigMap with a number": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  a: 1\n", 5,
        "data[a]: Invalid value: must be a text",
    ),
    "a ConfigMap with an unknown field": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\nbinarydata: {}\n", 4,
        'unknown field "binarydata"; did you mean "binaryData"?',
    ),
    "a ConfigMap without a name": (
        "apiVersion: v1\nkind: ConfigMap\ndata: {}\n", 1,
        "metadata.name: Required value: name or generateName is required",
    ),
}  # fmt: skip


def checked(text: str, file: Path = Path("m.yaml")) -> tuple[Checked, ...]:
    reading = parse(file, text)
    assert reading.problems == ()
    return check(reading.documents)


@pytest.mark.parametrize(("text", "line", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_told_with_its_line(text: str, line: int, message: str) -> None:
    problems = [str(problem) for problem in checked(text)[0].problems]
    assert f"m.yaml:{line}: error: {message}" in problems


@pytest.mark.parametrize("path", BAD, ids=lambda p: p.stem)
def test_bad_samples_are_refused(path: Path) -> None:
    (item,) = check(read(path).documents)
    assert not item.good
    if "must begin with" not in expectation(path):  # local mode knows one scheme more
        assert expectation(path) in "\n".join(problem.message for problem in item.problems)


@pytest.mark.parametrize("path", GOOD, ids=lambda p: p.stem)
def test_good_samples_can_be_applied(path: Path) -> None:
    assert all(item.good for item in check(read(path).documents))


def test_what_has_no_effect_here_is_a_warning() -> None:
    text = f"{HEAD}spec:\n{MODEL}  runtime:\n    batching: {{maxBatchSize: 8}}\n    nodeSelector: {{gpu: 'yes'}}\n"
    (item,) = checked(text)
    assert item.good
    assert [str(problem) for problem in item.problems] == [
        "m.yaml:7: warning: spec.runtime.batching: NotSupported: has no effect in this version",
        "m.yaml:8: warning: spec.runtime.nodeSelector: NotInLocalMode: needs a cluster",
    ]


def test_object_that_is_there_twice_is_a_problem_of_the_second() -> None:
    text = f"{HEAD}spec:\n{MODEL}"
    first, second = checked(f"{text}---\n{text}")
    assert first.good
    assert second.problems[0].message == "ModelDeployment m is there twice; first in m.yaml:1"


def test_list_as_kubectl_prints_it_can_be_applied() -> None:
    model = {**json.loads(OF_KUBECTL), "status": {"replicas": 1}}
    listed = {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": [model, model]}
    first, second = checked(json.dumps(listed))
    assert first.good
    assert first.key == ("ModelDeployment", "default", "m")
    assert second.problems[0].message == "items[1]: ModelDeployment m is there twice; first in m.yaml:1"


@pytest.mark.parametrize(
    ("written", "read_as"),
    [("file://m.onnx", "{}/m.onnx"), ("file://./a/m.onnx", "{}/a/m.onnx"), ("file:///x/m.onnx", "/x/m.onnx")],
)
def test_relative_file_begins_at_the_manifest(tmp_path: Path, written: str, read_as: str) -> None:
    folder = tmp_path / "with blank"
    (item,) = checked(f"{HEAD}spec:\n  model: {{uri: '{written}'}}\n", folder / "m.yaml")
    expected = read_as.format(str(folder).replace(" ", "%20"))
    assert item.document.value["spec"]["model"]["uri"] == f"file://{expected}"
    assert item.good
    assert item.problems[0].message == f"spec.model.uri: NotFound: no file {read_as.format(folder)}"
