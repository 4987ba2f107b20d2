"""Errors of the cluster as conditions."""

import pytest

from serinus_api.conditions import Reason
from serinus_operator.cluster.errors import ClusterError, Denied, NameTaken, Refused
from serinus_operator.report.failure import verdict_of


@pytest.mark.parametrize(
    ("error", "reason", "words"),
    [
        (NameTaken("Service", "iris"), Reason.NAME_CONFLICT, "Service iris exists and does not belong"),
        (Denied("create", "deployments.apps"), Reason.RBAC_DENIED, "may not create deployments.apps"),
        (Refused("exceeded quota: x"), Reason.PODS_REFUSED, "exceeded quota: x"),
    ],
)
def test_error_becomes_a_verdict(error: ClusterError, reason: Reason, words: str) -> None:
    verdict = verdict_of(error)
    assert verdict.reason is reason
    assert words in verdict.message
