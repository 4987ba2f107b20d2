"""Good and bad manifests, judged without an API server. The end-to-end suite judges the same files with a real one."""

from pathlib import Path

import jsonschema
import pytest
from tests.unit.api.samples import BAD, GOOD, expectation, load
from tests.unit.api.schema_walk import walk

from serinus_api.admission import judge
from serinus_api.crd import object_schema
from serinus_api.editor import editor_schema
from serinus_api.v1alpha1 import ModelDeployment

EDITOR = jsonschema.Draft202012Validator(editor_schema())


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_sample_is_admitted(path: Path) -> None:
    stored, violations = judge(load(path))
    assert [str(violation) for violation in violations] == []
    assert judge(stored) == (stored, []), "judging what was stored changes nothing"


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_sample_is_read_by_the_models(path: Path) -> None:
    given, stored = load(path), judge(load(path))[0]
    assert ModelDeployment.model_validate(given).spec == ModelDeployment.model_validate(stored).spec


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_sample_pleases_the_editor(path: Path) -> None:
    assert [error.message for error in EDITOR.iter_errors(load(path))] == []


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_sample_is_refused_in_these_words(path: Path) -> None:
    said = [str(violation) for violation in judge(load(path))[1]]
    assert any(expectation(path) in words for words in said), said


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_sample_is_refused_for_that_alone(path: Path) -> None:
    """A sample that is refused for a second reason would not notice when the first is lost."""
    said = {str(violation) for violation in judge(load(path))[1]}
    others = {words for words in said if expectation(path) not in words and not words.startswith("<nil>")}
    alone = path.stem not in {"two-mistakes", "name-capital", "uri-empty", "uri-with-line-end"}
    assert bool(others) != alone, others


def test_every_rule_has_a_bad_sample() -> None:
    messages = {
        rule["message"]
        for _, schema in walk(object_schema(), "")
        for rule in schema.get("x-kubernetes-validations", ())
    }
    said = {str(violation) for path in BAD for violation in judge(load(path))[1]}
    assert {message for message in messages if not any(message in words for words in said)} == set()


def test_editor_marks_an_unknown_field() -> None:
    manifest = load(GOOD[0]) | {"spec": {"model": {"uri": "configmap://a/b"}, "modle": {}}}
    assert [error.message for error in EDITOR.iter_errors(manifest)] == [
        "Additional properties are not allowed ('modle' was unexpected)"
    ]


@pytest.mark.parametrize(("name", "refused"), [("full-supported", False), ("minimal", False), ("scaling", True)])
def test_kubectl_scale_is_refused_under_scaling_alone(name: str, refused: bool) -> None:
    """The scale subresource writes `spec.replicas`, and the rules of the whole object judge what comes of it."""
    manifest = load(next(path for path in GOOD if path.stem == name))
    manifest["spec"]["replicas"] = 4
    said = [str(violation) for violation in judge(manifest)[1]]
    assert [words for words in said if "replicas must not be set together with scaling" in words] == said
    assert bool(said) is refused
