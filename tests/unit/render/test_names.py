"""Names of children stay within 63 characters, and never meet."""

import re

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from serinus_api import names

DEPLOYMENTS = st.from_regex(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
HASHES = st.text("0123456789abcdef", min_size=64, max_size=64)
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


@settings(max_examples=40, deadline=None)
@given(DEPLOYMENTS, HASHES, HASHES, st.integers(1, 10**6))
def test_every_name_is_a_dns_label_of_63_characters_at_most(name: str, shape: str, digest: str, attempt: int) -> None:
    for made in (
        names.revision_name(name, shape, f"sha256:{digest}"),
        names.preflight_name(name, shape, attempt),
        names.metrics_policy_name(name),
        names.bounded(name),
    ):
        assert len(made) <= 63
        assert DNS_LABEL.fullmatch(made)


@settings(max_examples=40, deadline=None)
@given(DEPLOYMENTS, DEPLOYMENTS, HASHES)
def test_two_models_never_share_a_revisions_name(one: str, other: str, shape: str) -> None:
    assume(one != other)
    assert names.revision_name(one, shape, "d") != names.revision_name(other, shape, "d")


@settings(max_examples=40, deadline=None)
@given(DEPLOYMENTS, HASHES, HASHES)
def test_other_bytes_or_another_spec_is_another_revision(name: str, one: str, other: str) -> None:
    assume(one != other)
    assert names.revision_name(name, one, "d") != names.revision_name(name, other, "d")
    assert names.revision_name(name, "s", one) != names.revision_name(name, "s", other)


@settings(max_examples=40, deadline=None)
@given(DEPLOYMENTS, HASHES, st.integers(1, 1000))
def test_each_attempt_has_a_name_of_its_own(name: str, shape: str, attempt: int) -> None:
    assert names.preflight_name(name, shape, attempt) != names.preflight_name(name, shape, attempt + 1)


@settings(max_examples=40, deadline=None)
@given(DEPLOYMENTS)
def test_label_of_a_model_is_its_name(name: str) -> None:
    """The key of a child is read back from its label."""
    assert names.deployment_labels(name)[names.LABEL_DEPLOYMENT] == name
    assert len(names.selector_string(name)) <= 512


@settings(max_examples=40, deadline=None)
@given(DEPLOYMENTS, st.text(max_size=100))
def test_event_name_is_a_subdomain(name: str, key: str) -> None:
    made = names.event_name(name, key)
    assert len(made) <= 253
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", made)


def test_long_name_is_cut_and_hashed_as_documented() -> None:
    assert names.bounded("a" * 63, "-1a2b3c4d") == "a" * 45 + "-" + names.short_hash("a" * 63) + "-1a2b3c4d"
    assert names.bounded("iris", "-1a2b3c4d") == "iris-1a2b3c4d"
