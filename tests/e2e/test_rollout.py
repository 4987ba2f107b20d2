"""From one revision to the next: nothing is lost, and nothing restarts that was fine."""

import json
from pathlib import Path

from tests.e2e.harness import oip, prober
from tests.e2e.harness.api import JSON_PATCH, Manifest
from tests.e2e.harness.models import SAID_SECONDS, Model
from tests.e2e.harness.waiting import wait_for
from tests.e2e.harness.world import World
from tests.models import doubler, unknown_operator

from serinus_api import names

RATE = 20
POD_RATE = 10
TERMINATE = "import os, signal; os.kill(1, signal.SIGTERM)"
ROOM = {"maxConcurrency": 64, "resources": {"requests": {"cpu": "200m", "memory": "160Mi"}}}
"""A busy machine must not make a pod refuse what it would answer a second later: this is about the change of hands."""


def test_an_edited_model_takes_over_without_a_lost_request(world: World, namespace: str) -> None:
    model = world.model(namespace, "edited")
    model.apply_onnx(doubler(2.0), replicas=2, runtime=ROOM)
    model.wait_ready()
    first, url = model.stable, model.status()["url"]
    program = {"prober.py": Path(prober.__file__).read_text()}
    model.kubectl.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "prober"}, "data": program})
    arguments = ("/code/prober.py", url, "edited", str(POD_RATE))
    pod = oip.python_pod("prober", world.images.runtime, *arguments, config="prober")
    model.kubectl.apply(pod)
    answered_in_pod(model, first)

    with model.probe(rate=RATE) as from_host:
        model.apply_onnx(doubler(3.0), "second", replicas=2, runtime=ROOM)
        model.wait_ready()
        second = model.stable
        wait_for(lambda: not model.pods(revision=first), seconds=60, what="the old pods are gone")
        answered_in_pod(model, second)
        # Back to what was served before: the revision is known, so no preflight comes before its pods.
        model.apply_onnx(doubler(2.0), replicas=2, runtime=ROOM)
        model.wait_ready()
        wait_for(lambda: not model.pods(revision=second), seconds=60, what="the new pods are gone")
    from_host.assert_none_lost()
    model.kubectl("exec", "prober", "--", "python3", "-c", TERMINATE)
    lines = oip.run_pod(world.api, model.kubectl, pod).splitlines()
    *from_pod, last = [json.loads(line) for line in lines]
    world.figures.note(
        "rollout and back, from the host", sent=len(from_host.records), lost=0, **from_host.by_revision()
    )
    prober.account(last["sent"], from_pod)
    world.figures.note("rollout and back, from another pod", sent=last["sent"], lost=0)

    assert second != first == model.stable
    assert set(from_host.by_revision()) == {record["revision"] for record in from_pod} == {first, second}
    for record in (*from_host.records, *from_pod):
        factor = {first: 2.0, second: 3.0}[record["revision"]]
        assert record["output"] == [factor, 2 * factor, 3 * factor, 4 * factor], record
    assert model.revisions == [first, second]


def answered_in_pod(model: Model, revision: str) -> None:
    """Until the prober in its pod has had an answer of this revision."""
    wait_for(
        lambda: f'"revision": "{revision}"' in model.kubectl.try_("logs", "prober").stdout,
        seconds=60,
        what=f"{revision} answers the prober in its pod",
        describe=lambda: model.kubectl.try_("describe", "pod", "prober").stdout[-2000:],
    )


def test_a_revert_restarts_no_pod_that_was_fine(world: World, namespace: str) -> None:
    model = world.model(namespace, "reverted")
    model.apply_onnx(doubler(2.0))
    model.wait_ready()
    stable, before = model.stable, model.incarnations()
    with model.probe() as light:
        model.apply_onnx(doubler(3.0), "second")
        wait_for(
            lambda: model.pods(names.ROLE_PREFLIGHT), seconds=SAID_SECONDS, what="a preflight", describe=model.brief
        )
        model.apply_onnx(doubler(2.0))
        model.wait_ready()
        assert (model.stable, model.incarnations()) == (stable, before)
        model.apply_onnx(doubler(3.0), "second")
        candidate = wait_for(
            lambda: model.status().get("candidateRevision"), seconds=60, what="a candidate", describe=model.brief
        )
        model.apply_onnx(doubler(2.0))
        wait_for(
            lambda: not model.pods(names.ROLE_PREFLIGHT) and not model.pods(revision=candidate),
            seconds=60,
            what="preflight and candidate are gone",
        )
        model.wait_ready()
        assert (model.stable, model.incarnations()) == (stable, before)
    light.assert_none_lost()
    assert set(light.by_revision()) == {stable}
    world.figures.note("revert", sent=len(light.records), lost=0)


BY_HAND: list[Manifest] = [
    {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "by-hand:1"},
    {"op": "add", "path": "/spec/template/spec/containers/0/command", "value": ["false"]},
    {"op": "replace", "path": "/spec/replicas", "value": 5},
]


def test_the_stable_deployment_is_restored_while_a_bad_candidate_is_refused(world: World, namespace: str) -> None:
    """Before the verdict and after it. The preflight waits for a label of the node, so that there is a time before."""
    model = world.model(namespace, "restored")
    model.apply_onnx(doubler(2.0), replicas=2)
    model.wait_ready()
    stable = model.stable
    template = world.api.read("deployments", namespace, stable)["spec"]["template"]
    gate = f"serinus-e2e/{namespace}"
    model.apply_onnx(unknown_operator(), "bad", replicas=2, runtime={"nodeSelector": {gate: "open"}})
    (preflight,) = wait_for(lambda: model.pods(names.ROLE_PREFLIGHT), seconds=SAID_SECONDS, what="a preflight pod")

    deleted_and_edited(world, model, stable, template)
    assert [pod["metadata"]["uid"] for pod in model.pods(names.ROLE_PREFLIGHT)] == [preflight["metadata"]["uid"]]
    model.wait_for("ModelValidated", "Unknown")

    try:
        model.kubectl("label", "nodes", "--all", f"{gate}=open")
        model.wait_for("ModelValidated", "False", "LoadFailed", "Frobnicate", seconds=60)
    finally:
        model.kubectl("label", "nodes", "--all", f"{gate}-")
    model.wait_for("Stalled", "True", "RolledBack")
    deleted_and_edited(world, model, stable, template)
    model.wait_for("Ready", "False", "LoadFailed", "Frobnicate")
    assert model.stable == stable
    assert len(world.api.list("deployments", namespace)) == 1


def deleted_and_edited(world: World, model: Model, stable: str, template: Manifest) -> None:
    """The stable revision's Deployment, by hand; each time it is as its revision says, at its size, and answers."""
    where = ("deployments", model.namespace, stable)

    def spec() -> Manifest:
        found: Manifest = (world.api.get(*where) or {}).get("spec", {})
        return found

    def as_recorded() -> bool:
        live = spec()
        return live.get("template") == template and live.get("replicas") == 2

    before = {pod["metadata"]["uid"] for pod in model.pods(revision=stable)}
    model.kubectl.delete("deployment", stable)
    wait_for(lambda: not before & ready_pods(model, stable), seconds=60, what="the pods of the deleted one are gone")
    wait_for(as_recorded, seconds=SAID_SECONDS, what="it is made again from its revision", describe=spec)
    answers_again(model, stable)

    edited = world.api.patch(*where, BY_HAND, JSON_PATCH)["spec"]
    assert edited["template"] != template
    assert edited["replicas"] == 5
    wait_for(as_recorded, seconds=SAID_SECONDS, what="the edited one is as recorded", describe=spec)
    answers_again(model, stable)


def answers_again(model: Model, stable: str) -> None:
    """Two pods are ready, and the Service leads to them."""
    wait_for(lambda: len(ready_pods(model, stable)) == 2, seconds=60, what="two pods are ready")
    model.wait_for("Available", "True", "Serving")
    wait_for(lambda: oip.accepts(model.url), seconds=SAID_SECONDS, what=f"kube-proxy knows the pods of {model.url}")
    model.wait_for_answer({"y": [[2.0, 4.0, 6.0, 8.0]]})


def ready_pods(model: Model, revision: str) -> set[str]:
    """The UIDs of serving pods of a revision that are ready, also of those that are on their way out."""
    return {
        pod["metadata"]["uid"]
        for pod in model.pods(revision=revision)
        for condition in pod.get("status", {}).get("conditions", ())
        if (condition["type"], condition["status"]) == ("Ready", "True")
    }
