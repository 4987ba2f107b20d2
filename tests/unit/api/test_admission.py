"""What `judge` does beside refusing: defaults, nulls, unknown fields, and the words of the API server."""

import datetime

import pytest
from tests.unit.api.samples import minimal

from serinus_api.admission import judge
from serinus_api.rules import holds, matches


def said(manifest: dict) -> list[str]:
    return [str(violation) for violation in judge(manifest)[1]]


def test_defaults_are_filled_only_into_blocks_that_are_there() -> None:
    stored, violations = judge(minimal())
    assert violations == []
    assert stored["spec"] == {"model": {"uri": "configmap://iris-model/model.onnx"}, "paused": False}
    stored, _ = judge(minimal(runtime={}, rollout={}))
    assert stored["spec"]["runtime"] == {
        "maxConcurrency": 8,
        "requestTimeoutSeconds": 60,
        "startupDeadlineSeconds": 600,
        "drainSeconds": 10,
    }
    assert stored["spec"]["rollout"] == {"revisionHistoryLimit": 5}


def test_null_is_as_good_as_absent() -> None:
    """As in a create or a client-side apply; a server-side apply of a null is refused by the API server."""
    stored, violations = judge(minimal(replicas=None, paused=None, runtime={"podLabels": {"team": None}, "env": None}))
    assert violations == []
    assert "replicas" not in stored["spec"]
    assert stored["spec"]["paused"] is False
    assert stored["spec"]["runtime"]["podLabels"] == {}
    assert "env" not in stored["spec"]["runtime"]


def test_null_in_a_list_is_refused() -> None:
    assert said(minimal(runtime={"env": [None]}))[0] == (
        'spec.runtime.env[0]: Invalid value: "null": spec.runtime.env[0] in body must be of type object: "null"'
    )


def test_unknown_fields_are_named_and_dropped() -> None:
    stored, violations = judge(minimal(foo=1, runtime={"resources": {"limit": {}}}))
    assert [str(violation) for violation in violations] == [
        'unknown field "spec.foo"',
        'unknown field "spec.runtime.resources.limit"',
    ]
    assert "foo" not in stored["spec"]
    assert stored["spec"]["runtime"]["resources"] == {}


def test_affinity_is_kept_as_it_is() -> None:
    affinity = {"podAntiAffinity": {"fieldOfALaterKubernetes": [{"a": None}]}}
    stored, violations = judge(minimal(runtime={"affinity": affinity}))
    assert violations == []
    assert stored["spec"]["runtime"]["affinity"] == affinity


def test_the_manifest_is_not_changed() -> None:
    manifest = minimal(runtime={"env": [{"name": "A", "value": "a", "more": 1}]}, paused=None)
    before = repr(manifest)
    judge(manifest)
    assert repr(manifest) == before


def test_a_status_is_ignored() -> None:
    stored, violations = judge(minimal() | {"status": {"nonsense": True}})
    assert violations == []
    assert "status" not in stored


def test_rules_are_not_evaluated_over_a_broken_object() -> None:
    words = said(minimal(replicas="two", scaling={}))
    assert words == [
        'spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string"',
        "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct "
        "the existing errors to complete validation",
    ]


def test_a_number_out_of_bounds_does_not_hide_the_rules() -> None:
    words = said(minimal(replicas=-1, scaling={}))
    assert words[0] == "spec.replicas: Invalid value: -1: spec.replicas in body should be greater than or equal to 0"
    assert words[1].startswith("spec.replicas: Invalid value: replicas must not be set together with scaling")


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        pytest.param({"kind": "Deployment"}, 'kind: Unsupported value: "Deployment"', id="another kind"),
        pytest.param({"apiVersion": "v1"}, 'apiVersion: Unsupported value: "v1"', id="another version"),
        pytest.param({"metadata": {}}, "metadata.name: Required value: name or generateName is required", id="no name"),
        pytest.param({"metadata": {"name": 1}}, "metadata.name in body must be of type string", id="a number as name"),
        pytest.param({"metadata": {"name": "x" * 254}}, "must be no more than 253 characters", id="a name without end"),
        pytest.param(
            {"metadata": {"name": "a", "lables": {}}}, 'unknown field "metadata.lables"', id="misspelt labels"
        ),
        pytest.param(
            {"metadata": {"name": "a", "labels": {"a": 1}}}, "metadata.labels.a in body", id="a number as label"
        ),
        pytest.param({"spec": []}, "spec in body must be of type object", id="a list as spec"),
    ],
)
def test_the_frame_is_judged_too(manifest: dict, words: str) -> None:
    assert any(words in line for line in said(minimal() | manifest)), said(minimal() | manifest)


def test_numbers_and_dates_are_read_as_kubectl_sends_them() -> None:
    stored, violations = judge(
        minimal(replicas=2.0, runtime={"podAnnotations": {"example.com/since": datetime.date(2026, 1, 31)}})
    )
    assert violations == []
    assert stored["spec"]["replicas"] == 2
    assert stored["spec"]["runtime"]["podAnnotations"] == {"example.com/since": "2026-01-31"}


def test_half_a_character_is_replaced() -> None:
    stored, violations = judge(minimal(runtime={"podAnnotations": {"note": "\ud83d"}}))
    assert violations == []
    assert stored["spec"]["runtime"]["podAnnotations"]["note"] == "?"


@pytest.mark.parametrize("huge", [2**63, -(2**63) - 1, 2**200, 1e30])
def test_a_number_that_no_integer_holds_is_refused(huge: float) -> None:
    assert said(minimal(replicas=huge))[0].endswith('must be of type integer: "number"')


def test_lists_of_objects_need_objects() -> None:
    assert 'spec.runtime.env[1]: Invalid value: "string"' in said(minimal(runtime={"env": [{"name": "A"}, "B"]}))[0]


def test_a_key_that_is_there_three_times_is_named_once() -> None:
    env = [{"name": "A", "value": "a"}] * 3
    assert said(minimal(runtime={"env": env})) == ['spec.runtime.env[1]: Duplicate value: {"name":"A"}']


def test_patterns_are_those_of_the_api_server() -> None:
    """RE2: `$` is the end of the text, not of a line, and classes are ASCII."""
    assert not matches("a\n", "^a$")
    assert not matches("é", r"^\w$")


@pytest.mark.parametrize("character", [*map(chr, range(33)), "\x7f"])
def test_no_control_character_hides_in_a_uri(character: str) -> None:
    manifest = minimal(model={"uri": f"https://example.com/a{character}b"})
    assert any("must not contain spaces or control characters" in words for words in said(manifest))


def test_a_rule_that_cannot_be_evaluated_says_why() -> None:
    assert holds("self.missing == 1", {}) == 'NOT_FOUND: Key not found in map : "missing"'


@pytest.mark.parametrize("function", ["isURL(self)", "quantity('1')", "self.a.isSorted()", "oldSelf == self"])
def test_an_extension_function_does_not_compile(function: str) -> None:
    with pytest.raises(RuntimeError, match="undeclared reference"):
        holds(function, {"a": []})
