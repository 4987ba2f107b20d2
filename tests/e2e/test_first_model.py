"""From `kubectl apply` to predictions: the README's example, and what a user sees with kubectl."""

import json
import re
from pathlib import Path

from tests.e2e.harness import oip
from tests.e2e.harness.audit import count, instant, writes
from tests.e2e.harness.kubectl import to_list
from tests.e2e.harness.models import config_map, deployment
from tests.e2e.harness.waiting import Stopwatch, wait_for
from tests.e2e.harness.world import World
from tests.models import doubler

EXAMPLE = Path(__file__).parents[2] / "examples" / "iris.yaml"
SETOSA = (5.1, 3.5, 1.4, 0.2)
ASK = """
import json, sys, urllib.request
body = {"inputs": [{"name": "features", "datatype": "FP32", "shape": [1, 4], "data": [5.1, 3.5, 1.4, 0.2]}]}
request = urllib.request.Request(sys.argv[1], json.dumps(body).encode(), {"Content-Type": "application/json"})
print(urllib.request.urlopen(request, timeout=10).read().decode())
"""


def test_the_example_predicts_from_the_host_and_from_another_pod(world: World, namespace: str) -> None:
    iris = world.model(namespace, "iris")
    began, watch = instant(), Stopwatch()
    iris.kubectl("apply", "-f", str(EXAMPLE))

    def ready() -> bool:
        status = iris.status()
        phase = (status.get("resolution") or {}).get("phase")
        if phase:
            watch.lap(phase)
        return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ()))

    wait_for(ready, seconds=120, what="iris is ready", describe=iris.brief)
    watch.lap("Ready")
    iris.kubectl("wait", "--for=condition=Ready", "mdep/iris", "--timeout=10s")
    world.figures.note("apply → phase (seconds since apply), 2 replicas", **watch.laps)
    if world.audit:
        calls = world.audit.requests(world.main_release().user, began, namespace=namespace)
        world.figures.note("API calls to create one model", writes=len(writes(calls)), **count(calls))

    answer = oip.predict(iris.url, "iris", SETOSA, tensor="features")
    assert answer["label"] == [b"setosa"]
    (address,) = {iris.status()["url"]}
    assert address == f"http://iris.{namespace}.svc.cluster.local"
    pod = oip.python_pod("client", world.images.runtime, "-c", ASK, f"{address}/v2/models/iris/infer")
    told = json.loads(oip.run_pod(world.api, iris.kubectl, pod))
    assert told["outputs"][0]["data"] == ["setosa"]


def test_kubectl_shows_explains_and_scales_a_model(world: World, namespace: str) -> None:
    model = world.model(namespace, "shown")
    model.apply_onnx(doubler(2.0))
    model.wait_ready()
    revision, digest = model.stable, model.status()["revisions"][0]["model"]["digest"]

    row = model.kubectl.columns("mdep", "shown")
    assert row.pop("AGE")
    assert row == {
        "NAME": "shown",
        "READY": "True",
        "REVISION": revision,
        "WEIGHT": "100%",
        "REPLICAS": "1/1",
        "STATE": "Awake",
        "REASON": "Ready",
    }
    wide = model.kubectl.columns("mdep", "shown", "-o", "wide")
    assert wide["URL"] == f"http://shown.{namespace}.svc.cluster.local"
    assert wide["DIGEST"] == digest[:19]
    assert wide["ENGINE"] == "Fixed"
    assert "shown" in model.kubectl("get", "serinus")

    described = model.kubectl("describe", "mdep", "shown")
    for word in ("Ready", "Available", "ModelResolved", "ModelValidated", revision, digest):
        assert word in described
    events = described.partition("Events:")[2]
    assert re.search(r"Normal\s+Ready\s", events), described
    assert "configmap://" in model.kubectl("explain", "mdep.spec.model.uri")
    assert "ModelResolved" in model.kubectl("explain", "mdep.status.conditions.type")

    before = model.incarnations()
    model.kubectl("scale", "mdep/shown", "--replicas=2")
    wait_for(lambda: len(model.incarnations()) == 2, seconds=30, what="two pods", describe=model.brief)
    model.wait_ready()
    assert before < model.incarnations(), "the first pod was not left alone"
    assert model.revisions == [revision], "an edit of replicas made a new revision"
    assert model.kubectl.columns("mdep", "shown")["REPLICAS"] == "2/2"
    model.kubectl("scale", "mdep/shown", "--replicas=1")
    wait_for(lambda: len(model.incarnations()) == 1, seconds=30, what="one pod", describe=model.brief)
    model.wait_ready()
    assert model.revisions == [revision]


def test_both_ways_to_apply_leave_no_difference(world: World, namespace: str) -> None:
    for name, more in (("client", ()), ("server", ("--server-side",))):
        model = world.model(namespace, name)
        manifests = to_list(
            [
                config_map(f"{name}-model", model_onnx=doubler(2.0)),
                deployment(name, f"configmap://{name}-model/model.onnx"),
            ]
        )
        model.kubectl("apply", *more, "-f", "-", stdin=manifests)
        model.wait_ready()
        shown = model.kubectl.try_("diff", *more, "-f", "-", stdin=manifests)
        assert (shown.returncode, shown.stdout) == (0, ""), shown.stdout + shown.stderr
        generation = model.live()["metadata"]["generation"]
        model.kubectl("apply", *more, "-f", "-", stdin=manifests)
        assert model.live()["metadata"]["generation"] == generation
