"""The digest on which operator and preflight pod agree."""

from serinus_api.golden import golden_digest


def test_digest_does_not_depend_on_the_order() -> None:
    assert golden_digest({"a": b"1", "b": b"2"}) == golden_digest({"b": b"2", "a": b"1"})


def test_digest_tells_names_contents_and_where_one_ends() -> None:
    sets = [{}, {"a": b"1"}, {"a": b"2"}, {"b": b"1"}, {"a": b"1", "b": b""}, {"a": b"1b"}, {"ab": b"1"}, {"a": b""}]
    found = {golden_digest(files) for files in sets}
    assert len(found) == len(sets)
    assert all(digest.startswith("sha256:") and len(digest) == 71 for digest in found)
