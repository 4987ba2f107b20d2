"""From one revision to the next: nothing is lost, and nothing restarts that was fine."""

import json
from pathlib import Path

from tests.e2e.harness import oip, prober
from tests.e2e.harness.models import SAID_SECONDS
from tests.e2e.harness.waiting import wait_for
from tests.e2e.harness.world import World
from tests.models import doubler, unknown_operator

from serinus_api import names

RATE = 20
POD_SECONDS = 45
ROOM = {"maxConcurrency": 64, "resources": {"requests": {"cpu": "200m", "memory": "160Mi"}}}
"""A busy machine must not make a pod refuse what it would answer a second later: this is about the change of hands."""


def test_an_edited_model_takes_over_without_a_lost_request(world: World, namespace: str) -> None:
    model = world.model(namespace, "edited")
    model.apply_onnx(doubler(2.0), replicas=2, runtime=ROOM)
    model.wait_ready()
    first, url = model.stable, model.status()["url"]
    program = {"prober.py": Path(prober.__file__).read_text()}
    model.kubectl.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "prober"}, "data": program})
    arguments = ("/code/prober.py", url, "edited", "10", str(POD_SECONDS))
    model.kubectl.apply(oip.python_pod("prober", world.images.runtime, *arguments, config="prober"))

    with model.probe(rate=RATE) as from_host:
        model.apply_onnx(doubler(3.0), "second", replicas=2, runtime=ROOM)
        model.wait_ready()
        second = model.stable
        wait_for(lambda: not model.pods(revision=first), seconds=60, what="the old pods are gone")
        # Back to what was served before: the revision is known, so no preflight comes before its pods.
        model.apply_onnx(doubler(2.0), replicas=2, runtime=ROOM)
        model.wait_ready()
        wait_for(lambda: not model.pods(revision=second), seconds=60, what="the new pods are gone")
    from_host.assert_none_lost()
    pod = oip.python_pod("prober", world.images.runtime, *arguments, config="prober")
    lines = oip.run_pod(world.api, model.kubectl, pod, seconds=POD_SECONDS + 30).splitlines()
    from_pod = [json.loads(line) for line in lines]
    world.figures.note(
        "rollout and back, from the host", sent=len(from_host.records), lost=0, **from_host.by_revision()
    )
    lost = [record for record in from_pod if record["error"]]
    world.figures.note("rollout and back, from another pod", sent=len(from_pod), lost=len(lost))
    assert len(from_pod) >= POD_SECONDS * 10 * 0.9
    assert not lost, lost[:3]

    assert second != first == model.stable
    assert set(from_host.by_revision()) == {first, second}
    for record in (*from_host.records, *from_pod):
        factor = {first: 2.0, second: 3.0}[record["revision"]]
        assert record["output"] == [factor, 2 * factor, 3 * factor, 4 * factor], record
    assert model.revisions == [first, second]


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


def test_the_stable_deployment_is_restored_while_a_bad_candidate_is_refused(world: World, namespace: str) -> None:
    model = world.model(namespace, "restored")
    model.apply_onnx(doubler(2.0), replicas=2)
    model.wait_ready()
    stable = model.stable
    template = world.api.read("deployments", namespace, stable)["spec"]["template"]
    model.apply_onnx(unknown_operator(), "bad", replicas=2)
    model.wait_for("ModelValidated", "False", "LoadFailed")

    model.kubectl.delete("deployment", stable)
    restored = wait_for(
        lambda: (world.api.get("deployments", namespace, stable) or {}).get("spec", {}).get("template") == template,
        seconds=SAID_SECONDS,
        what="the Deployment is made again from its revision",
    )
    assert restored
    assert world.api.read("deployments", namespace, stable)["spec"]["replicas"] == 2
    model.wait_for("Available", "True", "Serving", seconds=60)

    edits = [
        {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "by-hand:1"},
        {"op": "add", "path": "/spec/template/spec/containers/0/command", "value": ["false"]},
        {"op": "replace", "path": "/spec/replicas", "value": 5},
    ]
    world.api.patch("deployments", namespace, stable, edits, "application/json-patch+json")

    def as_recorded() -> bool:
        spec = world.api.read("deployments", namespace, stable)["spec"]
        return bool(spec["template"] == template and spec["replicas"] == 2)

    wait_for(
        as_recorded,
        seconds=SAID_SECONDS,
        what="the edited Deployment is as its revision says, at its size",
        describe=lambda: world.api.read("deployments", namespace, stable)["spec"],
    )
    model.wait_for("Ready", "False", "LoadFailed")
    assert model.stable == stable
    model.wait_for_answer({"y": [[2.0, 4.0, 6.0, 8.0]]})
