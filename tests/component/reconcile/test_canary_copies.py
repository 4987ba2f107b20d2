"""A candidate that gets copies before it gets a request, on a cluster in memory."""

from collections.abc import Iterable

from tests.component.reconcile.test_canary import TWO, phase, served, size, weight
from tests.fakes.plane import Plane
from tests.fakes.world import World, model

from serinus_operator.cluster.port import Manifest
from serinus_operator.decide.copies import LOAN_SECONDS

ANALYSIS = {
    "minRequests": 20,
    "lowTrafficWaitSeconds": 20,
    "metrics": [
        {"name": "errors", "type": "ErrorRatePermille", "max": 100},
        {"name": "agreement", "type": "ShadowAgreementPercent", "min": 95},
    ],
}
ROLLOUT = {
    "steps": [{"name": "copies", "weight": 0, "pauseSeconds": 20}, {"weight": 50, "pauseSeconds": 20}],
    "shadow": {"percent": 50},
    "analysis": ANALYSIS,
    "bakeSeconds": 10,
}


def copied(**spec: object) -> Manifest:
    """A new version, tried with copies first."""
    return model(model=TWO, replicas=2, rollout={**ROLLOUT, **spec})


async def in_copies(world: World, plane: Plane, **spec: object) -> str:
    """Apply the new version, and wait until requests are copied to it; its name."""
    world.apply(copied(**spec))
    await world.until(lambda: bool(plane.copies()), within=60)
    return str(world.status()["candidateRevision"])


def verdicts(world: World) -> dict[str, str]:
    return {one["metric"]: one["verdict"] for one in (world.status().get("rollout") or {}).get("analysis", ())}


def requests(plane: Plane, pods: Iterable[Manifest]) -> int:
    """What pods were asked by anyone but a sender of copies."""
    names = [pod["metadata"]["name"] for pod in pods]
    return sum(plane.received.get(name, 0) + sum(plane.tallies.get(name, {}).values()) for name in names)


async def test_candidate_that_agrees_goes_from_copies_to_requests_and_is_promoted() -> None:
    async with served() as (world, plane, first, seen):
        second = await in_copies(world, plane)
        stable = {pod["metadata"]["name"] for pod in world.kubelet.pods(first)}
        assert plane.copies() == dict.fromkeys(stable, 50)
        assert (phase(world), weight(world), size(world, second), size(world, first)) == ("Stepping", 0, 1, 2)
        rollout = world.status()["rollout"]
        assert (rollout["stepIndex"], rollout["stepWeight"]) == (0, 0), "as any step says where it is"
        assert world.status()["scaling"]["traffic"] == "Direct", "copies need no gateway in the path"
        assert "copies alone" in world.condition("Ready")["message"]
        await world.until(lambda: verdicts(world) == {"agreement": "Pass"}, within=60)
        (agreement,) = world.status()["rollout"]["analysis"]
        assert agreement["value"] == 100
        assert requests(plane, world.kubelet.pods(second)) == 0
        await world.until(lambda: weight(world) == 50, within=60)
        await world.until(lambda: verdicts(world).keys() == {"errors", "agreement"}, within=60)
        await world.until(lambda: world.status()["rollout"].get("weightVerified") == "True", within=60)
        await world.until(lambda: phase(world) == "Baking", within=60)
        await world.until(lambda: not plane.copies(), within=3)
        assert await world.ready(within=120) == second
        assert [w for w in dict.fromkeys(w for _, w in seen) if w] == [50, 100]


async def test_candidate_that_disagrees_is_taken_back_before_anybody_asked_it() -> None:
    async with served() as (world, plane, first, seen):
        plane.copying.disagrees.update(dict.fromkeys([await in_copies(world, plane)], 0.3))
        second = world.status()["candidateRevision"]
        pods = world.kubelet.pods(second)
        await world.until(lambda: world.says("Stalled", "True", "RolledBack"), within=120)
        await world.until(lambda: not plane.copies(), within=3)
        assert "agreement" in world.condition("RolloutHealthy")["message"]
        assert "largest difference 0.5" in world.condition("RolloutHealthy")["message"]
        assert {w for _, w in seen} == {0}
        assert requests(plane, pods) == 0
        assert world.entry() == first


async def test_copies_end_by_themselves_when_nobody_renews_them() -> None:
    async with served() as (world, plane, _, _):
        await in_copies(world, plane)
        assert world.process
        await world.process.kill()
        await world.until(lambda: not plane.copies(), within=LOAN_SECONDS + 1)
        world.start(world.process.reconciler.settings)
        await world.until(lambda: bool(plane.copies()), within=30)
        await world.until(lambda: world.status()["rollout"]["phase"] == "Baking", within=200)


async def test_operator_that_starts_anew_counts_copies_anew() -> None:
    """What was compared before is in the pods' counters, but not in a window that nobody watched."""
    slow = {"steps": [{"weight": 0, "pauseSeconds": 60}, {"weight": 50}], "analysis": {**ANALYSIS, "minRequests": 300}}
    async with served() as (world, plane, _, _):
        second = await in_copies(world, plane, **slow)
        plane.copying.disagrees[second] = 1.0
        await world.until(lambda: sum(sum(c.values()) for c in plane.copying.compared.values()) >= 150, within=60)
        plane.copying.disagrees[second] = 0.0
        assert world.process
        await world.restart(world.process.reconciler.settings)
        await world.until(lambda: verdicts(world) == {"agreement": "Pass"}, within=120)
        (agreement,) = world.status()["rollout"]["analysis"]
        assert agreement["value"] == 100


async def test_nothing_is_copied_while_it_is_paused_or_after_it_was_taken_back() -> None:
    async with served(per_second=2.0) as (world, plane, _, _):
        await in_copies(world, plane)
        world.apply({**copied(), "spec": {**copied()["spec"], "paused": True}})
        await world.until(lambda: not plane.copies(), within=3)
        world.apply(copied())
        await world.until(lambda: bool(plane.copies()), within=30)
        world.annotate(abort="1")
        await world.until(lambda: not plane.copies(), within=3)
        world.annotate(retry="1")
        await world.until(lambda: bool(plane.copies()), within=60)


async def test_copies_of_a_model_that_is_sized_by_demand_leave_stable_its_size() -> None:
    scaling = {"minReplicas": 2, "maxReplicas": 8, "stableWindowSeconds": 6}
    manifest = copied(shadow={"percent": 100})
    manifest["spec"] = {key: value for key, value in manifest["spec"].items() if key != "replicas"}
    manifest["spec"]["scaling"] = scaling
    async with served() as (world, plane, first, _):
        world.apply(manifest)
        await world.until(lambda: bool(plane.copies()), within=60)
        second = str(world.status()["candidateRevision"])
        await world.until(lambda: verdicts(world) == {"agreement": "Pass"}, within=60)
        assert (size(world, first), size(world, second)) == (2, 1)
        assert await world.ready(within=200) == second
