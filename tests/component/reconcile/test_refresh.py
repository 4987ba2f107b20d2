"""`serinus.dev/refresh`: the same spec, with the bytes and the image that there are now."""

from dataclasses import replace

import pytest
from tests.component.reconcile.test_canary import canary, phase, served
from tests.fakes.kubelet import digest_of, refused
from tests.fakes.world import SETTINGS, World, config_map, model

from serinus_api.conditions import Reason
from serinus_operator.cluster.port import CONTROLLER_REVISION, POD

URI = "https://models.example/iris.onnx"
NEWER = replace(SETTINGS, runtime_image="registry.example/runtime:newer")


def pods(world: World, revision: str) -> set[str]:
    return {pod["metadata"]["uid"] for pod in world.kubelet.pods(revision)}


def nonce(world: World) -> str | None:
    found = world.status().get("actions", {}).get("refresh")
    return None if found is None else str(found)


async def settled(world: World, value: str) -> str:
    """Wait until a refresh is over; the revision that serves."""
    await world.until(lambda: nonce(world) == value and "resolution" not in world.status())
    return await world.ready()


@pytest.mark.parametrize("uri", [URI, "configmap://iris-model/model.onnx"])
async def test_moved_source_becomes_a_revision_when_it_is_asked_for(world: World, uri: str) -> None:
    world.kubelet.remote[URI] = b"model one"
    world.apply(model(model={"uri": uri}))
    first = await world.ready()
    world.kubelet.remote[URI] = b"model two"
    world.apply(config_map("iris-model", b"model two"))
    await world.advance(60)
    assert world.deployments() == [first], "nobody has asked"
    world.annotate(refresh="1")
    second = await settled(world, "1")
    assert second != first
    assert world.entry() == second
    served_now, before = world.status()["revisions"]
    assert served_now["model"]["digest"] == digest_of(b"model two")
    assert (before["name"], before["state"]) == (first, "Retired")
    await world.until(lambda: world.deployments() == [second])
    tries = len(world.preflights())
    await world.restart()
    await world.advance(60)
    assert (len(world.preflights()), world.deployments()) == (tries, [second]), "carried out once"


@pytest.mark.parametrize("uri", [URI, "configmap://iris-model/model.onnx"])
async def test_source_that_holds_the_same_bytes_changes_nothing(world: World, uri: str) -> None:
    world.kubelet.remote[URI] = b"model one"
    world.apply(model(model={"uri": uri}))
    first = await world.ready()
    before = pods(world, first)
    world.annotate(refresh="1")
    assert await settled(world, "1") == first
    await world.advance(5)
    assert pods(world, first) == before
    assert world.deployments() == [first]
    assert not world.cluster.of(POD, **{"serinus.dev/role": "preflight"})


async def test_same_bytes_move_to_the_image_of_the_present_operator(world: World) -> None:
    world.apply(model())
    first = await world.ready()
    await world.restart(NEWER)
    await world.advance(30)
    assert world.deployments() == [first], "another operator restarts nothing"
    world.annotate(refresh="1")
    second = await settled(world, "1")
    assert second != first
    await world.until(lambda: world.deployments() == [second])
    images = {c["image"] for pod in world.kubelet.pods(second) for c in pod["spec"]["containers"]}
    assert images == {NEWER.runtime_image}
    world.annotate(refresh="2")
    assert await settled(world, "2") == second
    await world.advance(5)
    assert len(world.cluster.of(CONTROLLER_REVISION)) == 2


async def test_refused_bytes_are_told_and_a_later_refresh_takes_good_ones(world: World) -> None:
    world.kubelet.models[b"bad"] = refused(Reason.LOAD_FAILED, "bad")
    world.apply(model())
    first = await world.ready()
    before = pods(world, first)
    world.apply(config_map("iris-model", b"bad"))
    world.annotate(refresh="1")
    await world.until(lambda: world.says("Stalled", "True", "RolledBack"))
    assert world.says("ModelValidated", "False", "LoadFailed")
    assert world.says("Available", "True", "Serving")
    tries = len(world.preflights())
    await world.restart()
    await world.advance(60)
    assert (len(world.preflights()), world.entry()) == (tries, first)
    assert pods(world, first) == before
    world.apply(config_map("iris-model", b"model two"))
    world.annotate(refresh="2")
    assert await settled(world, "2") != first


async def test_bytes_that_are_put_back_end_the_refusal(world: World) -> None:
    world.kubelet.models[b"bad"] = refused(Reason.LOAD_FAILED, "bad")
    world.apply(model())
    first = await world.ready()
    world.apply(config_map("iris-model", b"bad"))
    world.annotate(refresh="1")
    await world.until(lambda: world.says("Stalled", "True", "RolledBack"))
    world.apply(config_map("iris-model", b"model one"))
    world.annotate(retry="1")
    assert await world.ready() == first
    assert not world.status().get("rejected")


async def test_refreshed_candidate_goes_in_steps_and_a_bad_one_goes_back() -> None:
    async with served() as (world, plane, first, seen):
        before = pods(world, first)
        world.apply(config_map("iris-model", b"model two"))
        world.annotate(refresh="1")
        await world.until(lambda: phase(world) == "Stepping", within=60)
        second = world.status()["candidateRevision"]
        plane.errors[second] = 0.5
        await world.until(lambda: world.says("Stalled", "True", "RolledBack"), within=300)
        await world.until(lambda: world.deployments() == [first])
        assert max(weight for _, weight in seen) == 5
        assert pods(world, first) == before
        plane.errors.clear()
        world.apply(config_map("iris-model", b"model three"))
        world.annotate(refresh="2")
        await world.until(lambda: world.status()["stableRevision"] not in (first, second), within=400)
        third = world.status()["stableRevision"]
        await world.until(lambda: world.deployments() == [third] and world.is_ready(), within=100)


async def test_refresh_in_mid_rollout_waits_for_its_end() -> None:
    async with served() as (world, _, first, _):
        world.apply(config_map("iris-model", b"model two"))
        world.annotate(refresh="1")
        await world.until(lambda: phase(world) == "Stepping", within=60)
        second = world.status()["candidateRevision"]
        world.apply(config_map("iris-model", b"model three"))
        world.annotate(refresh="2")
        world.apply(canary(replicas=1))
        await world.until(lambda: world.status()["stableRevision"] == second, within=400)
        assert nonce(world) == "1"
        await world.until(lambda: world.status()["stableRevision"] not in (first, second), within=500)
        assert nonce(world) == "2"
