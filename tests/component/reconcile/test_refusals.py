"""The API server says no, or says nothing: rights, quotas, admission, conflicts, outages."""

from typing import Any

import pytest
from tests.fakes.kubelet import running
from tests.fakes.world import NAMESPACE, World, config_map, model

from serinus_api import names
from serinus_operator.cluster.errors import Conflict, Denied, Invalid, Missing, Refused, Unavailable
from serinus_operator.cluster.port import CONTROLLER_REVISION, DEPLOYMENT, EVENT, MODEL_DEPLOYMENT

TWO = {"uri": "configmap://iris-model-2/model.onnx"}
QUOTA = 'pods "iris-x" is forbidden: exceeded quota: compute, requested: limits.memory=512Mi, used: 1Gi, limited: 1Gi'
SECURITY = 'pods "iris-x" is forbidden: violates PodSecurity "restricted:latest": unrestricted capabilities'

RIGHTS = [
    ("create", "ControllerRevision", "controllerrevisions.apps"),
    ("create", "ConfigMap", "configmaps"),
    ("create", "Pod", "pods"),
    ("delete", "Pod", "pods"),
    ("create", "Deployment", "deployments.apps"),
    ("create", "Service", "services"),
    ("create", "PodDisruptionBudget", "poddisruptionbudgets.policy"),
    ("create", "NetworkPolicy", "networkpolicies.networking.k8s.io"),
]


@pytest.mark.parametrize(("verb", "kind", "resource"), RIGHTS, ids=[f"{verb} {kind}" for verb, kind, _ in RIGHTS])
async def test_missing_right_is_named_and_heals(world: World, verb: str, kind: str, resource: str) -> None:
    fault = world.cluster.fail(Denied(verb, resource), verb=verb, kind=kind)
    world.apply(model())
    await world.until(lambda: world.says("Ready", "False", "RBACDenied"))
    assert f"may not {verb} {resource}" in world.condition("Ready")["message"]
    assert world.says("Reconciling", "True", "RBACDenied")
    await world.advance(45)
    assert world.says("Ready", "False", "RBACDenied")
    fault.lift()
    await world.ready(within=30)


async def test_missing_right_never_refuses_a_model(world: World) -> None:
    fault = world.cluster.fail(Denied("create", "deployments.apps"), verb="create", kind="Deployment")
    world.apply(model(runtime={"startupDeadlineSeconds": 60}))
    await world.advance(600)
    assert world.says("Ready", "False", "RBACDenied")
    assert not world.status()["rejected"]
    fault.lift()
    await world.ready(within=30)


@pytest.mark.parametrize(
    ("verb", "kind"),
    [("scale", "Deployment"), ("apply", "Service"), ("apply", "Deployment")],
    ids=["scaling", "the flip", "repair"],
)
async def test_right_taken_away_from_a_serving_model_is_named_and_heals(world: World, verb: str, kind: str) -> None:
    world.apply(config_map("iris-model-2", b"model two"))
    world.apply(model())
    stable = await world.ready()
    fault = world.cluster.fail(Denied("patch", kind.lower()), verb=verb, kind=kind)
    if verb == "scale":
        world.apply(model(replicas=3))
    elif kind == "Service":
        world.apply(model(model=TWO))
    else:
        world.cluster.edit(DEPLOYMENT, NAMESPACE, stable, lambda d: d["spec"].update(strategy={"type": "Recreate"}))
    await world.until(lambda: world.says("Ready", "False", "RBACDenied"))
    await world.advance(60)
    assert world.entry() == stable, "traffic stays with what it can reach"
    assert world.kubelet.pods(stable), "the old pods serve until the flip is done"
    fault.lift()
    await world.ready(within=30)


@pytest.mark.parametrize(("kind", "resource"), [("Pod", "pods"), ("Deployment", "deployments.apps")])
async def test_right_to_list_that_is_taken_away_is_named_quietly_and_heals(
    world: World, kind: str, resource: str
) -> None:
    world.apply(model())
    stable = await world.ready()
    await world.advance(5)
    fault = world.cluster.fail(Denied("list", resource), verb="list", kind=kind)
    await world.until(lambda: world.says("Ready", "False", "RBACDenied"), within=90)
    assert f"may not list {resource}" in world.condition("Ready")["message"]
    assert world.says("Reconciling", "True", "RBACDenied")
    assert world.says("Available", "True", "Serving")
    await world.advance(5)
    since = len(world.cluster.calls)
    await world.advance(500)
    assert world.cluster.calls[since:] == []
    await world.until(lambda: world.says("Stalled", "True", "RBACDenied"), within=115)  # looked at every 15 s
    since = len(world.cluster.calls)
    await world.advance(600)
    assert [call for call in world.cluster.calls[since:] if call.kind != "Event"] == []
    fault.lift()
    assert await world.ready(within=30) == stable


async def test_operator_that_may_not_list_from_the_start_does_nothing(world: World) -> None:
    """What it has never seen may be there: it is not ready (`/readyz`), and decides nothing."""
    await world.process.kill()
    fault = world.cluster.fail(Denied("list", "services"), verb="list", kind="Service")
    world.start()
    world.apply(model())
    await world.advance(120)
    assert not world.process.resync.primed.is_set()
    assert world.cluster.calls == []
    fault.lift()
    await world.ready(within=30)


async def test_settled_model_whose_write_fails_stalls_after_its_deadline_and_heals(world: World) -> None:
    """api.md: what may heal by itself is Reconciling until the deadline, whatever else is well."""
    world.apply(model(runtime={"startupDeadlineSeconds": 60}))
    stable = await world.ready()
    fault = world.cluster.fail(Denied("patch", "deployments.apps"), verb="apply", kind="Deployment")
    world.cluster.edit(DEPLOYMENT, NAMESPACE, stable, lambda d: d["spec"].update(strategy={"type": "Recreate"}))
    await world.until(lambda: world.says("Reconciling", "True", "RBACDenied"))
    await world.advance(40)
    assert world.says("Reconciling", "True", "RBACDenied")
    await world.until(lambda: world.says("Stalled", "True", "RBACDenied"), within=45)
    assert not world.condition("Reconciling")
    assert world.says("Ready", "False", "RBACDenied")
    assert world.says("Available", "True", "Serving")
    fault.lift()
    await world.ready(within=30)
    assert not world.condition("Stalled")


async def test_event_that_cannot_be_written_holds_nothing_up(world: World) -> None:
    world.cluster.fail(Denied("patch", "events"), verb="event")
    world.apply(model())
    await world.ready()


@pytest.mark.parametrize("words", [QUOTA, SECURITY], ids=["quota", "Pod Security"])
async def test_preflight_pod_that_is_refused_shows_the_words_and_heals(world: World, words: str) -> None:
    fault = world.cluster.fail(Refused(words), verb="create", kind="Pod")
    world.apply(model(runtime={"startupDeadlineSeconds": 120}))
    await world.until(lambda: world.says("Ready", "False", "PodsRefused"))
    assert world.condition("Ready")["message"] == words
    assert world.condition("Reconciling")
    await world.until(lambda: bool(world.condition("Stalled")), within=150)
    assert world.condition("Ready")["message"] == words
    await world.advance(600)
    assert not world.status()["rejected"]
    fault.lift()
    await world.ready(within=30)


@pytest.mark.parametrize("words", [QUOTA, SECURITY], ids=["quota", "Pod Security"])
async def test_serving_pods_that_are_refused_show_the_words_and_heal(world: World, words: str) -> None:
    world.kubelet.refusal = lambda revision: words
    world.apply(model(runtime={"startupDeadlineSeconds": 120}))
    await world.until(lambda: world.says("Ready", "False", "PodsRefused"))
    assert world.condition("Ready")["message"] == words
    await world.until(lambda: world.says("Stalled", "True", "PodsRefused"), within=150)
    await world.advance(600)
    assert not world.status()["rejected"]
    world.kubelet.refusal = lambda revision: None
    world.kubelet.sync()
    await world.ready(within=30)


MISSPELT = {"affinity": {"nodeAffinty": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]}}}


async def test_misspelt_affinity_is_named_at_once_beside_the_revision_that_serves_and_heals(world: World) -> None:
    world.apply(config_map("iris-model-2", b"model two"))
    world.apply(model())
    stable = await world.ready()
    world.apply(model(model=TWO, runtime=MISSPELT))
    await world.until(lambda: world.says("Stalled", "True", "RejectedByAPIServer"), within=5)
    message = world.condition("Ready")["message"]
    assert 'unknown field "spec.affinity.nodeAffinty"' in message
    assert message.endswith("correct spec.runtime.affinity")
    assert world.says("Available", "True", "Serving")
    assert not world.condition("Reconciling")
    world.cluster.remove(DEPLOYMENT, NAMESPACE, stable)
    await world.until(lambda: bool(world.object(DEPLOYMENT, stable)), within=5)
    seen: list[tuple[int, str]] = []
    world.cluster.watchers.append(lambda event, manifest: seen.append(stalled(manifest)))
    corrected = world.apply(model(model=TWO))["metadata"]["generation"]
    assert await world.ready() != stable
    assert (corrected, "True") not in seen, "what the old spec ran into is not held against the new one"


def stalled(manifest: dict[str, Any]) -> tuple[int, str]:
    found = [c for c in manifest.get("status", {}).get("conditions", ()) if c["type"] == "Stalled"]
    return (found[0]["observedGeneration"], found[0]["status"]) if found else (0, "")


async def test_revision_of_an_age_that_dropped_misspelt_fields_holds_nothing_up(world: World) -> None:
    """Its Deployment lacks what its record says, and no apply can put it there."""
    world.apply(config_map("iris-model-2", b"model two"))
    world.apply(model())
    stable = await world.ready()
    record = world.object(CONTROLLER_REVISION, stable)
    assert record
    record["data"]["template"]["spec"].update(MISSPELT)
    await world.restart()
    await world.until(lambda: world.says("Stalled", "True", "RejectedByAPIServer"), within=90)
    assert "spec.template.spec.affinity.nodeAffinty: field not declared" in world.condition("Ready")["message"]
    assert world.says("Available", "True", "Serving")
    world.apply(model(model=TWO))
    assert await world.ready(within=60) != stable


async def test_status_that_is_refused_is_in_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """An operator newer than its CRD: no condition can say it."""
    words = "failed to create typed patch object (ml/iris): .status.mood: field not declared in schema"
    fault = world.cluster.fail(Invalid(words), verb="status")
    world.apply(model())
    await world.until(lambda: fault.struck > 0)
    await world.advance(1)
    told = [r for r in caplog.records if r.message == "Status not written"]
    assert words in told[0].error  # type: ignore[attr-defined]
    assert len(told) <= 3
    fault.lift()
    await world.ready()


async def test_invalid_child_is_stalled_at_once_and_tried_again_now_and_then(world: World) -> None:
    words = 'Pod "iris-pf" is invalid: spec.containers[0].resources.requests: Invalid value: "2Gi": must be less than'
    fault = world.cluster.fail(Invalid(words), verb="create", kind="Pod")
    world.apply(model())
    await world.until(lambda: world.says("Stalled", "True", "RejectedByAPIServer"), within=5)
    assert words in world.condition("Ready")["message"]
    assert world.condition("Ready")["message"].endswith("correct spec.runtime.resources")
    struck, since = fault.struck, len(world.changes())
    await world.advance(120)
    assert fault.struck - struck <= 14
    assert {call.verb for call in world.changes()[since:]} <= {"status"}, "the phase's clock, and no news"
    fault.lift()
    await world.ready(within=30)


async def test_stable_revision_is_repaired_while_its_candidate_is_beyond_the_quota(world: World) -> None:
    world.apply(config_map("iris-model-2", b"model two"))
    world.apply(model())
    stable = await world.ready()
    world.cluster.fail(Refused(QUOTA), verb="create", kind="Pod")
    world.apply(model(model=TWO))
    await world.until(lambda: world.says("Ready", "False", "PodsRefused"))
    world.cluster.remove(DEPLOYMENT, NAMESPACE, stable)
    await world.until(lambda: bool(world.object(DEPLOYMENT, stable)), within=5)
    world.apply(model(model=TWO, replicas=4))
    await world.until(lambda: world.object(DEPLOYMENT, stable)["spec"]["replicas"] == 4, within=20)


@pytest.mark.parametrize(
    "error",
    [Conflict("modified"), Missing("gone"), Unavailable("HTTP 500"), Unavailable("HTTP 429", retry_after=7.0)],
    ids=["409", "404", "500", "429"],
)
@pytest.mark.parametrize("after", [False, True], ids=["not done", "done, and the answer lost"])
async def test_one_in_three_requests_fails_and_the_story_ends_the_same(
    world: World, error: Unavailable, after: bool
) -> None:
    world.apply(config_map("iris-model-2", b"model two"))
    for number in range(40):
        world.cluster.fail(error, after=after, skip=number * 3, times=1)
    world.apply(model())
    first = await world.ready(within=300)
    world.apply(model(model=TWO))
    second = await world.ready(within=300)
    await world.advance(120)
    assert world.deployments() == [second] != [first]
    made = [str(c) for c in world.changes() if c.verb == "create"]
    assert len(made) == len(set(made)), "nothing is made twice"


async def test_retry_after_is_respected(world: World) -> None:
    """Only news, here the event of the status write before, brings a key forward."""
    fault = world.cluster.fail(Unavailable("HTTP 429", retry_after=20.0), verb="create", kind="ControllerRevision")
    world.apply(model())
    await world.until(lambda: fault.struck > 0)
    await world.advance(1)
    struck = fault.struck
    assert struck <= 2
    await world.advance(18)
    assert fault.struck == struck
    await world.until(lambda: fault.struck == struck + 1, within=5)


async def test_outage_of_the_api_server_is_survived(world: World) -> None:
    world.apply(model())
    await world.ready()
    fault = world.cluster.fail(Unavailable("connection refused"))
    await world.advance(300)
    fault.lift()
    world.apply(model(replicas=3))
    await world.ready(within=60)


async def test_status_is_not_written_over_somebody_elses_edit(world: World) -> None:
    """The spec is edited between our look and our write: the write fails, and the next look sees the edit."""
    world.apply(model())
    await world.ready()
    world.deaf = True
    world.apply(model(replicas=3))
    world.cluster.edit(MODEL_DEPLOYMENT, NAMESPACE, "iris", lambda m: m["spec"].update(replicas=5))
    since = len(world.cluster.calls)
    world.process.cache.put(world.process.cache.get(MODEL_DEPLOYMENT, NAMESPACE, "iris") | {"status": {}})
    world.process.resync.enqueue_all()
    await world.advance(1)
    writes = [c for c in world.cluster.calls[since:] if c.verb == "status"]
    assert writes
    assert not any(c.changed for c in writes)
    assert [c for c in world.changes(since) if c.kind != "Event"] == []
    world.deaf = False
    await world.ready(within=120)
    assert world.status()["replicas"] == 5


async def test_scale_is_not_written_on_an_old_observation(world: World) -> None:
    world.apply(model())
    stable = await world.ready()
    world.deaf = True
    world.cluster.edit(DEPLOYMENT, NAMESPACE, stable, lambda d: d["spec"].update(replicas=9))
    world.deaf = False
    world.apply(model(replicas=3))
    await world.until(lambda: any(c.verb == "scale" for c in world.cluster.calls))
    assert not any(c.verb == "scale" and c.changed for c in world.cluster.calls)
    await world.until(lambda: world.object(DEPLOYMENT, stable)["spec"]["replicas"] == 3, within=90)


async def test_bug_in_one_model_does_not_stop_the_others(world: World) -> None:
    world.cluster.fail(ZeroDivisionError("a bug"), verb="get", kind="ConfigMap", name="broken")
    world.apply(config_map("broken", b"x"))
    world.apply(model("victim", model={"uri": "configmap://broken/model.onnx"}))
    world.apply(model())
    await world.ready()
    await world.advance(5)
    assert world.process.telemetry.registry.get_sample_value("serinus_reconciles_total", {"result": "error"}) > 1


BUGS = [("get", "ConfigMap"), ("create", "Deployment"), ("apply", "Deployment")]


@pytest.mark.parametrize(("verb", "kind"), BUGS, ids=["before the report", "after it", "of a model that serves"])
async def test_bug_that_strikes_again_is_told_once_and_taken_back(world: World, verb: str, kind: str) -> None:
    """What the operator says stays true while it cannot go on, and no two statuses are written in turn."""
    world.apply(model())
    if verb == "apply":
        stable = await world.ready()
        world.cluster.edit(DEPLOYMENT, NAMESPACE, stable, lambda d: d["spec"].update(strategy={"type": "Recreate"}))
    fault = world.cluster.fail(ZeroDivisionError(f"secret {id(world)}"), verb=verb, kind=kind)
    await world.until(lambda: world.says("Ready", "False", "InternalError"))
    message = world.condition("Ready")["message"]
    assert "ZeroDivisionError" in message
    assert "operator's log" in message
    assert "secret" not in message
    assert world.says("Reconciling", "True", "InternalError")
    await world.until(lambda: "InternalError" in [e["reason"] for e in world.cluster.of(EVENT)])
    await world.advance(20)
    since = len(world.changes())
    await world.advance(200)
    assert fault.struck > 10
    assert len(world.changes(0)[since:]) <= 7, "the phase's clock at most"
    assert world.says("Ready", "False", "InternalError")
    fault.lift()
    await world.ready(within=30)


async def test_candidate_waits_while_only_some_of_its_pods_find_a_place(world: World) -> None:
    """One pod answers, the other is beyond the quota: the words are shown, and nothing is refused."""
    world.apply(config_map("iris-model-2", b"model two"))
    world.apply(model())
    stable = await world.ready()
    world.kubelet.refusal = lambda revision: None if revision == stable else QUOTA
    world.apply(model(model=TWO, runtime={"startupDeadlineSeconds": 30}))
    await world.until(lambda: world.says("RolloutHealthy", "False", "PodsRefused"))
    await world.advance(120)
    assert not world.status()["rejected"]
    assert world.says("Available", "True", "Serving")
    assert names.LABEL_REVISION
    world.kubelet.refusal = lambda revision: None
    world.kubelet.serving = lambda revision, number: running()
    world.kubelet.sync()
    assert await world.ready() != stable
