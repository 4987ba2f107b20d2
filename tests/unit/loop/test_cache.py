"""The objects last seen."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from serinus_api import names
from serinus_operator.cache import Cache, controller_of, owner_key
from serinus_operator.cluster.port import DEPLOYMENT, MODEL_DEPLOYMENT, SERVICE
from serinus_operator.queue import Key

IRIS = Key("ml", "iris")


def child(
    name: str = "iris-1", version: int = 1, uid: str = "u1", kind: str = "Deployment", **labels: str
) -> dict[str, Any]:
    meta = {
        "namespace": "ml",
        "name": name,
        "uid": uid,
        "resourceVersion": str(version),
        "labels": {names.LABEL_DEPLOYMENT: "iris", **labels},
    }
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": meta}


def version_of(cache: Cache, name: str = "iris-1") -> str | None:
    found = cache.get(DEPLOYMENT, "ml", name)
    return found["metadata"]["resourceVersion"] if found else None


def test_object_is_found_by_address_and_by_owner() -> None:
    cache = Cache()
    cache.put(child())
    cache.put(child("iris-2"))
    cache.put(child("iris", kind="Service"))
    assert cache.get(DEPLOYMENT, "ml", "iris-1")
    assert [m["metadata"]["name"] for m in cache.children(IRIS, DEPLOYMENT)] == ["iris-1", "iris-2"]
    assert [m["metadata"]["name"] for m in cache.children(IRIS, SERVICE)] == ["iris"]
    assert cache.children(Key("other", "iris"), DEPLOYMENT) == []


def test_model_itself_is_no_child() -> None:
    cache = Cache()
    cache.put({**child("iris"), "kind": names.KIND})
    assert list(cache.keys(MODEL_DEPLOYMENT)) == [IRIS]
    assert cache.children(IRIS, MODEL_DEPLOYMENT) == []


@given(st.permutations([1, 2, 3, 9, 10, 11, 100]))
def test_older_version_never_replaces_a_newer_one(order: list[int]) -> None:
    """Versions are numbers: 9 comes before 10."""
    cache = Cache()
    for version in order:
        cache.put(child(version=version))
    assert version_of(cache) == "100"


def test_late_event_of_a_deleted_object_does_not_replace_the_new_one_of_that_name() -> None:
    cache = Cache()
    cache.put(child(version=10, uid="new"))
    cache.put(child(version=9, uid="old"))
    assert version_of(cache) == "10"
    cache.drop(child(version=9, uid="old"))
    assert version_of(cache) == "10"


def test_new_object_of_the_same_name_replaces_the_old_one() -> None:
    cache = Cache()
    cache.put(child(version=9, uid="old"))
    cache.put(child(version=10, uid="new"))
    assert version_of(cache) == "10"


def test_object_that_is_gone_is_forgotten_with_its_place_among_the_children() -> None:
    cache = Cache()
    cache.put(child())
    cache.drop(child(version=2))
    assert version_of(cache) is None
    assert cache.children(IRIS, DEPLOYMENT) == []
    cache.drop(child())


def test_child_whose_label_is_gone_leaves_no_trace_when_it_goes() -> None:
    cache = Cache()
    cache.put(child())
    bare = child(version=2)
    del bare["metadata"]["labels"]
    cache.drop(bare)
    assert version_of(cache) is None
    assert cache.children(IRIS, DEPLOYMENT) == []


def test_child_that_moves_to_another_model_is_no_longer_a_child_of_the_first() -> None:
    cache = Cache()
    cache.put(child())
    cache.put(child(version=2, **{names.LABEL_DEPLOYMENT: "rose"}))
    assert cache.children(IRIS, DEPLOYMENT) == []
    assert len(cache.children(Key("ml", "rose"), DEPLOYMENT)) == 1


def test_refresh_drops_ghosts_and_takes_in_what_was_missed() -> None:
    cache = Cache()
    cache.put(child("ghost"))
    cache.put(child("stays"))
    before = cache.versions(DEPLOYMENT)
    cache.refresh([child("stays", version=5), child("missed")], before=before)
    assert [m["metadata"]["name"] for m in cache.children(IRIS, DEPLOYMENT)] == ["missed", "stays"]
    assert version_of(cache, "stays") == "5"


def test_refresh_keeps_what_came_while_the_list_was_under_way() -> None:
    cache = Cache()
    cache.put(child("changed"))
    before = cache.versions(DEPLOYMENT)
    cache.put(child("made"))
    cache.put(child("changed", version=7))
    cache.refresh([], before=before)
    assert {m["metadata"]["name"] for m in cache.children(IRIS, DEPLOYMENT)} == {"made", "changed"}


def test_refresh_of_one_kind_leaves_others_alone() -> None:
    cache = Cache()
    cache.put(child("iris", kind="Service"))
    cache.put(child())
    cache.refresh([], before=cache.versions(DEPLOYMENT))
    assert version_of(cache) is None
    assert cache.get(SERVICE, "ml", "iris")


def test_managed_fields_are_not_kept() -> None:
    cache = Cache()
    manifest = child()
    manifest["metadata"]["managedFields"] = ["long"]
    cache.put(manifest)
    assert "managedFields" not in cache.get(DEPLOYMENT, "ml", "iris-1")["metadata"]
    assert manifest["metadata"]["managedFields"] == ["long"], "what was handed in is not changed"


def test_owner_is_the_model_itself_or_its_label() -> None:
    assert owner_key({**child("iris"), "kind": names.KIND}) == IRIS
    assert owner_key(child("x")) == IRIS
    assert owner_key({"kind": "Pod", "metadata": {"namespace": "ml", "name": "x"}}) is None


def test_controller_is_the_one_owner_that_controls() -> None:
    manifest = child()
    assert controller_of(manifest) == {}
    manifest["metadata"]["ownerReferences"] = [{"uid": "a"}, {"uid": "b", "controller": True}]
    assert controller_of(manifest)["uid"] == "b"
