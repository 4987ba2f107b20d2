"""The chapters of the demo in local mode, in their order. Each does what a user would, and checks what came of it.

Called by `command.py`. What must hold is stated with `check`; the first thing that differs ends the story.
"""

import time
from pathlib import Path

from dev.demo.local import leftovers
from dev.demo.local.scene import Scene
from dev.demo.local.serving import Row
from dev.demo.narration import Narrator
from dev.demo.traffic import traffic
from examples.iris import train as flowers

ONE, TWO = "replicas: 1", "replicas: 2"
BY_LOAD = """scaling:
    maxReplicas: 3
    stableWindowSeconds: 6
    targetUtilizationPercent: 100
    metrics: [{type: RequestsPerSecond, target: 15}]"""
TO_ZERO = """scaling:
    minReplicas: 0
    stableWindowSeconds: 6
    scaleToZero: {gracePeriodSeconds: 1}"""
FEW = 5.0
"""Requests a second that one pod bears with ease; the usual rate is more than two do."""


def tell(scene: Scene) -> None:
    """The whole story, once the models are trained."""
    serve(scene)
    predict(scene)
    scale(scene)
    scale_by_load(scene)
    update(scene)
    refuse_broken(scene)
    refuse_wrong_digest(scene)
    refuse_too_large(scene)
    refuse_mixed_up(scene)
    take_back(scene)
    return_to_good(scene)
    sleep(scene)
    wake(scene)
    stop(scene)
    go_on(scene)
    end(scene)


def train(narrator: Narrator, folder: Path, port: int) -> Scene:
    """The two models, and the manifest of the first with one replica."""
    scene = Scene(narrator, folder, port)
    for words, truth in (("a first try", scene.first), ("a better one", scene.improved)):
        name = type(truth.estimator).__name__
        narrator.tell(f"{words}: {name}, right for {truth.right} of 50 flowers that it has not seen")
    scene.check(scene.improved.right > scene.first.right, "the second is better than the first")
    scene.save("iris.yaml", (TWO, ONE))
    narrator.output(["$ cat iris.yaml", *shortened(scene.manifest.read_text())])
    return scene


def serve(scene: Scene) -> None:
    with scene.narrator.chapter("Serve the first"):
        began = time.monotonic()
        scene.start()
        row = scene.ready()
        seconds = time.monotonic() - began
        scene.show("get", "iris")
        scene.check(len(row.pods) == 1, f"one pod answers, {seconds:.1f} s after the start", row.pods)


def predict(scene: Scene) -> None:
    with scene.narrator.chapter("Predict, with a public client of the Open Inference Protocol"):
        scene.narrator.tell(f'> client = tritonclient.http.InferenceServerClient("{scene.serving.address}")')
        scene.narrator.tell('> client.infer("iris", [features of 50 flowers that the model has not seen])')
        scene.compare(scene.first)
        scene.narrator.output([f"$ {scene.curl()}"])
        species, cold = scene.by_host_name()
        scene.check(cold == 0, "no request has waited for a pod", cold)
        scene.check(species == scene.first_says, f"by its host name it says {species} too", species)


def scale(scene: Scene) -> None:
    with scene.narrator.chapter("Scale by an edit: replicas 2"):
        before = scene.now()
        scene.save("iris.yaml")
        row = scene.ready(before.generation)
        scene.show("get", "iris")
        kept = before.pods.items() < row.pods.items()
        scene.check(kept and len(row.pods) == 2, "two pods answer, the first one among them", row.pods)
        scene.check(row.revision == before.revision, f"it is still {row.revision}", row.revision)


def scale_by_load(scene: Scene) -> None:
    with scene.narrator.chapter("Scale by load: one to three pods, each for 15 requests a second"):
        before = scene.now()
        scene.save("iris.yaml", (TWO, BY_LOAD))
        scene.narrator.output(BY_LOAD.splitlines())
        scene.ready(before.generation)
        with traffic(scene.serving.address, scene.measures) as many:
            row = scene.sized("3/3")
        scene.show("get", "iris")
        scene.check(row.revision == before.revision, f"more than 15 a second: three pods of {row.revision}", row.pods)
        with traffic(scene.serving.address, scene.measures, FEW) as few:
            scene.sized("1/1")
        scene.narrator.command(["serinus", "events", "iris"])
        told = [line for line in scene.serving.ask("events", "iris") if "   Scaled" in line]
        scene.narrator.output(["…", *told])
        scene.check("→ 1: " in "".join(told), "fewer: one pod, and the events say why it was so many", told)
        lost = [*many.lost, *few.lost]
        complete = many.complete() and few.complete()
        scene.check(complete, f"none of {many.sent + few.sent} requests was lost on the way up and down", lost)
        scene.save("iris.yaml")
        scene.sized("2/2")


def update(scene: Scene) -> None:
    with scene.narrator.chapter("Edit it to the better model, in steps under constant traffic"):
        before = scene.now()
        scene.narrator.output(flowers.IN_STEPS.splitlines())
        with traffic(scene.serving.address, scene.measures) as tally:
            began = time.monotonic()
            scene.save("canary.yaml")
            for weight in ("75/25%", "25/75%"):
                scene.shared(weight)
                scene.narrator.tell(f"{weight} after {time.monotonic() - began:.1f} s")
            scene.show("get", "iris")
            scene.narrator.tell("It has passed one step; somebody passes the other by hand:")
            scene.show("promote", "iris")
            row = scene.ready(before.generation)
            seconds = time.monotonic() - began
            scene.gone(before.revision)
        old, new = before.revision, row.revision
        scene.show("get", "iris", "-o", "wide")
        scene.narrator.tell(str(tally))
        scene.check(tally.complete(), f"none of {tally.sent} requests was lost", tally)
        in_order = tally.revisions == [old, new]
        scene.check(in_order, f"first {old} answered, then both, and {new} alone {seconds:.1f} s later", tally)
        both = {(old, scene.first_says), (new, scene.improved_says)}
        scene.check(set(tally.answers) == both, "each revision gave its own model's answer, every time", tally)
        scene.compare(scene.improved)


def refuse_broken(scene: Scene) -> None:
    with scene.narrator.chapter("Edit it to a model that was cut off while it was copied"):
        found = refuse(scene, "LoadFailed", "broken.yaml")
        scene.check("Protobuf parsing failed" in found, "the message is ONNX Runtime's own", found)


def refuse_wrong_digest(scene: Scene) -> None:
    with scene.narrator.chapter("Edit it to a model under a digest that is not its own"):
        found = refuse(scene, "DigestMismatch", "wrong-digest.yaml")
        both = scene.first.digest in found and scene.improved.digest in found
        scene.check(both, "the message has both digests", found)


def refuse_too_large(scene: Scene) -> None:
    with scene.narrator.chapter("Edit it to a model that needs more memory than its limit"):
        found = refuse(scene, "OutOfMemory", "too-large.yaml")
        scene.check("512 MiB" in found, "the message has the limit", found)


def refuse_mixed_up(scene: Scene) -> None:
    with scene.narrator.chapter("Edit it to a model that has mixed up two species; a golden request asks for one"):
        found = refuse(scene, "GoldenMismatch", "mixed-up.yaml")
        scene.check("two-flowers.json" in found, "the message has the golden request", found)


def take_back(scene: Scene) -> None:
    title = f"Edit it to a model that knows the golden request, and fails on petals beyond {flowers.LONGEST} cm"
    with scene.narrator.chapter(title):
        before = scene.now()
        with traffic(scene.serving.address, scene.measures) as tally:
            scene.save("brittle.yaml")
            candidate = next(iter(set(scene.shared("75/25%").pods.values()) - {before.revision}))
            row = scene.stalled(before.generation)
            scene.gone(candidate)
        scene.tell(row)
        found = row.condition("Ready")
        judged = (found.get("status"), found.get("reason")) == ("False", "AnalysisFailed")
        scene.check(judged and candidate in found["message"], f"{candidate} was judged in its first step", found)
        met = len(tally.lost)
        ours = all(f"500 of {candidate} " in one for one in tally.lost)
        scene.check(met > 0 and ours, f"{met} of {tally.sent} requests met it, and nothing else was lost", tally)
        untouched = set(tally.answers) == {(row.revision, scene.improved_says)}
        scene.check(untouched, f"{row.revision} has answered all others", tally)
        scene.check(serves_on(before, row), "and serves on, in the same pods", row.pods)


def refuse(scene: Scene, reason: str, name: str) -> str:
    """A bad model is refused with a reason, and the good one serves on in the same pods; what `Ready` says."""
    before = scene.now()
    with traffic(scene.serving.address, scene.measures) as tally:
        scene.save(name)
        row = scene.stalled(before.generation)
    scene.tell(row)
    found = row.condition("Ready")
    refused = (found.get("status"), found.get("reason")) == ("False", reason)
    scene.check(refused, f"refused: Ready is False, {reason}", found)
    scene.check(serves_on(before, row), f"{row.revision} serves on, in the same pods", row.pods)
    untouched = tally.complete() and set(tally.answers) == {(row.revision, scene.improved_says)}
    scene.check(untouched, f"none of {tally.sent} requests noticed it", tally)
    return found["message"]


def return_to_good(scene: Scene) -> None:
    with scene.narrator.chapter("Go back to the good model"):
        before = scene.now()
        scene.save("improved.yaml")
        row = scene.ready(before.generation)
        scene.tell(row)
        scene.check(serves_on(before, row), "Ready again, and no pod was restarted", row.pods)


def sleep(scene: Scene) -> None:
    with scene.narrator.chapter("Let it sleep when nobody asks: no pods, until a request comes"):
        before = scene.now()
        scene.save("improved.yaml", (TWO, TO_ZERO))
        scene.narrator.output(TO_ZERO.splitlines())
        scene.ready(before.generation)
        began = time.monotonic()
        row = scene.asleep()
        seconds = time.monotonic() - began
        scene.show("get", "iris")
        scene.check(
            row.holds("Ready"), f"it sleeps, {seconds:.1f} s later, and counts as Ready", row.condition("Ready")
        )
        left = [line for line in leftovers.processes(scene.folder) if "serinus_runtime" in line]
        scene.check(not row.told["pods"] and not left, "none of its processes is left", [*row.told["pods"], *left])


def wake(scene: Scene) -> None:
    with scene.narrator.chapter("Wake it by a request"):
        before = scene.now()
        scene.narrator.output([f"$ {scene.curl()}"])
        began = time.monotonic()
        species, cold = scene.by_host_name()
        milliseconds = (time.monotonic() - began) * 1000
        scene.check(species == scene.improved_says, f"the request was held, and answered {species}", species)
        scene.check(
            0 < cold <= milliseconds, f"after {milliseconds:.0f} ms, of which its pod needed {cold} to be there", cold
        )
        row = scene.sized("1/1")
        scene.check(row.revision == before.revision, f"one pod of {row.revision}, as before", row.revision)
        scene.save("improved.yaml")
        scene.sized("2/2")


def stop(scene: Scene) -> None:
    with scene.narrator.chapter("Edit it back to the first model, and stop it in the middle of that"):
        before = scene.now()
        scene.save("iris.yaml")
        row = scene.begun(before.generation)
        scene.tell(row)
        scene.check(row.revision == before.revision, f"{row.revision} answers still", row.revision)
        interrupt(scene)
        left = sorted(path.name for path in (scene.folder / ".serinus").iterdir())
        scene.check("objects" in left, f"what it knows stays in the state folder: {', '.join(left)}", left)


def go_on(scene: Scene) -> None:
    with scene.narrator.chapter("Start it again: it goes on"):
        began = time.monotonic()
        scene.start()
        row = scene.ready()
        seconds = time.monotonic() - began
        scene.tell(row)
        scene.check(len(row.pods) == 2, f"two pods answer, {seconds:.1f} s after the start", row.pods)
        scene.compare(scene.first)


def end(scene: Scene) -> None:
    with scene.narrator.chapter("Stop it for good"):
        scene.now()
        interrupt(scene)


def interrupt(scene: Scene) -> None:
    """Ctrl-C ends it in order, and leaves no process and no open port."""
    scene.narrator.output(["^C"])
    code = scene.serving.interrupt()
    scene.narrator.output(scene.serving.last_lines(2))
    scene.check(code == 0, "it ended in order, exit code 0", [code, *scene.serving.last_lines()])
    found = leftovers.processes(scene.folder)
    scene.check(not found, "no process is left", found)
    addresses = {*scene.seen, f"127.0.0.1:{scene.port}"}
    open_ = leftovers.listening(addresses)
    scene.check(not open_, f"nothing listens any more on its {len(addresses)} addresses", open_)


def serves_on(before: Row, after: Row) -> bool:
    """Whether the same revision answers in the same pods."""
    same = before.revision == after.revision and before.pods.items() <= after.pods.items()
    return same and after.holds("Available")


def shortened(text: str) -> list[str]:
    """The manifest without its comment, and with the model's bytes left out."""
    lines: list[str] = []
    for line in text.splitlines():
        if "model.onnx: " in line:
            lines.append(line[: line.index('"') + 25] + '…"')
        elif line and not line.startswith("#") and not line.endswith("\\") and not line.endswith('"'):
            lines.append(line)
    return lines
