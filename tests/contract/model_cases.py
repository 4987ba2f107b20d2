"""The contract on ModelDeployments: schema and defaults, status, generations, what belongs to them, samples."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.contract.surface import LABELS, Surface, bound, config_map, found, model, owned, until

from serinus_api import names
from serinus_api.crd import UNSEEN
from serinus_operator.cluster.errors import Conflict, Invalid, Missing, Refused
from serinus_operator.cluster.port import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    EVENT,
    MODEL_DEPLOYMENT,
    Manifest,
    Precondition,
)

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
GOOD, BAD = sorted(SAMPLES.glob("good/*.yaml")), sorted(SAMPLES.glob("bad/*.yaml"))


async def created_model(surface: Surface, **spec: Any) -> Manifest:
    await surface.submit(model(surface, **spec))
    return await found(surface, MODEL_DEPLOYMENT, "iris")


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
    assert said(live) == {}


async def test_field_that_a_kind_does_not_have_is_invalid_by_its_name(surface: Surface) -> None:
    """Dropped in silence, it would be missed, and written again, for ever."""
    with pytest.raises(Invalid, match=r"spec\.flavour"):
        await surface.cluster.create(model(surface, flavour="vanilla"))
    live = await created_model(surface)
    with pytest.raises(Invalid, match=r"spec\.flavour"):
        await surface.cluster.apply(model(surface, flavour="vanilla"), bound(live))
    assert (await found(surface, MODEL_DEPLOYMENT, "iris"))["metadata"]["generation"] == 1


async def test_status_given_by_a_user_is_dropped(surface: Surface) -> None:
    await surface.submit({**model(surface), "status": {"replicas": 7}})
    assert said(await found(surface, MODEL_DEPLOYMENT, "iris")) == {}


def said(live: Manifest) -> Manifest:
    """The status that the operator has written: an API server adds, by the CRD, that no generation is observed yet."""
    return {field: value for field, value in live.get("status", {}).items() if (field, value) not in UNSEEN.items()}


def status_of(surface: Surface, **status: Any) -> Manifest:
    meta = {"name": "iris", "namespace": surface.namespace}
    return {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": meta, "status": status}


async def test_status_apply_replaces_the_status_alone(surface: Surface) -> None:
    live = await created_model(surface)
    first = await surface.cluster.apply_status(status_of(surface, replicas=1, selector="a=b"), bound(live))
    assert said(first) == {"replicas": 1, "selector": "a=b"}
    second = await surface.cluster.apply_status(status_of(surface, replicas=2), bound(first))
    assert said(second) == {"replicas": 2}
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
    assert said(after) == {"replicas": 1}


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
