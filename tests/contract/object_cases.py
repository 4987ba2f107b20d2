"""The contract on objects of any kind: identity, versions, preconditions, writes, watches."""

import pytest
from tests.contract.surface import LABELS, Surface, bound, config_map, deployment, found, until

from serinus_api import names
from serinus_operator.cluster.errors import Conflict, Missing
from serinus_operator.cluster.port import (
    CONFIG_MAP,
    DEPLOYMENT,
    SERVICE,
    Manifest,
    Precondition,
)


async def test_created_object_has_identity_and_version(surface: Surface) -> None:
    live = await surface.cluster.create(config_map(surface))
    meta = live["metadata"]
    assert meta["uid"]
    assert meta["resourceVersion"].isdigit()
    assert meta["creationTimestamp"].endswith("Z")
    assert live["data"] == {"a": "1"}


async def test_read_gives_what_was_created(surface: Surface) -> None:
    live = await surface.cluster.create(config_map(surface))
    again = await found(surface, CONFIG_MAP, "settings")
    assert (again["data"], again["metadata"]["uid"]) == (live["data"], live["metadata"]["uid"])


async def test_absent_object_reads_as_none(surface: Surface) -> None:
    assert await surface.cluster.get(CONFIG_MAP, surface.namespace, "absent") is None


async def test_second_create_conflicts(surface: Surface) -> None:
    await surface.cluster.create(config_map(surface))
    with pytest.raises(Conflict):
        await surface.cluster.create(config_map(surface))


async def test_list_selects_by_label_and_carries_the_kind(surface: Surface) -> None:
    await surface.cluster.create(config_map(surface, "one"))
    other = config_map(surface, "two")
    other["metadata"]["labels"] = {}
    await surface.cluster.create(other)
    listed = await surface.cluster.list(CONFIG_MAP, surface.namespace, LABELS)
    assert [(m["kind"], m["apiVersion"], m["metadata"]["name"]) for m in listed] == [("ConfigMap", "v1", "one")]


async def test_apply_merges_maps_and_replaces_values(surface: Surface) -> None:
    live = await surface.cluster.create(config_map(surface, a="1", b="1"))
    after = await surface.cluster.apply(config_map(surface, a="2", c="3"), bound(live))
    assert after["data"] == {"a": "2", "b": "1", "c": "3"}
    assert int(after["metadata"]["resourceVersion"]) > int(live["metadata"]["resourceVersion"])
    assert after["metadata"]["uid"] == live["metadata"]["uid"]


async def test_apply_of_the_same_changes_no_version(surface: Surface) -> None:
    live = await surface.cluster.create(config_map(surface))
    first = await surface.cluster.apply(config_map(surface), bound(live))
    second = await surface.cluster.apply(config_map(surface), bound(first))
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]


@pytest.mark.parametrize("anew", [False, True], ids=["it was changed", "it was made anew"])
@pytest.mark.parametrize("verb", ["apply", "replace", "delete"])
async def test_write_with_a_stale_precondition_conflicts(surface: Surface, verb: str, anew: bool) -> None:
    live = await surface.cluster.create(config_map(surface))
    if anew:
        await surface.cluster.delete(CONFIG_MAP, surface.namespace, "settings", bound(live))
        await surface.cluster.create(config_map(surface, a="2"))
    else:
        await surface.cluster.apply(config_map(surface, a="2"), bound(live))
    if verb == "delete":
        write = surface.cluster.delete(CONFIG_MAP, surface.namespace, "settings", bound(live))
    else:
        write = getattr(surface.cluster, verb)(config_map(surface, a="3"), bound(live))
    with pytest.raises(Conflict):
        await write
    assert (await found(surface, CONFIG_MAP, "settings"))["data"]["a"] == "2"


@pytest.mark.parametrize("verb", ["apply", "replace"])
async def test_write_to_an_object_that_is_gone_fails(surface: Surface, verb: str) -> None:
    live = await surface.cluster.create(config_map(surface))
    await surface.cluster.delete(CONFIG_MAP, surface.namespace, "settings", bound(live))
    with pytest.raises((Conflict, Missing)):
        await getattr(surface.cluster, verb)(config_map(surface, a="3"), bound(live))


async def test_replace_writes_the_whole_object(surface: Surface) -> None:
    live = await surface.cluster.create(config_map(surface, a="1", b="1"))
    after = await surface.cluster.replace(config_map(surface, a="2"), bound(live))
    assert after["data"] == {"a": "2"}


async def test_delete_removes_and_a_second_one_is_no_error(surface: Surface) -> None:
    live = await surface.cluster.create(config_map(surface))
    await surface.cluster.delete(CONFIG_MAP, surface.namespace, "settings", bound(live))
    assert await surface.cluster.get(CONFIG_MAP, surface.namespace, "settings") is None
    await surface.cluster.delete(CONFIG_MAP, surface.namespace, "settings", bound(live))


async def test_object_made_anew_has_another_uid(surface: Surface) -> None:
    live = await surface.cluster.create(config_map(surface))
    await surface.cluster.delete(CONFIG_MAP, surface.namespace, "settings", bound(live))
    again = await surface.cluster.create(config_map(surface))
    assert again["metadata"]["uid"] != live["metadata"]["uid"]
    assert int(again["metadata"]["resourceVersion"]) > int(live["metadata"]["resourceVersion"])


async def test_scale_sets_replicas_and_the_generation_rises(surface: Surface) -> None:
    live = await surface.cluster.create(deployment(surface))
    await until(lambda: settled(surface))
    live = await found(surface, DEPLOYMENT, "iris-1")
    await surface.cluster.scale(DEPLOYMENT, surface.namespace, "iris-1", 0, bound(live))
    assert (await found(surface, DEPLOYMENT, "iris-1"))["metadata"]["generation"] == live["metadata"]["generation"]
    await scaled(surface, 1)
    after = await found(surface, DEPLOYMENT, "iris-1")
    assert (after["spec"]["replicas"], after["metadata"]["generation"]) == (1, live["metadata"]["generation"] + 1)
    with pytest.raises(Conflict):
        await surface.cluster.scale(DEPLOYMENT, surface.namespace, "iris-1", 2, bound(live))


async def settled(surface: Surface) -> bool:
    """Whether the Deployment controller, where there is one, has written its first status."""
    live = await found(surface, DEPLOYMENT, "iris-1")
    return not surface_has_controllers(surface) or live.get("status", {}).get("observedGeneration") is not None


def surface_has_controllers(surface: Surface) -> bool:
    return bool(getattr(surface, "has_controllers", False))


async def scaled(surface: Surface, replicas: int) -> None:
    """Scale, looking again when a controller wrote in between."""
    while True:
        live = await found(surface, DEPLOYMENT, "iris-1")
        try:
            await surface.cluster.scale(DEPLOYMENT, surface.namespace, "iris-1", replicas, bound(live))
        except Conflict:
            continue
        return


async def test_scale_of_an_absent_object_fails(surface: Surface) -> None:
    with pytest.raises(Missing):
        await surface.cluster.scale(DEPLOYMENT, surface.namespace, "absent", 1, Precondition("u", "1"))


async def test_list_in_a_template_is_replaced_by_key_or_whole(surface: Surface) -> None:
    """Our containers and variables keep their names, for which both ways come to the same."""
    await surface.cluster.create(deployment(surface))
    wanted = deployment(surface)
    wanted["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = "2"
    while True:
        live = await found(surface, DEPLOYMENT, "iris-1")
        try:
            after = await surface.cluster.apply(wanted, bound(live))
        except Conflict:
            continue
        break
    container = after["spec"]["template"]["spec"]["containers"][0]
    assert container["env"] == [{"name": "A", "value": "2"}]
    assert after["metadata"]["generation"] == live["metadata"]["generation"] + 1


async def test_service_selector_is_replaced_by_replace(surface: Surface) -> None:
    def service(revision: str) -> Manifest:
        meta = {"name": "iris", "namespace": surface.namespace, "labels": LABELS}
        ports = [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}]
        spec = {"selector": {names.LABEL_REVISION: revision}, "ports": ports}
        return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}

    live = await surface.cluster.create(service("iris-1"))
    after = await surface.cluster.apply(service("iris-2"), bound(live))
    assert after["spec"]["selector"] == {names.LABEL_REVISION: "iris-2"}
    assert (await found(surface, SERVICE, "iris"))["spec"]["ports"][0]["targetPort"] == "http"


async def test_watch_tells_of_creation_change_and_deletion_in_order(surface: Surface) -> None:
    told = surface.watch(CONFIG_MAP)
    live = await surface.cluster.create(config_map(surface, a="1"))
    after = await surface.cluster.apply(config_map(surface, a="2"), bound(live))
    same = await surface.cluster.apply(config_map(surface, a="2"), bound(after))
    await surface.cluster.delete(CONFIG_MAP, surface.namespace, "settings", bound(same))

    async def deleted() -> bool:
        return any((event, seen["metadata"]["name"]) == ("DELETED", "settings") for event, seen in told)

    await until(deleted)
    mine = [(event, seen) for event, seen in told if seen["metadata"]["name"] == "settings"]
    assert [(event, seen["data"]) for event, seen in mine] == [
        ("ADDED", {"a": "1"}),
        ("MODIFIED", {"a": "2"}),
        ("DELETED", {"a": "2"}),
    ]
    assert {seen["metadata"]["uid"] for _, seen in mine} == {live["metadata"]["uid"]}
    versions = [int(seen["metadata"]["resourceVersion"]) for _, seen in mine]
    assert versions[:2] == [int(m["metadata"]["resourceVersion"]) for m in (live, after)]
    assert versions[2] > versions[1]
