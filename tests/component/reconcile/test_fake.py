"""The cluster in memory keeps the API server's rules, as far as the stories lean on them."""

import pytest
from tests.fakes.cluster import FakeCluster
from tests.fakes.defaults import quantity
from tests.fakes.merge import applied
from tests.fakes.world import NAMESPACE, config_map

from serinus_operator.cluster.errors import Conflict, Invalid, Missing, Refused, Terminating, Unavailable
from serinus_operator.cluster.port import CONFIG_MAP, DEPLOYMENT, SERVICE, Manifest, Precondition


def service(**spec: object) -> Manifest:
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}]
    meta = {"namespace": NAMESPACE, "name": "iris", "labels": {"a": "b"}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": {}, "ports": ports, **spec}}


def seen(manifest: Manifest) -> Precondition:
    return Precondition(manifest["metadata"]["uid"], manifest["metadata"]["resourceVersion"])


async def test_create_conflicts_with_what_is_there() -> None:
    cluster = FakeCluster()
    await cluster.create(service())
    with pytest.raises(Conflict):
        await cluster.create(service())


async def test_change_needs_the_version_that_was_seen() -> None:
    cluster = FakeCluster()
    old = await cluster.create(service())
    new = await cluster.apply(service(type="NodePort"), seen(old))
    for write in (cluster.apply(service(), seen(old)), cluster.delete(SERVICE, NAMESPACE, "iris", seen(old))):
        with pytest.raises(Conflict):
            await write
    with pytest.raises(Conflict):
        await cluster.apply(service(), Precondition("another", new["metadata"]["resourceVersion"]))
    await cluster.delete(SERVICE, NAMESPACE, "iris", seen(new))
    with pytest.raises(Missing):
        await cluster.apply(service(), seen(new))


async def test_write_that_changes_nothing_gets_no_new_version() -> None:
    cluster = FakeCluster()
    made = await cluster.create(service())
    again = await cluster.apply(service(), seen(made))
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert [c.changed for c in cluster.calls] == [True, False]


def test_apply_merges_maps_and_items_and_keeps_what_others_added() -> None:
    live = {"env": [{"name": "A", "value": "1"}, {"name": "X", "value": "theirs"}], "labels": {"x": "theirs"}}
    wanted = {"env": [{"name": "A", "value": "2"}], "labels": {"a": "b"}}
    assert applied(live, wanted, {}) == {
        "env": [{"name": "A", "value": "2"}, {"name": "X", "value": "theirs"}],
        "labels": {"x": "theirs", "a": "b"},
    }


def test_apply_removes_what_its_manager_leaves_out() -> None:
    before = {"env": [{"name": "A"}, {"name": "B"}], "labels": {"a": "b", "c": "d"}, "args": ["x"]}
    live = {**before, "labels": {**before["labels"], "x": "theirs"}}
    wanted = {"env": [{"name": "B"}], "labels": {"a": "b"}}
    assert applied(live, wanted, before) == {"env": [{"name": "B"}], "labels": {"a": "b", "x": "theirs"}}


def test_apply_replaces_lists_without_identity() -> None:
    assert applied({"args": ["a", "b"]}, {"args": ["c"]}, {}) == {"args": ["c"]}


async def test_immutable_parts_are_refused() -> None:
    cluster = FakeCluster()
    made = await cluster.create({**config_map("m", b"one"), "immutable": True})
    with pytest.raises(Refused, match="immutable"):
        await cluster.replace({**config_map("m", b"two"), "immutable": True}, seen(made))


async def test_misspelt_affinity_is_refused_by_create_and_by_apply() -> None:
    cluster = FakeCluster()
    template = {"metadata": {"labels": {}}, "spec": {"containers": [{"name": "x"}]}}
    meta, selector = {"namespace": NAMESPACE, "name": "d"}, {"matchLabels": {}}
    good = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta}
    good["spec"] = {"selector": selector, "template": template}
    bad_pod = {**template, "spec": {**template["spec"], "affinity": {"nodeAffinty": {}}}}
    bad = {**good, "spec": {"selector": selector, "template": bad_pod}}
    with pytest.raises(Invalid, match="strict decoding error"):
        await cluster.create(bad)
    made = await cluster.create(good)
    with pytest.raises(Invalid, match="field not declared in schema"):
        await cluster.apply(bad, seen(made))


async def test_generation_rises_with_the_spec_alone() -> None:
    cluster = FakeCluster()
    template = {"metadata": {"labels": {}}, "spec": {"containers": [{"name": "x"}]}}
    meta = {"namespace": NAMESPACE, "name": "d"}
    spec = {"selector": {"matchLabels": {}}, "template": template}
    made = await cluster.create({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec})
    assert made["spec"]["replicas"] == 1
    await cluster.scale(DEPLOYMENT, NAMESPACE, "d", 3, seen(made))
    scaled = cluster.edit(DEPLOYMENT, NAMESPACE, "d", lambda live: live.update(status={"replicas": 3}))
    assert scaled["metadata"]["generation"] == 2
    assert scaled["spec"]["replicas"] == 3


async def test_applying_a_deployment_without_replicas_that_were_applied_sets_them_to_one() -> None:
    """As measured on a real API server: it would wake a sleeper, or fell a fleet."""
    cluster = FakeCluster()
    template = {"metadata": {"labels": {}}, "spec": {"containers": [{"name": "x"}]}}
    meta = {"namespace": NAMESPACE, "name": "d"}
    bare = {"selector": {"matchLabels": {}}, "template": template}
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {**bare, "replicas": 5}}
    made = await cluster.create(manifest)
    full = await cluster.apply(manifest, seen(made))
    after = await cluster.apply({**manifest, "spec": bare}, seen(full))
    assert after["spec"]["replicas"] == 1


async def test_nothing_is_made_in_a_namespace_that_goes() -> None:
    cluster = FakeCluster()
    cluster.terminating.add(NAMESPACE)
    with pytest.raises(Terminating):
        await cluster.create(service())


async def test_fault_strikes_the_calls_that_match_and_as_often_as_it_is_told() -> None:
    cluster = FakeCluster()
    cluster.fail(Unavailable("x"), verb="create", kind="Service", skip=1, times=1, after=True)
    await cluster.create(config_map("a", b""))
    made = await cluster.create(service())
    await cluster.delete(SERVICE, NAMESPACE, "iris", seen(made))
    with pytest.raises(Unavailable):
        await cluster.create(service())
    assert await cluster.get(SERVICE, NAMESPACE, "iris"), "it was done; only the answer was lost"


async def test_garbage_is_what_has_no_owner_left() -> None:
    cluster = FakeCluster()
    owner = await cluster.create(config_map("owner", b""))
    child = config_map("child", b"")
    child["metadata"]["ownerReferences"] = [{"uid": owner["metadata"]["uid"], "controller": True}]
    await cluster.create(child)
    cluster.collect_garbage()
    assert await cluster.get(CONFIG_MAP, NAMESPACE, "child")
    cluster.remove(CONFIG_MAP, NAMESPACE, "owner")
    cluster.collect_garbage()
    assert await cluster.get(CONFIG_MAP, NAMESPACE, "child") is None


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("1000m", "1"), ("0.5", "500m"), ("1024Mi", "1Gi"), ("1536Mi", "1536Mi"), ("1000", "1k"), ("0.25Gi", "256Mi")],
)
def test_quantity_is_written_as_the_api_server_does(text: str, canonical: str) -> None:
    assert quantity(text) == canonical
