"""What the operator relies on in a cluster, said once: each case runs on the store of local mode and on an API server.

A case takes a `surface`; `test_process.py` here and `tests/e2e/test_contract.py` provide it and import the cases.
"""

import asyncio
import copy
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml

from serinus_api import names
from serinus_operator.cluster.errors import Conflict, Invalid, Missing, Refused
from serinus_operator.cluster.port import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    EVENT,
    MODEL_DEPLOYMENT,
    SERVICE,
    Cluster,
    Kind,
    Manifest,
    Precondition,
)

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
GOOD, BAD = sorted(SAMPLES.glob("good/*.yaml")), sorted(SAMPLES.glob("bad/*.yaml"))
DEADLINE_SECONDS = 20.0
LABELS = {names.LABEL_MANAGED_BY: names.MANAGED_BY, names.LABEL_DEPLOYMENT: "iris"}


class Surface(Protocol):
    """One adapter, and a user's way in beside it."""

    cluster: Cluster
    namespace: str

    async def submit(self, manifest: Manifest) -> None:
        """As `kubectl create --validate=strict`. Raises Refused, Conflict."""

    async def change(self, manifest: Manifest) -> None:
        """As `kubectl apply` by the same user."""

    async def remove(self, kind: Kind, name: str) -> None:
        """As `kubectl delete`."""


def bound(live: Manifest) -> Precondition:
    return Precondition(live["metadata"]["uid"], live["metadata"]["resourceVersion"])


def owned(live: Manifest) -> dict[str, Any]:
    meta = live["metadata"]
    owner = {"apiVersion": live["apiVersion"], "kind": live["kind"], "name": meta["name"], "uid": meta["uid"]}
    return {"ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": False}]}


def config_map(surface: Surface, name: str = "settings", **data: str) -> Manifest:
    meta = {"name": name, "namespace": surface.namespace, "labels": LABELS}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data or {"a": "1"}}


def deployment(surface: Surface, replicas: int = 0) -> Manifest:
    labels = {**LABELS, names.LABEL_REVISION: "iris-1"}
    container = {"name": "runtime", "image": "none.invalid/none:1", "env": [{"name": "A", "value": "1"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "iris-1", "namespace": surface.namespace, "labels": LABELS},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def model(surface: Surface, name: str = "iris", **spec: Any) -> Manifest:
    meta = {"name": name, "namespace": surface.namespace}
    given = {"model": {"uri": "configmap://iris-model/model.onnx"}, **spec}
    return {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": meta, "spec": given}


async def created_model(surface: Surface, **spec: Any) -> Manifest:
    await surface.submit(model(surface, **spec))
    return await found(surface, MODEL_DEPLOYMENT, "iris")


async def found(surface: Surface, kind: Kind, name: str) -> Manifest:
    live = await surface.cluster.get(kind, surface.namespace, name)
    assert live is not None
    return {"apiVersion": kind.api_version, "kind": kind.kind, **live}


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await true():  # noqa: ASYNC110  # an API server cannot be awaited
            await asyncio.sleep(0.05)


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


async def test_model_is_stored_with_defaults_and_generation_one(surface: Surface) -> None:
    live = await created_model(surface, runtime={"threads": 2})
    assert live["metadata"]["generation"] == 1
    assert live["spec"]["paused"] is False
    assert live["spec"]["runtime"] == {
        "threads": 2,
        "maxConcurrency": 8,
        "requestTimeoutSeconds": 60,
        "startupDeadlineSeconds": 600,
        "drainSeconds": 10,
    }
    assert "status" not in live


async def test_status_given_by_a_user_is_dropped(surface: Surface) -> None:
    await surface.submit({**model(surface), "status": {"replicas": 7}})
    assert "status" not in await found(surface, MODEL_DEPLOYMENT, "iris")


def status_of(surface: Surface, **status: Any) -> Manifest:
    meta = {"name": "iris", "namespace": surface.namespace}
    return {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": meta, "status": status}


async def test_status_apply_replaces_the_status_alone(surface: Surface) -> None:
    live = await created_model(surface)
    first = await surface.cluster.apply_status(status_of(surface, replicas=1, selector="a=b"), bound(live))
    assert first["status"] == {"replicas": 1, "selector": "a=b"}
    second = await surface.cluster.apply_status(status_of(surface, replicas=2), bound(first))
    assert second["status"] == {"replicas": 2}
    assert second["spec"] == live["spec"]
    assert second["metadata"]["generation"] == 1
    assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])


async def test_status_apply_of_the_same_changes_no_version(surface: Surface) -> None:
    live = await created_model(surface)
    first = await surface.cluster.apply_status(status_of(surface, replicas=1), bound(live))
    second = await surface.cluster.apply_status(status_of(surface, replicas=1), bound(first))
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]


async def test_status_apply_with_a_stale_version_conflicts(surface: Surface) -> None:
    live = await created_model(surface)
    await surface.cluster.apply_status(status_of(surface, replicas=1), bound(live))
    with pytest.raises(Conflict):
        await surface.cluster.apply_status(status_of(surface, replicas=2), bound(live))


async def test_status_apply_to_an_absent_object_fails(surface: Surface) -> None:
    with pytest.raises((Missing, Conflict)):
        await surface.cluster.apply_status(status_of(surface, replicas=1), Precondition("u", "1"))


async def test_change_of_the_spec_raises_the_generation_and_keeps_the_status(surface: Surface) -> None:
    live = await created_model(surface)
    await surface.cluster.apply_status(status_of(surface, replicas=1), bound(live))
    await surface.change(model(surface, replicas=3))
    after = await found(surface, MODEL_DEPLOYMENT, "iris")
    assert (after["spec"]["replicas"], after["metadata"]["generation"]) == (3, 2)
    assert after["status"] == {"replicas": 1}


async def test_change_of_metadata_keeps_the_generation(surface: Surface) -> None:
    await created_model(surface)
    changed = model(surface)
    changed["metadata"]["labels"] = {"team": "a"}
    await surface.change(changed)
    after = await found(surface, MODEL_DEPLOYMENT, "iris")
    assert (after["metadata"]["labels"], after["metadata"]["generation"]) == ({"team": "a"}, 1)


async def test_field_that_a_user_no_longer_applies_goes(surface: Surface) -> None:
    await surface.change(model(surface, replicas=3))
    await surface.change(model(surface))
    assert "replicas" not in (await found(surface, MODEL_DEPLOYMENT, "iris"))["spec"]


async def test_children_go_with_their_owner_over_two_steps(surface: Surface) -> None:
    owner = await created_model(surface)
    revision: Manifest = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": 1, "data": {"a": "1"}}
    revision["metadata"] = {"name": "iris-1", "namespace": surface.namespace, "labels": LABELS, **owned(owner)}
    record = {**CONTROLLER_REVISION_FIELDS, **await surface.cluster.create(revision)}
    copied = config_map(surface, "iris-1")
    copied["metadata"] = {**copied["metadata"], **owned(record)}
    await surface.cluster.create(copied)
    bystander = await surface.cluster.create(config_map(surface, "bystander"))
    await surface.remove(MODEL_DEPLOYMENT, "iris")

    async def gone() -> bool:
        left = [
            await surface.cluster.get(CONTROLLER_REVISION, surface.namespace, "iris-1"),
            await surface.cluster.get(CONFIG_MAP, surface.namespace, "iris-1"),
        ]
        return left == [None, None]

    await until(gone)
    assert (await found(surface, CONFIG_MAP, "bystander"))["metadata"]["uid"] == bystander["metadata"]["uid"]


CONTROLLER_REVISION_FIELDS = {"apiVersion": "apps/v1", "kind": "ControllerRevision"}


async def test_child_of_an_owner_that_is_gone_is_collected(surface: Surface) -> None:
    owner = await created_model(surface)
    await surface.remove(MODEL_DEPLOYMENT, "iris")
    orphan = config_map(surface, "late")
    orphan["metadata"] = {**orphan["metadata"], **owned(owner)}
    await surface.cluster.create(orphan)

    async def gone() -> bool:
        return await surface.cluster.get(CONFIG_MAP, surface.namespace, "late") is None

    await until(gone)


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


async def test_event_is_recorded_once_and_counted_up(surface: Surface) -> None:
    owner = await created_model(surface)

    def event(count: int) -> Manifest:
        meta = owner["metadata"]
        involved = {"apiVersion": names.API_VERSION, "kind": names.KIND, "name": "iris", "uid": meta["uid"]}
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "iris.1a2b3c4d", "namespace": surface.namespace},
            "involvedObject": {**involved, "namespace": surface.namespace},
            "reason": "Ready",
            "message": "Ready=True: it serves",
            "type": "Normal",
            "count": count,
            "firstTimestamp": "2026-01-31T12:00:00Z",
            "lastTimestamp": "2026-01-31T12:00:00Z",
            "source": {"component": names.FIELD_MANAGER},
            "reportingComponent": names.FIELD_MANAGER,
            "reportingInstance": names.FIELD_MANAGER,
        }

    await surface.cluster.record_event(event(1))
    await surface.cluster.record_event(event(2))
    live = await found(surface, EVENT, "iris.1a2b3c4d")
    assert (live["count"], live["reason"]) == (2, "Ready")


async def test_field_that_a_kind_does_not_have_is_invalid_by_its_name(surface: Surface) -> None:
    """Dropped in silence, it would be missed, and written again, for ever."""
    with pytest.raises(Invalid, match=r"spec\.flavour"):
        await surface.cluster.create(model(surface, flavour="vanilla"))
    live = await created_model(surface)
    with pytest.raises(Invalid, match=r"spec\.flavour"):
        await surface.cluster.apply(model(surface, flavour="vanilla"), bound(live))
    assert (await found(surface, MODEL_DEPLOYMENT, "iris"))["metadata"]["generation"] == 1


async def test_misspelt_affinity_of_a_pod_is_invalid_by_its_name(surface: Surface) -> None:
    if not surface_has_controllers(surface):
        pytest.skip("built-in kinds are not validated here; affinity needs a cluster")
    misspelt = deployment(surface)
    misspelt["spec"]["template"]["spec"]["affinity"] = {"nodeAffinty": {}}
    with pytest.raises(Invalid, match=r"affinity\.nodeAffinty"):
        await surface.cluster.create(misspelt)
    live = await surface.cluster.create(deployment(surface))
    with pytest.raises(Invalid, match=r"affinity\.nodeAffinty"):
        await surface.cluster.apply(misspelt, bound(live))


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
async def test_good_sample_is_stored_as_given_but_for_defaults(surface: Surface, path: Path) -> None:
    given = yaml.safe_load(text_of(path))
    given["metadata"]["namespace"] = surface.namespace
    await surface.submit(copy.deepcopy(given))
    live = await found(surface, MODEL_DEPLOYMENT, given["metadata"]["name"])
    assert lacks(given["spec"], live["spec"]) == []
    await surface.remove(MODEL_DEPLOYMENT, given["metadata"]["name"])


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
async def test_bad_sample_is_refused_in_the_words_told(surface: Surface, path: Path) -> None:
    text = text_of(path)
    given = yaml.safe_load(text)
    given.setdefault("metadata", {})["namespace"] = surface.namespace
    with pytest.raises(Refused) as refused:
        await surface.submit(given)
    assert text.splitlines()[0].removeprefix("# expect: ") in str(refused.value)


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def lacks(given: Any, stored: Any, path: str = "spec") -> list[str]:
    """Paths of what was given and is not stored; nulls are dropped by an API server."""
    if isinstance(given, dict) and isinstance(stored, dict):
        return [
            p
            for key, value in given.items()
            if value is not None
            for p in lacks(value, stored.get(key), f"{path}.{key}")
        ]
    return [] if given == stored else [path]
