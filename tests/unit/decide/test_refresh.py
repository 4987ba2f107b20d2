"""A spec that is resolved once more while it serves: when, and what the revision that comes of it is called."""

from dataclasses import replace

import pytest
from tests.unit.decide.subjects import DIGEST, OTHER, listed, record, resolution, revision, spec, subject

from serinus_api.v1alpha1 import ModelDeploymentStatus, RejectedSpec, ResolutionPhase, spec_hash
from serinus_operator.decide.refresh import serves_on
from serinus_operator.decide.work import revision_for

S = revision()
STABLE = ModelDeploymentStatus(stable_revision=S, revisions=(listed(S),))
ANOTHER = spec(model={"uri": "configmap://iris/model.onnx"})
RESOLVING = resolution(ResolutionPhase.RESOLVING)
REFUSED = RejectedSpec(spec_hash=spec_hash(spec()), reason="LoadFailed", at="2026-05-01T09:00:00Z")


@pytest.mark.parametrize(
    ("update", "asked", "expected"),
    [
        ({}, "", True),
        ({}, "1", False),
        ({"stable_revision": None}, "", False),
        ({"resolution": RESOLVING}, "", False),
        ({"resolution": resolution(ResolutionPhase.RESOLVING, ANOTHER)}, "", True),
        ({"rejected": (REFUSED,)}, "", False),
        ({"rejected": (REFUSED.model_copy(update={"spec_hash": spec_hash(ANOTHER)}),)}, "", True),
    ],
    ids=["serves", "asked for", "first", "being resolved", "another was", "refused at a refresh", "another is refused"],
)
def test_spec_serves_on(update: dict[str, object], asked: str, expected: bool) -> None:
    given = subject(None, STABLE.model_copy(update=update), refresh=asked)
    assert serves_on(given, {S: record()}) is expected


def test_another_spec_does_not_serve_on() -> None:
    assert not serves_on(subject(ANOTHER, STABLE), {S: record()})


def test_other_bytes_are_another_revision() -> None:
    assert revision_for(subject(None, STABLE), {S: record()}, RESOLVING, OTHER) == revision(OTHER)


def test_same_bytes_and_image_are_the_revision_that_serves() -> None:
    assert revision_for(subject(None, STABLE), {S: record()}, RESOLVING, DIGEST) == S


def test_same_bytes_with_another_image_are_a_revision_with_a_name_of_its_own() -> None:
    newer = RESOLVING.model_copy(update={"image": "runtime:2"})
    name = revision_for(subject(None, STABLE), {S: record()}, newer, DIGEST)
    assert name != S
    made = replace(record(number=2), name=name, image="runtime:2")
    assert revision_for(subject(None, STABLE), {S: record(), name: made}, newer, DIGEST) == name, "once it is recorded"
    third = RESOLVING.model_copy(update={"image": "runtime:3"})
    assert revision_for(subject(None, STABLE), {S: record()}, third, DIGEST) not in (S, name)


def test_return_to_a_spec_that_was_refreshed_is_to_its_newest_revision() -> None:
    """And another operator's image is no reason for another revision there."""
    refreshed = replace(record(number=2), name="iris-refreshed", image="runtime:2")
    other = record(OTHER, ANOTHER, number=3)
    records = {S: record(), refreshed.name: refreshed, other.name: other}
    given = subject(None, STABLE.model_copy(update={"stable_revision": other.name}))
    newest = RESOLVING.model_copy(update={"image": "runtime:3"})
    assert revision_for(given, records, newest, DIGEST) == refreshed.name
