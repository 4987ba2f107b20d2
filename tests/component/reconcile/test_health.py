"""What Argo CD makes of a ModelDeployment in each state of its life."""

from tests.argo import health
from tests.component.reconcile.test_canary import TWO, canary, served, weight
from tests.component.reconcile.zero import asleep, sleepy, stage
from tests.fakes.kubelet import refused
from tests.fakes.world import World, model

from serinus_api.conditions import Reason
from serinus_operator.cluster.port import MODEL_DEPLOYMENT


def of(world: World) -> tuple[str, str]:
    found = world.object(MODEL_DEPLOYMENT, "iris")
    assert found
    return health(found)


def test_object_that_nobody_has_seen_is_in_progress() -> None:
    assert health({"metadata": {"generation": 1}, "spec": {}})[0] == "Progressing"


async def test_model_is_healthy_when_it_serves_and_not_before() -> None:
    async with stage() as (world, _):
        world.apply(model())
        await world.until(lambda: bool(world.status().get("conditions")))
        assert of(world)[0] == "Progressing"
        await world.ready()
        assert of(world)[0] == "Healthy"
        live = world.object(MODEL_DEPLOYMENT, "iris")
        assert live
        edited = {**live, "metadata": {**live["metadata"], "generation": live["metadata"]["generation"] + 1}}
        assert health(edited) == ("Progressing", "The operator has not seen this generation yet")


async def test_sleeping_model_is_healthy() -> None:
    async with stage() as (world, _):
        world.apply(sleepy())
        await asleep(world)
        assert of(world)[0] == "Healthy"


async def test_paused_model_is_suspended() -> None:
    async with stage() as (world, _):
        world.apply(model())
        await world.ready()
        world.apply(model(paused=True))
        await world.until(lambda: world.says("Ready", "False", "Paused"))
        assert of(world)[0] == "Suspended"


async def test_first_model_that_cannot_load_is_degraded() -> None:
    async with stage() as (world, _):
        world.kubelet.models[b"model one"] = refused(Reason.LOAD_FAILED, "not a model")
        world.apply(model())
        await world.until(lambda: world.says("Stalled", "True", "LoadFailed"))
        status, message = of(world)
        assert (status, message) == ("Degraded", world.condition("Stalled")["message"])


async def test_rollout_in_steps_is_in_progress_and_degraded_once_it_is_taken_back() -> None:
    async with served() as (world, plane, first, _):
        world.apply(canary(model=TWO))
        await world.until(lambda: weight(world) == 5, within=200)
        assert of(world)[0] == "Progressing"
        plane.errors[world.status()["candidateRevision"]] = 0.5
        await world.until(lambda: world.says("Stalled", "True", "RolledBack"), within=300)
        status, message = of(world)
        assert status == "Degraded"
        assert f"{first} serves on" in message
        assert world.says("Available", "True", "Serving")
