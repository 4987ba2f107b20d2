"""The chapters of the demo, in their order. Each does something as a user would, and checks what came of it.

Called by `__main__`. What must hold is stated with `check`; the first thing that differs ends the story.
"""

import shlex
import time

from dev.demo import chart
from dev.demo.reach import service_address
from dev.demo.scene import OF_IRIS, Scene, is_ready
from dev.demo.shell import wait_until
from dev.demo.traffic import traffic

GONE_SECONDS = 30.0
DRAIN_SECONDS = 60.0
READY = "condition=Ready"
STALLED = "condition=Stalled"


def tell(scene: Scene) -> None:
    """The whole story, from an empty cluster to an empty cluster."""
    install(scene)
    serve(scene)
    with service_address(scene.shell, scene.site.models, "iris", direct=scene.direct) as scene.address:
        predict(scene)
        update(scene)
        refuse_broken(scene)
        refuse_wrong_digest(scene)
        return_to_good(scene)
        scale(scene)
    look(scene)
    delete(scene)
    uninstall(scene)


def stay(scene: Scene) -> None:
    """The beginning of the story, and what to try next."""
    install(scene)
    serve(scene)
    with service_address(scene.shell, scene.site.models, "iris", direct=scene.direct) as scene.address:
        predict(scene)
    suggest(scene)


def install(scene: Scene) -> None:
    site = scene.site
    with scene.narrator.chapter("Install the operator with Helm"):
        chart.install(scene.shell, site)
        pods = scene.shell.read("pods", "-n", site.system)["items"]
        ready = [is_ready(pod) for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        scene.check(ready == [True], f"one operator is ready; it watches {site.models} alone", ready)


def serve(scene: Scene) -> None:
    with scene.narrator.chapter("Serve a model: a logistic regression from scikit-learn, as ONNX in a ConfigMap"):
        began = time.monotonic()
        scene.apply("examples/iris.yaml")
        scene.wait(READY)
        seconds = time.monotonic() - began
        scene.kubectl("get", "mdep")
        scene.check(len(scene.pods()) == 2, f"two pods answer, {seconds:.1f} s after apply", scene.pods())


def predict(scene: Scene) -> None:
    with scene.narrator.chapter("Predict through its Service, with a public client of the Open Inference Protocol"):
        scene.narrator.tell(f'> client = tritonclient.http.InferenceServerClient("{scene.address}")')
        scene.narrator.tell('> client.infer("iris", [features of 50 flowers that the model has not seen])')
        scene.compare(scene.first)


def update(scene: Scene) -> None:
    with scene.narrator.chapter("Update to a better model under constant traffic"):
        old = scene.stable()
        with traffic(scene.address, scene.measures) as tally:
            scene.apply("examples/iris/improved.yaml")
            scene.wait(READY)
            gone = wait_until(lambda: not scene.has_pods(old), DRAIN_SECONDS)
        new = scene.stable()
        scene.narrator.tell(str(tally))
        scene.check(tally.complete(), f"none of {tally.sent} requests was lost", tally)
        scene.check(tally.revisions == [old, new], f"first {old} answered, then {new}", tally)
        both = {(old, scene.first_says), (new, scene.improved_says)}
        scene.check(set(tally.answers) == both, "each revision gave its own model's answer, every time", tally)
        scene.check(gone, f"the pods of {old} have ended")
        scene.compare(scene.improved)


def refuse_broken(scene: Scene) -> None:
    with scene.narrator.chapter("Apply a model that was cut off while it was copied"):
        refuse(scene, "examples/iris/broken.yaml", "ModelValidated", "LoadFailed")
        message = scene.condition("ModelValidated")["message"]
        scene.check("Protobuf parsing failed" in message, "the message is ONNX Runtime's own", message)


def refuse_wrong_digest(scene: Scene) -> None:
    with scene.narrator.chapter("Apply a model under a digest that is not its own"):
        refuse(scene, "examples/iris/wrong-digest.yaml", "ModelResolved", "DigestMismatch")
        message = scene.condition("ModelResolved")["message"]
        both = scene.first.digest in message and scene.improved.digest in message
        scene.check(both, "the message has both digests", message)


def refuse(scene: Scene, path: str, kind: str, reason: str) -> None:
    """A bad model is refused with a reason, and the good one serves on in the same pods."""
    stable, pods = scene.stable(), scene.pods()
    with traffic(scene.address, scene.measures) as tally:
        scene.apply(path)
        scene.wait(STALLED)
    scene.kubectl("get", "mdep")
    scene.describe("Available", kind, "Stalled")
    found = scene.condition(kind)
    scene.check((found["status"], found["reason"]) == ("False", reason), f"refused: {kind} is False, {reason}", found)
    scene.check(scene.stable() == stable and scene.pods() == pods, f"{stable} serves on, in the same pods")
    untouched = tally.complete() and set(tally.answers) == {(stable, scene.improved_says)}
    scene.check(untouched, f"none of {tally.sent} requests noticed it", tally)


def return_to_good(scene: Scene) -> None:
    with scene.narrator.chapter("Go back to the good model"):
        pods = scene.pods()
        scene.apply("examples/iris/improved.yaml")
        scene.wait(READY)
        scene.check(scene.pods() == pods, "Ready again, and no pod was restarted", scene.pods())


def scale(scene: Scene) -> None:
    with scene.narrator.chapter("Scale to three"):
        stable, pods = scene.stable(), scene.pods()
        scene.kubectl("scale", "mdep/iris", "--replicas=3")
        scene.wait(READY)
        now = scene.pods()
        scene.check(len(now) == 3 and pods < now, "three pods answer, the first two among them", now)
        scene.check(scene.stable() == stable, f"it is still {stable}", scene.stable())


def look(scene: Scene) -> None:
    with scene.narrator.chapter("Look at it"):
        scene.kubectl("get", "mdep", "-o", "wide")
        scene.kubectl("get", "pods,services,controllerrevisions", "-l", OF_IRIS)
        scene.describe("Ready", "Available", "ModelResolved", "ModelValidated")
        live = scene.model()
        generations = {one["observedGeneration"] for one in live["status"]["conditions"]}
        current = generations == {live["metadata"]["generation"]}
        scene.check(current, "every condition speaks of the present spec", generations)


def delete(scene: Scene) -> None:
    with scene.narrator.chapter("Delete it"):
        began = time.monotonic()
        scene.kubectl("delete", "mdep", "iris")
        gone = wait_until(lambda: not scene.children(), GONE_SECONDS)
        seconds = time.monotonic() - began
        scene.check(gone, f"its pods, its Services and all else are gone, {seconds:.1f} s later", scene.children())


def uninstall(scene: Scene) -> None:
    site = scene.site
    with scene.narrator.chapter("Uninstall"):
        scene.shell.show("helm", "uninstall", site.release, "-n", site.system, "--wait")
        scene.shell.show("kubectl", "delete", "namespace", *site.namespaces)
        if chart.may_remove_crd(scene.shell, site):
            scene.narrator.tell(
                "The chart leaves the CustomResourceDefinition in place, and with it everybody's models."
            )
            scene.shell.show("kubectl", "delete", chart.CRD)
        elif chart.owns_crd(scene.shell, site):
            scene.narrator.tell("The CustomResourceDefinition stays: somebody else has come to use it.")
        left = scene.leftovers()
        scene.check(not left, "nothing of the demo is left on the cluster", left)


def suggest(scene: Scene) -> None:
    """Three commands to try, and how to end it."""
    models = scene.site.models
    data = ",".join(map(str, scene.measures))
    body = shlex.quote(f'{{"inputs":[{{"name":"features","datatype":"FP32","shape":[1,4],"data":[{data}]}}]}}')
    path = f"/api/v1/namespaces/{models}/services/iris:http/proxy/v2/models/iris/infer"
    by_address = f"curl http://{scene.address}/v2/models/iris/infer -d {body}"
    by_proxy = f"kubectl create --raw {path} -f - <<< {body}"
    scene.narrator.output(
        (
            "",
            'It stays. To use it, set KUBECONFIG and the path: eval "$(.venv/bin/python -m dev.cluster env)"',
            "",
            f"kubectl -n {models} get mdep -o wide",
            by_address if scene.direct else by_proxy,
            f"kubectl -n {models} apply -f examples/iris/improved.yaml && kubectl -n {models} get mdep --watch",
            "",
            f"To end it: .venv/bin/python -m dev.demo --cluster --remove --prefix {scene.site.prefix}",
        )
    )
