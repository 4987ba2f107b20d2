"""Two replicas of the operator: one writes, and the other takes over when it must."""

from dataclasses import replace

from tests.fakes.world import SETTINGS, World, config_map, model

from serinus_operator.cluster.port import DEPLOYMENT

OTHER = replace(SETTINGS, identity="pod-2")
TWO = {"uri": "configmap://iris-model-2/model.onnx"}


async def test_one_of_two_writes(world: World) -> None:
    first = world.process
    await world.until(lambda: first.fence.held())
    second = world.start(OTHER)
    world.apply(model())
    await world.ready()
    world.apply(model(replicas=4))
    await world.ready()
    await world.advance(120)
    assert first.writes
    assert second.writes == []


async def test_other_one_takes_over_from_one_that_is_killed(world: World) -> None:
    first = world.process
    second = world.start(OTHER)
    world.apply(model())
    await world.ready()
    await first.kill()
    world.apply(model(replicas=4))
    await world.ready(within=40)
    assert second.writes


async def test_edits_made_while_nobody_held_the_lease_are_found(world: World) -> None:
    world.apply(model())
    await world.ready()
    await world.process.kill()
    world.start(OTHER)
    await world.advance(1)
    world.apply(model(replicas=4))
    await world.ready(within=40)


async def test_one_that_was_stopped_and_wakes_late_changes_nothing(world: World) -> None:
    world.apply(model())
    revision = await world.ready()
    first = world.process
    world.stop_at = ("scale", "Deployment")
    world.apply(model(replicas=5))
    await world.until(world.stopped.is_set)
    second = world.start(OTHER)
    await world.until(lambda: world.object(DEPLOYMENT, revision)["spec"]["replicas"] == 5, within=40)
    world.apply(model(replicas=3))
    await world.ready(within=40)
    since = len(world.cluster.calls)
    first.gate.set()
    await world.advance(60)
    assert [str(c) for c in world.cluster.calls[since:]] == [f"scale Deployment {revision}"]
    assert world.changes(since) == [], "it was decided on an old observation, and refused"
    assert world.object(DEPLOYMENT, revision)["spec"]["replicas"] == 3
    assert second.fence.held()
    assert not first.fence.held()


async def test_object_that_a_stopped_one_makes_late_is_cleaned_up(world: World) -> None:
    """A create carries no version; what it makes is nobody's wish any more."""
    world.apply(config_map("iris-model-2", b"model two"))
    world.apply(model())
    stable = await world.ready()
    first = world.process
    world.stop_at = ("create", "Deployment")
    world.apply(model(model=TWO))
    await world.until(world.stopped.is_set)
    world.start(OTHER)
    world.apply(model())
    assert await world.ready(within=60) == stable
    first.gate.set()
    await world.advance(10)
    assert world.deployments() == [stable]
    assert world.entry() == stable
