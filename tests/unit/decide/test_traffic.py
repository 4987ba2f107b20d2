"""Where the entry Service leads: never from what answers to what does not. The table of `decide/traffic.py`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.decide.subjects import observation, subject, workload

from serinus_api.v1alpha1 import ModelDeploymentStatus, RejectedSpec
from serinus_operator.decide import traffic

REFUSED = ModelDeploymentStatus(
    rejected=(RejectedSpec(spec_hash="x", revision="old", reason="CandidateNotReady", at="2026-05-01T09:00:00Z"),)
)

TABLE: list[tuple[str, str | None, int, str | None, int, str | None]] = [
    ("nothing yet", None, 0, None, 0, None),
    ("first candidate", None, 0, "new", 0, "new"),
    ("settled", "old", 2, "old", 2, "old"),
    ("settled, and nothing answers", "old", 0, "old", 0, "old"),
    ("the present one answers, the new one does not", "old", 1, "new", 0, "old"),
    ("both answer", "old", 2, "new", 1, "new"),
    ("neither answers", "old", 0, "new", 0, "new"),
    ("the present one is all there is, and answers", "old", 1, None, 0, "old"),
    ("the present one is all there is, and does not answer", "old", 0, None, 0, None),
]


@pytest.mark.parametrize(
    ("present", "answers", "wanted", "new", "leads"), [r[1:] for r in TABLE], ids=[r[0] for r in TABLE]
)
def test_entry(present: str | None, answers: int, wanted: str | None, new: int, leads: str | None) -> None:
    workloads = {"new": workload(new), **({present: workload(answers)} if present else {})}
    seen = observation(workloads=workloads, entry_revision=present)
    assert traffic.entry(subject(), seen, wanted, 2) == leads


def test_refused_revision_gets_no_traffic_however_well_it_answers() -> None:
    seen = observation(workloads={"old": workload(2)}, entry_revision="old")
    assert traffic.entry(subject(status=REFUSED), seen, None, 2) is None
    assert traffic.entry(subject(status=REFUSED), seen, "new", 2) == "new"


def test_model_without_pods_is_led_to_although_nothing_answers_there() -> None:
    seen = observation(workloads={"old": workload(2), "new": workload(0, 0)}, entry_revision="old")
    assert traffic.entry(subject(), seen, "new", 0) == "new"


def test_service_that_leads_to_a_deployment_that_is_gone_is_moved() -> None:
    assert traffic.entry(subject(), observation(entry_revision="old"), "new", 2) == "new"


@given(st.sampled_from([None, "a", "b"]), st.sampled_from([None, "a", "b"]), st.integers(0, 2), st.integers(0, 2))
def test_traffic_never_goes_from_what_answers_to_what_does_not(
    present: str | None, wanted: str | None, a: int, b: int
) -> None:
    ready = {"a": a, "b": b}
    seen = observation(workloads={k: workload(n) for k, n in ready.items()}, entry_revision=present)
    leads = traffic.entry(subject(), seen, wanted, 2)
    assert leads in (present, wanted)
    if present and ready[present]:
        assert leads
        assert ready[leads]


def test_old_revision_runs_until_the_flip_was_seen() -> None:
    seen = observation(workloads={"old": workload(), "new": workload()}, entry_revision="old")
    assert traffic.running(seen, "new", "new", None) == ("new", "old")
    assert traffic.running(observation(workloads=seen.workloads, entry_revision="new"), "new", "new", None) == ("new",)


def test_nothing_runs_for_the_sake_of_a_service_that_leads_nowhere() -> None:
    seen = observation(workloads={"old": workload(0)}, entry_revision="old")
    assert traffic.running(seen, None, None, None) == ()
