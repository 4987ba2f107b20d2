"""A source whose bytes are others than a revision's: known, told, and never served in its place."""

from tests.fakes.kubelet import crashing, digest_of, running
from tests.fakes.world import World, config_map, model

from serinus_api.conditions import Reason
from serinus_api.runtime import Phase, PreflightReport
from serinus_operator.cluster.port import DEPLOYMENT

TWO = {"uri": "configmap://iris-model-2/model.onnx"}


async def test_candidate_whose_source_changed_is_resolved_again(world: World) -> None:
    uri = "https://models.example/iris.onnx"
    world.kubelet.remote[uri] = b"model one"
    report = PreflightReport(phase=Phase.DOWNLOADING, reason=Reason.SOURCE_CHANGED, message="another ETag")
    world.kubelet.serving = lambda revision, number: crashing(report)
    world.apply(model(model={"uri": uri}))
    await world.until(lambda: len(world.deployments()) == 1)
    first = world.deployments()[0]
    world.kubelet.remote[uri] = b"model two"
    world.kubelet.serving = lambda revision, number: crashing(report) if revision == first else running()
    assert await world.ready() != first
    await world.until(lambda: first not in world.deployments())


async def test_return_to_a_pinned_url_that_holds_other_bytes_by_now_is_refused(world: World) -> None:
    """The history cannot restore it: its pods say so, and a preflight says what is there instead."""
    uri = "https://models.example/iris.onnx"
    world.kubelet.remote[uri] = b"model one"
    pinned = {"uri": uri, "digest": digest_of(b"model one")}
    world.apply(model(model=pinned))
    first = await world.ready()
    world.apply(config_map("iris-model-2", b"model two"))
    world.apply(model(model=TWO))
    second = await world.ready()
    await world.until(lambda: world.deployments() == [second])
    world.kubelet.remote[uri] = b"overwritten"
    report = PreflightReport(phase=Phase.DOWNLOADING, reason=Reason.SOURCE_CHANGED, message="another digest")
    world.kubelet.serving = lambda revision, number: crashing(report) if revision == first else running()
    since = len(world.cluster.calls)
    world.apply(model(model=pinned))
    await world.until(lambda: world.says("Ready", "False", "DigestMismatch"))
    assert world.says("Stalled", "True", "RolledBack")
    assert digest_of(b"overwritten") in world.condition("ModelResolved")["message"]
    await world.advance(120)
    assert world.entry() == second
    assert len([c for c in world.cluster.calls[since:] if c.verb == "status"]) < 12


async def test_source_that_changed_while_serving_is_said_and_stops_nothing(world: World) -> None:
    uri = "https://models.example/iris.onnx"
    world.kubelet.remote[uri] = b"model one"
    world.apply(model(model={"uri": uri}))
    revision = await world.ready()
    pods = {p["metadata"]["uid"] for p in world.kubelet.pods(revision)}
    world.source_changed = "ETag was x, is y"
    await world.until(lambda: world.says("ModelResolved", "False", "SourceChanged"), within=90)
    assert world.condition("ModelResolved")["message"] == "ETag was x, is y"
    assert world.says("Available", "True", "Serving")
    assert world.status()["revisions"][0]["restorable"] is False
    assert {p["metadata"]["uid"] for p in world.kubelet.pods(revision)} == pods
    assert {name.rpartition("-")[0].rpartition("-")[0] for name in world.process.asked} == {revision}


async def test_change_of_the_source_is_known_until_the_pods_say_otherwise(world: World) -> None:
    """A pod that does not answer, and an operator that has just started, know nothing: that is no good news."""
    uri = "https://models.example/iris.onnx"
    world.kubelet.remote[uri] = b"model one"
    world.apply(model(model={"uri": uri}))
    revision = await world.ready()
    world.source_changed = "ETag was x, is y"
    await world.until(lambda: world.says("ModelResolved", "False", "SourceChanged"), within=90)
    since = len(world.cluster.calls)
    world.silent = True
    await world.advance(200)
    await world.restart()
    await world.advance(200)
    assert world.cluster.calls[since:] == []
    world.apply(model(model={"uri": uri}, replicas=1))
    await world.until(lambda: world.says("Ready", "False", "SourceChanged"))
    await world.advance(100)
    assert world.object(DEPLOYMENT, revision)["spec"]["replicas"] == 2, "its pods could not be made again"
    assert "keeps 2 replicas" in world.condition("Ready")["message"]
    world.silent, world.source_changed = False, None
    await world.until(lambda: world.says("ModelResolved", "True", "Resolved"), within=90)
    await world.ready()
    assert world.object(DEPLOYMENT, revision)["spec"]["replicas"] == 1
    assert world.status()["revisions"][0]["restorable"] is True


async def test_stable_revision_of_a_changed_source_is_not_shrunk_by_a_candidate(world: World) -> None:
    uri = "https://models.example/iris.onnx"
    world.kubelet.remote[uri] = b"model one"
    world.apply(model(model={"uri": uri}))
    old = await world.ready()
    world.source_changed = "ETag was x, is y"
    await world.until(lambda: world.says("ModelResolved", "False", "SourceChanged"), within=90)
    world.apply(config_map("iris-model-2", b"model two"))
    world.kubelet.serving = lambda revision, number: running(ready=revision == old)
    world.apply(model(model=TWO, replicas=1))
    await world.until(lambda: len(world.deployments()) == 2)
    await world.advance(60)
    sizes = {d["metadata"]["name"]: d["spec"]["replicas"] for d in world.cluster.of(DEPLOYMENT)}
    assert sizes.pop(old) == 2
    assert list(sizes.values()) == [1]
    world.kubelet.serving = lambda revision, number: running()
    world.kubelet.sync()
    assert await world.ready() != old
