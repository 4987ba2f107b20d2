"""The columns and counts of the status."""

from typing import Any

import pytest
from tests.unit.decide.subjects import DIGEST, at, listed, observation, subject, workload

from serinus_api.conditions import Reason
from serinus_api.v1alpha1 import ModelDeploymentStatus, ScalingStatus
from serinus_operator.report.status import build_status
from serinus_operator.report.write import status_manifest
from serinus_operator.state import Decision, Health, Memory, Verdict


def built(
    status: ModelDeploymentStatus,
    *running: str,
    replicas: int = 2,
    scaling: ScalingStatus | None = None,
    **known: Any,
) -> ModelDeploymentStatus:
    decision = Decision(
        status,
        Memory(),
        Health.WORKING,
        Verdict(Reason.RECONCILING, "x"),
        replicas=replicas,
        scaling=scaling,
        running=running,
        entry=running[0] if running else None,
    )
    return build_status(subject(status=status), observation(**known), decision, at(0))


STABLE = ModelDeploymentStatus(stable_revision="s", revisions=(listed("s"),))


def test_serving_model() -> None:
    status = built(STABLE, "s", workloads={"s": workload(2)}, entry_revision="s")
    assert status.observed_generation == 3
    assert status.url == "http://iris.ml.svc.cluster.local"
    assert (status.replicas, status.selector) == (2, "serinus.dev/deployment=iris,serinus.dev/role=serving")
    assert status.summary
    assert status.summary.to_manifest() == {
        "weight": "100%",
        "replicas": "2/2",
        "digest": DIGEST[:19],
        "engine": "Fixed",
    }
    assert status.scaling
    assert (status.scaling.desired_replicas, status.scaling.ready_replicas) == (2, 2)


def test_candidate_counts_among_the_pods_but_not_among_those_that_serve() -> None:
    status = built(STABLE, "s", "c", workloads={"s": workload(2), "c": workload(1, 2)}, entry_revision="s")
    assert status.replicas == 4
    assert status.summary
    assert status.summary.replicas == "2/2"


@pytest.mark.parametrize("known", [{}, {"workloads": {"s": workload(0)}}])
def test_columns_are_filled_when_nothing_answers(known: dict[str, Any]) -> None:
    status = built(STABLE, "s", **known)
    assert status.summary
    assert (status.summary.weight, status.summary.replicas) == ("0%", "0/2")


def test_state_has_the_time_since_when_it_is_so() -> None:
    scaling = ScalingStatus(engine="Builtin", state="Awake", desired_replicas=3, message="2 → 3: x")
    first = built(STABLE, "s", scaling=scaling, workloads={"s": workload(2)})
    assert first.scaling
    assert (first.scaling.since, first.scaling.ready_replicas) == ("2026-05-01T09:00:00Z", 2)
    assert first.summary
    assert first.summary.engine == "Builtin"
    before = STABLE.model_copy(update={"scaling": first.scaling.model_copy(update={"since": "2026-01-01T00:00:00Z"})})
    again = built(before, "s", scaling=scaling, workloads={"s": workload(2)})
    assert again.scaling
    assert again.scaling.since == "2026-01-01T00:00:00Z"


def test_model_without_a_revision_has_columns_and_no_url() -> None:
    status = built(ModelDeploymentStatus())
    assert status.url is None
    assert status.summary
    assert status.summary.digest == "none"
    assert status.replicas == 0


def test_body_of_the_write_names_the_object_and_leaves_out_what_is_absent() -> None:
    body = status_manifest(subject(), built(STABLE, "s"))
    assert body["metadata"] == {"namespace": "ml", "name": "iris"}
    assert set(body) == {"apiVersion", "kind", "metadata", "status"}
    assert "candidateRevision" not in body["status"]
    assert body["status"]["stableRevision"] == "s"
