"""Errors of the cluster as conditions."""

import pytest

from serinus_api.conditions import Reason
from serinus_operator.cluster.errors import ClusterError, Denied, Invalid, NameTaken, Refused
from serinus_operator.report.failure import verdict_of


@pytest.mark.parametrize(
    ("error", "reason", "words"),
    [
        (NameTaken("Service", "iris"), Reason.NAME_CONFLICT, "Service iris exists and does not belong"),
        (Denied("create", "deployments.apps"), Reason.RBAC_DENIED, "may not create deployments.apps"),
        (Refused("exceeded quota: x"), Reason.PODS_REFUSED, "exceeded quota: x"),
        (Invalid("spec.containers[0].x: bad"), Reason.REJECTED_BY_API_SERVER, "spec.containers[0].x: bad"),
    ],
)
def test_error_becomes_a_verdict(error: ClusterError, reason: Reason, words: str) -> None:
    verdict = verdict_of(error)
    assert verdict.reason is reason
    assert words in verdict.message


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ('strict decoding error: unknown field "spec.affinity.nodeAffinty"', "spec.runtime.affinity"),
        (".spec.template.spec.affinity.nodeAffinty: field not declared in schema", "spec.runtime.affinity"),
        ("cannot unmarshal string into Go struct field Affinity.nodeAffinity of type", "spec.runtime.affinity"),
        ('spec.containers[0].resources.requests: Invalid value: "2Gi"', "spec.runtime.resources"),
        ("spec.template.spec.containers[0].resources.limits[a/b/c]: Invalid", "spec.runtime.resources"),
        ("spec.tolerations[0].operator: Invalid value", "spec.runtime.tolerations"),
        ("spec.template.metadata.annotations: Too long", "spec.runtime.podAnnotations"),
        ("spec.selector: field is immutable", "what it names"),
    ],
)
def test_invalid_child_names_the_field_to_correct(words: str, field: str) -> None:
    assert verdict_of(Invalid(words)).message == f"the API server refuses a child for good: {words}; correct {field}"
