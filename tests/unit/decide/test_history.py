"""Revisions and rejections that are remembered."""

from tests.unit.decide.subjects import (
    DIGEST,
    OTHER,
    at,
    listed,
    observation,
    record,
    resolution,
    spec,
    subject,
    workload,
)

from serinus_api.conditions import Reason
from serinus_api.v1alpha1 import MAX_REJECTED, ModelDeploymentStatus, ResolutionPhase, RevisionState
from serinus_operator.decide import history
from serinus_operator.state import SourceLook, Verdict

RETIRED = [listed(f"old-{n}", RevisionState.RETIRED) for n in range(8)]
RECORDS = {r.name: record() for r in RETIRED}


def names_in(status: ModelDeploymentStatus, *, limit: int | None = None, **known: object) -> list[str]:
    given = subject(spec(rollout={"revisionHistoryLimit": limit}) if limit is not None else None, status)
    seen = observation(records={**RECORDS, "s": record(), "c": record()}, **known)
    found = history.revisions(given, seen, stable="s", candidate=None, digest=None, replicas=2, now=at(0))
    return [entry.name for entry in found]


def test_candidate_and_stable_come_first_then_history_newest_first() -> None:
    status = ModelDeploymentStatus(revisions=(listed("s"), *RETIRED[:2]))
    given, seen = subject(status=status), observation(records={**RECORDS, "s": record(), "c": record()})
    found = history.revisions(given, seen, stable="s", candidate="c", digest=OTHER, replicas=2, now=at(0))
    assert [(r.name, r.state) for r in found] == [
        ("c", RevisionState.CANDIDATE),
        ("s", RevisionState.STABLE),
        ("old-0", RevisionState.RETIRED),
        ("old-1", RevisionState.RETIRED),
    ]


def test_history_is_cut_at_its_limit() -> None:
    status = ModelDeploymentStatus(revisions=(listed("s"), *RETIRED))
    assert names_in(status) == ["s", *(f"old-{n}" for n in range(5))]
    assert names_in(status, limit=1) == ["s", "old-0"]
    assert names_in(status, limit=0) == ["s"]


def test_candidate_that_was_never_promoted_is_no_history() -> None:
    status = ModelDeploymentStatus(revisions=(listed("gone", RevisionState.CANDIDATE), listed("s")))
    assert names_in(status) == ["s"]


def test_revision_without_a_record_cannot_be_returned_to() -> None:
    status = ModelDeploymentStatus(revisions=(listed("s"), listed("lost", RevisionState.RETIRED)))
    assert names_in(status) == ["s"]


def test_old_stable_becomes_history_without_pods() -> None:
    status = ModelDeploymentStatus(revisions=(listed("old-0"),))
    given, seen = (
        subject(status=status),
        observation(records={**RECORDS, "s": record()}, workloads={"s": workload(1, 3)}),
    )
    new, old = history.revisions(given, seen, stable="s", candidate=None, digest=None, replicas=2, now=at(60))
    assert (new.replicas, new.ready_replicas, new.created_at) == (3, 1, "2026-05-01T09:01:00Z")
    assert (old.name, old.state, old.replicas) == ("old-0", RevisionState.RETIRED, 0)


def test_time_of_making_stays() -> None:
    known = listed("s").model_copy(update={"created_at": "2026-01-01T00:00:00Z"})
    given = subject(status=ModelDeploymentStatus(revisions=(known,)))
    (entry,) = history.revisions(given, observation(), stable="s", candidate=None, digest=None, replicas=2, now=at(0))
    assert entry.created_at == "2026-01-01T00:00:00Z"


def test_changed_source_cannot_be_restored_and_stays_so() -> None:
    given = subject(status=ModelDeploymentStatus(stable_revision="s", revisions=(listed("s"),)))
    seen = observation(stable_source=SourceLook("another ETag"))
    (entry,) = history.revisions(given, seen, stable="s", candidate=None, digest=None, replicas=2, now=at(0))
    assert not entry.restorable
    later = subject(status=ModelDeploymentStatus(stable_revision="s", revisions=(entry,)))
    (entry,) = history.revisions(later, observation(), stable="s", candidate=None, digest=None, replicas=2, now=at(0))
    assert not entry.restorable


def test_rejections_are_one_per_spec_newest_first_and_bounded() -> None:
    status = ModelDeploymentStatus()
    for number in range(MAX_REJECTED + 4):
        work = resolution(ResolutionPhase.PREFLIGHT, spec_hash=f"{number % (MAX_REJECTED + 2)}")
        given = subject(status=status.model_copy(update={"resolution": work}))
        verdict = Verdict(Reason.LOAD_FAILED, f"try {number} " + "x" * 2000)
        found = history.with_rejection(given, verdict, now=at(number), digest=DIGEST, revision=None, attempt=number)
        status = status.model_copy(update={"rejected": found})
    assert [(r.spec_hash, r.attempt) for r in status.rejected[:3]] == [("1", 19), ("0", 18), ("17", 17)]
    assert len(status.rejected) == MAX_REJECTED
    assert all(len(r.message) <= 1024 for r in status.rejected)
